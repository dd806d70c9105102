/* The publisher's side: verdicts, what they need, and what they say. */
#include "world.h"

#include <string.h>

static void a_good_request_passes_once(void) {
    struct world world;
    imagxp_verdict *first = NULL;
    imagxp_verdict *second = NULL;
    world_open(&world, FREE_POLICY, NULL);
    imagxp_request *request = signed_request(&world, PAGE);

    first = verify(&world, request, NOW);
    CHECK(imagxp_verdict_outcome(first) == IMAGXP_OUTCOME_UNDECIDED);
    CHECK(imagxp_verdict_code(first) == IMAGXP_IDENTITY_MANIFEST_NEEDED);
    CHECK(imagxp_verdict_http(first) == 503);
    CHECK(imagxp_verdict_is_pending(first) && !imagxp_verdict_is_allowed(first));
    CHECK(imagxp_verdict_retry(first) == IMAGXP_RETRY_AFTER && imagxp_verdict_retry_after_s(first) > 0);
    CHECK(imagxp_verdict_need_count(first) == 1);
    CHECK(imagxp_verdict_need(first, 0) == IMAGXP_NEED_MANIFEST);
    EQUALS(imagxp_verdict_need_url(first, 0), MANIFEST_URL);
    CHECK(imagxp_verdict_need(first, 1) == 0 && imagxp_verdict_need_url(first, 1).len == 0);
    EQUALS(imagxp_verdict_agent_id(first), "");

    world_supply(&world, NOW + 100);
    OK(imagxp_publisher_resume(world.publisher, first, NOW + 200, &second, &err));
    CHECK(imagxp_verdict_is_allowed(second) && !imagxp_verdict_is_pending(second));
    CHECK(imagxp_verdict_outcome(second) == IMAGXP_OUTCOME_ALLOW);
    CHECK(imagxp_verdict_code(second) == IMAGXP_OK && imagxp_verdict_http(second) == 200);
    CHECK(imagxp_verdict_visitor(second) == IMAGXP_VISITOR_VERIFIED_AGENT);
    CHECK(imagxp_verdict_binding(second) == IMAGXP_BINDING_DOMAIN);
    CHECK(imagxp_verdict_purpose(second) == IMAGXP_PURPOSE_RAG_RETRIEVAL);
    CHECK(imagxp_verdict_payment(second) == IMAGXP_PAYMENT_NOT_REQUIRED);
    CHECK(!imagxp_verdict_would_deny(second));
    CHECK(imagxp_verdict_warning_count(second) == 0 && imagxp_verdict_need_count(second) == 0);
    EQUALS(imagxp_verdict_agent_id(second), AGENT);
    EQUALS(imagxp_verdict_resource(second), "https://pub.example/posts/1");
    CHECK(imagxp_verdict_key_id(second).len == 43);
    imagxp_slice thumbprint = imagxp_public_key_thumbprint(world.public_key);
    CHECK(memcmp(imagxp_verdict_key_id(second).ptr, thumbprint.ptr, 43) == 0);
    CHECK(imagxp_verdict_trace_id(second).len == 32);
    CHECK(imagxp_verdict_message(second).len > 0);
    CHECK(imagxp_verdict_payment_jti(second).len == 0 && imagxp_verdict_payment_amount(second).len == 0);
    CHECK(imagxp_verdict_payment_issuer(second).len == 0 && imagxp_verdict_payment_currency(second).len == 0);

    /* A pending verification is taken up once; the verdict's fields stay. */
    imagxp_verdict *third = NULL;
    FAILS(imagxp_publisher_resume(world.publisher, first, NOW + 200, &third, &err), IMAGXP_USAGE_ARGUMENT);
    FAILS(imagxp_publisher_resume(world.publisher, second, NOW + 200, &third, &err), IMAGXP_USAGE_ARGUMENT);
    CHECK(third == NULL && imagxp_verdict_need_count(first) == 1);

    third = verify(&world, request, NOW + 300);
    CHECK(imagxp_verdict_code(third) == IMAGXP_REPLAY_NONCE_SEEN && imagxp_verdict_http(third) == 409);
    CHECK(imagxp_verdict_outcome(third) == IMAGXP_OUTCOME_DENY);
    CHECK(imagxp_verdict_retry(third) == IMAGXP_RETRY_NEW_NONCE && imagxp_verdict_retry_after_s(third) == 0);
    CHECK(imagxp_verdict_hint(third).len > 0);
    imagxp_verdict_free(first);
    imagxp_verdict_free(second);
    imagxp_verdict_free(third);
    imagxp_request_free(request);
    world_close(&world);
}

