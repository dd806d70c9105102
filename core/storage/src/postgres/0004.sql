-- Proofs of a few rows: with each leaf the roots of the perfect subtrees that end with it (see src/subtrees.rs, which fills the table here).
SET LOCAL statement_timeout = 0;
ALTER TABLE leaf ADD COLUMN subtrees bytea NOT NULL DEFAULT '';
CREATE TABLE leaf_subtrees (seq bigint PRIMARY KEY, subtrees bytea NOT NULL);
