DROP TRIGGER leaf_stays ON leaf;
UPDATE leaf SET subtrees = s.subtrees FROM leaf_subtrees s WHERE s.seq = leaf.seq;
DROP TABLE leaf_subtrees;
CREATE TRIGGER leaf_stays BEFORE UPDATE OR DELETE ON leaf FOR EACH ROW EXECUTE FUNCTION ledger_never();
ALTER TABLE leaf ALTER COLUMN subtrees DROP DEFAULT;
-- As many subtrees end with a leaf as its number has one bits at its end.
ALTER TABLE leaf ADD CONSTRAINT leaf_subtrees
    CHECK (length(subtrees) % 32 = 0 AND (1::bigint << (length(subtrees) / 32)) = ((seq + 1) & -(seq + 1)));
