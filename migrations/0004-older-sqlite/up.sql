-- Is a healthy store also whole for the sqlite3 that a system brings along?
--
-- In older versions (3.40, of Debian 12, is one) json_valid(NULL) is 0 and not NULL, so that `PRAGMA integrity_check`
-- found fault with rows that have no figures or no verdict. The constraints now say themselves that NULL is allowed.
-- Their tables are made anew and filled, all in one transaction; those that name runs are copied first: dropping runs
-- would fail, or cascade.

DROP VIEW service;

CREATE TABLE new_service_history (
    id       INTEGER PRIMARY KEY,
    model_id INTEGER NOT NULL REFERENCES models (id),
    since_ms INTEGER NOT NULL,
    until_ms INTEGER,
    put_by   TEXT    NOT NULL CHECK (put_by IN ('gate', 'person', 'start')),
    forced   INTEGER NOT NULL CHECK (forced IN (0, 1)),
    reason   TEXT    NOT NULL,
    verdict  TEXT    CHECK (verdict IS NULL OR json_valid(verdict))
) STRICT;
INSERT INTO new_service_history (id, model_id, since_ms, until_ms, put_by, forced, reason, verdict)
    SELECT id, model_id, since_ms, until_ms, put_by, forced, reason, verdict FROM service_history;
DROP TABLE service_history;
ALTER TABLE new_service_history RENAME TO service_history;
CREATE UNIQUE INDEX service_history_open ON service_history (until_ms IS NULL) WHERE until_ms IS NULL;

CREATE TABLE new_runs (
    id            INTEGER PRIMARY KEY,
    state         TEXT    NOT NULL
                  CHECK (state IN ('running', 'finished', 'unchanged', 'skipped', 'failed', 'stopped')),
    cause         TEXT    NOT NULL
                  CHECK (cause IN ('command', 'schedule', 'catch_up', 'person', 'corrections', 'drift')),
    due_at_ms     INTEGER,                           -- the moment of the schedule that it answers
    fingerprint   TEXT,                              -- of data, corrections, parameters and seed
    started_at_ms INTEGER NOT NULL,
    ended_at_ms   INTEGER,
    parameters    TEXT    NOT NULL CHECK (json_valid(parameters)),
    figures       TEXT    CHECK (figures IS NULL OR json_valid(figures)),
    reason        TEXT,
    bundle        TEXT,
    model         TEXT    CHECK (length(model) = 16), -- may never have been registered
    verdict       TEXT    CHECK (verdict IS NULL OR json_valid(verdict)),
    CHECK ((state = 'running') = (ended_at_ms IS NULL))
) STRICT;
INSERT INTO new_runs (id, state, cause, due_at_ms, fingerprint, started_at_ms, ended_at_ms, parameters, figures,
        reason, bundle, model, verdict)
    SELECT id, state, cause, due_at_ms, fingerprint, started_at_ms, ended_at_ms, parameters, figures, reason, bundle,
        model, verdict FROM runs;
CREATE TABLE new_run_epochs (
    run_id       INTEGER NOT NULL REFERENCES new_runs (id) ON DELETE CASCADE,
    epoch        INTEGER NOT NULL CHECK (epoch >= 1),
    seconds      REAL    NOT NULL,
    loss         REAL,                               -- NULL: diverged, not a number
    accuracy     REAL    NOT NULL,
    val_loss     REAL,
    val_accuracy REAL    NOT NULL,
    PRIMARY KEY (run_id, epoch)
) STRICT, WITHOUT ROWID;
INSERT INTO new_run_epochs (run_id, epoch, seconds, loss, accuracy, val_loss, val_accuracy)
    SELECT run_id, epoch, seconds, loss, accuracy, val_loss, val_accuracy FROM run_epochs;
CREATE TABLE new_rebuild_requests (
    id          INTEGER PRIMARY KEY,
    asked_at_ms INTEGER NOT NULL,
    asked_by    TEXT    NOT NULL,
    taken_at_ms INTEGER,
    run_id      INTEGER REFERENCES new_runs (id),
    CHECK ((taken_at_ms IS NULL) = (run_id IS NULL))
) STRICT;
INSERT INTO new_rebuild_requests (id, asked_at_ms, asked_by, taken_at_ms, run_id)
    SELECT id, asked_at_ms, asked_by, taken_at_ms, run_id FROM rebuild_requests;
DROP TABLE rebuild_requests;
DROP TABLE run_epochs;
DROP TABLE runs;
ALTER TABLE new_runs RENAME TO runs; -- the others' references follow
ALTER TABLE new_run_epochs RENAME TO run_epochs;
ALTER TABLE new_rebuild_requests RENAME TO rebuild_requests;
CREATE INDEX rebuild_requests_open ON rebuild_requests (id) WHERE taken_at_ms IS NULL;

-- Which model served when, and why; until is NULL for the one in service.
CREATE VIEW service AS
SELECT m.model AS model,
       strftime('%Y-%m-%dT%H:%M:%fZ', s.since_ms / 1000.0, 'unixepoch') AS since,
       s.since_ms AS since_ms,
       strftime('%Y-%m-%dT%H:%M:%fZ', s.until_ms / 1000.0, 'unixepoch') AS until,
       s.until_ms AS until_ms,
       s.put_by AS put_by,
       s.forced AS forced,
       s.reason AS reason,
       s.verdict AS verdict
FROM service_history s
JOIN models m ON m.id = s.model_id;
