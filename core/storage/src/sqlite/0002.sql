-- The log's time goes back only by an event with which a second operator agrees to the first one's.
CREATE INDEX event_disputed ON event (seq) WHERE kind = 'clock.disputed';
CREATE INDEX event_reset ON event (seq) WHERE kind = 'clock.reset';
DROP TRIGGER head_grows;
CREATE TRIGGER head_grows BEFORE UPDATE ON head WHEN NEW.size < OLD.size OR (NEW.last_at < OLD.last_at AND NOT EXISTS (
    SELECT 1 FROM event WHERE kind = 'clock.reset' AND seq >= OLD.size AND seq < NEW.size AND created_at <= NEW.last_at
)) BEGIN
    SELECT RAISE(ABORT, 'the log never shrinks, and its time does not go back by itself');
END;
-- Not while the log is empty: a restore writes the head last, and the audit checks all of it before it commits.
CREATE TRIGGER event_resets BEFORE INSERT ON event WHEN NEW.kind = 'clock.reset' AND EXISTS (SELECT 1 FROM head WHERE size > 0) BEGIN
    SELECT RAISE(ABORT, 'two operators put the time of the log back')
    WHERE NOT EXISTS (
        SELECT 1 FROM event
        WHERE kind = 'clock.disputed' AND seq < NEW.seq AND actor <> NEW.actor AND created_at = (SELECT last_at FROM head)
    );
END;
