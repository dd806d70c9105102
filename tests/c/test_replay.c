/* The replay store behind callbacks: what is asked of it, in which order, and what its answers mean. */
#include "world.h"

#include <string.h>

/* A store that remembers a few keys and records every call: i(nsert), s(een), h(orizon). */
struct probe {
    char calls[256];
    size_t call_count;
    uint8_t keys[64][16];
    size_t key_count;
    int64_t expires_at;
    int64_t horizon;
    int insert_answer; /* 0: the truth */
    int seen_answer;   /* 0: the truth */
};

static void record(struct probe *probe, char call) {
    if (probe->call_count < sizeof probe->calls - 1) {
        probe->calls[probe->call_count++] = call;
    }
}

static bool holds(const struct probe *probe, const uint8_t *key) {
    for (size_t i = 0; i < probe->key_count; i++) {
        if (memcmp(probe->keys[i], key, 16) == 0) {
            return true;
        }
    }
    return false;
}

static int probe_insert(void *user_data, const uint8_t *key, const uint8_t *agent, int64_t expires_at_ms, int64_t now_ms) {
    struct probe *probe = (struct probe *)user_data;
    record(probe, 'i');
    CHECK(memcmp(key, agent, 16) != 0);
    CHECK(now_ms >= NOW && expires_at_ms > now_ms);
    probe->expires_at = expires_at_ms;
    if (probe->insert_answer != 0) {
        return probe->insert_answer;
    }
    if (holds(probe, key)) {
        return IMAGXP_INSERT_SEEN;
    }
    if (probe->key_count == 64) {
        return IMAGXP_INSERT_FULL;
    }
    memcpy(probe->keys[probe->key_count++], key, 16);
    return IMAGXP_INSERT_FRESH;
}

static int probe_seen(void *user_data, const uint8_t *key, int64_t now_ms) {
    struct probe *probe = (struct probe *)user_data;
    (void)now_ms;
    record(probe, 's');
    if (probe->seen_answer != 0) {
        return probe->seen_answer;
    }
    return holds(probe, key) ? IMAGXP_SEEN_YES : IMAGXP_SEEN_NO;
}

static int64_t probe_horizon(void *user_data) {
    struct probe *probe = (struct probe *)user_data;
    record(probe, 'h');
    return probe->horizon;
}

static void probe_open(struct probe *probe, struct world *world) {
    imagxp_replay_store *store = NULL;
    memset(probe, 0, sizeof *probe);
    probe->horizon = IMAGXP_TIME_NONE;
    OK(imagxp_replay_store_new(probe, probe_insert, probe_seen, probe_horizon, &store, &err));
    world_open(world, FREE_POLICY, store);
    imagxp_replay_store_free(store);
}

static size_t inserts(const struct probe *probe) {
    size_t count = 0;
    for (size_t i = 0; i < probe->call_count; i++) {
        count += probe->calls[i] == 'i';
    }
    return count;
}

