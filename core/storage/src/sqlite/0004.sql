-- Proofs of a few rows: with each leaf the roots of the perfect subtrees that end with it (see src/subtrees.rs, which fills the table here).
ALTER TABLE leaf ADD COLUMN subtrees BLOB NOT NULL DEFAULT x'';
CREATE TABLE leaf_subtrees (seq INTEGER PRIMARY KEY, subtrees BLOB NOT NULL) STRICT;
