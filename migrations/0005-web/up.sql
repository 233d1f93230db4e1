-- Which new tags has the webhook not told of yet, and when is it to be tried again?
--
-- A trigger fills the outbox within the transaction of the tag, so that no tag is forgotten and none is told of that was
-- rolled back; nothing is collected while there is no target.

CREATE TABLE webhook_target (
    id              INTEGER PRIMARY KEY CHECK (id = 1),
    url             TEXT    NOT NULL,
    failures        INTEGER NOT NULL DEFAULT 0, -- in a row
    last_error      TEXT,
    next_attempt_ms INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE webhook_outbox (
    id       INTEGER PRIMARY KEY AUTOINCREMENT, -- names a delivery, so that no number comes twice
    image_id INTEGER NOT NULL,
    model_id INTEGER NOT NULL
) STRICT;

CREATE TRIGGER outcomes_into_webhook_outbox AFTER INSERT ON outcomes
WHEN new.label_id IS NOT NULL AND EXISTS (SELECT 1 FROM webhook_target)
BEGIN
    INSERT INTO webhook_outbox (image_id, model_id) VALUES (new.image_id, new.model_id);
END;