/* A fetch that takes too long decides, too. */
static void a_resumption_has_a_minute(void) {
    const int64_t waits[2] = {60 * 1000, 60 * 1000 + 1};
    const imagxp_status codes[2] = {IMAGXP_OK, IMAGXP_TIME_EXPIRED};
    for (size_t i = 0; i < 2; i++) {
        struct world world;
        imagxp_verdict *resumed = NULL;
        world_open(&world, FREE_POLICY, NULL);
        imagxp_request *request = signed_request(&world, PAGE);
        imagxp_verdict *verdict = verify(&world, request, NOW);
        world_supply(&world, NOW + waits[i]);
        OK(imagxp_publisher_resume(world.publisher, verdict, NOW + waits[i], &resumed, &err));
        CHECK(imagxp_verdict_code(resumed) == codes[i]);
        imagxp_verdict_free(resumed);
        imagxp_verdict_free(verdict);
        imagxp_request_free(request);
        world_close(&world);
    }
}

static void refusals_say_why(void) {
    struct world world;
    imagxp_bytes body = {NULL, 0};
    imagxp_bytes json = {NULL, 0};
    bool www_authenticate = false;
    world_open(&world, FREE_POLICY, NULL);
    world_supply(&world, NOW);
    imagxp_headers *headers = sign(&world, PAGE, none());

    imagxp_request *request = received(headers, "https://pub.example/posts/2");
    expect_code(&world, request, NOW, IMAGXP_CLAIM_RESOURCE_MISMATCH);
    imagxp_request_free(request);
    request = tampered(headers, PAGE, "x-imagxp-signature", S("zz"));
    expect_code(&world, request, NOW, IMAGXP_SIG_MALFORMED);
    imagxp_request_free(request);
    request = tampered(headers, PAGE, "x-imagxp-payload", S("bm8="));
    expect_code(&world, request, NOW, IMAGXP_JSON_MALFORMED);
    imagxp_request_free(request);
    request = received(headers, PAGE);
    expect_code(&world, request, NOW + 301 * 1000, IMAGXP_TIME_EXPIRED);
    expect_code(&world, request, NOW - 61 * 1000, IMAGXP_TIME_FUTURE);
    imagxp_request_free(request);

    /* Nothing is signed: who are you? */
    OK(imagxp_request_new(S("GET"), S("/posts/1"), NULL, 0, &request, &err));
    imagxp_verdict *verdict = verify(&world, request, NOW);
    CHECK(imagxp_verdict_code(verdict) == IMAGXP_AUTH_REQUIRED && imagxp_verdict_http(verdict) == 401);
    CHECK(imagxp_verdict_visitor(verdict) == IMAGXP_VISITOR_UNSIGNED_CLIENT);
    CHECK(imagxp_verdict_binding(verdict) == IMAGXP_BINDING_NONE);
    for (size_t i = 0; i < imagxp_verdict_response_header_count(verdict); i++) {
        www_authenticate |= contains(imagxp_verdict_response_header_name(verdict, i), "uthenticate") &&
                            contains(imagxp_verdict_response_header_value(verdict, i), "IMAGXP");
    }
    CHECK(www_authenticate);
    OK(imagxp_verdict_body(verdict, &body, &err));
    CHECK(contains(borrow(&body), "\"code\":\"auth.required\""));
    CHECK(!contains(borrow(&body), "detail"));
    OK(imagxp_verdict_json(verdict, &json, &err));
    CHECK(contains(borrow(&json), "\"visitor\":\"unsigned_client\"") && contains(borrow(&json), "\"detail\":"));
    imagxp_bytes_free(&body);
    imagxp_bytes_free(&json);
    imagxp_verdict_free(verdict);
    imagxp_request_free(request);
    imagxp_headers_free(headers);
    world_close(&world);
}

