DROP TRIGGER leaf_is_itself;
UPDATE leaf SET subtrees = s.subtrees FROM leaf_subtrees s WHERE s.seq = leaf.seq;
DROP TABLE leaf_subtrees;
CREATE TRIGGER leaf_is_itself BEFORE UPDATE ON leaf BEGIN
    SELECT RAISE(ABORT, 'a leaf is never changed');
END;
-- As many subtrees end with a leaf as its number has one bits at its end.
DROP TRIGGER leaf_is_new;
CREATE TRIGGER leaf_is_new BEFORE INSERT ON leaf
WHEN EXISTS (SELECT 1 FROM leaf WHERE seq = NEW.seq) OR length(NEW.subtrees) % 32 <> 0
    OR (1 << (length(NEW.subtrees) / 32)) <> ((NEW.seq + 1) & -(NEW.seq + 1)) BEGIN
    SELECT RAISE(ABORT, 'a leaf is never replaced, and has the subtrees that end with it');
END;
