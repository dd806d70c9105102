/* A program of the day when ABI 1 began: written for, and compiled with, imagxp-1.h, and linked against a library that knows no more than
 * that. It runs with the library of today. It must never be changed to please a newer library. */
#include "imagxp-1.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW INT64_C(1800000000000)
#define S(text) imagxp_slice_of(text)

static imagxp_error *error = NULL;
static int checks = 0;

static void must(bool good, const char *what, int line) {
    checks++;
    if (!good) {
        imagxp_slice said = imagxp_error_message(error);
        fprintf(stderr, "line %d: %s: %.*s\n", line, what, (int)said.len, (const char *)said.ptr);
        exit(1);
    }
}
#define MUST(condition) must((condition), #condition, __LINE__)
#define OK(call) must((call) == IMAGXP_OK, #call, __LINE__)

static bool is(imagxp_slice slice, const char *text) {
    return slice.len == strlen(text) && memcmp(slice.ptr, text, slice.len) == 0;
}
static imagxp_slice of(const imagxp_bytes *bytes) { return (imagxp_slice){bytes->ptr, bytes->len}; }

/* A replay store of the program's own: sixteen keys. */
struct store {
    uint8_t keys[16][16];
    size_t count;
};
static int find(const struct store *store, const uint8_t *key) {
    for (size_t i = 0; i < store->count; i++) {
        if (memcmp(store->keys[i], key, 16) == 0) {
            return 1;
        }
    }
    return 0;
}
static int insert(void *user, const uint8_t *key, const uint8_t *agent, int64_t expires_at_ms, int64_t now_ms) {
    struct store *store = user;
    if (agent == NULL || expires_at_ms <= now_ms) {
        return IMAGXP_INSERT_ERROR;
    }
    if (find(store, key)) {
        return IMAGXP_INSERT_SEEN;
    }
    if (store->count == 16) {
        return IMAGXP_INSERT_FULL;
    }
    memcpy(store->keys[store->count++], key, 16);
    return IMAGXP_INSERT_FRESH;
}
static int seen(void *user, const uint8_t *key, int64_t now_ms) {
    (void)now_ms;
    return find(user, key) ? IMAGXP_SEEN_YES : IMAGXP_SEEN_NO;
}
static int64_t horizon(void *user) {
    (void)user;
    return IMAGXP_TIME_NONE;
}
static int fill(void *user, uint8_t *buffer, size_t len) {
    memset(buffer, 1 + (*(uint8_t *)user)++, len);
    return 0;
}

static const char POLICY[] =
    "{\"version\":1,\"origins\":[\"https://pub.example\"],\"unsigned\":\"deny\",\"purposes\":{\"RAG_RETRIEVAL\":{\"allow\":true},"
    "\"CRAWL_TRAINING\":{\"allow\":false}}}";

/* What a server does with one request: verify, supply what is needed, resume. Gives the last verdict. */
static imagxp_verdict *judge(const imagxp_publisher *publisher, const imagxp_headers *headers, const char *url, imagxp_slice manifest) {
    imagxp_slice lines[2 * 8];
    size_t count = imagxp_headers_count(headers);
    imagxp_request *request = NULL;
    imagxp_verdict *verdict = NULL, *resumed = NULL;
    MUST(count > 0 && count < 8);
    lines[0] = S("User-Agent");
    lines[1] = S("old/1 IMAGXP/1.0");
    for (size_t i = 0; i < count; i++) {
        lines[2 * i + 2] = imagxp_headers_name(headers, i);
        lines[2 * i + 3] = imagxp_headers_value(headers, i);
    }
    OK(imagxp_request_new(S("GET"), S(url), lines, count + 1, &request, &error));
    OK(imagxp_publisher_verify(publisher, request, NOW, &verdict, &error));
    if (imagxp_verdict_is_pending(verdict)) {
        MUST(imagxp_verdict_outcome(verdict) == IMAGXP_OUTCOME_UNDECIDED && imagxp_verdict_http(verdict) == 503);
        MUST(imagxp_verdict_code(verdict) == IMAGXP_IDENTITY_MANIFEST_NEEDED);
        MUST(imagxp_verdict_need_count(verdict) == 1 && imagxp_verdict_need(verdict, 0) == IMAGXP_NEED_MANIFEST);
        MUST(is(imagxp_verdict_need_url(verdict, 0), "https://agent.example/.well-known/imagxp-agent.json"));
        OK(imagxp_publisher_supply(publisher, imagxp_verdict_need_url(verdict, 0), manifest, IMAGXP_MAX_AGE_NONE, NOW, &error));
        OK(imagxp_publisher_resume(publisher, verdict, NOW, &resumed, &error));
        imagxp_verdict_free(verdict);
        verdict = resumed;
    }
    imagxp_request_free(request);
    return verdict;
}

