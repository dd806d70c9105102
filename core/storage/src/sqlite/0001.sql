-- The broker's ledger. Amounts are 16 bytes, most significant first: they sort as the numbers do. Times are milliseconds since 1970.
CREATE TABLE head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    size INTEGER NOT NULL CHECK (size >= 0),
    nodes BLOB NOT NULL CHECK (length(nodes) % 32 = 0),
    last BLOB NOT NULL CHECK (length(last) = 32)
) STRICT;
INSERT INTO head VALUES (1, 0, x'', zeroblob(32));
CREATE TRIGGER head_stays BEFORE DELETE ON head BEGIN
    SELECT RAISE(ABORT, 'the head of the log is never deleted');
END;
CREATE TRIGGER head_grows BEFORE UPDATE ON head WHEN NEW.size < OLD.size BEGIN
    SELECT RAISE(ABORT, 'the log never shrinks');
END;

CREATE TABLE account (
    id BLOB PRIMARY KEY CHECK (length(id) = 16),
    asset TEXT NOT NULL CHECK (length(asset) BETWEEN 2 AND 12),
    kind TEXT NOT NULL CHECK (kind IN ('OUTSIDE', 'AVAILABLE', 'LOCKED', 'TREASURY', 'REWARDS')),
    owner TEXT,
    reference TEXT,
    debits_pending BLOB NOT NULL CHECK (length(debits_pending) = 16),
    debits_posted BLOB NOT NULL CHECK (length(debits_posted) = 16),
    credits_pending BLOB NOT NULL CHECK (length(credits_pending) = 16),
    credits_posted BLOB NOT NULL CHECK (length(credits_posted) = 16),
    frozen INTEGER NOT NULL CHECK (frozen IN (0, 1)),
    closed INTEGER NOT NULL CHECK (closed IN (0, 1)),
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    CONSTRAINT account_owner CHECK ((owner IS NOT NULL) = (kind IN ('AVAILABLE', 'LOCKED'))),
    CONSTRAINT account_reference CHECK ((reference IS NOT NULL) = (kind = 'LOCKED')),
    -- imagxp_covers(c, d, p): c >= d + p.
    CONSTRAINT account_covered CHECK (kind = 'OUTSIDE' OR imagxp_covers(credits_posted, debits_posted, debits_pending))
) STRICT, WITHOUT ROWID;
CREATE INDEX account_owner ON account (owner, id) WHERE owner IS NOT NULL;
CREATE TRIGGER account_stays BEFORE DELETE ON account BEGIN
    SELECT RAISE(ABORT, 'an account is never deleted');
END;
CREATE TRIGGER account_is_itself BEFORE UPDATE OF id, asset, kind, owner, reference, created_at ON account BEGIN
    SELECT RAISE(ABORT, 'an account never becomes another');
END;
CREATE TRIGGER account_never_back BEFORE UPDATE ON account
WHEN NEW.debits_posted < OLD.debits_posted OR NEW.credits_posted < OLD.credits_posted OR NEW.closed < OLD.closed
    OR NEW.version <= OLD.version BEGIN
    SELECT RAISE(ABORT, 'what is posted or closed stays so');
END;

CREATE TABLE transfer (
    seq INTEGER PRIMARY KEY CHECK (seq >= 0),
    id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    asset TEXT NOT NULL,
    code TEXT NOT NULL CHECK (code IN ('DEPOSIT', 'WITHDRAW', 'PAY', 'FEE', 'VISA', 'LOCK', 'UNLOCK', 'SLASH', 'CORRECTION')),
    phase TEXT NOT NULL CHECK (phase IN ('single', 'pending', 'post', 'void')),
    pending_id BLOB CHECK (length(pending_id) = 16),
    debit BLOB NOT NULL REFERENCES account (id),
    credit BLOB NOT NULL REFERENCES account (id),
    amount BLOB NOT NULL CHECK (length(amount) = 16 AND amount > zeroblob(16)),
    reference TEXT,
    memo TEXT,
    actor TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    CONSTRAINT transfer_sides CHECK (debit <> credit),
    CONSTRAINT transfer_pending CHECK ((pending_id IS NOT NULL) = (phase IN ('post', 'void')))
) STRICT;
CREATE UNIQUE INDEX transfer_resolves_once ON transfer (pending_id) WHERE pending_id IS NOT NULL;
CREATE TRIGGER transfer_stays BEFORE DELETE ON transfer BEGIN
    SELECT RAISE(ABORT, 'a transfer is never deleted');
END;
CREATE TRIGGER transfer_is_itself BEFORE UPDATE ON transfer BEGIN
    SELECT RAISE(ABORT, 'a transfer is never changed');
