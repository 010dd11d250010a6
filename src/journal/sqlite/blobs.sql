-- Captured bytes under their own digest, version 1. In a file apart from the journal: large writes would hold its
-- short ones up.

CREATE TABLE blobs (
    digest TEXT PRIMARY KEY,
    at     TEXT NOT NULL,           -- when it was last stored, for retention
    bytes  BLOB NOT NULL
) STRICT;

CREATE INDEX blobs_by_age ON blobs (at);