static imagxp_headers *sign(const imagxp_identity *identity, imagxp_purpose purpose) {
    imagxp_sign_request *what = NULL;
    imagxp_headers *headers = NULL;
    OK(imagxp_sign_request_new(S("GET"), S("https://pub.example/posts/1"), purpose, &what, &error));
    OK(imagxp_sign_request_set_ads_displayed(what, false, &error));
    OK(imagxp_identity_sign(identity, what, NOW, S(NULL), &headers, &error));
    imagxp_sign_request_free(what);
    return headers;
}

static void a_site_and_its_readers(void) {
    struct store store = {.count = 0};
    uint8_t seed = 0;
    imagxp_key *key = NULL;
    imagxp_identity *identity = NULL;
    imagxp_manifest *manifest = NULL;
    imagxp_policy *policy = NULL;
    imagxp_replay_store *replay = NULL;
    imagxp_publisher_options *options = NULL;
    imagxp_publisher *publisher = NULL;
    imagxp_bytes json = {NULL, 0}, body = {NULL, 0};
    OK(imagxp_key_generate(IMAGXP_ALGORITHM_ES256, fill, &seed, &key, &error));
    OK(imagxp_identity_new(S("agent.example"), key, false, &identity, &error));
    OK(imagxp_identity_manifest(identity, S("security@agent.example"), &manifest, &error));
    OK(imagxp_manifest_to_json(manifest, &json, &error));
    MUST(imagxp_manifest_key_count(manifest) == 1 && is(imagxp_manifest_contact(manifest), "security@agent.example"));
    OK(imagxp_policy_from_json(S(POLICY), &policy, &error));
    MUST(imagxp_policy_hash(policy).len == 32);
    OK(imagxp_replay_store_new(&store, insert, seen, horizon, &replay, &error));
    OK(imagxp_publisher_options_new(&options, &error));
    OK(imagxp_publisher_options_set_replay_store(options, replay, &error));
    OK(imagxp_publisher_options_set_limit(options, IMAGXP_LIMIT_HEADER_LINES, 50, &error));
    OK(imagxp_publisher_new(policy, S("0123456789abcdef"), options, &publisher, &error));

    imagxp_headers *headers = sign(identity, IMAGXP_PURPOSE_RAG_RETRIEVAL);
    imagxp_verdict *verdict = judge(publisher, headers, "/posts/1", of(&json));
    MUST(imagxp_verdict_is_allowed(verdict) && imagxp_verdict_http(verdict) == 200);
    MUST(imagxp_verdict_visitor(verdict) == IMAGXP_VISITOR_VERIFIED_AGENT && is(imagxp_verdict_agent_id(verdict), "agent.example"));
    MUST(imagxp_verdict_purpose(verdict) == IMAGXP_PURPOSE_RAG_RETRIEVAL && imagxp_verdict_binding(verdict) == IMAGXP_BINDING_DOMAIN);
    MUST(imagxp_verdict_payment(verdict) == IMAGXP_PAYMENT_NOT_REQUIRED && imagxp_verdict_trace_id(verdict).len == 32);
    MUST(store.count > 0);
    imagxp_verdict_free(verdict);
    /* Twice is once too often. */
    verdict = judge(publisher, headers, "/posts/1", of(&json));
    MUST(imagxp_verdict_code(verdict) == IMAGXP_REPLAY_NONCE_SEEN && imagxp_verdict_http(verdict) == 409);
    MUST(imagxp_verdict_retry(verdict) == IMAGXP_RETRY_NEW_NONCE);
    imagxp_verdict_free(verdict);
    imagxp_headers_free(headers);
    /* Another purpose, refused by the policy; the body is for the reader, the JSON for the log. */
    headers = sign(identity, IMAGXP_PURPOSE_CRAWL_TRAINING);
    verdict = judge(publisher, headers, "/posts/1", of(&json));
    MUST(imagxp_verdict_outcome(verdict) == IMAGXP_OUTCOME_DENY && imagxp_verdict_code(verdict) == IMAGXP_POLICY_PURPOSE_DENIED);
    OK(imagxp_verdict_body(verdict, &body, &error));
    MUST(strstr((const char *)body.ptr, "policy.purpose_denied") != NULL);
    imagxp_bytes_free(&body);
    OK(imagxp_verdict_json(verdict, &body, &error));
    imagxp_bytes_free(&body);
    MUST(body.ptr == NULL && body.len == 0);
    imagxp_verdict_free(verdict);
    imagxp_headers_free(headers);

    imagxp_bytes_free(&json);
    imagxp_publisher_free(publisher);
    imagxp_publisher_options_free(options);
    imagxp_replay_store_free(replay);
    imagxp_policy_free(policy);
    imagxp_manifest_free(manifest);
    imagxp_identity_free(identity);
    imagxp_key_free(key);
}

