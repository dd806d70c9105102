-- The same rules, as SQLite checks them with less work. It builds a table for each list of more than two constants, for each row; it copies
-- every page that a statement changes when a trigger may end the statement alone, and not when it ends the transaction; and it calls each
-- trigger for itself.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(replace(replace(sql,
    'code IN (''DEPOSIT'', ''WITHDRAW'', ''PAY'', ''FEE'', ''VISA'', ''LOCK'', ''UNLOCK'', ''SLASH'', ''CORRECTION'')',
    'code = ''VISA'' OR code = ''PAY'' OR code = ''FEE'' OR code = ''DEPOSIT'' OR code = ''WITHDRAW'' OR code = ''LOCK'' OR code = ''UNLOCK'' OR code = ''SLASH'' OR code = ''CORRECTION'''),
    'phase IN (''single'', ''pending'', ''post'', ''void'')',
    'phase = ''single'' OR phase = ''pending'' OR phase = ''post'' OR phase = ''void'''),
    'REFERENCES account (id)', 'REFERENCES account (id) DEFERRABLE INITIALLY DEFERRED')
WHERE type = 'table' AND name = 'transfer';
UPDATE sqlite_schema SET sql = replace(sql,
    'state IN (''ISSUED'', ''REDEEMED'', ''WITHHELD'', ''DISPUTED'', ''RELEASED'', ''REFUNDED'', ''SPLIT'', ''EXPIRED'')',
    'state = ''ISSUED'' OR state = ''REDEEMED'' OR state = ''RELEASED'' OR state = ''EXPIRED'' OR state = ''WITHHELD'' OR state = ''DISPUTED'' OR state = ''REFUNDED'' OR state = ''SPLIT''')
WHERE type = 'table' AND name = 'visa';
-- What was parsed before is forgotten.
PRAGMA writable_schema = RESET;

DROP TRIGGER leaf_is_new;
CREATE TRIGGER leaf_is_new BEFORE INSERT ON leaf
WHEN EXISTS (SELECT 1 FROM leaf WHERE seq = NEW.seq) OR length(NEW.subtrees) % 32 <> 0
    OR (1 << (length(NEW.subtrees) / 32)) <> ((NEW.seq + 1) & -(NEW.seq + 1)) BEGIN
    SELECT RAISE(ROLLBACK, 'a leaf is never replaced, and has the subtrees that end with it');
END;

DROP TRIGGER account_never_back;
DROP TRIGGER account_moves;
-- The version is the log's size after the command that changed the account, and a command makes a few entries.
CREATE TRIGGER account_changes BEFORE UPDATE ON account BEGIN
    SELECT RAISE(ROLLBACK, 'what is posted or closed stays so')
    WHERE NEW.debits_posted < OLD.debits_posted OR NEW.credits_posted < OLD.credits_posted OR NEW.closed < OLD.closed
        OR NEW.version <= OLD.version;
    SELECT RAISE(ROLLBACK, 'a balance changes by a transfer')
    WHERE (NEW.debits_pending, NEW.debits_posted, NEW.credits_pending, NEW.credits_posted)
        <> (OLD.debits_pending, OLD.debits_posted, OLD.credits_pending, OLD.credits_posted)
        AND NOT EXISTS (
            SELECT 1 FROM transfer
            WHERE seq >= max(OLD.version, NEW.version - 8) AND seq < NEW.version AND (debit = NEW.id OR credit = NEW.id)
        ) AND NOT EXISTS (
            SELECT 1 FROM event WHERE seq >= max(OLD.version, NEW.version - 8) AND seq < NEW.version AND account = NEW.id
        );
END;

