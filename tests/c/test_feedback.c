/* Feedback: signed by an agent, taken once by a publisher. */
#include "world.h"

#include <string.h>

static imagxp_bytes signed_feedback(struct world *world, const char *url, uint32_t score) {
    imagxp_bytes value = {NULL, 0};
    uint8_t hash[32];
    memset(hash, 7, sizeof hash);
    imagxp_slice content = {hash, sizeof hash};
    OK(imagxp_identity_feedback(world->identity, S(url), score, IMAGXP_FEEDBACK_SEO_SPAM, S("visa-0001"), content, NOW, none(),
                                &value, &err));
    return value;
}

static imagxp_verdict *take(struct world *world, imagxp_slice value, const imagxp_verdict *carrier, imagxp_feedback **feedback) {
    imagxp_verdict *verdict = NULL;
    OK(imagxp_publisher_feedback(world->publisher, value, carrier, NOW, &verdict, feedback, &err));
    return verdict;
}

static void expect(struct world *world, imagxp_slice value, imagxp_status code) {
    imagxp_feedback *feedback = NULL;
    imagxp_verdict *verdict = take(world, value, NULL, &feedback);
    CHECK(imagxp_verdict_code(verdict) == code);
    CHECK((feedback != NULL) == (code == IMAGXP_OK));
    imagxp_feedback_free(feedback);
    imagxp_verdict_free(verdict);
}

static void feedback_counts_once(void) {
    struct world world;
    imagxp_feedback *feedback = NULL;
    world_open(&world, FREE_POLICY, NULL);
    imagxp_bytes value = signed_feedback(&world, PAGE, 100000);

    /* The manifest is missing: nothing is spent, and the verdict names it. */
    imagxp_verdict *verdict = take(&world, borrow(&value), NULL, &feedback);
    CHECK(imagxp_verdict_outcome(verdict) == IMAGXP_OUTCOME_UNDECIDED && feedback == NULL);
    CHECK(imagxp_verdict_code(verdict) == IMAGXP_IDENTITY_MANIFEST_NEEDED && !imagxp_verdict_is_pending(verdict));
    CHECK(imagxp_verdict_need_count(verdict) == 1);
    imagxp_verdict_free(verdict);
    world_supply(&world, NOW);

    verdict = take(&world, borrow(&value), NULL, &feedback);
    CHECK(imagxp_verdict_is_allowed(verdict));
    EQUALS(imagxp_verdict_agent_id(verdict), AGENT);
    EQUALS(imagxp_feedback_url(feedback), PAGE);
    EQUALS(imagxp_feedback_jti(feedback), "visa-0001");
    CHECK(imagxp_feedback_score_millionths(feedback) == 100000);
    CHECK(imagxp_feedback_reason_of(feedback) == IMAGXP_FEEDBACK_SEO_SPAM);
    EQUALS(imagxp_feedback_reason_name(imagxp_feedback_reason_of(feedback)), "SEO_SPAM");
    imagxp_slice hash = imagxp_feedback_content_sha256(feedback);
    CHECK(hash.len == 32 && hash.ptr[31] == 7);
    imagxp_feedback_free(feedback);
    imagxp_verdict_free(verdict);

    expect(&world, borrow(&value), IMAGXP_REPLAY_NONCE_SEEN);
    imagxp_bytes_free(&value);
    world_close(&world);
}