static void what_brokers_do(void) {
    static const char ISSUER[] = "https://broker.example", ORIGIN[] = "https://pub.example";
    imagxp_key *key = NULL;
    imagxp_public_key *public_key = NULL;
    imagxp_visa *visa = NULL;
    imagxp_bytes token = {NULL, 0}, jwk = {NULL, 0}, claims = {NULL, 0};
    char jwks[1024];
    OK(imagxp_key_generate(IMAGXP_ALGORITHM_ES256, NULL, NULL, &key, &error));
    OK(imagxp_key_public(key, &public_key, &error));
    MUST(imagxp_public_key_algorithm(public_key) == IMAGXP_ALGORITHM_ES256 && imagxp_public_key_thumbprint(public_key).len == 43);
    OK(imagxp_visa_new(S(ISSUER), S(ORIGIN), S("agent.example"), S("visa-0001"), S("0.001"), S("USD"), &visa, &error));
    OK(imagxp_visa_add_purpose(visa, IMAGXP_PURPOSE_SUMMARY, &error));
    OK(imagxp_visa_set_lifetime(visa, 60, &error));
    OK(imagxp_visa_issue(visa, key, NOW, &token, &error));
    OK(imagxp_public_key_to_jwk(public_key, &jwk, &error));
    /* A key set names its keys; the JWK that the library writes begins with a brace and has no name of its own. */
    imagxp_slice kid = imagxp_public_key_thumbprint(public_key);
    int length = snprintf(jwks, sizeof jwks, "{\"keys\":[{\"kid\":\"%.*s\",%s]}", (int)kid.len, (const char *)kid.ptr, (const char *)jwk.ptr + 1);
    MUST(length > 0 && length < (int)sizeof jwks);
    OK(imagxp_token_verify(of(&token), S(jwks), S(ISSUER), S(ORIGIN), S(NULL), NOW, &claims, &error));
    MUST(strstr((const char *)claims.ptr, "visa-0001") != NULL);
    imagxp_bytes_free(&claims);
    MUST(imagxp_token_verify(of(&token), S(jwks), S(ISSUER), S(ORIGIN), S(NULL), NOW + 66000, &claims, &error) == IMAGXP_PAYMENT_EXPIRED);
    MUST(imagxp_error_status(error) == IMAGXP_PAYMENT_EXPIRED && is(imagxp_error_code(error), "payment.expired"));
    imagxp_error_free(error);
    error = NULL;
    imagxp_bytes_free(&jwk);
    imagxp_bytes_free(&token);
    imagxp_visa_free(visa);
    imagxp_public_key_free(public_key);
    imagxp_key_free(key);
}

static void small_things(void) {
    imagxp_bytes out = {NULL, 0};
    imagxp_policy *policy = NULL;
    MUST(imagxp_abi_version() >= 1 && imagxp_version() != NULL);
    MUST(is(imagxp_status_name(IMAGXP_SIG_INVALID), "sig.invalid") && imagxp_status_http(IMAGXP_SIG_INVALID) == 401);
    MUST(imagxp_status_from_name(S("replay.store_full")) == IMAGXP_REPLAY_STORE_FULL);
    MUST(imagxp_purpose_from_name(S("QUOTATION")) == IMAGXP_PURPOSE_QUOTATION);
    OK(imagxp_json_canonicalize(S("{\"b\":1,\"a\":2.0}"), &out, &error));
    MUST(is(of(&out), "{\"a\":2,\"b\":1}"));
    imagxp_bytes_free(&out);
    MUST(imagxp_policy_from_json(S("{"), &policy, &error) == IMAGXP_USAGE_POLICY && policy == NULL && error != NULL);
    imagxp_error_free(error);
    error = NULL;
}

int main(void) {
    a_site_and_its_readers();
    what_brokers_do();
    small_things();
    printf("%d checks hold\n", checks);
    return 0;
}
