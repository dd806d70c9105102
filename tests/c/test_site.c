/* What a server needs besides verdicts: policies from files, modes, rates and records of its own, names for logs, hashes of what it sends. */
#include "world.h"

#include <string.h>

static void policies_are_read_from_files(void) {
    const char *toml = "version = 1\norigins = ['https://pub.example', 'https://b.example:8443']\n[provenance]\norigin = 'HYBRID'\n";
    imagxp_policy *policy = NULL;
    OK(imagxp_policy_from_text(S(toml), S("policy.toml"), &policy, &err));
    EQUALS(imagxp_policy_origin(policy, 0), "https://pub.example");
    EQUALS(imagxp_policy_origin(policy, 1), "https://b.example:8443");
    CHECK(imagxp_policy_origin(policy, 2).len == 0);
    CHECK(imagxp_policy_content_origin(policy) == IMAGXP_CONTENT_ORIGIN_HYBRID);
    CHECK(!imagxp_policy_allows_loopback(policy));
    imagxp_policy_free(policy);

    OK(imagxp_policy_from_text(S(FREE_POLICY), S("policy.json"), &policy, &err));
    CHECK(imagxp_policy_content_origin(policy) == 0);
    imagxp_policy_free(policy);

    const char *wrong = "version = 1\norigins = ['https://pub.example']\n\nunsigned = 'sometimes'\n";
    imagxp_error *error = NULL;
    CHECK(imagxp_policy_from_text(S(wrong), S("policy.toml"), &policy, &error) == IMAGXP_USAGE_POLICY);
    CHECK(contains(imagxp_error_message(error), "line 4: "));
    imagxp_error_free(error);
    CHECK(imagxp_policy_origin(NULL, 0).len == 0 && imagxp_policy_content_origin(NULL) == 0 && !imagxp_policy_allows_loopback(NULL));
}

/* One agent's rate and the records, in the caller's memory. */
struct site {
    int64_t arrival;
    int busy;
    int calls;
    int records;
    int manifests;
    int fails;
};

static int64_t site_arrival(void *user_data, const uint8_t *agent) {
    struct site *site = (struct site *)user_data;
    CHECK(agent != NULL);
    return site->arrival;
}

static int site_replace(void *user_data, const uint8_t *agent, int64_t before_us, int64_t after_us) {
    struct site *site = (struct site *)user_data;
    CHECK(agent != NULL && after_us > NOW * 1000 && (before_us == IMAGXP_TIME_NONE || before_us < after_us));
    site->calls++;
    if (site->busy > 0) {
        site->busy--;
        return IMAGXP_RATE_CHANGED;
    }
    if (site->busy < 0) {
        return IMAGXP_RATE_ERROR;
    }
    CHECK(site->arrival == before_us);
    site->arrival = after_us;
    return IMAGXP_RATE_REPLACED;
}

static int site_record(void *user_data, imagxp_slice record, imagxp_slice manifest) {
    struct site *site = (struct site *)user_data;
    CHECK(record.len > 2 && record.ptr[0] == '{');
    site->records++;
    site->manifests += manifest.len > 2 && manifest.ptr[0] == '{';
    return site->fails;
}

