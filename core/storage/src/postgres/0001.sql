-- The broker's ledger. Times are milliseconds since 1970.
CREATE DOMAIN units AS numeric(39, 0) CHECK (VALUE >= 0 AND VALUE < 340282366920938463463374607431768211456);
CREATE DOMAIN name16 AS bytea CHECK (length(VALUE) = 16);

CREATE FUNCTION ledger_never() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed or deleted', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TABLE head (
    id integer PRIMARY KEY CHECK (id = 1),
    size bigint NOT NULL CHECK (size >= 0),
    nodes bytea NOT NULL CHECK (length(nodes) % 32 = 0),
    last bytea NOT NULL CHECK (length(last) = 32),
    -- The time of the last entry.
    last_at bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO head VALUES (1, 0, '', decode(repeat('00', 32), 'hex'), 0);
CREATE FUNCTION head_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.size < OLD.size OR NEW.last_at < OLD.last_at THEN
        RAISE EXCEPTION 'the log never shrinks' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER head_grows BEFORE UPDATE ON head FOR EACH ROW EXECUTE FUNCTION head_grows();
CREATE TRIGGER head_stays BEFORE DELETE ON head FOR EACH ROW EXECUTE FUNCTION ledger_never();
CREATE TRIGGER head_whole BEFORE TRUNCATE ON head EXECUTE FUNCTION ledger_never();

CREATE TABLE account (
    id name16 PRIMARY KEY,
    asset text NOT NULL CHECK (length(asset) BETWEEN 2 AND 12),
    kind text NOT NULL CHECK (kind IN ('OUTSIDE', 'AVAILABLE', 'LOCKED', 'TREASURY', 'REWARDS')),
    owner text,
    reference text,
    debits_pending units NOT NULL,
    debits_posted units NOT NULL,
    credits_pending units NOT NULL,
    credits_posted units NOT NULL,
    frozen bigint NOT NULL CHECK (frozen IN (0, 1)),
    closed bigint NOT NULL CHECK (closed IN (0, 1)),
    created_at bigint NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT account_owner CHECK ((owner IS NOT NULL) = (kind IN ('AVAILABLE', 'LOCKED'))),
    CONSTRAINT account_reference CHECK ((reference IS NOT NULL) = (kind = 'LOCKED')),
    CONSTRAINT account_covered CHECK (kind = 'OUTSIDE' OR credits_posted >= debits_posted + debits_pending)
) WITH (fillfactor = 50);
CREATE INDEX account_owner ON account (owner, id) WHERE owner IS NOT NULL;
CREATE FUNCTION account_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.asset, NEW.kind, NEW.owner, NEW.reference, NEW.created_at)
        IS DISTINCT FROM (OLD.id, OLD.asset, OLD.kind, OLD.owner, OLD.reference, OLD.created_at)
    THEN
        RAISE EXCEPTION 'an account never becomes another' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.debits_posted < OLD.debits_posted OR NEW.credits_posted < OLD.credits_posted OR NEW.closed < OLD.closed
        OR NEW.version <= OLD.version
    THEN
        RAISE EXCEPTION 'what is posted or closed stays so' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER account_changes BEFORE UPDATE ON account FOR EACH ROW EXECUTE FUNCTION account_changes();
CREATE TRIGGER account_stays BEFORE DELETE ON account FOR EACH ROW EXECUTE FUNCTION ledger_never();
CREATE TRIGGER account_whole BEFORE TRUNCATE ON account EXECUTE FUNCTION ledger_never();

CREATE TABLE leaf (
    seq bigint PRIMARY KEY CHECK (seq >= 0),
    hash bytea NOT NULL CHECK (length(hash) = 32)
);
CREATE TRIGGER leaf_stays BEFORE UPDATE OR DELETE ON leaf FOR EACH ROW EXECUTE FUNCTION ledger_never();
CREATE TRIGGER leaf_whole BEFORE TRUNCATE ON leaf EXECUTE FUNCTION ledger_never();

