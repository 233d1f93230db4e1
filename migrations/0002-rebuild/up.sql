-- Which model serves, since when and why; what came of each rebuild, asked for or due; what has a person put right?
--
-- Tables that change their constraints are made anew and filled; all of it happens in one transaction.

-- The registry: where each model stands. At most one is in service.
ALTER TABLE models ADD COLUMN state TEXT NOT NULL DEFAULT 'candidate'
    CHECK (state IN ('candidate', 'in_service', 'retired', 'rejected'));
ALTER TABLE models ADD COLUMN state_reason TEXT;
ALTER TABLE models ADD COLUMN state_since_ms INTEGER NOT NULL DEFAULT 0;
UPDATE models SET state = 'retired', state_reason = 'answered before there was a registry',
    state_since_ms = registered_at_ms;
CREATE UNIQUE INDEX models_in_service ON models (state) WHERE state = 'in_service';

-- What served when, and why: one row a time in service, the open one last.
CREATE TABLE service_history (
    id       INTEGER PRIMARY KEY,
    model_id INTEGER NOT NULL REFERENCES models (id),
    since_ms INTEGER NOT NULL,
    until_ms INTEGER,
    put_by   TEXT    NOT NULL CHECK (put_by IN ('gate', 'person', 'start')),
    forced   INTEGER NOT NULL CHECK (forced IN (0, 1)),
    reason   TEXT    NOT NULL,
    verdict  TEXT    CHECK (json_valid(verdict))
) STRICT;
CREATE UNIQUE INDEX service_history_open ON service_history (until_ms IS NULL) WHERE until_ms IS NULL;

-- Training runs. The children are copied with them, before the old tables go: dropping runs would cascade.
CREATE TABLE new_runs (
    id            INTEGER PRIMARY KEY,
    state         TEXT    NOT NULL
                  CHECK (state IN ('running', 'finished', 'unchanged', 'skipped', 'failed', 'stopped')),
    cause         TEXT    NOT NULL
                  CHECK (cause IN ('command', 'schedule', 'catch_up', 'person', 'corrections')),
    due_at_ms     INTEGER,                           -- the moment of the schedule that it answers
    fingerprint   TEXT,                              -- of data, corrections, parameters and seed
    started_at_ms INTEGER NOT NULL,
    ended_at_ms   INTEGER,
    parameters    TEXT    NOT NULL CHECK (json_valid(parameters)),
    figures       TEXT    CHECK (json_valid(figures)),
    reason        TEXT,
    bundle        TEXT,
    model         TEXT    CHECK (length(model) = 16), -- may never have been registered
    verdict       TEXT    CHECK (json_valid(verdict)),
    CHECK ((state = 'running') = (ended_at_ms IS NULL))
) STRICT;
INSERT INTO new_runs (id, state, cause, started_at_ms, ended_at_ms, parameters, figures, reason, bundle)
    SELECT id, state, 'command', started_at_ms, ended_at_ms, parameters, figures, reason, bundle FROM runs;
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
INSERT INTO new_run_epochs SELECT run_id, epoch, seconds, loss, accuracy, val_loss, val_accuracy FROM run_epochs;
DROP TABLE run_epochs;
DROP TABLE runs;
ALTER TABLE new_runs RENAME TO runs; -- the epochs' reference follows
ALTER TABLE new_run_epochs RENAME TO run_epochs;

-- What people asked a running daemon for.
CREATE TABLE rebuild_requests (
    id          INTEGER PRIMARY KEY,
    asked_at_ms INTEGER NOT NULL,
    asked_by    TEXT    NOT NULL,
    taken_at_ms INTEGER,
    run_id      INTEGER REFERENCES runs (id),
    CHECK ((taken_at_ms IS NULL) = (run_id IS NULL))
) STRICT;
CREATE INDEX rebuild_requests_open ON rebuild_requests (id) WHERE taken_at_ms IS NULL;

