-- The journal, version 1. `events` is the truth; `incidents` is a cache of its fold, for lists.

CREATE TABLE events (
    seq      INTEGER PRIMARY KEY,   -- gap-free, in commit order
    at       TEXT NOT NULL,         -- RFC 3339, UTC, nanoseconds
    incident TEXT,                  -- NULL: concerns the daemon
    body     TEXT NOT NULL,         -- canonical JSON
    hash     TEXT NOT NULL          -- sha256(hash before || canonical line)
) STRICT;

CREATE INDEX events_by_incident ON events (incident, seq);

CREATE TABLE incidents (
    id          TEXT PRIMARY KEY,
    group_key   TEXT NOT NULL,
    environment TEXT NOT NULL,
    service     TEXT NOT NULL,
    open        INTEGER NOT NULL,
    state       TEXT NOT NULL,
    verdict     TEXT NOT NULL,
    opened_at   TEXT NOT NULL,
    summary     TEXT NOT NULL,
    last_seq    INTEGER NOT NULL    -- last event of the journal when this was written: a cut-off tail shows
) STRICT;

CREATE UNIQUE INDEX incidents_one_open ON incidents (group_key) WHERE open = 1;
CREATE INDEX incidents_newest ON incidents (opened_at DESC, id DESC);

-- Deliveries that were answered, so that their repeat is known; retention forgets them.
CREATE TABLE deliveries (
    id TEXT PRIMARY KEY,
    at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX deliveries_by_age ON deliveries (at);

-- Overwritten to find out whether a disk that was full has space again.
CREATE TABLE space (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    filler BLOB NOT NULL
) STRICT;
