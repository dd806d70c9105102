/* Bad input from the caller: each ends in an error with a code, and writes no output. */
#include "world.h"

#include <string.h>

/* A slice that no object can have. */
static imagxp_slice huge(void) {
    imagxp_slice slice;
    slice.ptr = (const uint8_t *)"x";
    slice.len = SIZE_MAX;
    return slice;
}

/* A length without memory. */
static imagxp_slice dangling(void) {
    imagxp_slice slice;
    slice.ptr = NULL;
    slice.len = 5;
    return slice;
}

/* Each call that takes a slice must refuse both. */
#define REFUSES_BAD_SLICES(call)                        \
    do {                                                \
        imagxp_slice bad = huge();                      \
        FAILS((call), IMAGXP_USAGE_ARGUMENT);           \
        bad = dangling();                               \
        FAILS((call), IMAGXP_USAGE_ARGUMENT);           \
    } while (0)

static void null_handles_are_refused(void) {
    struct world world;
    imagxp_bytes bytes = {NULL, 0};
    imagxp_key *key = NULL;
    imagxp_public_key *public_key = NULL;
    imagxp_identity *identity = NULL;
    imagxp_headers *headers = NULL;
    imagxp_manifest *manifest = NULL;
    imagxp_publisher *publisher = NULL;
    imagxp_verdict *verdict = NULL;
    bool valid = true;
    world_open(&world, FREE_POLICY, NULL);
    imagxp_request *request = signed_request(&world, PAGE);
    const imagxp_status bad = IMAGXP_USAGE_ARGUMENT;
    FAILS(imagxp_key_to_pem(NULL, &bytes, &err), bad);
    FAILS(imagxp_key_to_pkcs8(NULL, &bytes, &err), bad);
    FAILS(imagxp_key_sign(NULL, S("m"), &bytes, &err), bad);
    FAILS(imagxp_key_public(NULL, &public_key, &err), bad);
    FAILS(imagxp_public_key_to_pem(NULL, &bytes, &err), bad);
    FAILS(imagxp_public_key_to_jwk(NULL, &bytes, &err), bad);
    FAILS(imagxp_public_key_to_spki_base64(NULL, &bytes, &err), bad);
    FAILS(imagxp_public_key_verify(NULL, S("m"), S("s"), &valid, &err), bad);
    FAILS(imagxp_identity_new(S(AGENT), NULL, false, &identity, &err), bad);
    FAILS(imagxp_identity_sign(NULL, NULL, NOW, none(), &headers, &err), bad);
    FAILS(imagxp_identity_sign(world.identity, NULL, NOW, none(), &headers, &err), bad);
    FAILS(imagxp_identity_manifest(NULL, none(), &manifest, &err), bad);
    FAILS(imagxp_sign_request_set_ads_displayed(NULL, true, &err), bad);
    FAILS(imagxp_sign_request_set_context(NULL, none(), &err), bad);
    FAILS(imagxp_sign_request_set_compatible(NULL, true, &err), bad);
    FAILS(imagxp_manifest_add_key(NULL, world.public_key, NOW, NOW, &err), bad);
    FAILS(imagxp_manifest_to_json(NULL, &bytes, &err), bad);
    FAILS(imagxp_manifest_key(NULL, 0, &public_key, &err), bad);
    FAILS(imagxp_policy_public_json(NULL, &bytes, &err), bad);
    FAILS(imagxp_publisher_new(NULL, none(), NULL, &publisher, &err), bad);
    FAILS(imagxp_publisher_options_set_replay_store(NULL, NULL, &err), bad);
    FAILS(imagxp_publisher_options_set_limit(NULL, IMAGXP_LIMIT_TOKEN, 1, &err), bad);
    FAILS(imagxp_publisher_verify(NULL, request, NOW, &verdict, &err), bad);
    FAILS(imagxp_publisher_verify(world.publisher, NULL, NOW, &verdict, &err), bad);
    FAILS(imagxp_publisher_resume(NULL, NULL, NOW, &verdict, &err), bad);
    FAILS(imagxp_publisher_resume(world.publisher, NULL, NOW, &verdict, &err), bad);
    FAILS(imagxp_publisher_explain(NULL, request, NOW, IMAGXP_FORMAT_TEXT, &bytes, &err), bad);
    FAILS(imagxp_publisher_supply(NULL, S(MANIFEST_URL), S("{}"), 0, NOW, &err), bad);
    FAILS(imagxp_publisher_supply_failure(NULL, S(MANIFEST_URL), IMAGXP_FETCH_FAILED, NOW, &err), bad);
    FAILS(imagxp_request_set_body_digest(NULL, none(), &err), bad);
    FAILS(imagxp_verdict_body(NULL, &bytes, &err), bad);
    FAILS(imagxp_verdict_json(NULL, &bytes, &err), bad);
    FAILS(imagxp_publisher_redemption(NULL, NULL, NOW, &bytes, &err), bad);
    FAILS(imagxp_verdict_redeemed(NULL, IMAGXP_REDEMPTION_ACCEPTED, &err), bad);
    FAILS(imagxp_visa_issue(NULL, world.key, NOW, &bytes, &err), bad);
    FAILS(imagxp_visa_add_purpose(NULL, IMAGXP_PURPOSE_SUMMARY, &err), bad);
    FAILS(imagxp_visa_set_lifetime(NULL, 1, &err), bad);
    FAILS(imagxp_visa_set_max_uses(NULL, 1, &err), bad);
    /* Nothing was written. */
    CHECK(bytes.ptr == NULL && key == NULL && public_key == NULL && identity == NULL && headers == NULL);
    CHECK(manifest == NULL && publisher == NULL && verdict == NULL && valid);
    imagxp_request_free(request);
    world_close(&world);
}

