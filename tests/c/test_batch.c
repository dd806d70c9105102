/* Many requests at once, signed and verified: the same as one by one. */
#include "world.h"

#include <string.h>

#define COUNT 40

/* A store in which everything is fresh once, that keeps the order of what it is asked to insert. */
struct order {
    uint8_t keys[2 * COUNT][16];
    size_t count;
};

static int order_insert(void *user_data, const uint8_t *key, const uint8_t *agent, int64_t expires_at_ms, int64_t now_ms) {
    struct order *order = (struct order *)user_data;
    (void)agent;
    (void)expires_at_ms;
    (void)now_ms;
    for (size_t i = 0; i < order->count; i++) {
        if (memcmp(order->keys[i], key, 16) == 0) {
            return IMAGXP_INSERT_SEEN;
        }
    }
    if (order->count == 2 * COUNT) {
        return IMAGXP_INSERT_FULL;
    }
    memcpy(order->keys[order->count++], key, 16);
    return IMAGXP_INSERT_FRESH;
}

static imagxp_publisher *ordered(struct order *order, struct world *world) {
    imagxp_replay_store *store = NULL;
    memset(order, 0, sizeof *order);
    OK(imagxp_replay_store_new(order, order_insert, NULL, NULL, &store, &err));
    imagxp_publisher_free(world->publisher);
    world->publisher = new_publisher(FREE_POLICY, store);
    imagxp_replay_store_free(store);
    world_supply(world, NOW);
    return world->publisher;
}

/* Good ones, and among them copies, forgeries, one without a signature and one for another page. */
static void mixed(struct world *world, const imagxp_request **requests) {
    imagxp_headers *first = sign(world, PAGE, none());
    for (size_t i = 0; i < COUNT; i++) {
        imagxp_headers *headers = sign(world, PAGE, none());
        imagxp_request *request = NULL;
        switch (i % 8) {
        case 1: request = received(first, PAGE); break;
        case 3: request = tampered(headers, PAGE, "x-imagxp-signature", imagxp_headers_value(first, 1)); break;
        case 5: OK(imagxp_request_new(S("GET"), S("/posts/1"), NULL, 0, &request, &err)); break;
        case 6: request = received(headers, "https://pub.example/posts/2"); break;
        default: request = received(headers, PAGE); break;
        }
        requests[i] = request;
        imagxp_headers_free(headers);
    }
    imagxp_headers_free(first);
}

static void free_requests(const imagxp_request **requests, size_t count) {
    for (size_t i = 0; i < count; i++) {
        imagxp_request_free((imagxp_request *)requests[i]);
    }
}

static void a_batch_has_the_verdicts_of_one_by_one(void) {
    struct world world;
    struct order one_by_one;
    struct order together;
    const imagxp_request *requests[COUNT];
    imagxp_status codes[COUNT];
    imagxp_verdict *verdicts[COUNT];
    size_t allowed = 0;
    size_t seen = 0;
    world_open(&world, FREE_POLICY, NULL);
    mixed(&world, requests);
    ordered(&one_by_one, &world);
    for (size_t i = 0; i < COUNT; i++) {
        imagxp_verdict *verdict = verify(&world, requests[i], NOW);
        codes[i] = imagxp_verdict_code(verdict);
        imagxp_verdict_free(verdict);
    }
    ordered(&together, &world);
    /* Two batches: in the second one the agent has a table. */
    OK(imagxp_publisher_verify_batch(world.publisher, requests, 10, NOW, verdicts, &err));
    OK(imagxp_publisher_verify_batch(world.publisher, requests + 10, COUNT - 10, NOW, verdicts + 10, &err));
    for (size_t i = 0; i < COUNT; i++) {
        CHECK(imagxp_verdict_code(verdicts[i]) == codes[i]);
        CHECK(imagxp_verdict_is_allowed(verdicts[i]) == (codes[i] == IMAGXP_OK));
        CHECK(!imagxp_verdict_is_pending(verdicts[i]));
        allowed += imagxp_verdict_is_allowed(verdicts[i]);
        seen += codes[i] == IMAGXP_REPLAY_NONCE_SEEN;
        imagxp_verdict_free(verdicts[i]);
    }
    CHECK(allowed == COUNT / 2 + 1 && seen == COUNT / 8 - 1);
    CHECK(together.count == allowed && together.count == one_by_one.count);
    CHECK(memcmp(together.keys, one_by_one.keys, sizeof together.keys) == 0);
    free_requests(requests, COUNT);
    world_close(&world);
}

