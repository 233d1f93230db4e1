-- Which tags count by themselves, which should somebody look at, which photos show none of the classes, and since when?
--
-- Tables that change their constraints are made anew and filled; all of it happens in one transaction.

DROP VIEW tags;
DROP VIEW latest_tags;
DROP VIEW rejected;
DROP VIEW corrections;
DROP VIEW service;

-- What a model said, and what was made of it: certainty is 0 (accepted), 1 (review) or 2 (unknown). The scores never
-- change; the certainty follows its model's thresholds. What older versions recorded is for review: nothing is known of
-- those models' confidence.
CREATE TABLE new_outcomes (
    image_id              INTEGER NOT NULL REFERENCES images (id),
    model_id              INTEGER NOT NULL REFERENCES models (id),
    label_id              INTEGER REFERENCES labels (id),
    confidence            REAL    CHECK (confidence BETWEEN 0 AND 1),
    scores                TEXT    CHECK (json_array_length(scores) = 10), -- ten probabilities in label order
    device                TEXT    CHECK (device IN ('cpu', 'cuda')),
    reason                TEXT,
    detail                TEXT,
    preprocessing_version INTEGER NOT NULL,
    tagged_at_ms          INTEGER NOT NULL,
    unknown               REAL    CHECK (unknown BETWEEN 0 AND 1), -- NULL: the model makes no estimate
    certainty             INTEGER CHECK (certainty IN (0, 1, 2)),
    PRIMARY KEY (image_id, model_id),
    -- either the whole of a tag or the whole of a rejection
    CHECK (CASE WHEN reason IS NULL
        THEN label_id IS NOT NULL AND confidence IS NOT NULL AND scores IS NOT NULL AND device IS NOT NULL
             AND detail IS NULL AND certainty IS NOT NULL
        ELSE label_id IS NULL AND confidence IS NULL AND scores IS NULL AND device IS NULL
             AND detail IS NOT NULL AND unknown IS NULL AND certainty IS NULL
        END)
) STRICT, WITHOUT ROWID;
INSERT INTO new_outcomes (image_id, model_id, label_id, confidence, scores, device, reason, detail,
        preprocessing_version, tagged_at_ms, certainty)
    SELECT image_id, model_id, label_id, confidence, scores, device, reason, detail, preprocessing_version,
        tagged_at_ms, iif(reason IS NULL, 1, NULL) FROM outcomes;

-- One row a path, with its current answer beside it: every question of `query` is answered from this table alone.
-- A file that could not be read has no content and no model, only a reason. Where a person has spoken, label_id is
-- that truth (NULL: none of the ten) and model_id goes on naming the model that would answer: its outcome comes back
-- when the correction is undone. The certainty is that of the outcome; it has an index, so that a list by status
-- looks at no other file.
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
    certainty       INTEGER CHECK (certainty IN (0, 1, 2)),
    FOREIGN KEY (image_id, model_id) REFERENCES new_outcomes (image_id, model_id), -- renamed below, and this with it
    CHECK (is_present = (absent_at_ms IS NULL)),
    CHECK ((size IS NULL) = (mtime_ns IS NULL) AND (size IS NULL) = (inode IS NULL)),
    CHECK ((image_id IS NULL) = (model_id IS NULL)),
    CHECK (image_id IS NOT NULL OR reason IS NOT NULL),
    CHECK ((certainty IS NULL) = (confidence IS NULL)),
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
        confidence, reason, detail, tagged_at_ms, corrected_at_ms, certainty)
    SELECT id, path, size, mtime_ns, inode, is_present, absent_at_ms, image_id, model_id, label_id,
        confidence, reason, detail, tagged_at_ms, corrected_at_ms, iif(confidence IS NULL, NULL, 1)
    FROM files ORDER BY id;
DROP TABLE files;
DROP TABLE outcomes;
ALTER TABLE new_outcomes RENAME TO outcomes;
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
-- Lists by status, newest first or by confidence; the figures of `stats` come from one walk along the second.
CREATE INDEX files_by_certainty ON files (certainty, tagged_at_ms, is_present);
CREATE INDEX files_by_certainty_and_confidence ON files (certainty, confidence, label_id, is_present);

-- From where on a model's tags are accepted, every word ever given; the newest one of a model holds. Where a model has
-- none, nothing is accepted.
CREATE TABLE thresholds (
    id             INTEGER PRIMARY KEY,
    model_id       INTEGER NOT NULL REFERENCES models (id),
    thresholds     TEXT    NOT NULL CHECK (json_valid(thresholds)),
    set_by         TEXT    NOT NULL,
    set_at_ms      INTEGER NOT NULL,
    replaced_at_ms INTEGER,
    decided_up_to  INTEGER -- the last content of which older outcomes follow them; NULL: all do
) STRICT;
CREATE UNIQUE INDEX thresholds_holding ON thresholds (model_id) WHERE replaced_at_ms IS NULL;
CREATE INDEX thresholds_undecided ON thresholds (id) WHERE decided_up_to IS NOT NULL;