CREATE TABLE transfer (
    seq bigint PRIMARY KEY CHECK (seq >= 0),
    id name16 NOT NULL UNIQUE,
    asset text NOT NULL,
    code text NOT NULL CHECK (code IN ('DEPOSIT', 'WITHDRAW', 'PAY', 'FEE', 'VISA', 'LOCK', 'UNLOCK', 'SLASH', 'CORRECTION')),
    phase text NOT NULL CHECK (phase IN ('single', 'pending', 'post', 'void')),
    pending_id name16,
    debit name16 NOT NULL REFERENCES account (id),
    credit name16 NOT NULL REFERENCES account (id),
    amount units NOT NULL CHECK (amount > 0),
    reference text,
    memo text,
    actor text NOT NULL,
    created_at bigint NOT NULL,
    CONSTRAINT transfer_sides CHECK (debit <> credit),
    CONSTRAINT transfer_pending CHECK ((pending_id IS NOT NULL) = (phase IN ('post', 'void')))
);
CREATE UNIQUE INDEX transfer_resolves_once ON transfer (pending_id) WHERE pending_id IS NOT NULL;
-- The only transfers that make money: a booking of the bank counts once, for ever.
CREATE UNIQUE INDEX transfer_deposit_once ON transfer (asset, reference) WHERE code = 'DEPOSIT';
CREATE INDEX transfer_debit ON transfer (debit, seq);
CREATE INDEX transfer_credit ON transfer (credit, seq);
CREATE FUNCTION transfer_resolves() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM transfer p
        WHERE p.id = NEW.pending_id AND p.phase = 'pending' AND p.asset = NEW.asset AND p.code = NEW.code
            AND p.debit = NEW.debit AND p.credit = NEW.credit
            AND (NEW.amount = p.amount OR (NEW.phase = 'post' AND NEW.amount < p.amount))
            -- Two operators correct.
            AND (NEW.code <> 'CORRECTION' OR NEW.phase = 'void' OR NEW.actor <> p.actor);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a post or void fits its pending transfer' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
-- After, so that a pending transfer and its end may come in one statement.
CREATE TRIGGER transfer_resolves AFTER INSERT ON transfer FOR EACH ROW WHEN (NEW.pending_id IS NOT NULL)
    EXECUTE FUNCTION transfer_resolves();
-- By sets, each once for a statement. The planner must not settle on reading whole tables while they are small.
CREATE FUNCTION transfer_fits() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    PERFORM FROM fresh f LEFT JOIN leaf l ON l.seq = f.seq LEFT JOIN event e ON e.seq = f.seq WHERE l.seq IS NULL OR e.seq IS NOT NULL;
    IF FOUND THEN
        RAISE EXCEPTION 'a transfer has a leaf of the log for itself' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    PERFORM FROM fresh f LEFT JOIN account d ON d.id = f.debit LEFT JOIN account c ON c.id = f.credit
        WHERE (d.asset = f.asset AND c.asset = f.asset AND (f.phase = 'single') <> (f.code IN ('WITHDRAW', 'VISA', 'CORRECTION'))
            AND CASE f.code
                WHEN 'DEPOSIT' THEN d.kind = 'OUTSIDE' AND c.kind = 'AVAILABLE' AND f.reference IS NOT NULL
                WHEN 'WITHDRAW' THEN d.kind = 'AVAILABLE' AND c.kind = 'OUTSIDE'
                WHEN 'PAY' THEN d.kind = 'AVAILABLE' AND c.kind = 'AVAILABLE'
                WHEN 'FEE' THEN d.kind = 'AVAILABLE' AND c.kind = 'TREASURY' AND f.reference IS NOT NULL
                WHEN 'VISA' THEN d.kind = 'AVAILABLE' AND c.kind = 'AVAILABLE'
                WHEN 'LOCK' THEN d.kind = 'AVAILABLE' AND c.kind = 'LOCKED' AND d.owner = c.owner
                WHEN 'UNLOCK' THEN d.kind = 'LOCKED' AND c.kind = 'AVAILABLE' AND d.owner = c.owner
                WHEN 'SLASH' THEN d.kind = 'LOCKED' AND c.kind = 'TREASURY'
                ELSE f.code = 'CORRECTION'
            END) IS NOT TRUE;
    IF FOUND THEN
        RAISE EXCEPTION 'a transfer has the shape of its code' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER transfer_fits AFTER INSERT ON transfer REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION transfer_fits();