/* Without somewhere to put the verdict, nothing is verified: the nonce stays fresh. */
static void null_outputs_are_refused_before_anything_happens(void) {
    struct world world;
    world_open(&world, FREE_POLICY, NULL);
    world_supply(&world, NOW);
    imagxp_request *request = signed_request(&world, PAGE);
    const imagxp_status bad = IMAGXP_USAGE_ARGUMENT;
    FAILS(imagxp_publisher_verify(world.publisher, request, NOW, NULL, &err), bad);
    expect_code(&world, request, NOW, IMAGXP_OK);
    imagxp_verdict *verdict = verify(&world, request, NOW);
    FAILS(imagxp_publisher_resume(world.publisher, verdict, NOW, NULL, &err), bad);
    imagxp_verdict_free(verdict);
    imagxp_request_free(request);
    FAILS(imagxp_key_generate(IMAGXP_ALGORITHM_ES256, NULL, NULL, NULL, &err), bad);
    FAILS(imagxp_key_to_pem(world.key, NULL, &err), bad);
    FAILS(imagxp_policy_schema(NULL, &err), bad);
    FAILS(imagxp_content_digest(S("x"), NULL, &err), bad);
    FAILS(imagxp_request_new(S("GET"), S("/"), NULL, 0, NULL, &err), bad);
    FAILS(imagxp_publisher_options_new(NULL, &err), bad);
    FAILS(imagxp_replay_store_memory(1, 1, NULL, &err), bad);
    /* Neither output nor error: the status still tells. */
    CHECK(imagxp_policy_schema(NULL, NULL) == bad);
    world_close(&world);
}

