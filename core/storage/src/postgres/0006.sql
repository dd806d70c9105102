-- A withdrawal that an operator has asked for is posted by another one.
CREATE OR REPLACE FUNCTION transfer_resolves() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM transfer p
        WHERE p.id = NEW.pending_id AND p.phase = 'pending' AND p.asset = NEW.asset AND p.code = NEW.code
            AND p.debit = NEW.debit AND p.credit = NEW.credit
            AND (NEW.amount = p.amount OR (NEW.phase = 'post' AND NEW.amount < p.amount))
            -- Two operators correct, and nobody takes out alone what is somebody else's.
            AND (NEW.code NOT IN ('CORRECTION', 'WITHDRAW') OR NEW.phase = 'void' OR NEW.actor <> p.actor);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a post or void fits its pending transfer' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