CREATE TRIGGER transfer_stays BEFORE UPDATE OR DELETE ON transfer FOR EACH ROW EXECUTE FUNCTION ledger_never();
CREATE TRIGGER transfer_whole BEFORE TRUNCATE ON transfer EXECUTE FUNCTION ledger_never();

-- Not while the log is empty: a restore writes the head last, and the audit adds everything up before it commits.
CREATE FUNCTION account_begins_empty() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM head WHERE size > 0) THEN
        RAISE EXCEPTION 'a new account holds nothing' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER account_begins_empty AFTER INSERT ON account FOR EACH ROW
    WHEN (NEW.debits_pending + NEW.debits_posted + NEW.credits_pending + NEW.credits_posted > 0)
    EXECUTE FUNCTION account_begins_empty();
-- The head is written last: from its size on, the transfers are those of this transaction.
CREATE FUNCTION account_adds_up() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    PERFORM FROM (
        SELECT n.id, n.debits_pending - o.debits_pending AS dp, n.debits_posted - o.debits_posted AS d,
            n.credits_pending - o.credits_pending AS cp, n.credits_posted - o.credits_posted AS c
        FROM is_now n JOIN was o ON o.id = n.id
    ) changed FULL JOIN (
        SELECT id, sum(dp) AS dp, sum(d) AS d, sum(cp) AS cp, sum(c) AS c FROM (
            SELECT CASE WHEN debits THEN debit ELSE credit END AS id,
                CASE WHEN debits THEN waits ELSE 0 END AS dp, CASE WHEN debits THEN takes ELSE 0 END AS d,
                CASE WHEN debits THEN 0 ELSE waits END AS cp, CASE WHEN debits THEN 0 ELSE takes END AS c
            FROM (
                SELECT debit, credit,
                    CASE phase WHEN 'single' THEN 0 WHEN 'pending' THEN amount
                        ELSE -(SELECT p.amount FROM transfer p WHERE p.id = t.pending_id) END AS waits,
                    CASE WHEN phase IN ('single', 'post') THEN amount ELSE 0 END AS takes
                FROM transfer t WHERE seq >= (SELECT size FROM head)
            ) fresh CROSS JOIN (VALUES (true), (false)) side (debits)
        ) sides GROUP BY id
    ) moved ON moved.id = changed.id
    WHERE (coalesce(changed.dp, 0), coalesce(changed.d, 0), coalesce(changed.cp, 0), coalesce(changed.c, 0))
        <> (coalesce(moved.dp, 0), coalesce(moved.d, 0), coalesce(moved.cp, 0), coalesce(moved.c, 0));
    IF FOUND THEN
        RAISE EXCEPTION 'a balance changes by its transfers' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER account_adds_up AFTER UPDATE ON account REFERENCING OLD TABLE AS was NEW TABLE AS is_now
    FOR EACH STATEMENT EXECUTE FUNCTION account_adds_up();

