/*
 * A defect deep inside a verification stays inside. Built against a library with the feature `test-hooks`, in which this answer of
 * a replay store provokes a panic; a release knows it as "the store does not answer".
 */
#include "world.h"

#include <string.h>

#define PANIC 0x7a9

struct store {
    int answer;
    int calls;
};

static int insert(void *user_data, const uint8_t *key, const uint8_t *agent, int64_t expires_at_ms, int64_t now_ms) {
    struct store *store = (struct store *)user_data;
    (void)key;
    (void)agent;
    (void)expires_at_ms;
    (void)now_ms;
    store->calls++;
    return store->answer;
}

static void the_process_goes_on(void) {
    struct world world;
    struct store store = {PANIC, 0};
    imagxp_replay_store *handle = NULL;
    imagxp_verdict *untouched = (imagxp_verdict *)&store;
    OK(imagxp_replay_store_new(&store, insert, NULL, NULL, &handle, &err));
    world_open(&world, FREE_POLICY, handle);
    imagxp_replay_store_free(handle);
    world_supply(&world, NOW);
    imagxp_request *request = signed_request(&world, PAGE);
    for (int i = 1; i <= 3; i++) {
        imagxp_verdict *verdict = untouched;
        imagxp_status status = imagxp_publisher_verify(world.publisher, request, NOW, &verdict, &err);
        CHECK(status == IMAGXP_INTERNAL && verdict == untouched && store.calls == i);
        EQUALS(imagxp_error_code(err), "internal.panic");
        CHECK(imagxp_error_message(err).len > 0);
        imagxp_error_free(err);
        err = NULL;
        /* Without an error object it ends the same way. */
        CHECK(imagxp_publisher_verify(world.publisher, request, NOW, &verdict, NULL) == IMAGXP_INTERNAL);
        store.calls = i;
    }
    /* The same publisher, and the same request: nothing of it was spent. */
    store.answer = IMAGXP_INSERT_FRESH;
    expect_code(&world, request, NOW, IMAGXP_OK);
    imagxp_request_free(request);
    world_close(&world);
}

/* A batch that panics gives no verdict, not even on those before: what they have spent stays spent. */
static void a_batch_fails_closed(void) {
    struct world world;
    struct store store = {PANIC, 0};
    imagxp_replay_store *handle = NULL;
    imagxp_verdict *verdicts[2] = {NULL, NULL};
    const imagxp_request *requests[2];
    imagxp_request *unsigned_request = NULL;
    OK(imagxp_replay_store_new(&store, insert, NULL, NULL, &handle, &err));
    world_open(&world, FREE_POLICY, handle);
    imagxp_replay_store_free(handle);
    world_supply(&world, NOW);
    imagxp_request *request = signed_request(&world, PAGE);
    OK(imagxp_request_new(S("GET"), S("/"), NULL, 0, &unsigned_request, &err));
    requests[0] = unsigned_request;
    requests[1] = request;
    FAILS(imagxp_publisher_verify_batch(world.publisher, requests, 2, NOW, verdicts, &err), IMAGXP_INTERNAL);
    CHECK(verdicts[0] == NULL && verdicts[1] == NULL && store.calls == 1);
    store.answer = IMAGXP_INSERT_FRESH;
    OK(imagxp_publisher_verify_batch(world.publisher, requests, 2, NOW, verdicts, &err));
    CHECK(!imagxp_verdict_is_allowed(verdicts[0]) && imagxp_verdict_is_allowed(verdicts[1]));
    imagxp_verdict_free(verdicts[0]);
    imagxp_verdict_free(verdicts[1]);
    imagxp_request_free(unsigned_request);
    imagxp_request_free(request);
    world_close(&world);
}

/* A resumption that panics has given up its pending part: it cannot be tried again without a new verification. */
static void a_resumption_fails_closed(void) {
    struct world world;
    struct store store = {PANIC, 0};
    imagxp_replay_store *handle = NULL;
    imagxp_verdict *resumed = NULL;
    OK(imagxp_replay_store_new(&store, insert, NULL, NULL, &handle, &err));
    world_open(&world, FREE_POLICY, handle);
    imagxp_replay_store_free(handle);
    imagxp_request *request = signed_request(&world, PAGE);
    imagxp_verdict *verdict = verify(&world, request, NOW);
    world_supply(&world, NOW);
    FAILS(imagxp_publisher_resume(world.publisher, verdict, NOW, &resumed, &err), IMAGXP_INTERNAL);
    FAILS(imagxp_publisher_resume(world.publisher, verdict, NOW, &resumed, &err), IMAGXP_USAGE_ARGUMENT);
    CHECK(resumed == NULL);
    imagxp_verdict_free(verdict);
    imagxp_request_free(request);
    world_close(&world);
}

int main(void) {
    static const struct test tests[] = {
        {"the_process_goes_on", the_process_goes_on},
        {"a_batch_fails_closed", a_batch_fails_closed},
        {"a_resumption_fails_closed", a_resumption_fails_closed},
        {NULL, NULL},
    };
    return run_tests(tests);
}
