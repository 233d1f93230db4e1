-- Up to when does a rebuild know the corrections, where it went on with one that had read them before it began?

ALTER TABLE runs ADD COLUMN corrections_read_at_ms INTEGER; -- NULL: it read them as it began, or not at all
