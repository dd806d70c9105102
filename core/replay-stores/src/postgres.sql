-- NAME is the store's name. Entries are of buckets of a minute; a bucket is dropped whole, and its time is then forgotten.
CREATE TABLE NAME_replay_version (version integer NOT NULL);
CREATE TABLE NAME_replay_bucket (bucket bigint PRIMARY KEY, due_at bigint NOT NULL);
CREATE TABLE NAME_replay_dropped (bucket bigint PRIMARY KEY);
CREATE TABLE NAME_replay_forgotten (from_at bigint PRIMARY KEY, to_at bigint NOT NULL);
CREATE TABLE NAME_replay_entry (
    key bytea PRIMARY KEY CHECK (length(key) = 16),
    bucket bigint NOT NULL
);
CREATE INDEX NAME_replay_entry_bucket ON NAME_replay_entry (bucket);
CREATE TABLE NAME_replay_share (
    agent bytea NOT NULL CHECK (length(agent) = 16),
    bucket bigint NOT NULL,
    held bigint NOT NULL,
    PRIMARY KEY (agent, bucket)
);
CREATE INDEX NAME_replay_share_bucket ON NAME_replay_share (bucket);

-- Inserts keys unless they are there, in the order of the arrays. Answers 1 fresh, 2 seen, 3 full, 4 forgotten.
CREATE FUNCTION NAME_replay_insert(
    keys bytea[], agents bytea[], ends bigint[], buckets bigint[], kept bigint[], room bigint, max_per_agent bigint
) RETURNS smallint[] LANGUAGE plpgsql AS $$
DECLARE
    now_ms bigint := floor(extract(epoch FROM clock_timestamp()) * 1000);
    answers smallint[];
BEGIN
    INSERT INTO NAME_replay_bucket
        SELECT b, now_ms + max(k) FROM unnest(buckets, ends, kept) AS t(b, e, k)
        WHERE NOT EXISTS (SELECT FROM NAME_replay_forgotten f WHERE e BETWEEN f.from_at AND f.to_at)
        GROUP BY b ORDER BY b
        ON CONFLICT DO NOTHING;
    -- Whoever tidies cannot drop a bucket that is held here; one that was dropped before is not found below.
    PERFORM FROM NAME_replay_bucket WHERE bucket = ANY (buckets) ORDER BY bucket FOR KEY SHARE;
    WITH asked AS (
        SELECT n, k, a, e, b FROM unnest(keys, agents, ends, buckets) WITH ORDINALITY AS t(k, a, e, b, n)
    ), known AS (
        SELECT asked.*, EXISTS (SELECT FROM NAME_replay_entry x WHERE x.key = k) AS seen,
            EXISTS (SELECT FROM NAME_replay_forgotten f WHERE e BETWEEN f.from_at AND f.to_at)
                OR NOT EXISTS (SELECT FROM NAME_replay_bucket l WHERE l.bucket = b) AS lost
        FROM asked
    ), held AS (
        SELECT a, (
            SELECT coalesce(sum(s.held), 0) FROM NAME_replay_share s
            WHERE s.agent = t.a AND EXISTS (SELECT FROM NAME_replay_bucket l WHERE l.bucket = s.bucket)
        ) AS held FROM (SELECT DISTINCT a FROM known) t
    ), fits AS (
        SELECT n, k, a, b,
            held.held + row_number() OVER (PARTITION BY a ORDER BY n) <= max_per_agent
                AND row_number() OVER (ORDER BY n) <= room AS fits
        FROM known JOIN held USING (a) WHERE NOT seen AND NOT lost
    ), stored AS (
        INSERT INTO NAME_replay_entry (key, bucket)
            SELECT k, b FROM fits WHERE fits ORDER BY k
            ON CONFLICT DO NOTHING
            RETURNING key
    ), shared AS (
        INSERT INTO NAME_replay_share AS s (agent, bucket, held)
            SELECT a, b, count(*) FROM fits WHERE k IN (SELECT key FROM stored) GROUP BY a, b ORDER BY a, b
            ON CONFLICT (agent, bucket) DO UPDATE SET held = s.held + excluded.held
    )
    SELECT array_agg((CASE
            WHEN known.seen THEN 2
            WHEN known.lost THEN 4
            WHEN stored.key IS NOT NULL THEN 1
            WHEN fits.fits THEN 2
            ELSE 3
        END)::smallint ORDER BY known.n)
        INTO answers
        FROM known LEFT JOIN fits USING (n) LEFT JOIN stored ON stored.key = known.k;
    RETURN answers;
END $$;

-- Drops the buckets whose time has passed, and then at most STEP of what they held. Answers how many entries were deleted; -1 when another
-- process is at it.
CREATE FUNCTION NAME_replay_tidy(step bigint, before_ms bigint, max_spans bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    now_ms bigint := floor(extract(epoch FROM clock_timestamp()) * 1000);
    due bigint;
    gone bigint;
    span record;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('NAME_replay_tidy', 0)) THEN
        RETURN -1;
    END IF;
    FOR due IN SELECT bucket FROM NAME_replay_bucket WHERE due_at <= now_ms ORDER BY bucket LIMIT 64 FOR UPDATE SKIP LOCKED LOOP
        DELETE FROM NAME_replay_bucket WHERE bucket = due;
        INSERT INTO NAME_replay_dropped VALUES (due) ON CONFLICT DO NOTHING;
        WITH near AS (
            DELETE FROM NAME_replay_forgotten
            WHERE from_at <= due * 60000 AND to_at >= (due - 1) * 60000 - before_ms
            RETURNING from_at, to_at
        )
        SELECT least(min(from_at), (due - 1) * 60000 - before_ms) AS from_at, greatest(max(to_at), due * 60000) AS to_at
            INTO span FROM near;
        INSERT INTO NAME_replay_forgotten VALUES (span.from_at, span.to_at);
        IF (SELECT count(*) FROM NAME_replay_forgotten) > max_spans THEN
            -- The oldest two become one.
            WITH oldest AS (
                DELETE FROM NAME_replay_forgotten
                WHERE from_at IN (SELECT from_at FROM NAME_replay_forgotten ORDER BY from_at LIMIT 2)
                RETURNING from_at, to_at
            )
            SELECT min(from_at) AS from_at, max(to_at) AS to_at INTO span FROM oldest;
            INSERT INTO NAME_replay_forgotten VALUES (span.from_at, span.to_at);
        END IF;
    END LOOP;
    SELECT min(bucket) INTO due FROM NAME_replay_dropped;
    IF due IS NULL THEN
        RETURN 0;
    END IF;
    DELETE FROM NAME_replay_entry WHERE ctid = ANY (ARRAY (
        SELECT ctid FROM NAME_replay_entry WHERE bucket = due LIMIT step
    ));
    GET DIAGNOSTICS gone = ROW_COUNT;
    IF gone < step THEN
        DELETE FROM NAME_replay_share WHERE bucket = due;
        DELETE FROM NAME_replay_dropped WHERE bucket = due;
    END IF;
    RETURN gone;
END $$;

INSERT INTO NAME_replay_version VALUES (1);