/* Each has its own answer, and is resumed by itself. */
static void undecided_ones_are_resumed(void) {
    struct world world;
    const imagxp_request *requests[3];
    imagxp_verdict *verdicts[3];
    const imagxp_status codes[3] = {IMAGXP_OK, IMAGXP_REPLAY_NONCE_SEEN, IMAGXP_OK};
    world_open(&world, FREE_POLICY, NULL);
    imagxp_headers *headers = sign(&world, PAGE, none());
    requests[0] = received(headers, PAGE);
    requests[1] = received(headers, PAGE);
    requests[2] = signed_request(&world, PAGE);
    imagxp_headers_free(headers);
    OK(imagxp_publisher_verify_batch(world.publisher, requests, 3, NOW, verdicts, &err));
    world_supply(&world, NOW);
    for (size_t i = 0; i < 3; i++) {
        imagxp_verdict *resumed = NULL;
        CHECK(imagxp_verdict_is_pending(verdicts[i]));
        EQUALS(imagxp_verdict_need_url(verdicts[i], 0), MANIFEST_URL);
        OK(imagxp_publisher_resume(world.publisher, verdicts[i], NOW, &resumed, &err));
        CHECK(imagxp_verdict_code(resumed) == codes[i]);
        imagxp_verdict_free(resumed);
        imagxp_verdict_free(verdicts[i]);
    }
    free_requests(requests, 3);
    world_close(&world);
}

static bool same_headers(const imagxp_headers *one, const imagxp_headers *other) {
    bool same = imagxp_headers_count(one) == imagxp_headers_count(other);
    for (size_t i = 0; same && i < imagxp_headers_count(one); i++) {
        imagxp_slice a = imagxp_headers_value(one, i);
        imagxp_slice b = imagxp_headers_value(other, i);
        same = a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
    }
    return same;
}

static void a_batch_is_signed_as_one_by_one(void) {
    static const char *const pages[2] = {PAGE, "https://pub.example/posts/2"};
    struct world world;
    imagxp_sign_request *made[2] = {NULL, NULL};
    const imagxp_sign_request *requests[COUNT];
    imagxp_headers *headers[COUNT];
    imagxp_slice nonces[COUNT];
    char texts[COUNT][32];
    int64_t times[COUNT];
    world_open(&world, FREE_POLICY, NULL);
    world_supply(&world, NOW);
    OK(imagxp_sign_request_new(S("GET"), S(pages[0]), IMAGXP_PURPOSE_RAG_RETRIEVAL, &made[0], &err));
    OK(imagxp_sign_request_new(S("GET"), S(pages[1]), IMAGXP_PURPOSE_RAG_RETRIEVAL, &made[1], &err));
    OK(imagxp_sign_request_set_context(made[1], S("{\"note\":1}"), &err));
    for (size_t i = 0; i < COUNT; i++) {
        requests[i] = made[i % 2];
        memcpy(texts[i], "batch-nonce-00000000", 21);
        texts[i][18] = (char)('0' + i / 10);
        texts[i][19] = (char)('0' + i % 10);
        nonces[i] = S(texts[i]);
        times[i] = NOW + (int64_t)i;
    }
    OK(imagxp_identity_sign_batch(world.identity, requests, times, nonces, COUNT, headers, &err));
    for (size_t i = 0; i < COUNT; i++) {
        imagxp_headers *alone = NULL;
        OK(imagxp_identity_sign(world.identity, requests[i], times[i], nonces[i], &alone, &err));
        CHECK(same_headers(headers[i], alone));
        imagxp_request *request = received(headers[i], pages[i % 2]);
        expect_code(&world, request, NOW + 1000, IMAGXP_OK);
        imagxp_request_free(request);
        imagxp_headers_free(alone);
        imagxp_headers_free(headers[i]);
    }

    /* Without nonces each gets a random one; an empty one, too. */
    nonces[1] = none();
    for (size_t round = 0; round < 2; round++) {
        OK(imagxp_identity_sign_batch(world.identity, requests, times, round == 0 ? NULL : nonces, 3, headers, &err));
        for (size_t i = 0; i < 3; i++) {
            CHECK(!same_headers(headers[i], headers[(i + 1) % 3]));
        }
        for (size_t i = 0; i < 3; i++) {
            imagxp_headers_free(headers[i]);
        }
    }
    imagxp_sign_request_free(made[0]);
    imagxp_sign_request_free(made[1]);
    world_close(&world);
}