-- What people say that photos show, by content; a new word closes the old one, so that all of them are kept. A
-- content may be on record here before (or without ever) being seen.
CREATE TABLE truths (
    id              INTEGER PRIMARY KEY,
    content_hash    BLOB    NOT NULL CHECK (length(content_hash) = 32),
    label_id        INTEGER REFERENCES labels (id), -- NULL: none of the ten
    corrected_by    TEXT    NOT NULL,
    corrected_at_ms INTEGER NOT NULL,
    undone_at_ms    INTEGER,
    undone_by       TEXT,
    CHECK ((undone_at_ms IS NULL) = (undone_by IS NULL))
) STRICT;
CREATE UNIQUE INDEX truths_standing ON truths (content_hash) WHERE undone_at_ms IS NULL;
CREATE INDEX truths_by_time ON truths (corrected_at_ms) WHERE undone_at_ms IS NULL;

-- One row a path, with its current answer beside it: every question of `query` is answered from this table alone.
-- A file that could not be read has no content and no model, only a reason. Where a person has spoken, label_id is
-- that truth (NULL: none of the ten) and model_id goes on naming the model that would answer: its outcome comes back
-- when the correction is undone.
DROP VIEW tags;
DROP VIEW latest_tags;
DROP VIEW rejected;
CREATE TABLE new_files (
    id              INTEGER PRIMARY KEY,
    path            TEXT    NOT NULL,
    size            INTEGER CHECK (size >= 0),
    mtime_ns        INTEGER,
    inode           INTEGER, -- the file system's unsigned 64-bit number, bit for bit
    is_present      INTEGER NOT NULL CHECK (is_present IN (0, 1)),
    absent_at_ms    INTEGER,
    image_id        INTEGER,
    model_id        INTEGER,
    label_id        INTEGER REFERENCES labels (id),
    confidence      REAL    CHECK (confidence BETWEEN 0 AND 1),
    reason          TEXT,
    detail          TEXT,
    tagged_at_ms    INTEGER NOT NULL,
    corrected_at_ms INTEGER,
    FOREIGN KEY (image_id, model_id) REFERENCES outcomes (image_id, model_id),
    CHECK (is_present = (absent_at_ms IS NULL)),
    CHECK ((size IS NULL) = (mtime_ns IS NULL) AND (size IS NULL) = (inode IS NULL)),
    CHECK ((image_id IS NULL) = (model_id IS NULL)),
    CHECK (image_id IS NOT NULL OR reason IS NOT NULL),
    -- the whole of a correction, of a tag, or of a rejection
    CHECK (CASE
        WHEN corrected_at_ms IS NOT NULL
        THEN confidence IS NULL AND reason IS NULL AND detail IS NULL AND tagged_at_ms = corrected_at_ms
        WHEN reason IS NULL
        THEN label_id IS NOT NULL AND confidence IS NOT NULL AND detail IS NULL
        ELSE label_id IS NULL AND confidence IS NULL AND detail IS NOT NULL
        END)
) STRICT;
INSERT INTO new_files (id, path, size, mtime_ns, inode, is_present, absent_at_ms, image_id, model_id, label_id,
        confidence, reason, detail, tagged_at_ms)
    SELECT id, path, size, mtime_ns, inode, is_present, absent_at_ms, image_id, model_id, label_id,
        confidence, reason, detail, tagged_at_ms FROM files ORDER BY id;
DROP TABLE files;
ALTER TABLE new_files RENAME TO files;
-- The trailing is_present lets a count of present files be answered from the index alone.
CREATE UNIQUE INDEX files_by_path ON files (path);
-- A folder's newest files, and patterns over all paths, without a look at the table.
CREATE INDEX files_by_path_and_time ON files (path, tagged_at_ms, is_present);
-- With the model: what is left to be tagged anew is found without a look at the table.
CREATE INDEX files_by_image ON files (image_id, model_id, is_present);
CREATE INDEX files_by_time ON files (tagged_at_ms, is_present);
CREATE INDEX files_by_label ON files (label_id, tagged_at_ms, is_present);
CREATE INDEX files_by_confidence ON files (confidence, label_id, is_present);
CREATE INDEX files_by_model ON files (model_id, tagged_at_ms, is_present);
CREATE INDEX files_absent ON files (tagged_at_ms) WHERE is_present = 0;
CREATE INDEX files_rejected ON files (tagged_at_ms, is_present) WHERE reason IS NOT NULL;
CREATE INDEX files_rejected_by_path ON files (path, is_present, reason) WHERE reason IS NOT NULL;
CREATE INDEX files_corrected ON files (tagged_at_ms, is_present) WHERE corrected_at_ms IS NOT NULL;

