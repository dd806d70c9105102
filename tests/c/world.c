#include "world.h"

#include <stdio.h>
#include <string.h>

#define PURPOSES "\"purposes\":{\"RAG_RETRIEVAL\":{\"allow\":true},\"CRAWL_TRAINING\":{\"allow\":false}}"
#define PAID(check)                                                                                                  \
    "{\"version\":1,\"origins\":[\"https://pub.example\"],\"unsigned\":\"deny\"," PURPOSES                           \
    ",\"price\":{\"amount\":\"0.001\",\"currency\":\"USD\"},\"payment\":{\"required\":true,\"brokers\":[{"           \
    "\"issuer\":\"https://broker.example\",\"jwks_uri\":\"" JWKS_URL "\",\"binding\":\"agent\",\"check\":\"" check   \
    "\"}]}}"

const char *const FREE_POLICY = "{\"version\":1,\"origins\":[\"https://pub.example\"],\"unsigned\":\"deny\"," PURPOSES "}";
const char *const PAID_POLICY = PAID("offline");
const char *const REDEEM_POLICY = PAID("redeem");

static const char *const SECRET = "0123456789abcdef";

imagxp_publisher *new_publisher(const char *policy_json, const imagxp_replay_store *store) {
    imagxp_policy *policy = NULL;
    imagxp_publisher *publisher = NULL;
    imagxp_publisher_options *options = NULL;
    if (!OK(imagxp_policy_from_json(S(policy_json), &policy, &err))) {
        return NULL;
    }
    if (store != NULL && OK(imagxp_publisher_options_new(&options, &err))) {
        OK(imagxp_publisher_options_set_replay_store(options, store, &err));
    }
    OK(imagxp_publisher_new(policy, S(SECRET), options, &publisher, &err));
    /* Whatever the publisher was made from may go at once. */
    imagxp_publisher_options_free(options);
    imagxp_policy_free(policy);
    return publisher;
}

void world_open(struct world *world, const char *policy, const imagxp_replay_store *store) {
    memset(world, 0, sizeof *world);
    OK(imagxp_key_generate(IMAGXP_ALGORITHM_ES256, NULL, NULL, &world->key, &err));
    OK(imagxp_key_public(world->key, &world->public_key, &err));
    OK(imagxp_identity_new(S(AGENT), world->key, false, &world->identity, &err));
    world->publisher = new_publisher(policy, store);
}

void world_close(struct world *world) {
    imagxp_publisher_free(world->publisher);
    imagxp_identity_free(world->identity);
    imagxp_public_key_free(world->public_key);
    imagxp_key_free(world->key);
}

void world_supply(struct world *world, int64_t now_ms) {
    imagxp_manifest *manifest = NULL;
    imagxp_bytes json = {NULL, 0};
    OK(imagxp_identity_manifest(world->identity, S("security@agent.example"), &manifest, &err));
    OK(imagxp_manifest_to_json(manifest, &json, &err));
    OK(imagxp_publisher_supply(world->publisher, S(MANIFEST_URL), borrow(&json), IMAGXP_MAX_AGE_NONE, now_ms, &err));
    imagxp_bytes_free(&json);
    imagxp_manifest_free(manifest);
}

imagxp_headers *sign(struct world *world, const char *url, imagxp_slice visa) {
    imagxp_sign_request *what = NULL;
    imagxp_headers *headers = NULL;
    OK(imagxp_sign_request_new(S("GET"), S(url), IMAGXP_PURPOSE_RAG_RETRIEVAL, &what, &err));
    if (visa.len > 0) {
        OK(imagxp_sign_request_set_payment(what, visa, &err));
    }
    OK(imagxp_identity_sign(world->identity, what, NOW, none(), &headers, &err));
    imagxp_sign_request_free(what);
    return headers;
}

imagxp_request *tampered(const imagxp_headers *headers, const char *url, const char *name, imagxp_slice value) {
    imagxp_slice lines[2 * 8];
    size_t count = 0;
    imagxp_request *request = NULL;
    imagxp_slice user_agent = S("tests/1 IMAGXP/1.0");
    lines[0] = S("User-Agent");
    lines[1] = user_agent;
    for (count = 1; count <= imagxp_headers_count(headers) && count < 8; count++) {
        imagxp_slice own = imagxp_headers_name(headers, count - 1);
        bool replace = own.len == strlen(name) && memcmp(own.ptr, name, own.len) == 0;
        lines[2 * count] = own;
        lines[2 * count + 1] = replace ? value : imagxp_headers_value(headers, count - 1);
    }
    OK(imagxp_request_new(S("GET"), S(url), lines, count, &request, &err));
    return request;
}

imagxp_request *received(const imagxp_headers *headers, const char *url) {
    return tampered(headers, url, "", none());
}

imagxp_request *signed_request(struct world *world, const char *url) {
    imagxp_headers *headers = sign(world, url, none());
    imagxp_request *request = received(headers, url);
    imagxp_headers_free(headers);
    return request;
}

imagxp_verdict *verify(struct world *world, const imagxp_request *request, int64_t now_ms) {
    imagxp_verdict *verdict = NULL;
    OK(imagxp_publisher_verify(world->publisher, request, now_ms, &verdict, &err));
    return verdict;
}

void expect_code(struct world *world, const imagxp_request *request, int64_t now_ms, imagxp_status code) {
    imagxp_verdict *verdict = verify(world, request, now_ms);
    if (imagxp_verdict_code(verdict) != code) {
        fprintf(stderr, "    code %u, expected %u\n", (unsigned)imagxp_verdict_code(verdict), (unsigned)code);
    }
    CHECK(imagxp_verdict_code(verdict) == code);
    imagxp_verdict_free(verdict);
}