/* Bytes of a stranger get a verdict, whatever they are. */
static void strangers_bytes_are_judged(void) {
    struct world world;
    imagxp_request *request = NULL;
    imagxp_slice lines[202];
    world_open(&world, FREE_POLICY, NULL);
    imagxp_slice odd = S("\xff\xfe\x01");
    lines[0] = S("x-imagxp-payload");
    lines[1] = odd;
    lines[2] = S("x-imagxp-signature");
    lines[3] = odd;
    OK(imagxp_request_new(odd, odd, lines, 2, &request, &err));
    expect_code(&world, request, NOW, IMAGXP_HEADER_BASE64_INVALID);
    imagxp_request_free(request);
    for (size_t i = 0; i < 202; i++) {
        lines[i] = S("a");
    }
    OK(imagxp_request_new(S("GET"), S("/"), lines, 101, &request, &err));
    expect_code(&world, request, NOW, IMAGXP_HEADER_TOO_LARGE);
    imagxp_request_free(request);
    world_close(&world);
}

static void failed_fetches_decide(void) {
    static const struct {
        imagxp_fetch_failure failure;
        imagxp_status code;
    } cases[] = {
        {IMAGXP_FETCH_FAILED, IMAGXP_IDENTITY_FETCH_FAILED},
        {IMAGXP_FETCH_NOT_FOUND, IMAGXP_IDENTITY_NOT_FOUND},
        {IMAGXP_FETCH_REDIRECT, IMAGXP_IDENTITY_REDIRECT},
        {IMAGXP_FETCH_ADDRESS_DENIED, IMAGXP_IDENTITY_ADDRESS_DENIED},
        {IMAGXP_FETCH_BUSY, IMAGXP_IDENTITY_FETCH_BUSY},
        {IMAGXP_FETCH_INVALID, IMAGXP_IDENTITY_MANIFEST_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world world;
        imagxp_verdict *resumed = NULL;
        world_open(&world, FREE_POLICY, NULL);
        imagxp_request *request = signed_request(&world, PAGE);
        imagxp_verdict *verdict = verify(&world, request, NOW);
        OK(imagxp_publisher_supply_failure(world.publisher, imagxp_verdict_need_url(verdict, 0), cases[i].failure, NOW, &err));
        OK(imagxp_publisher_resume(world.publisher, verdict, NOW, &resumed, &err));
        CHECK(imagxp_verdict_code(resumed) == cases[i].code);
        imagxp_verdict_free(resumed);
        imagxp_verdict_free(verdict);
        imagxp_request_free(request);
        world_close(&world);
    }
}

static void a_bad_manifest_decides(void) {
    struct world world;
    imagxp_verdict *resumed = NULL;
    world_open(&world, FREE_POLICY, NULL);
    imagxp_request *request = signed_request(&world, PAGE);
    imagxp_verdict *verdict = verify(&world, request, NOW);
    FAILS(imagxp_publisher_supply(world.publisher, S(MANIFEST_URL), S("{}"), 300, NOW, &err),
          IMAGXP_IDENTITY_MANIFEST_INVALID);
    OK(imagxp_publisher_resume(world.publisher, verdict, NOW, &resumed, &err));
    CHECK(imagxp_verdict_code(resumed) == IMAGXP_IDENTITY_MANIFEST_INVALID);
    imagxp_verdict_free(resumed);
    imagxp_verdict_free(verdict);
    imagxp_request_free(request);
    world_close(&world);
}

static void bodies_are_bound(void) {
    struct world world;
    imagxp_sign_request *what = NULL;
    imagxp_headers *headers = NULL;
    imagxp_bytes digest = {NULL, 0};
    imagxp_bytes other = {NULL, 0};
    world_open(&world, FREE_POLICY, NULL);
    world_supply(&world, NOW);
    OK(imagxp_content_digest(S("body"), &digest, &err));
    OK(imagxp_content_digest(S("ydob"), &other, &err));
    OK(imagxp_sign_request_new(S("GET"), S(PAGE), IMAGXP_PURPOSE_RAG_RETRIEVAL, &what, &err));
    OK(imagxp_sign_request_set_content_digest(what, borrow(&digest), &err));
    OK(imagxp_identity_sign(world.identity, what, NOW, none(), &headers, &err));
    imagxp_request *request = received(headers, PAGE);
    expect_code(&world, request, NOW, IMAGXP_CLAIM_DIGEST_MISMATCH);
    OK(imagxp_request_set_body_digest(request, borrow(&other), &err));
    expect_code(&world, request, NOW, IMAGXP_CLAIM_DIGEST_MISMATCH);
    OK(imagxp_request_set_body_digest(request, borrow(&digest), &err));
    expect_code(&world, request, NOW, IMAGXP_OK);
    imagxp_request_free(request);
    imagxp_headers_free(headers);
    imagxp_sign_request_free(what);
    imagxp_bytes_free(&digest);
    imagxp_bytes_free(&other);
    world_close(&world);
}

static void explanations_spend_nothing(void) {
    struct world world;
    imagxp_bytes text = {NULL, 0};
    imagxp_bytes json = {NULL, 0};
    world_open(&world, FREE_POLICY, NULL);
    world_supply(&world, NOW);
    imagxp_request *request = signed_request(&world, PAGE);
    OK(imagxp_publisher_explain(world.publisher, request, NOW, IMAGXP_FORMAT_TEXT, &text, &err));
    OK(imagxp_publisher_explain(world.publisher, request, NOW, IMAGXP_FORMAT_JSON, &json, &err));
    CHECK(contains(borrow(&text), "signature") && contains(borrow(&json), "\"steps\":["));
    imagxp_bytes_free(&text);
    imagxp_bytes_free(&json);
    FAILS(imagxp_publisher_explain(world.publisher, request, NOW, 3, &text, &err), IMAGXP_USAGE_ARGUMENT);
    expect_code(&world, request, NOW, IMAGXP_OK);
    imagxp_request_free(request);
    world_close(&world);
}

static void limits_are_set(void) {
    struct world world;
    imagxp_publisher_options *options = NULL;
    imagxp_policy *policy = NULL;
    world_open(&world, FREE_POLICY, NULL);
    OK(imagxp_publisher_options_new(&options, &err));
    for (imagxp_limit limit = IMAGXP_LIMIT_PAYLOAD_HEADER; limit <= IMAGXP_LIMIT_DIRECTORY; limit++) {
        OK(imagxp_publisher_options_set_limit(options, limit, SIZE_MAX, &err));
    }
    FAILS(imagxp_publisher_options_set_limit(options, 0, 1, &err), IMAGXP_USAGE_ARGUMENT);
    FAILS(imagxp_publisher_options_set_limit(options, IMAGXP_LIMIT_DIRECTORY + 1, 1, &err), IMAGXP_USAGE_ARGUMENT);
    OK(imagxp_publisher_options_set_limit(options, IMAGXP_LIMIT_PAYLOAD_HEADER, 100, &err));
    OK(imagxp_policy_from_json(S(FREE_POLICY), &policy, &err));
    imagxp_publisher_free(world.publisher);
    /* An empty secret is drawn from the operating system. */
    OK(imagxp_publisher_new(policy, none(), options, &world.publisher, &err));
    imagxp_request *request = signed_request(&world, PAGE);
    expect_code(&world, request, NOW, IMAGXP_HEADER_TOO_LARGE);
    imagxp_request_free(request);
    imagxp_policy_free(policy);
    imagxp_publisher_options_free(options);
    world_close(&world);
}

static void policies_are_read(void) {
    imagxp_policy *policy = NULL;
    imagxp_bytes json = {NULL, 0};
    OK(imagxp_policy_from_json(S(PAID_POLICY), &policy, &err));
    CHECK(imagxp_policy_hash(policy).len == 32);
    OK(imagxp_policy_public_json(policy, &json, &err));
    CHECK(contains(borrow(&json), "https://broker.example"));
    imagxp_bytes_free(&json);
    imagxp_policy_free(policy);
    OK(imagxp_policy_from_json(S("{\"version\":1,\"origins\":[\"https://pub.example\"],\"mode\":\"observe\"}"), &policy, &err));
    CHECK(imagxp_policy_remark_count(policy) > 0 && imagxp_policy_remark(policy, 0).len > 0);
    CHECK(imagxp_policy_remark(policy, imagxp_policy_remark_count(policy)).len == 0);
    imagxp_policy_free(policy);
    policy = NULL;
    OK(imagxp_policy_schema(&json, &err));
    CHECK(contains(borrow(&json), "2020-12"));
    imagxp_bytes_free(&json);
    CHECK(imagxp_policy_from_json(S("{\"version\":1,\"origins\":[],\"colour\":1}"), &policy, &err) == IMAGXP_USAGE_POLICY);
    CHECK(contains(imagxp_error_message(err), "colour"));
    EQUALS(imagxp_error_code(err), "usage.policy");
    imagxp_error_free(err);
    err = NULL;
    CHECK(policy == NULL);
}

static void codes_are_listed(void) {
    size_t count = 0;
    for (imagxp_status code; (code = imagxp_status_at(count)) != IMAGXP_OK; count++) {
        CHECK(imagxp_status_from_name(imagxp_status_name(code)) == code);
        CHECK(imagxp_status_message(code).len > 0 && imagxp_status_hint(code).len > 0);
        CHECK(imagxp_status_http(code) >= 400 && imagxp_status_http(code) < 600);
    }
    CHECK(count > 50);
    CHECK(imagxp_status_http(IMAGXP_OK) == 200 && imagxp_status_http(IMAGXP_REPLAY_NONCE_SEEN) == 409);
    CHECK(imagxp_status_http(99999) == 500 && imagxp_status_name(99999).len == 0);
    EQUALS(imagxp_status_name(IMAGXP_USAGE_SIGNER), "usage.signer");
    CHECK(imagxp_status_from_name(S("usage.policy")) == IMAGXP_USAGE_POLICY);
    CHECK(imagxp_status_from_name(S("no.such")) == IMAGXP_OK);
    for (imagxp_purpose purpose = IMAGXP_PURPOSE_CRAWL_TRAINING; purpose <= IMAGXP_PURPOSE_EMBEDDING; purpose++) {
        CHECK(imagxp_purpose_from_name(imagxp_purpose_name(purpose)) == purpose);
    }
    CHECK(imagxp_purpose_name(0).len == 0 && imagxp_purpose_from_name(S("summary")) == 0);
}

static void versions_agree(void) {
    CHECK(imagxp_abi_version() == IMAGXP_ABI_VERSION);
    CHECK(strlen(imagxp_version()) >= 5);
}

static void json_is_canonicalized(void) {
    imagxp_bytes json = {NULL, 0};
    OK(imagxp_json_canonicalize(S("{ \"b\": 1.0, \"a\": \"\\u00e9\" }"), &json, &err));
    EQUALS(borrow(&json), "{\"a\":\"\xc3\xa9\",\"b\":1}");
    imagxp_bytes_free(&json);
    FAILS(imagxp_json_canonicalize(S("{\"a\":1,\"a\":2}"), &json, &err), IMAGXP_JSON_DUPLICATE_KEY);
    FAILS(imagxp_json_canonicalize(none(), &json, &err), IMAGXP_JSON_MALFORMED);
}

int main(void) {
    static const struct test tests[] = {
        {"a_good_request_passes_once", a_good_request_passes_once},
        {"a_resumption_has_a_minute", a_resumption_has_a_minute},
        {"refusals_say_why", refusals_say_why},
        {"strangers_bytes_are_judged", strangers_bytes_are_judged},
        {"failed_fetches_decide", failed_fetches_decide},
        {"a_bad_manifest_decides", a_bad_manifest_decides},
        {"bodies_are_bound", bodies_are_bound},
        {"explanations_spend_nothing", explanations_spend_nothing},
        {"limits_are_set", limits_are_set},
        {"policies_are_read", policies_are_read},
        {"codes_are_listed", codes_are_listed},
        {"versions_agree", versions_agree},
        {"json_is_canonicalized", json_is_canonicalized},
        {NULL, NULL},
    };
    return run_tests(tests);
}
