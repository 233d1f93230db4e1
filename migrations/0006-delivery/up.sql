-- Which batch of new tags was last posted without an answer that it arrived, so that the same one comes again?

ALTER TABLE webhook_target ADD COLUMN attempted INTEGER; -- the batch's last row of webhook_outbox; NULL: none is open