static void bad_feedback_is_refused(void) {
    struct world world;
    struct world stranger;
    imagxp_verdict *verdict = NULL;
    imagxp_feedback *feedback = NULL;
    imagxp_bytes none_made = {NULL, 0};
    world_open(&world, FREE_POLICY, NULL);
    world_open(&stranger, FREE_POLICY, NULL);
    world_supply(&world, NOW);
    imagxp_bytes forged = signed_feedback(&stranger, PAGE, 0);
    expect(&world, borrow(&forged), IMAGXP_SIG_INVALID);
    imagxp_bytes_free(&forged);
    imagxp_bytes elsewhere = signed_feedback(&world, "https://other.example/", 1000000);
    expect(&world, borrow(&elsewhere), IMAGXP_CLAIM_RESOURCE_MISMATCH);
    imagxp_bytes_free(&elsewhere);
    expect(&world, S("{}"), IMAGXP_FEEDBACK_MALFORMED);
    expect(&world, none(), IMAGXP_FEEDBACK_MALFORMED);

    imagxp_slice nothing = none();
    FAILS(imagxp_identity_feedback(world.identity, S(PAGE), 1000001, IMAGXP_FEEDBACK_OTHER, nothing, nothing, NOW, nothing, &none_made,
                                   &err),
          IMAGXP_USAGE_ARGUMENT);
    FAILS(imagxp_identity_feedback(world.identity, S(PAGE), 1, 0, nothing, nothing, NOW, nothing, &none_made, &err),
          IMAGXP_USAGE_ARGUMENT);
    FAILS(imagxp_identity_feedback(world.identity, S("/page"), 1, IMAGXP_FEEDBACK_OTHER, nothing, nothing, NOW, nothing, &none_made, &err),
          IMAGXP_USAGE_ARGUMENT);
    FAILS(imagxp_publisher_feedback(world.publisher, S("{}"), NULL, NOW, &verdict, NULL, &err), IMAGXP_USAGE_ARGUMENT);
    FAILS(imagxp_publisher_feedback(NULL, S("{}"), NULL, NOW, &verdict, &feedback, &err), IMAGXP_USAGE_ARGUMENT);
    CHECK(verdict == NULL && feedback == NULL && none_made.ptr == NULL);
    CHECK(imagxp_feedback_url(NULL).len == 0 && imagxp_feedback_score_millionths(NULL) == 0 && imagxp_feedback_reason_of(NULL) == 0);
    CHECK(imagxp_feedback_reason_name(99).len == 0);
    imagxp_feedback_free(NULL);
    world_close(&stranger);
    world_close(&world);
}

static void feedback_comes_with_a_request(void) {
    struct world world;
    struct world other;
    imagxp_feedback *feedback = NULL;
    world_open(&world, FREE_POLICY, NULL);
    world_supply(&world, NOW);
    imagxp_request *request = signed_request(&world, PAGE);
    imagxp_verdict *carrier = verify(&world, request, NOW);
    CHECK(imagxp_verdict_is_allowed(carrier));
    imagxp_bytes value = signed_feedback(&world, PAGE, 500000);
    imagxp_verdict *verdict = take(&world, borrow(&value), carrier, &feedback);
    CHECK(imagxp_verdict_is_allowed(verdict));
    imagxp_feedback_free(feedback);
    imagxp_verdict_free(verdict);

    /* Another agent's feedback in this agent's request. */
    imagxp_identity *stranger = NULL;
    imagxp_bytes foreign = {NULL, 0};
    world_open(&other, FREE_POLICY, NULL);
    OK(imagxp_identity_new(S("other.example"), other.key, false, &stranger, &err));
    OK(imagxp_identity_feedback(stranger, S(PAGE), 1, IMAGXP_FEEDBACK_OTHER, none(), none(), NOW, none(), &foreign, &err));
    verdict = take(&world, borrow(&foreign), carrier, &feedback);
    CHECK(imagxp_verdict_code(verdict) == IMAGXP_HEADER_CONFLICT && feedback == NULL);
    imagxp_verdict_free(verdict);
    imagxp_bytes_free(&foreign);
    imagxp_identity_free(stranger);
    imagxp_bytes_free(&value);
    imagxp_verdict_free(carrier);
    imagxp_request_free(request);
    world_close(&other);
    world_close(&world);
}

int main(void) {
    static const struct test tests[] = {
        {"feedback_counts_once", feedback_counts_once},
        {"bad_feedback_is_refused", bad_feedback_is_refused},
        {"feedback_comes_with_a_request", feedback_comes_with_a_request},
        {NULL, NULL},
    };
    return run_tests(tests);
}