/* A key that signs elsewhere is asked for each, in order; what it refuses ends the batch. */
struct kms {
    const imagxp_key *key;
    size_t calls;
    size_t last;
};

static int kms_sign(void *user_data, const uint8_t *message, size_t length, uint8_t *signature) {
    struct kms *kms = (struct kms *)user_data;
    imagxp_slice slice = {message, length};
    imagxp_bytes bytes = {NULL, 0};
    if (++kms->calls > kms->last || imagxp_key_sign(kms->key, slice, &bytes, NULL) != IMAGXP_OK) {
        return 1;
    }
    memcpy(signature, bytes.ptr, 64);
    imagxp_bytes_free(&bytes);
    return 0;
}

static void a_batch_is_signed_whole_or_not_at_all(void) {
    struct world world;
    struct kms kms = {NULL, 0, 4};
    imagxp_key *external = NULL;
    imagxp_identity *identity = NULL;
    imagxp_sign_request *good = NULL;
    imagxp_sign_request *bad = NULL;
    const imagxp_sign_request *requests[3];
    const int64_t times[3] = {NOW, NOW, NOW};
    imagxp_slice nonces[3] = {none(), none(), none()};
    imagxp_headers *headers[3] = {NULL, NULL, NULL};
    world_open(&world, FREE_POLICY, NULL);
    kms.key = world.key;
    OK(imagxp_sign_request_new(S("GET"), S(PAGE), IMAGXP_PURPOSE_SUMMARY, &good, &err));
    OK(imagxp_sign_request_new(S("GET"), S("/relative"), IMAGXP_PURPOSE_SUMMARY, &bad, &err));
    OK(imagxp_key_external(world.public_key, kms_sign, &kms, &external, &err));
    OK(imagxp_identity_new(S(AGENT), external, false, &identity, &err));
    requests[0] = requests[1] = good;
    requests[2] = bad;
    CHECK(imagxp_identity_sign_batch(identity, requests, times, NULL, 3, headers, &err) == IMAGXP_USAGE_ARGUMENT);
    CHECK(contains(imagxp_error_message(err), "request 2: `/relative`"));
    imagxp_error_free(err);
    err = NULL;
    CHECK(kms.calls == 0 && headers[0] == NULL && headers[1] == NULL && headers[2] == NULL);
    requests[2] = good;
    nonces[0] = nonces[2] = S("0123456789abcdef");
    FAILS(imagxp_identity_sign_batch(identity, requests, times, nonces, 3, headers, &err), IMAGXP_USAGE_ARGUMENT);
    nonces[2] = S("short");
    FAILS(imagxp_identity_sign_batch(identity, requests, times, nonces, 3, headers, &err), IMAGXP_USAGE_ARGUMENT);
    CHECK(kms.calls == 0);
    OK(imagxp_identity_sign_batch(identity, requests, times, NULL, 3, headers, &err));
    CHECK(kms.calls == 3);
    for (size_t i = 0; i < 3; i++) {
        imagxp_headers_free(headers[i]);
        headers[i] = NULL;
    }
    FAILS(imagxp_identity_sign_batch(identity, requests, times, NULL, 3, headers, &err), IMAGXP_USAGE_SIGNER);
    CHECK(kms.calls == 5 && headers[0] == NULL);
    imagxp_identity_free(identity);
    imagxp_key_free(external);
    imagxp_sign_request_free(good);
    imagxp_sign_request_free(bad);
    world_close(&world);
}

