-- What all servers of a broker share beside the money (see src/ledger/registry.rs).
-- The private half, sealed under a passphrase that is not here.
ALTER TABLE signing_key ADD COLUMN sealed TEXT;
-- Since when nothing that it signed counts, and why.
ALTER TABLE signing_key ADD COLUMN dropped_at INTEGER;
ALTER TABLE signing_key ADD COLUMN dropped_for TEXT;

-- Sessions that were ended before their time, by hash.
CREATE TABLE session_end (
    session BLOB PRIMARY KEY CHECK (length(session) = 32),
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE shared (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
-- Locked by whoever changes any of it.
CREATE TABLE registry_lock (id INTEGER PRIMARY KEY CHECK (id = 1)) STRICT;
INSERT INTO registry_lock VALUES (1);
