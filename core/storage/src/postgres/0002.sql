-- The log's time goes back only by an event with which a second operator agrees to the first one's.
CREATE INDEX event_disputed ON event (seq) WHERE kind = 'clock.disputed';
CREATE INDEX event_reset ON event (seq) WHERE kind = 'clock.reset';
CREATE OR REPLACE FUNCTION head_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.size < OLD.size THEN
        RAISE EXCEPTION 'the log never shrinks' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.last_at < OLD.last_at AND NOT EXISTS (
        SELECT FROM event WHERE kind = 'clock.reset' AND seq >= OLD.size AND seq < NEW.size AND created_at <= NEW.last_at
    ) THEN
        RAISE EXCEPTION 'the time of the log does not go back by itself' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
-- Not while the log is empty: a restore writes the head last, and the audit checks all of it before it commits.
CREATE FUNCTION event_resets() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM head WHERE size > 0) AND NOT EXISTS (
        SELECT FROM event
        WHERE kind = 'clock.disputed' AND seq < NEW.seq AND actor <> NEW.actor AND created_at = (SELECT last_at FROM head)
    ) THEN
        RAISE EXCEPTION 'two operators put the time of the log back' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER event_resets BEFORE INSERT ON event FOR EACH ROW WHEN (NEW.kind = 'clock.reset') EXECUTE FUNCTION event_resets();