-- Random samples of the photos, for people to look at. A drawn photo is audited once somebody has said what it shows.
CREATE TABLE audits (
    id          INTEGER PRIMARY KEY,
    model_id    INTEGER NOT NULL REFERENCES models (id), -- whose tags
    seed        INTEGER NOT NULL,
    photos      INTEGER NOT NULL CHECK (photos >= 0),    -- how many it was drawn from
    drawn_by    TEXT    NOT NULL,
    drawn_at_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE audited_contents (
    audit_id     INTEGER NOT NULL REFERENCES audits (id),
    content_hash BLOB    NOT NULL CHECK (length(content_hash) = 32),
    PRIMARY KEY (audit_id, content_hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX audited_by_content ON audited_contents (content_hash);

-- What a model would say of a correction that it was trained on, had it not been: the answer of a fold without it.
CREATE TABLE out_of_fold (
    model_id     INTEGER NOT NULL REFERENCES models (id),
    content_hash BLOB    NOT NULL CHECK (length(content_hash) = 32),
    scores       TEXT    NOT NULL CHECK (json_array_length(scores) = 10),
    unknown      REAL    CHECK (unknown BETWEEN 0 AND 1),
    PRIMARY KEY (model_id, content_hash)
) STRICT, WITHOUT ROWID;

-- What a model said on a day (UTC, by when it answered), counted as it is recorded: whether the photos change.
CREATE TABLE daily_tags (
    day            INTEGER NOT NULL, -- since 1970-01-01
    model_id       INTEGER NOT NULL REFERENCES models (id),
    label_id       INTEGER NOT NULL REFERENCES labels (id),
    certainty      INTEGER NOT NULL CHECK (certainty IN (0, 1, 2)),
    contents       INTEGER NOT NULL,
    confidence_sum REAL    NOT NULL,
    PRIMARY KEY (model_id, day, label_id, certainty)
) STRICT, WITHOUT ROWID;
INSERT INTO daily_tags (day, model_id, label_id, certainty, contents, confidence_sum)
    SELECT tagged_at_ms / 86400000, model_id, label_id, certainty, count(*), sum(confidence)
    FROM outcomes WHERE label_id IS NOT NULL GROUP BY 1, 2, 3, 4;

-- Training runs may have a new cause. Those that name them are copied first: dropping runs would fail, or cascade.
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
    figures       TEXT    CHECK (json_valid(figures)),
    reason        TEXT,
    bundle        TEXT,
    model         TEXT    CHECK (length(model) = 16), -- may never have been registered
    verdict       TEXT    CHECK (json_valid(verdict)),
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
INSERT INTO new_run_epochs SELECT run_id, epoch, seconds, loss, accuracy, val_loss, val_accuracy FROM run_epochs;
CREATE TABLE new_rebuild_requests (
    id          INTEGER PRIMARY KEY,
    asked_at_ms INTEGER NOT NULL,
    asked_by    TEXT    NOT NULL,
    taken_at_ms INTEGER,
    run_id      INTEGER REFERENCES new_runs (id),
    CHECK ((taken_at_ms IS NULL) = (run_id IS NULL))
) STRICT;
INSERT INTO new_rebuild_requests SELECT id, asked_at_ms, asked_by, taken_at_ms, run_id FROM rebuild_requests;
DROP TABLE rebuild_requests;
DROP TABLE run_epochs;
DROP TABLE runs;
ALTER TABLE new_runs RENAME TO runs; -- the others' references follow
ALTER TABLE new_run_epochs RENAME TO run_epochs;
ALTER TABLE new_rebuild_requests RENAME TO rebuild_requests;
CREATE INDEX rebuild_requests_open ON rebuild_requests (id) WHERE taken_at_ms IS NULL;

-- For people with plain SQL. Columns are only ever added, at the end.

-- Every tag a model ever gave: one row a content and model. unknown is the model's estimate that the photo shows none of
-- the classes (NULL: it makes none), status what its thresholds make of the answer: accepted, review or unknown.
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
       o.tagged_at_ms AS tagged_at_ms,
       o.unknown AS unknown,
       CASE o.certainty WHEN 0 THEN 'accepted' WHEN 1 THEN 'review' ELSE 'unknown' END AS status
FROM outcomes o
JOIN images i ON i.id = o.image_id
JOIN models m ON m.id = o.model_id
JOIN labels l ON l.id = o.label_id;

-- The tag that counts now: one row a file that is tagged or corrected, whether it is still there or not. For a
-- corrected one the label is the truth (NULL: none of the ten) and there is no confidence; scores, model, device,
-- preprocessing and unknown are those of the answer underneath.
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
       CASE f.certainty WHEN 0 THEN 'accepted' WHEN 1 THEN 'review' WHEN 2 THEN 'unknown' ELSE 'corrected' END
           AS status,
       o.unknown AS unknown
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

-- What a model said on each day (UTC): contents by label and status, with their mean confidence.
CREATE VIEW daily AS
SELECT date(d.day * 86400, 'unixepoch') AS day,
       m.model AS model,
       l.name AS label,
       CASE d.certainty WHEN 0 THEN 'accepted' WHEN 1 THEN 'review' ELSE 'unknown' END AS status,
       d.contents AS contents,
       d.confidence_sum / d.contents AS mean_confidence
FROM daily_tags d
JOIN models m ON m.id = d.model_id
JOIN labels l ON l.id = d.label_id
WHERE d.contents > 0;

-- Which thresholds held when; until is NULL for those that hold.
CREATE VIEW threshold_history AS
SELECT m.model AS model,
       t.thresholds ->> 'basis' AS basis,
       t.thresholds ->> 'target_precision' AS target_precision,
       t.thresholds ->> 'samples' AS samples,
       t.thresholds AS thresholds,
       t.set_by AS set_by,
       strftime('%Y-%m-%dT%H:%M:%fZ', t.set_at_ms / 1000.0, 'unixepoch') AS since,
       t.set_at_ms AS since_ms,
       strftime('%Y-%m-%dT%H:%M:%fZ', t.replaced_at_ms / 1000.0, 'unixepoch') AS until,
       t.replaced_at_ms AS until_ms
FROM thresholds t
JOIN models m ON m.id = t.model_id;
