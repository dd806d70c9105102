-- A withdrawal that an operator has asked for is posted by another one.
DROP TRIGGER transfer_enters;
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
            -- Two operators correct, and nobody takes out alone what is somebody else's.
            AND ((NEW.code <> 'CORRECTION' AND NEW.code <> 'WITHDRAW') OR NEW.phase = 'void' OR NEW.actor <> p.actor)
    );
END;
