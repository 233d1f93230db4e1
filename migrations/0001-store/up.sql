-- Which photos are in the inventory, what was each found to be, by which model, when, and why has the rest no tag?
--
-- Times are milliseconds since 1970-01-01 UTC where a name ends in _ms, nanoseconds where it ends in _ns.
-- Tables are hangtag's own and may change; people who query with plain SQL use the views at the end.

PRAGMA application_id = 1751215719; -- the four bytes 'hang'

-- The ten classes; the id is the position in a model's output.
CREATE TABLE labels (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

INSERT INTO labels (id, name) VALUES
    (0, 'T-shirt/top'), (1, 'Trouser'), (2, 'Pullover'), (3, 'Dress'), (4, 'Coat'),
    (5, 'Sandal'), (6, 'Shirt'), (7, 'Sneaker'), (8, 'Bag'), (9, 'Ankle boot');

-- Every model that ever answered.
CREATE TABLE models (
    id                    INTEGER PRIMARY KEY,
    model                 TEXT    NOT NULL UNIQUE CHECK (length(model) = 16),
    sha256                TEXT    NOT NULL CHECK (length(sha256) = 64),
    preprocessing_version INTEGER NOT NULL,
    labels                TEXT    NOT NULL CHECK (json_valid(labels)),
    manifest              TEXT    NOT NULL CHECK (json_valid(manifest)),
    registered_at_ms      INTEGER NOT NULL,
    CHECK (substr(sha256, 1, 16) = model)
) STRICT;

-- One row a content; identity is the BLAKE3 of its bytes, so that two names of one photo share a row.
CREATE TABLE images (
    id               INTEGER PRIMARY KEY,
    content_hash     BLOB    NOT NULL CHECK (length(content_hash) = 32),
    bytes            INTEGER NOT NULL CHECK (bytes >= 0),
    format           TEXT,
    width            INTEGER CHECK (width >= 0),
    height           INTEGER CHECK (height >= 0),
    first_seen_at_ms INTEGER NOT NULL,
    CHECK ((width IS NULL) = (height IS NULL))
) STRICT;
CREATE UNIQUE INDEX images_by_hash ON images (content_hash);

-- What was found, once a content and model, never overwritten: the history.
CREATE TABLE outcomes (
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
    PRIMARY KEY (image_id, model_id),
    -- either the whole of a tag or the whole of a rejection
    CHECK (CASE WHEN reason IS NULL
        THEN label_id IS NOT NULL AND confidence IS NOT NULL AND scores IS NOT NULL AND device IS NOT NULL
             AND detail IS NULL
        ELSE label_id IS NULL AND confidence IS NULL AND scores IS NULL AND device IS NULL
             AND detail IS NOT NULL
        END)
) STRICT, WITHOUT ROWID;

-- One row a path, with its current answer beside it: every question of `query` is answered from this table alone.
-- A file that could not be read has no content and no model, only a reason.
CREATE TABLE files (
    id           INTEGER PRIMARY KEY,
    path         TEXT    NOT NULL,
    size         INTEGER CHECK (size >= 0),
    mtime_ns     INTEGER,
    inode        INTEGER, -- the file system's unsigned 64-bit number, bit for bit
    is_present   INTEGER NOT NULL CHECK (is_present IN (0, 1)),
    absent_at_ms INTEGER,
    image_id     INTEGER,
    model_id     INTEGER,
    label_id     INTEGER REFERENCES labels (id),
    confidence   REAL    CHECK (confidence BETWEEN 0 AND 1),
    reason       TEXT,
    detail       TEXT,
    tagged_at_ms INTEGER NOT NULL,
    FOREIGN KEY (image_id, model_id) REFERENCES outcomes (image_id, model_id),
    CHECK (is_present = (absent_at_ms IS NULL)),
    CHECK ((size IS NULL) = (mtime_ns IS NULL) AND (size IS NULL) = (inode IS NULL)),
    CHECK ((image_id IS NULL) = (model_id IS NULL)),
    CHECK (image_id IS NOT NULL OR reason IS NOT NULL),
    CHECK (CASE WHEN reason IS NULL
        THEN label_id IS NOT NULL AND confidence IS NOT NULL AND detail IS NULL
        ELSE label_id IS NULL AND confidence IS NULL AND detail IS NOT NULL
        END)
) STRICT;
-- The trailing is_present lets a count of present files be answered from the index alone.
CREATE UNIQUE INDEX files_by_path ON files (path);
CREATE INDEX files_by_image ON files (image_id);
CREATE INDEX files_by_time ON files (tagged_at_ms, is_present);
CREATE INDEX files_by_label ON files (label_id, tagged_at_ms, is_present);
CREATE INDEX files_by_confidence ON files (confidence, label_id, is_present);
CREATE INDEX files_by_model ON files (model_id, tagged_at_ms, is_present);
CREATE INDEX files_absent ON files (tagged_at_ms) WHERE is_present = 0;

-- Training runs: what was asked for, how it went, what came of it.
CREATE TABLE runs (
    id            INTEGER PRIMARY KEY,
    state         TEXT    NOT NULL CHECK (state IN ('running', 'finished', 'failed', 'stopped')),
    started_at_ms INTEGER NOT NULL,
    ended_at_ms   INTEGER,
    parameters    TEXT    NOT NULL CHECK (json_valid(parameters)),
    figures       TEXT    CHECK (json_valid(figures)),
    reason        TEXT,
    bundle        TEXT,
    CHECK ((state = 'running') = (ended_at_ms IS NULL))
) STRICT;

CREATE TABLE run_epochs (
    run_id       INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    epoch        INTEGER NOT NULL CHECK (epoch >= 1),
    seconds      REAL    NOT NULL,
    loss         REAL,                               -- NULL: diverged, not a number
    accuracy     REAL    NOT NULL,
    val_loss     REAL,
    val_accuracy REAL    NOT NULL,
    PRIMARY KEY (run_id, epoch)
) STRICT, WITHOUT ROWID;

-- For people with plain SQL. Columns are only ever added, at the end.

-- Every tag a model ever gave: one row a content and model.
CREATE VIEW tags AS
SELECT lower(hex(i.content_hash)) AS content_hash,
       (SELECT json_group_array(f.path) FROM files f WHERE f.image_id = i.id) AS paths,
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

-- The tag that counts now: one row a tagged file, whether it is still there or not.
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
       i.format AS format
FROM files f
JOIN labels l ON l.id = f.label_id
JOIN images i ON i.id = f.image_id
JOIN models m ON m.id = f.model_id
JOIN outcomes o ON o.image_id = f.image_id AND o.model_id = f.model_id;

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
WHERE f.label_id IS NULL;
