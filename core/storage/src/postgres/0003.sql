-- What all servers of a broker share beside the money (see src/ledger/registry.rs).
-- The private half, sealed under a passphrase that is not here.
ALTER TABLE signing_key ADD COLUMN sealed text;
-- Since when nothing that it signed counts, and why.
ALTER TABLE signing_key ADD COLUMN dropped_at bigint;
ALTER TABLE signing_key ADD COLUMN dropped_for text;

-- Sessions that were ended before their time, by hash.
CREATE TABLE session_end (
    session bytea PRIMARY KEY CHECK (length(session) = 32),
    expires_at bigint NOT NULL
);

CREATE TABLE shared (
    name text PRIMARY KEY,
    value text NOT NULL
);
-- Locked by whoever changes any of it.
CREATE TABLE registry_lock (id integer PRIMARY KEY CHECK (id = 1));
INSERT INTO registry_lock VALUES (1);