/* Nothing is stored before a good signature: whatever is wrong with a request up to then, the store is only read. */
static void nothing_is_stored_before_a_good_signature(void) {
    struct probe probe;
    struct world world;
    struct world stranger;
    probe_open(&probe, &world);
    world_supply(&world, NOW);
    world_open(&stranger, FREE_POLICY, NULL);
    imagxp_headers *headers = sign(&world, PAGE, none());
    imagxp_headers *others = sign(&stranger, PAGE, none());
    imagxp_headers *second = sign(&world, PAGE, none());

    static const char zeros[] =
        "0000000000000000000000000000000000000000000000000000000000000001"
        "0000000000000000000000000000000000000000000000000000000000000001";
    imagxp_slice second_signature = imagxp_headers_value(second, 1);
    struct {
        imagxp_request *request;
        int64_t now;
        imagxp_status code;
    } cases[] = {
        {tampered(headers, PAGE, "x-imagxp-signature", S(zeros)), NOW, IMAGXP_SIG_INVALID},
        {tampered(headers, PAGE, "x-imagxp-signature", second_signature), NOW, IMAGXP_SIG_INVALID},
        {tampered(headers, PAGE, "x-imagxp-payload", imagxp_headers_value(second, 0)), NOW, IMAGXP_SIG_INVALID},
        {tampered(headers, PAGE, "x-imagxp-payload", S("e30=")), NOW, IMAGXP_CLAIM_AGENT_ID_INVALID},
        {tampered(headers, PAGE, "x-imagxp-signature", S("00")), NOW, IMAGXP_SIG_MALFORMED},
        {tampered(headers, PAGE, "x-imagxp-public-key", S("!")), NOW, IMAGXP_HEADER_BASE64_INVALID},
        {received(headers, "https://pub.example/other"), NOW, IMAGXP_CLAIM_RESOURCE_MISMATCH},
        {received(headers, PAGE), NOW + 301 * 1000, IMAGXP_TIME_EXPIRED},
        /* The stranger's own key, a good signature, but the domain does not publish it: one refresh is asked for, then refused. */
        {received(others, PAGE), NOW + 40 * 1000, IMAGXP_IDENTITY_MANIFEST_NEEDED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect_code(&world, cases[i].request, cases[i].now, cases[i].code);
        imagxp_request_free(cases[i].request);
        CHECK(inserts(&probe) == 0);
    }
    /* And the same publisher does store the nonce of the good one, once. */
    imagxp_request *good = received(headers, PAGE);
    expect_code(&world, good, NOW, IMAGXP_OK);
    CHECK(inserts(&probe) == 1);
    /* PROTOCOL: kept until ts + window + margin, never from receipt. */
    CHECK(probe.expires_at >= NOW + 300 * 1000 && probe.expires_at <= NOW + 400 * 1000);
    expect_code(&world, good, NOW, IMAGXP_REPLAY_NONCE_SEEN);
    CHECK(inserts(&probe) == 1);
    imagxp_request_free(good);
    imagxp_headers_free(headers);
    imagxp_headers_free(others);
    imagxp_headers_free(second);
    world_close(&stranger);
    world_close(&world);
}

/* A fetch in between does not turn the agent's own request into a replay, and spends its nonce once. */
static void a_resumed_request_spends_its_nonce_once(void) {
    struct probe probe;
    struct world world;
    imagxp_verdict *resumed = NULL;
    probe_open(&probe, &world);
    imagxp_request *request = signed_request(&world, PAGE);
    imagxp_verdict *verdict = verify(&world, request, NOW);
    CHECK(imagxp_verdict_is_pending(verdict));
    CHECK(inserts(&probe) == 0);
    world_supply(&world, NOW + 10);
    CHECK(inserts(&probe) == 0);
    OK(imagxp_publisher_resume(world.publisher, verdict, NOW + 20, &resumed, &err));
    CHECK(imagxp_verdict_is_allowed(resumed));
    CHECK(inserts(&probe) == 1 && probe.key_count == 1);
    expect_code(&world, request, NOW + 30, IMAGXP_REPLAY_NONCE_SEEN);
    CHECK(probe.key_count == 1);
    imagxp_verdict_free(resumed);
    imagxp_verdict_free(verdict);
    imagxp_request_free(request);
    world_close(&world);
}

/* A store that fails, or answers what no one has named, never lets a request pass. */
static void doubt_fails_closed(void) {
    static const struct {
        int insert;
        int seen;
        imagxp_status code;
    } cases[] = {
        {IMAGXP_INSERT_SEEN, 0, IMAGXP_REPLAY_NONCE_SEEN},
        {IMAGXP_INSERT_FULL, 0, IMAGXP_REPLAY_STORE_FULL},
        {IMAGXP_INSERT_ERROR, 0, IMAGXP_REPLAY_STORE_ERROR},
        {-1, 0, IMAGXP_REPLAY_STORE_ERROR},
        {99, 0, IMAGXP_REPLAY_STORE_ERROR},
        {0, IMAGXP_SEEN_YES, IMAGXP_REPLAY_NONCE_SEEN},
        {0, IMAGXP_SEEN_ERROR, IMAGXP_REPLAY_STORE_ERROR},
        {0, -5, IMAGXP_REPLAY_STORE_ERROR},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct probe probe;
        struct world world;
        probe_open(&probe, &world);
        world_supply(&world, NOW);
        probe.insert_answer = cases[i].insert;
        probe.seen_answer = cases[i].seen;
        imagxp_request *request = signed_request(&world, PAGE);
        expect_code(&world, request, NOW, cases[i].code);
        CHECK(probe.key_count == 0);
        imagxp_request_free(request);
        world_close(&world);
    }
}

static void the_horizon_refuses_what_was_forgotten(void) {
    struct probe probe;
    struct world world;
    probe_open(&probe, &world);
    world_supply(&world, NOW);
    imagxp_request *request = signed_request(&world, PAGE);
    probe.horizon = NOW + 300 * 1000;
    expect_code(&world, request, NOW, IMAGXP_TIME_EXPIRED);
    CHECK(inserts(&probe) == 0);
    probe.horizon = NOW + 300 * 1000 - 1;
    expect_code(&world, request, NOW, IMAGXP_OK);
    imagxp_request_free(request);
    world_close(&world);
}

/* `seen` and `horizon` may be missing; the insertion alone still refuses a replay. */
static void only_the_insertion_is_needed(void) {
    struct probe probe;
    struct world world;
    imagxp_replay_store *store = NULL;
    memset(&probe, 0, sizeof probe);
    FAILS(imagxp_replay_store_new(&probe, NULL, probe_seen, probe_horizon, &store, &err), IMAGXP_USAGE_ARGUMENT);
    OK(imagxp_replay_store_new(&probe, probe_insert, NULL, NULL, &store, &err));
    world_open(&world, FREE_POLICY, store);
    imagxp_replay_store_free(store);
    world_supply(&world, NOW);
    imagxp_request *request = signed_request(&world, PAGE);
    expect_code(&world, request, NOW, IMAGXP_OK);
    expect_code(&world, request, NOW, IMAGXP_REPLAY_NONCE_SEEN);
    probe.calls[probe.call_count] = 0;
    CHECK(strcmp(probe.calls, "ii") == 0);
    imagxp_request_free(request);
    world_close(&world);
}

/* A store of two entries, shared by two publishers of the same secret. */
static void memory_stores_are_bounded_and_shared(void) {
    struct world world;
    imagxp_replay_store *store = NULL;
    OK(imagxp_replay_store_memory(2, 2, &store, &err));
    world_open(&world, FREE_POLICY, store);
    world_supply(&world, NOW);
    imagxp_request *first = signed_request(&world, PAGE);
    imagxp_request *second = signed_request(&world, PAGE);
    imagxp_request *third = signed_request(&world, PAGE);
    expect_code(&world, first, NOW, IMAGXP_OK);
    imagxp_publisher_free(world.publisher);
    world.publisher = new_publisher(FREE_POLICY, store);
    imagxp_replay_store_free(store);
    world_supply(&world, NOW);
    expect_code(&world, first, NOW, IMAGXP_REPLAY_NONCE_SEEN);
    expect_code(&world, second, NOW, IMAGXP_OK);
    expect_code(&world, third, NOW, IMAGXP_REPLAY_STORE_FULL);
    imagxp_request_free(first);
    imagxp_request_free(second);
    imagxp_request_free(third);
    world_close(&world);
}

int main(void) {
    static const struct test tests[] = {
        {"nothing_is_stored_before_a_good_signature", nothing_is_stored_before_a_good_signature},
        {"a_resumed_request_spends_its_nonce_once", a_resumed_request_spends_its_nonce_once},
        {"doubt_fails_closed", doubt_fails_closed},
        {"the_horizon_refuses_what_was_forgotten", the_horizon_refuses_what_was_forgotten},
        {"only_the_insertion_is_needed", only_the_insertion_is_needed},
        {"memory_stores_are_bounded_and_shared", memory_stores_are_bounded_and_shared},
        {NULL, NULL},
    };
    return run_tests(tests);
}