CREATE TABLE visa (
    jti name16 PRIMARY KEY,
    agent text NOT NULL,
    publisher text NOT NULL,
    asset text NOT NULL,
    amount units NOT NULL,
    state text NOT NULL CHECK (state IN ('ISSUED', 'REDEEMED', 'WITHHELD', 'DISPUTED', 'RELEASED', 'REFUNDED', 'SPLIT', 'EXPIRED')),
    due_at bigint,
    version bigint NOT NULL,
    -- All of it, as the broker writes it.
    row text NOT NULL
);
CREATE INDEX visa_agent ON visa (agent, jti);
CREATE INDEX visa_publisher ON visa (publisher, jti);
CREATE INDEX visa_state ON visa (state, jti);
CREATE INDEX visa_due ON visa (due_at, jti) WHERE due_at IS NOT NULL;
CREATE FUNCTION visa_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.jti, NEW.agent, NEW.publisher, NEW.asset, NEW.amount) IS DISTINCT FROM (OLD.jti, OLD.agent, OLD.publisher, OLD.asset, OLD.amount) THEN
        RAISE EXCEPTION 'a visa never becomes another' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (OLD.state IN ('RELEASED', 'REFUNDED', 'SPLIT', 'EXPIRED') AND NEW.state <> OLD.state) OR NEW.version <= OLD.version THEN
        RAISE EXCEPTION 'a settled visa stays so' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER visa_changes BEFORE UPDATE ON visa FOR EACH ROW EXECUTE FUNCTION visa_changes();
CREATE TRIGGER visa_stays BEFORE DELETE ON visa FOR EACH ROW EXECUTE FUNCTION ledger_never();
CREATE TRIGGER visa_whole BEFORE TRUNCATE ON visa EXECUTE FUNCTION ledger_never();

CREATE TABLE event (
    seq bigint PRIMARY KEY CHECK (seq >= 0),
    kind text NOT NULL,
    jti name16,
    account name16,
    actor text NOT NULL,
    created_at bigint NOT NULL,
    body text NOT NULL
);
CREATE INDEX event_jti ON event (jti, seq) WHERE jti IS NOT NULL;
CREATE FUNCTION event_is_logged() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    PERFORM FROM fresh f LEFT JOIN leaf l ON l.seq = f.seq LEFT JOIN transfer t ON t.seq = f.seq WHERE l.seq IS NULL OR t.seq IS NOT NULL;
    IF FOUND THEN
        RAISE EXCEPTION 'an event has a leaf of the log for itself' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER event_is_logged AFTER INSERT ON event REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION event_is_logged();
CREATE TRIGGER event_stays BEFORE UPDATE OR DELETE ON event FOR EACH ROW EXECUTE FUNCTION ledger_never();
CREATE TRIGGER event_whole BEFORE TRUNCATE ON event EXECUTE FUNCTION ledger_never();

CREATE TABLE idempotency (
    actor text NOT NULL,
    key text NOT NULL,
    request bytea NOT NULL CHECK (length(request) = 32),
    result text NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (actor, key)
);
CREATE INDEX idempotency_expires ON idempotency (expires_at);

CREATE TABLE once (
    scope text NOT NULL,
    name text NOT NULL,
    transfer name16,
    created_at bigint NOT NULL,
    expires_at bigint,
    PRIMARY KEY (scope, name)
);
CREATE INDEX once_expires ON once (expires_at) WHERE expires_at IS NOT NULL;
CREATE TRIGGER once_stays BEFORE UPDATE OR DELETE ON once FOR EACH ROW WHEN (OLD.expires_at IS NULL) EXECUTE FUNCTION ledger_never();
CREATE TRIGGER once_whole BEFORE TRUNCATE ON once EXECUTE FUNCTION ledger_never();

CREATE TABLE operator (
    name text PRIMARY KEY,
    role text NOT NULL,
    created_at bigint NOT NULL,
    disabled_at bigint
);

CREATE TABLE token (
    hash bytea PRIMARY KEY CHECK (length(hash) = 32),
    operator text NOT NULL REFERENCES operator (name),
    label text NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint,
    revoked_at bigint
);
CREATE INDEX token_operator ON token (operator);

CREATE TABLE signing_key (
    kid text PRIMARY KEY,
    algorithm text NOT NULL,
    public_jwk text NOT NULL,
    -- Where the private half is: never the key itself.
    location text NOT NULL,
    published_at bigint NOT NULL,
    active_at bigint NOT NULL,
    retired_at bigint,
    last_expiry bigint
);

CREATE TABLE lease (
    job text PRIMARY KEY,
    holder text NOT NULL,
    expires_at bigint NOT NULL
);