static void bad_slices_are_refused(void) {
    struct world world;
    imagxp_bytes bytes = {NULL, 0};
    imagxp_key *key = NULL;
    imagxp_public_key *public_key = NULL;
    imagxp_identity *identity = NULL;
    imagxp_policy *policy = NULL;
    imagxp_request *request = NULL;
    imagxp_sign_request *what = NULL;
    imagxp_manifest *manifest = NULL;
    imagxp_visa *visa = NULL;
    world_open(&world, FREE_POLICY, NULL);
    REFUSES_BAD_SLICES(imagxp_key_from_pem(bad, &key, &err));
    REFUSES_BAD_SLICES(imagxp_key_from_pkcs8(bad, &key, &err));
    REFUSES_BAD_SLICES(imagxp_key_from_jwk(bad, &key, &err));
    REFUSES_BAD_SLICES(imagxp_key_sign(world.key, bad, &bytes, &err));
    REFUSES_BAD_SLICES(imagxp_public_key_from_pem(bad, &public_key, &err));
    REFUSES_BAD_SLICES(imagxp_public_key_from_spki(bad, &public_key, &err));
    REFUSES_BAD_SLICES(imagxp_public_key_from_spki_base64(bad, &public_key, &err));
    REFUSES_BAD_SLICES(imagxp_public_key_from_jwk(bad, &public_key, &err));
    REFUSES_BAD_SLICES(imagxp_identity_new(bad, world.key, false, &identity, &err));
    REFUSES_BAD_SLICES(imagxp_policy_from_json(bad, &policy, &err));
    REFUSES_BAD_SLICES(imagxp_policy_from_text(bad, S("policy.json"), &policy, &err));
    REFUSES_BAD_SLICES(imagxp_request_new(bad, S("/"), NULL, 0, &request, &err));
    REFUSES_BAD_SLICES(imagxp_request_new(S("GET"), bad, NULL, 0, &request, &err));
    REFUSES_BAD_SLICES(imagxp_request_new(S("GET"), S("/"), &bad, 0, NULL, &err));
    REFUSES_BAD_SLICES(imagxp_sign_request_new(S("GET"), bad, IMAGXP_PURPOSE_SUMMARY, &what, &err));
    REFUSES_BAD_SLICES(imagxp_publisher_supply(world.publisher, bad, S("{}"), 0, NOW, &err));
    REFUSES_BAD_SLICES(imagxp_publisher_supply(world.publisher, S(MANIFEST_URL), bad, 0, NOW, &err));
    REFUSES_BAD_SLICES(imagxp_publisher_supply_failure(world.publisher, bad, IMAGXP_FETCH_FAILED, NOW, &err));
    REFUSES_BAD_SLICES(imagxp_manifest_parse(S(AGENT), false, bad, &manifest, &err));
    REFUSES_BAD_SLICES(imagxp_json_canonicalize(bad, &bytes, &err));
    REFUSES_BAD_SLICES(imagxp_content_digest(bad, &bytes, &err));
    REFUSES_BAD_SLICES(imagxp_user_agent(bad, &bytes, &err));
    REFUSES_BAD_SLICES(imagxp_token_verify(bad, S("{\"keys\":[]}"), none(), none(), none(), NOW, &bytes, &err));
    REFUSES_BAD_SLICES(imagxp_visa_new(bad, S("a"), S(AGENT), S("12345678"), S("1"), S("USD"), &visa, &err));
    imagxp_slice pair[2];
    pair[0] = S("name");
    pair[1] = huge();
    FAILS(imagxp_request_new(S("GET"), S("/"), pair, 1, &request, &err), IMAGXP_USAGE_ARGUMENT);
    pair[1] = dangling();
    FAILS(imagxp_request_new(S("GET"), S("/"), pair, 1, &request, &err), IMAGXP_USAGE_ARGUMENT);
    /* Counts that no array can have. */
    FAILS(imagxp_request_new(S("GET"), S("/"), pair, SIZE_MAX, &request, &err), IMAGXP_USAGE_ARGUMENT);
    FAILS(imagxp_request_new(S("GET"), S("/"), pair, SIZE_MAX / 2, &request, &err), IMAGXP_USAGE_ARGUMENT);
    FAILS(imagxp_request_new(S("GET"), S("/"), pair, SIZE_MAX / 64 + 1, &request, &err), IMAGXP_USAGE_ARGUMENT);
    FAILS(imagxp_request_new(S("GET"), S("/"), NULL, 1, &request, &err), IMAGXP_USAGE_ARGUMENT);
    CHECK(!imagxp_address_allowed(huge()) && !imagxp_address_allowed(dangling()));
    CHECK(!imagxp_agent_id_is_valid(huge(), true) && imagxp_purpose_from_name(dangling()) == 0);
    CHECK(imagxp_status_from_name(huge()) == IMAGXP_OK);
    CHECK(request == NULL && policy == NULL && bytes.ptr == NULL && visa == NULL && manifest == NULL);
    world_close(&world);
}

