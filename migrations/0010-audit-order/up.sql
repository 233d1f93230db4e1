-- Which words on a drawn photo were given after the draw, whatever the clock said meanwhile?

-- The greatest id in truths when it was drawn; NULL in the draws of an older hangtag, of which the times tell.
ALTER TABLE audits ADD COLUMN truths_before INTEGER;