static void a_site_keeps_rates_and_records_itself(void) {
    const char *json = "{\"version\":1,\"origins\":[\"https://pub.example\"],\"purposes\":{\"RAG_RETRIEVAL\":{}},"
                       "\"rate\":{\"requests\":2,\"per_s\":60}}";
    struct site site = {IMAGXP_TIME_NONE, 0, 0, 0, 0, 0};
    struct world world;
    world_open(&world, FREE_POLICY, NULL);
    imagxp_publisher_free(world.publisher);

    imagxp_policy *policy = NULL;
    imagxp_rate_store *rates = NULL;
    imagxp_publisher_options *options = NULL;
    OK(imagxp_policy_from_text(S(json), S("p.json"), &policy, &err));
    OK(imagxp_rate_store_new(&site, site_arrival, site_replace, &rates, &err));
    FAILS(imagxp_rate_store_new(&site, NULL, site_replace, &rates, &err), IMAGXP_USAGE_ARGUMENT);
    OK(imagxp_publisher_options_new(&options, &err));
    OK(imagxp_publisher_options_set_rate_store(options, rates, &err));
    OK(imagxp_publisher_options_set_audit(options, &site, site_record, false, &err));
    FAILS(imagxp_publisher_options_set_audit(options, &site, NULL, false, &err), IMAGXP_USAGE_ARGUMENT);
    OK(imagxp_publisher_options_set_first_trace(options, 7, &err));
    imagxp_rate_store_free(rates);
    OK(imagxp_publisher_new(policy, none(), options, &world.publisher, &err));
    world_supply(&world, NOW);

    imagxp_request *request = signed_request(&world, PAGE);
    site.busy = 2; /* another process is faster, twice */
    expect_code(&world, request, NOW, IMAGXP_OK);
    CHECK(site.calls == 3 && site.records == 1 && site.manifests == 1);
    imagxp_request_free(request);
    request = signed_request(&world, PAGE);
    expect_code(&world, request, NOW, IMAGXP_OK);
    imagxp_request_free(request);
    request = signed_request(&world, PAGE);
    expect_code(&world, request, NOW, IMAGXP_RATE_AGENT);
    imagxp_request_free(request);
    site.arrival = IMAGXP_TIME_NONE;
    site.busy = -1;
    request = signed_request(&world, PAGE);
    expect_code(&world, request, NOW, IMAGXP_POLICY_ERROR);
    imagxp_request_free(request);
    site.busy = 0;
    site.fails = 1;
    request = signed_request(&world, PAGE);
    expect_code(&world, request, NOW, IMAGXP_AUDIT_UNAVAILABLE);
    imagxp_request_free(request);

    imagxp_publisher_options_free(options);
    imagxp_policy_free(policy);
    world_close(&world);
}

static void a_body_is_on_record_when_it_has_been_read_or_never_will_be(void) {
    struct site site = {IMAGXP_TIME_NONE, 0, 0, 0, 0, 0};
    struct world world;
    imagxp_policy *policy = NULL;
    imagxp_publisher_options *options = NULL;
    imagxp_sign_request *what = NULL;
    imagxp_headers *headers = NULL;
    imagxp_bytes digest = {NULL, 0};
    world_open(&world, FREE_POLICY, NULL);
    imagxp_publisher_free(world.publisher);
    OK(imagxp_policy_from_json(S(FREE_POLICY), &policy, &err));
    OK(imagxp_publisher_options_new(&options, &err));
    OK(imagxp_publisher_options_set_audit(options, &site, site_record, false, &err));
    OK(imagxp_publisher_new(policy, none(), options, &world.publisher, &err));
    world_supply(&world, NOW);
    OK(imagxp_content_digest(S("body"), &digest, &err));
    OK(imagxp_sign_request_new(S("GET"), S(PAGE), IMAGXP_PURPOSE_RAG_RETRIEVAL, &what, &err));
    OK(imagxp_sign_request_set_content_digest(what, borrow(&digest), &err));
    OK(imagxp_identity_sign(world.identity, what, NOW, none(), &headers, &err));
    imagxp_request *request = received(headers, PAGE);
    expect_code(&world, request, NOW, IMAGXP_CLAIM_DIGEST_MISMATCH);
    CHECK(site.records == 0);
    OK(imagxp_request_set_body_digest(request, none(), &err));
    expect_code(&world, request, NOW, IMAGXP_CLAIM_DIGEST_MISMATCH);
    CHECK(site.records == 1);
    OK(imagxp_request_set_body_digest(request, borrow(&digest), &err));
    expect_code(&world, request, NOW, IMAGXP_OK);
    CHECK(site.records == 2);
    imagxp_request_free(request);
    imagxp_headers_free(headers);
    imagxp_sign_request_free(what);
    imagxp_bytes_free(&digest);
    imagxp_publisher_options_free(options);
    imagxp_policy_free(policy);
    world_close(&world);
}