static void bad_text_is_refused(void) {
    struct world world;
    imagxp_identity *identity = NULL;
    imagxp_sign_request *what = NULL;
    imagxp_request *request = NULL;
    imagxp_key *key = NULL;
    imagxp_policy *policy = NULL;
    const imagxp_slice odd = S("\xff\xfe");
    world_open(&world, FREE_POLICY, NULL);
    FAILS(imagxp_identity_new(odd, world.key, false, &identity, &err), IMAGXP_USAGE_ARGUMENT);
    FAILS(imagxp_sign_request_new(odd, S(PAGE), IMAGXP_PURPOSE_SUMMARY, &what, &err), IMAGXP_USAGE_ARGUMENT);
    FAILS(imagxp_key_from_pem(odd, &key, &err), IMAGXP_USAGE_ARGUMENT);
    FAILS(imagxp_policy_from_json(odd, &policy, &err), IMAGXP_USAGE_POLICY);
    FAILS(imagxp_policy_from_text(odd, S("policy.json"), &policy, &err), IMAGXP_USAGE_POLICY);
    FAILS(imagxp_policy_from_text(odd, S("policy.toml"), &policy, &err), IMAGXP_USAGE_POLICY);
    FAILS(imagxp_policy_from_text(S(FREE_POLICY), odd, &policy, &err), IMAGXP_USAGE_ARGUMENT);
    FAILS(imagxp_key_from_jwk(S("{"), &key, &err), IMAGXP_JSON_MALFORMED);
    FAILS(imagxp_key_from_jwk(S("{}"), &key, &err), IMAGXP_KEY_MALFORMED);
    OK(imagxp_request_new(S("GET"), S("/"), NULL, 0, &request, &err));
    FAILS(imagxp_request_set_body_digest(request, odd, &err), IMAGXP_USAGE_ARGUMENT);
    imagxp_request_free(request);
    OK(imagxp_sign_request_new(S("GET"), S(PAGE), IMAGXP_PURPOSE_SUMMARY, &what, &err));
    FAILS(imagxp_sign_request_set_payment(what, odd, &err), IMAGXP_USAGE_ARGUMENT);
    imagxp_sign_request_free(what);
    world_close(&world);
}

static void bad_numbers_are_refused(void) {
    struct world world;
    imagxp_key *key = NULL;
    imagxp_publisher *publisher = NULL;
    imagxp_policy *policy = NULL;
    world_open(&world, FREE_POLICY, NULL);
    FAILS(imagxp_key_generate(0, NULL, NULL, &key, &err), IMAGXP_USAGE_ARGUMENT);
    FAILS(imagxp_key_generate(3, NULL, NULL, &key, &err), IMAGXP_USAGE_ARGUMENT);
    FAILS(imagxp_publisher_supply_failure(world.publisher, S(MANIFEST_URL), 0, NOW, &err), IMAGXP_USAGE_ARGUMENT);
    FAILS(imagxp_publisher_supply_failure(world.publisher, S(MANIFEST_URL), 7, NOW, &err), IMAGXP_USAGE_ARGUMENT);
    FAILS(imagxp_publisher_supply(world.publisher, S("https://x/y"), S("{}"), 0, NOW, &err), IMAGXP_USAGE_ARGUMENT);
    OK(imagxp_policy_from_json(S(FREE_POLICY), &policy, &err));
    FAILS(imagxp_publisher_new(policy, S("fifteen bytes.."), NULL, &publisher, &err), IMAGXP_USAGE_ARGUMENT);
    imagxp_policy_free(policy);
    /* Any time is a time. */
    imagxp_request *request = signed_request(&world, PAGE);
    expect_code(&world, request, INT64_MIN, IMAGXP_TIME_FUTURE);
    expect_code(&world, request, INT64_MAX, IMAGXP_TIME_EXPIRED);
    imagxp_request_free(request);
    world_close(&world);
}