/* Misuse is an error, and writes nothing. */
static void misuse_is_refused(void) {
    struct world world;
    imagxp_sign_request *good = NULL;
    const int64_t times[2] = {NOW, NOW};
    imagxp_slice bad[2] = {none(), none()};
    imagxp_verdict *verdicts[2] = {NULL, NULL};
    imagxp_headers *headers[2] = {NULL, NULL};
    const imagxp_status refused = IMAGXP_USAGE_ARGUMENT;
    world_open(&world, FREE_POLICY, NULL);
    world_supply(&world, NOW);
    OK(imagxp_sign_request_new(S("GET"), S(PAGE), IMAGXP_PURPOSE_RAG_RETRIEVAL, &good, &err));
    imagxp_request *request = signed_request(&world, PAGE);
    const imagxp_request *requests[2] = {request, NULL};
    const imagxp_sign_request *asked[2] = {good, NULL};
    bad[1].len = 5;
    FAILS(imagxp_publisher_verify_batch(NULL, requests, 1, NOW, verdicts, &err), refused);
    FAILS(imagxp_publisher_verify_batch(world.publisher, NULL, 1, NOW, verdicts, &err), refused);
    FAILS(imagxp_publisher_verify_batch(world.publisher, requests, 1, NOW, NULL, &err), refused);
    FAILS(imagxp_publisher_verify_batch(world.publisher, requests, 2, NOW, verdicts, &err), refused);
    FAILS(imagxp_publisher_verify_batch(world.publisher, requests, SIZE_MAX, NOW, verdicts, &err), refused);
    FAILS(imagxp_publisher_verify_batch(world.publisher, requests, SIZE_MAX / 8, NOW, verdicts, &err), refused);
    FAILS(imagxp_identity_sign_batch(NULL, asked, times, NULL, 1, headers, &err), refused);
    FAILS(imagxp_identity_sign_batch(world.identity, NULL, times, NULL, 1, headers, &err), refused);
    FAILS(imagxp_identity_sign_batch(world.identity, asked, NULL, NULL, 1, headers, &err), refused);
    FAILS(imagxp_identity_sign_batch(world.identity, asked, times, NULL, 1, NULL, &err), refused);
    FAILS(imagxp_identity_sign_batch(world.identity, asked, times, NULL, 2, headers, &err), refused);
    FAILS(imagxp_identity_sign_batch(world.identity, asked, times, bad, 2, headers, &err), refused);
    FAILS(imagxp_identity_sign_batch(world.identity, asked, times, NULL, SIZE_MAX, headers, &err), refused);
    CHECK(verdicts[0] == NULL && verdicts[1] == NULL && headers[0] == NULL && headers[1] == NULL);
    /* None of the calls has spent the request. */
    OK(imagxp_publisher_verify_batch(world.publisher, requests, 1, NOW, verdicts, &err));
    CHECK(imagxp_verdict_is_allowed(verdicts[0]));
    imagxp_verdict_free(verdicts[0]);
    OK(imagxp_publisher_verify_batch(world.publisher, NULL, 0, NOW, NULL, &err));
    OK(imagxp_identity_sign_batch(world.identity, NULL, NULL, NULL, 0, NULL, &err));
    imagxp_request_free(request);
    imagxp_sign_request_free(good);
    world_close(&world);
}

int main(void) {
    static const struct test tests[] = {
        {"a_batch_has_the_verdicts_of_one_by_one", a_batch_has_the_verdicts_of_one_by_one},
        {"undecided_ones_are_resumed", undecided_ones_are_resumed},
        {"a_batch_is_signed_as_one_by_one", a_batch_is_signed_as_one_by_one},
        {"a_batch_is_signed_whole_or_not_at_all", a_batch_is_signed_whole_or_not_at_all},
        {"misuse_is_refused", misuse_is_refused},
        {NULL, NULL},
    };
    return run_tests(tests);
}