-- For people with plain SQL. Columns are only ever added, at the end.

-- Every tag a model ever gave: one row a content and model.
CREATE VIEW tags AS
SELECT lower(hex(i.content_hash)) AS content_hash,
       (SELECT json_group_array(path)
        FROM (SELECT f.path AS path FROM files f WHERE f.image_id = i.id ORDER BY f.id)) AS paths,
       l.name AS label,
       o.confidence AS confidence,
       o.scores AS scores,
       m.model AS model,
       o.device AS device,
       o.preprocessing_version AS preprocessing,
       strftime('%Y-%m-%dT%H:%M:%fZ', o.tagged_at_ms / 1000.0, 'unixepoch') AS tagged_at,
       o.tagged_at_ms AS tagged_at_ms
FROM outcomes o
JOIN images i ON i.id = o.image_id
JOIN models m ON m.id = o.model_id
JOIN labels l ON l.id = o.label_id;

-- The tag that counts now: one row a file that is tagged or corrected, whether it is still there or not. For a
-- corrected one the label is the truth (NULL: none of the ten) and there is no confidence; scores, model, device and
-- preprocessing are those of the answer underneath.
CREATE VIEW latest_tags AS
SELECT f.path AS path,
       f.is_present AS present,
       lower(hex(i.content_hash)) AS content_hash,
       l.name AS label,
       f.confidence AS confidence,
       o.scores AS scores,
       m.model AS model,
       o.device AS device,
       o.preprocessing_version AS preprocessing,
       strftime('%Y-%m-%dT%H:%M:%fZ', f.tagged_at_ms / 1000.0, 'unixepoch') AS tagged_at,
       f.tagged_at_ms AS tagged_at_ms,
       i.bytes AS bytes,
       i.width AS width,
       i.height AS height,
       i.format AS format,
       iif(f.corrected_at_ms IS NULL, 'tagged', 'corrected') AS status
FROM files f
JOIN images i ON i.id = f.image_id
JOIN models m ON m.id = f.model_id
JOIN outcomes o ON o.image_id = f.image_id AND o.model_id = f.model_id
LEFT JOIN labels l ON l.id = f.label_id
WHERE f.reason IS NULL;

-- Files without a tag, and why; content_hash and model are NULL where the file could not be read.
CREATE VIEW rejected AS
SELECT f.path AS path,
       f.is_present AS present,
       nullif(lower(hex(i.content_hash)), '') AS content_hash,
       f.reason AS reason,
       f.detail AS detail,
       m.model AS model,
       strftime('%Y-%m-%dT%H:%M:%fZ', f.tagged_at_ms / 1000.0, 'unixepoch') AS rejected_at,
       f.tagged_at_ms AS rejected_at_ms,
       f.size AS bytes
FROM files f
LEFT JOIN images i ON i.id = f.image_id
LEFT JOIN models m ON m.id = f.model_id
WHERE f.reason IS NOT NULL;

-- What people put right, standing (undone_at is NULL) or not any more; label is NULL for none of the ten.
CREATE VIEW corrections AS
SELECT lower(hex(t.content_hash)) AS content_hash,
       (SELECT json_group_array(path)
        FROM (SELECT f.path AS path FROM files f JOIN images i ON i.id = f.image_id
              WHERE i.content_hash = t.content_hash ORDER BY f.id)) AS paths,
       l.name AS label,
       t.corrected_by AS corrected_by,
       strftime('%Y-%m-%dT%H:%M:%fZ', t.corrected_at_ms / 1000.0, 'unixepoch') AS corrected_at,
       t.corrected_at_ms AS corrected_at_ms,
       strftime('%Y-%m-%dT%H:%M:%fZ', t.undone_at_ms / 1000.0, 'unixepoch') AS undone_at,
       t.undone_at_ms AS undone_at_ms,
       t.undone_by AS undone_by
FROM truths t
LEFT JOIN labels l ON l.id = t.label_id;

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