/* Accessors answer NULL like a verdict that allows nothing. */
static void accessors_accept_null(void) {
    CHECK(imagxp_verdict_outcome(NULL) != IMAGXP_OUTCOME_ALLOW && !imagxp_verdict_is_allowed(NULL));
    CHECK(imagxp_verdict_http(NULL) == 500 && imagxp_verdict_code(NULL) == IMAGXP_INTERNAL);
    CHECK(imagxp_verdict_would_deny(NULL) && !imagxp_verdict_is_pending(NULL));
    CHECK(imagxp_verdict_retry(NULL) == 0 && imagxp_verdict_retry_after_s(NULL) == 0);
    CHECK(imagxp_verdict_visitor(NULL) == 0 && imagxp_verdict_binding(NULL) == 0 && imagxp_verdict_payment(NULL) == 0);
    CHECK(imagxp_verdict_purpose(NULL) == 0 && imagxp_verdict_need(NULL, 0) == 0);
    CHECK(imagxp_verdict_need_count(NULL) + imagxp_verdict_warning_count(NULL) == 0);
    CHECK(imagxp_verdict_response_header_count(NULL) == 0);
    EQUALS(imagxp_verdict_message(NULL), "");
    EQUALS(imagxp_verdict_hint(NULL), "");
    EQUALS(imagxp_verdict_detail(NULL), "");
    EQUALS(imagxp_verdict_agent_id(NULL), "");
    EQUALS(imagxp_verdict_key_id(NULL), "");
    EQUALS(imagxp_verdict_resource(NULL), "");
    EQUALS(imagxp_verdict_trace_id(NULL), "");
    EQUALS(imagxp_verdict_payment_amount(NULL), "");
    EQUALS(imagxp_verdict_warning(NULL, 0), "");
    CHECK(imagxp_headers_count(NULL) == 0 && imagxp_headers_name(NULL, 0).len == 0 && imagxp_headers_value(NULL, 0).len == 0);
    CHECK(imagxp_public_key_algorithm(NULL) == 0 && imagxp_public_key_thumbprint(NULL).len == 0);
    CHECK(imagxp_public_key_spki(NULL).len == 0);
    CHECK(imagxp_manifest_key_count(NULL) == 0 && !imagxp_manifest_key_exists(NULL, 0, NOW));
    CHECK(imagxp_manifest_agent_id(NULL).len == 0 && imagxp_manifest_contact(NULL).len == 0);
    CHECK(imagxp_policy_hash(NULL).len == 0 && imagxp_policy_remark_count(NULL) == 0);
    CHECK(imagxp_policy_remark(NULL, 0).len == 0);
    CHECK(imagxp_error_status(NULL) == IMAGXP_OK && imagxp_error_code(NULL).len == 0 && imagxp_error_message(NULL).len == 0);
    CHECK(imagxp_slice_of(NULL).len == 0);
}

static void every_free_accepts_null(void) {
    imagxp_bytes_free(NULL);
    imagxp_error_free(NULL);
    imagxp_headers_free(NULL);
    imagxp_identity_free(NULL);
    imagxp_key_free(NULL);
    imagxp_manifest_free(NULL);
    imagxp_policy_free(NULL);
    imagxp_public_key_free(NULL);
    imagxp_publisher_free(NULL);
    imagxp_publisher_options_free(NULL);
    imagxp_replay_store_free(NULL);
    imagxp_request_free(NULL);
    imagxp_sign_request_free(NULL);
    imagxp_verdict_free(NULL);
    imagxp_visa_free(NULL);
}

/* An error is only written on failure, an output only on success. */
static void outputs_are_written_on_success_only(void) {
    imagxp_error *untouched = (imagxp_error *)&err;
    imagxp_error *error = untouched;
    imagxp_bytes bytes = {NULL, 0};
    CHECK(imagxp_content_digest(S("x"), &bytes, &error) == IMAGXP_OK && error == untouched);
    imagxp_bytes_free(&bytes);
    bytes.len = 77;
    CHECK(imagxp_json_canonicalize(S("{"), &bytes, NULL) == IMAGXP_JSON_MALFORMED && bytes.ptr == NULL && bytes.len == 77);
}

int main(void) {
    static const struct test tests[] = {
        {"null_handles_are_refused", null_handles_are_refused},
        {"null_outputs_are_refused_before_anything_happens", null_outputs_are_refused_before_anything_happens},
        {"bad_slices_are_refused", bad_slices_are_refused},
        {"bad_text_is_refused", bad_text_is_refused},
        {"bad_numbers_are_refused", bad_numbers_are_refused},
        {"accessors_accept_null", accessors_accept_null},
        {"every_free_accepts_null", every_free_accepts_null},
        {"outputs_are_written_on_success_only", outputs_are_written_on_success_only},
        {NULL, NULL},
    };
    return run_tests(tests);
}