static void the_mode_is_the_servers(void) {
    struct world world;
    world_open(&world, FREE_POLICY, NULL);
    imagxp_policy *policy = NULL;
    imagxp_publisher *publisher = NULL;
    imagxp_publisher_options *options = NULL;
    OK(imagxp_policy_from_json(S(FREE_POLICY), &policy, &err));
    OK(imagxp_publisher_options_new(&options, &err));
    FAILS(imagxp_publisher_options_set_mode(options, 9, &err), IMAGXP_USAGE_ARGUMENT);
    for (imagxp_mode mode = IMAGXP_MODE_ENFORCE; mode <= IMAGXP_MODE_OBSERVE; mode++) {
        OK(imagxp_publisher_options_set_mode(options, mode, &err));
        OK(imagxp_publisher_new(policy, none(), options, &publisher, &err));
        imagxp_request *request = NULL;
        imagxp_verdict *verdict = NULL;
        OK(imagxp_request_new(S("GET"), S("/x"), NULL, 0, &request, &err));
        OK(imagxp_publisher_verify(publisher, request, NOW, &verdict, &err));
        CHECK(imagxp_verdict_is_allowed(verdict) == (mode == IMAGXP_MODE_OBSERVE));
        CHECK(imagxp_verdict_would_deny(verdict) == (mode == IMAGXP_MODE_OBSERVE));
        imagxp_verdict_free(verdict);
        imagxp_request_free(request);
        imagxp_publisher_free(publisher);
    }
    imagxp_publisher_options_free(options);
    imagxp_policy_free(policy);
    world_close(&world);
}

static void numbers_have_names(void) {
    EQUALS(imagxp_outcome_name(IMAGXP_OUTCOME_ALLOW), "allow");
    EQUALS(imagxp_outcome_name(IMAGXP_OUTCOME_UNDECIDED), "undecided");
    EQUALS(imagxp_visitor_name(IMAGXP_VISITOR_VERIFIED_AGENT), "verified_agent");
    EQUALS(imagxp_visitor_name(IMAGXP_VISITOR_INVALID_AGENT), "invalid_agent");
    EQUALS(imagxp_payment_name(IMAGXP_PAYMENT_UNPAID), "unpaid");
    CHECK(imagxp_outcome_name(0).len == 0 && imagxp_visitor_name(99).len == 0 && imagxp_payment_name(99).len == 0);
}

static void ages_are_read(void) {
    CHECK(imagxp_max_age(S("public, max-age=60")) == 60);
    CHECK(imagxp_max_age(S("max-age=60, no-store")) == 0);
    CHECK(imagxp_max_age(S("private")) == IMAGXP_MAX_AGE_NONE);
    CHECK(imagxp_max_age(none()) == IMAGXP_MAX_AGE_NONE);
}

static void a_hash_comes_in_pieces(void) {
    static const uint8_t abc[32] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
                                    0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    imagxp_hasher *hasher = NULL;
    imagxp_bytes hash = {NULL, 0};
    OK(imagxp_hasher_new(&hasher, &err));
    OK(imagxp_hasher_update(hasher, S("a"), &err));
    OK(imagxp_hasher_update(hasher, S(""), &err));
    OK(imagxp_hasher_update(hasher, S("bc"), &err));
    OK(imagxp_hasher_finish(hasher, &hash, &err));
    CHECK(hash.len == 32 && memcmp(hash.ptr, abc, 32) == 0);
    imagxp_bytes_free(&hash);
    FAILS(imagxp_hasher_update(NULL, S("a"), &err), IMAGXP_USAGE_ARGUMENT);
    imagxp_hasher_free(hasher);
}

int main(void) {
    static const struct test tests[] = {
        {"policies_are_read_from_files", policies_are_read_from_files},
        {"a_site_keeps_rates_and_records_itself", a_site_keeps_rates_and_records_itself},
        {"a_body_is_on_record_when_it_has_been_read_or_never_will_be", a_body_is_on_record_when_it_has_been_read_or_never_will_be},
        {"the_mode_is_the_servers", the_mode_is_the_servers},
        {"numbers_have_names", numbers_have_names},
        {"ages_are_read", ages_are_read},
        {"a_hash_comes_in_pieces", a_hash_comes_in_pieces},
        {NULL, NULL},
    };
    return run_tests(tests);
}