END;
CREATE TRIGGER transfer_resolves BEFORE INSERT ON transfer WHEN NEW.pending_id IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'a post or void fits its pending transfer')
    WHERE NOT EXISTS (
        SELECT 1 FROM transfer p
        WHERE p.id = NEW.pending_id AND p.phase = 'pending' AND p.asset = NEW.asset AND p.code = NEW.code
            AND p.debit = NEW.debit AND p.credit = NEW.credit
            AND (NEW.amount = p.amount OR (NEW.phase = 'post' AND NEW.amount < p.amount))
    );
END;

-- Which transfers touched an account. Entered for many transfers at once, in the order of the accounts: one by one, each would dirty two
-- pages of its own. What is not entered yet is few enough to be looked through.
CREATE TABLE posting (
    account BLOB NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (account, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE posted (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    -- Transfers with smaller numbers have been entered.
    until INTEGER NOT NULL CHECK (until >= 0)
) STRICT;
INSERT INTO posted VALUES (1, 0);

CREATE TABLE visa (
    jti BLOB PRIMARY KEY CHECK (length(jti) = 16),
    agent TEXT NOT NULL,
    publisher TEXT NOT NULL,
    asset TEXT NOT NULL,
    amount BLOB NOT NULL CHECK (length(amount) = 16),
    state TEXT NOT NULL CHECK (state IN ('ISSUED', 'REDEEMED', 'WITHHELD', 'DISPUTED', 'RELEASED', 'REFUNDED', 'SPLIT', 'EXPIRED')),
    due_at INTEGER,
    version INTEGER NOT NULL,
    -- All of it, as the broker writes it.
    row TEXT NOT NULL
) STRICT;
CREATE INDEX visa_agent ON visa (agent, jti);
CREATE INDEX visa_publisher ON visa (publisher, jti);
CREATE INDEX visa_state ON visa (state, jti);
CREATE INDEX visa_due ON visa (due_at) WHERE due_at IS NOT NULL;
CREATE TRIGGER visa_stays BEFORE DELETE ON visa BEGIN
    SELECT RAISE(ABORT, 'a visa is never deleted');
END;
CREATE TRIGGER visa_is_itself BEFORE UPDATE OF jti, agent, publisher, asset, amount ON visa BEGIN
    SELECT RAISE(ABORT, 'a visa never becomes another');
END;
CREATE TRIGGER visa_ends BEFORE UPDATE ON visa
WHEN (OLD.state IN ('RELEASED', 'REFUNDED', 'SPLIT', 'EXPIRED') AND NEW.state <> OLD.state) OR NEW.version <= OLD.version BEGIN
    SELECT RAISE(ABORT, 'a settled visa stays so');
END;

CREATE TABLE event (
    seq INTEGER PRIMARY KEY CHECK (seq >= 0),
    kind TEXT NOT NULL,
    jti BLOB CHECK (length(jti) = 16),
    account BLOB CHECK (length(account) = 16),
    actor TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX event_jti ON event (jti) WHERE jti IS NOT NULL;
CREATE TRIGGER event_stays BEFORE DELETE ON event BEGIN
    SELECT RAISE(ABORT, 'an event is never deleted');
END;
CREATE TRIGGER event_is_itself BEFORE UPDATE ON event BEGIN
    SELECT RAISE(ABORT, 'an event is never changed');
END;

CREATE TABLE leaf (
    seq INTEGER PRIMARY KEY CHECK (seq >= 0),
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE TRIGGER leaf_stays BEFORE DELETE ON leaf BEGIN
    SELECT RAISE(ABORT, 'a leaf is never deleted');
END;
CREATE TRIGGER leaf_is_itself BEFORE UPDATE ON leaf BEGIN
    SELECT RAISE(ABORT, 'a leaf is never changed');
END;

CREATE TABLE idempotency (
    actor TEXT NOT NULL,
    key TEXT NOT NULL,
    request BLOB NOT NULL CHECK (length(request) = 32),
    result TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    UNIQUE (actor, key)
) STRICT;
CREATE INDEX idempotency_expires ON idempotency (expires_at);

CREATE TABLE once (
    scope TEXT NOT NULL,
    name TEXT NOT NULL,
    transfer BLOB CHECK (length(transfer) = 16),
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    PRIMARY KEY (scope, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX once_expires ON once (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE operator (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    disabled_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE token (
    hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
    operator TEXT NOT NULL REFERENCES operator (name),
    label TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX token_operator ON token (operator);

CREATE TABLE signing_key (
    kid TEXT PRIMARY KEY,
    algorithm TEXT NOT NULL,
    public_jwk TEXT NOT NULL,
    -- Where the private half is: never the key itself.
    location TEXT NOT NULL,
    published_at INTEGER NOT NULL,
    active_at INTEGER NOT NULL,
    retired_at INTEGER,
    last_expiry INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE lease (
    job TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