DROP TRIGGER transfer_is_new;
DROP TRIGGER transfer_is_logged;
DROP TRIGGER transfer_fits;
DROP TRIGGER transfer_resolves;
CREATE TRIGGER transfer_enters BEFORE INSERT ON transfer BEGIN
    SELECT RAISE(ROLLBACK, 'a transfer is never replaced, resolved or booked twice')
    WHERE EXISTS (SELECT 1 FROM transfer WHERE seq = NEW.seq) OR EXISTS (SELECT 1 FROM transfer WHERE id = NEW.id)
        OR (NEW.pending_id IS NOT NULL AND EXISTS (
            SELECT 1 FROM transfer WHERE pending_id IS NOT NULL AND pending_id = NEW.pending_id
        )) OR (NEW.code = 'DEPOSIT' AND EXISTS (
            SELECT 1 FROM transfer WHERE code = 'DEPOSIT' AND asset = NEW.asset AND reference = NEW.reference
        ));
    SELECT RAISE(ROLLBACK, 'a transfer has a leaf of the log for itself')
    WHERE NOT EXISTS (SELECT 1 FROM leaf WHERE seq = NEW.seq) OR EXISTS (SELECT 1 FROM event WHERE seq = NEW.seq);
    SELECT RAISE(ROLLBACK, 'a transfer has the shape of its code')
    WHERE NOT EXISTS (
        SELECT 1 FROM account d, account c
        WHERE d.id = NEW.debit AND c.id = NEW.credit AND d.asset = NEW.asset AND c.asset = NEW.asset
            AND (NEW.phase = 'single') <> (NEW.code = 'WITHDRAW' OR NEW.code = 'VISA' OR NEW.code = 'CORRECTION')
            AND CASE NEW.code
                WHEN 'VISA' THEN d.kind = 'AVAILABLE' AND c.kind = 'AVAILABLE'
                WHEN 'PAY' THEN d.kind = 'AVAILABLE' AND c.kind = 'AVAILABLE'
                WHEN 'FEE' THEN d.kind = 'AVAILABLE' AND c.kind = 'TREASURY' AND NEW.reference IS NOT NULL
                WHEN 'DEPOSIT' THEN d.kind = 'OUTSIDE' AND c.kind = 'AVAILABLE' AND NEW.reference IS NOT NULL
                WHEN 'WITHDRAW' THEN d.kind = 'AVAILABLE' AND c.kind = 'OUTSIDE'
                WHEN 'LOCK' THEN d.kind = 'AVAILABLE' AND c.kind = 'LOCKED' AND d.owner = c.owner
                WHEN 'UNLOCK' THEN d.kind = 'LOCKED' AND c.kind = 'AVAILABLE' AND d.owner = c.owner
                WHEN 'SLASH' THEN d.kind = 'LOCKED' AND c.kind = 'TREASURY'
                ELSE NEW.code = 'CORRECTION'
            END
    );
    SELECT RAISE(ROLLBACK, 'a post or void fits its pending transfer')
    WHERE NEW.pending_id IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM transfer p
        WHERE p.id = NEW.pending_id AND p.phase = 'pending' AND p.asset = NEW.asset AND p.code = NEW.code
            AND p.debit = NEW.debit AND p.credit = NEW.credit
            AND (NEW.amount = p.amount OR (NEW.phase = 'post' AND NEW.amount < p.amount))
            -- Two operators correct.
            AND (NEW.code <> 'CORRECTION' OR NEW.phase = 'void' OR NEW.actor <> p.actor)
    );
END;

DROP TRIGGER event_is_new;
DROP TRIGGER event_is_logged;
DROP TRIGGER event_resets;
CREATE TRIGGER event_enters BEFORE INSERT ON event BEGIN
    SELECT RAISE(ROLLBACK, 'an event has a leaf of the log for itself, and is never replaced')
    WHERE EXISTS (SELECT 1 FROM event WHERE seq = NEW.seq) OR NOT EXISTS (SELECT 1 FROM leaf WHERE seq = NEW.seq)
        OR EXISTS (SELECT 1 FROM transfer WHERE seq = NEW.seq);
    -- Not while the log is empty: a restore writes the head last, and the audit checks all of it before it commits.
    SELECT RAISE(ROLLBACK, 'two operators put the time of the log back')
    WHERE NEW.kind = 'clock.reset' AND EXISTS (SELECT 1 FROM head WHERE size > 0) AND NOT EXISTS (
        SELECT 1 FROM event
        WHERE kind = 'clock.disputed' AND seq < NEW.seq AND actor <> NEW.actor AND created_at = (SELECT last_at FROM head)
    );
END;

DROP TRIGGER visa_ends;
CREATE TRIGGER visa_ends BEFORE UPDATE ON visa
WHEN ((OLD.state = 'RELEASED' OR OLD.state = 'REFUNDED' OR OLD.state = 'SPLIT' OR OLD.state = 'EXPIRED') AND NEW.state <> OLD.state)
    OR NEW.version <= OLD.version BEGIN
    SELECT RAISE(ROLLBACK, 'a settled visa stays so');
END;
