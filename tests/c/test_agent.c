/* The agent's side: keys, identity, signing, manifests. */
#include "world.h"

#include <stdio.h>
#include <string.h>

static int count_up(void *user_data, uint8_t *buffer, size_t len) {
    uint8_t *next = (uint8_t *)user_data;
    for (size_t i = 0; i < len; i++) {
        buffer[i] = (*next)++;
    }
    return 0;
}

static int broken_source(void *user_data, uint8_t *buffer, size_t len) {
    (void)user_data;
    memset(buffer, 0, len);
    return 5;
}

static int zero_source(void *user_data, uint8_t *buffer, size_t len) {
    (void)user_data;
    memset(buffer, 0, len);
    return 0;
}

static void keys_are_generated(void) {
    const imagxp_algorithm algorithms[2] = {IMAGXP_ALGORITHM_ES256, IMAGXP_ALGORITHM_EDDSA};
    for (size_t i = 0; i < 2; i++) {
        imagxp_key *key = NULL;
        imagxp_key *again = NULL;
        imagxp_public_key *public_key = NULL;
        imagxp_public_key *public_again = NULL;
        uint8_t seed = 1;
        OK(imagxp_key_generate(algorithms[i], count_up, &seed, &key, &err));
        seed = 1;
        OK(imagxp_key_generate(algorithms[i], count_up, &seed, &again, &err));
        OK(imagxp_key_public(key, &public_key, &err));
        OK(imagxp_key_public(again, &public_again, &err));
        CHECK(imagxp_public_key_algorithm(public_key) == algorithms[i]);
        imagxp_slice one = imagxp_public_key_thumbprint(public_key);
        imagxp_slice two = imagxp_public_key_thumbprint(public_again);
        CHECK(one.len == 43 && two.len == 43 && memcmp(one.ptr, two.ptr, 43) == 0);
        imagxp_public_key_free(public_again);
        imagxp_key_free(again);
        /* The operating system's randomness gives another key each time. */
        OK(imagxp_key_generate(algorithms[i], NULL, NULL, &again, &err));
        OK(imagxp_key_public(again, &public_again, &err));
        two = imagxp_public_key_thumbprint(public_again);
        CHECK(memcmp(one.ptr, two.ptr, 43) != 0);
        imagxp_public_key_free(public_again);
        imagxp_public_key_free(public_key);
        imagxp_key_free(again);
        imagxp_key_free(key);
        key = NULL;
        FAILS(imagxp_key_generate(algorithms[i], broken_source, NULL, &key, &err), IMAGXP_USAGE_ARGUMENT);
        FAILS(imagxp_key_generate(algorithms[i], zero_source, NULL, &key, &err), IMAGXP_USAGE_ARGUMENT);
        CHECK(key == NULL);
    }
}

/* A key survives every encoding, and its copy signs for the original. */
static void keys_are_saved_and_loaded(void) {
    imagxp_key *key = NULL;
    imagxp_public_key *public_key = NULL;
    imagxp_bytes pem = {NULL, 0};
    imagxp_bytes der = {NULL, 0};
    imagxp_bytes public_pem = {NULL, 0};
    imagxp_bytes jwk = {NULL, 0};
    imagxp_bytes base64 = {NULL, 0};
    OK(imagxp_key_generate(IMAGXP_ALGORITHM_ES256, NULL, NULL, &key, &err));
    OK(imagxp_key_public(key, &public_key, &err));
    OK(imagxp_key_to_pem(key, &pem, &err));
    OK(imagxp_key_to_pkcs8(key, &der, &err));
    OK(imagxp_public_key_to_pem(public_key, &public_pem, &err));
    OK(imagxp_public_key_to_jwk(public_key, &jwk, &err));
    OK(imagxp_public_key_to_spki_base64(public_key, &base64, &err));
    CHECK(pem.ptr[pem.len] == 0 && strstr((const char *)pem.ptr, "BEGIN PRIVATE KEY") != NULL);

    imagxp_key *copies[2] = {NULL, NULL};
    OK(imagxp_key_from_pem(borrow(&pem), &copies[0], &err));
    OK(imagxp_key_from_pkcs8(borrow(&der), &copies[1], &err));
    imagxp_public_key *readers[4] = {NULL, NULL, NULL, NULL};
    OK(imagxp_public_key_from_pem(borrow(&public_pem), &readers[0], &err));
    OK(imagxp_public_key_from_jwk(borrow(&jwk), &readers[1], &err));
    OK(imagxp_public_key_from_spki_base64(borrow(&base64), &readers[2], &err));
    OK(imagxp_public_key_from_spki(imagxp_public_key_spki(public_key), &readers[3], &err));
    for (size_t i = 0; i < 2; i++) {
        imagxp_bytes signature = {NULL, 0};
        OK(imagxp_key_sign(copies[i], S("message"), &signature, &err));
        CHECK(signature.len == 64);
        for (size_t j = 0; j < 4; j++) {
            bool valid = false;
            OK(imagxp_public_key_verify(readers[j], S("message"), borrow(&signature), &valid, &err));
            CHECK(valid);
            OK(imagxp_public_key_verify(readers[j], S("massage"), borrow(&signature), &valid, &err));
            CHECK(!valid);
            OK(imagxp_public_key_verify(readers[j], S("message"), S("short"), &valid, &err));
            CHECK(!valid);
        }
        imagxp_bytes_free(&signature);
        imagxp_key_free(copies[i]);
    }
    for (size_t j = 0; j < 4; j++) {
        imagxp_public_key_free(readers[j]);
    }
    imagxp_bytes_free(&pem);
    imagxp_bytes_free(&pem);
    CHECK(pem.ptr == NULL && pem.len == 0);
    imagxp_bytes_free(&der);
    imagxp_bytes_free(&public_pem);
    imagxp_bytes_free(&jwk);
    imagxp_bytes_free(&base64);
    imagxp_public_key_free(public_key);
    imagxp_key_free(key);
}

/* The example key of RFC 7515, appendix A.3. */
#define RFC_7515_A3                                                                                                  \
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","                       \
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\",\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI\"}"

static void jwks_are_read(void) {
    imagxp_key *key = NULL;
    imagxp_public_key *public_key = NULL;
    OK(imagxp_key_from_jwk(S(RFC_7515_A3), &key, &err));
    OK(imagxp_key_public(key, &public_key, &err));
    EQUALS(imagxp_public_key_thumbprint(public_key), "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");
    imagxp_public_key_free(public_key);
    imagxp_key_free(key);
    key = NULL;
    FAILS(imagxp_key_from_jwk(S("{\"kty\":\"EC\"}"), &key, &err), IMAGXP_KEY_MALFORMED);
    FAILS(imagxp_key_from_jwk(S("{"), &key, &err), IMAGXP_JSON_MALFORMED);
    FAILS(imagxp_key_from_pem(S("no key"), &key, &err), IMAGXP_KEY_MALFORMED);
    CHECK(key == NULL);
}

/* A signer as a KMS would be: here the key next door. */
struct kms {
    imagxp_key *key;
    int calls;
    int answer;
};

static int kms_sign(void *user_data, const uint8_t *message, size_t message_len, uint8_t *signature) {
    struct kms *kms = (struct kms *)user_data;
    imagxp_bytes made = {NULL, 0};
    imagxp_slice slice;
    slice.ptr = message;
    slice.len = message_len;
    kms->calls++;
    if (kms->answer != 0 || imagxp_key_sign(kms->key, slice, &made, NULL) != IMAGXP_OK) {
        return kms->answer;
    }
    memcpy(signature, made.ptr, 64);
    imagxp_bytes_free(&made);
    return 0;
}

static void external_signers_sign(void) {
    struct world world;
    struct kms kms = {NULL, 0, 0};
    imagxp_key *external = NULL;
    imagxp_identity *identity = NULL;
    imagxp_bytes bytes = {NULL, 0};
    world_open(&world, FREE_POLICY, NULL);
    kms.key = world.key;
    OK(imagxp_key_external(world.public_key, kms_sign, &kms, &external, &err));
    OK(imagxp_identity_new(S(AGENT), external, false, &identity, &err));
    imagxp_identity_free(world.identity);
    world.identity = identity;
    world_supply(&world, NOW);
    imagxp_request *request = signed_request(&world, PAGE);
    CHECK(kms.calls == 1);
    expect_code(&world, request, NOW, IMAGXP_OK);
    imagxp_request_free(request);

    FAILS(imagxp_key_to_pem(external, &bytes, &err), IMAGXP_USAGE_ARGUMENT);
    FAILS(imagxp_key_to_pkcs8(external, &bytes, &err), IMAGXP_USAGE_ARGUMENT);
    kms.answer = 7;
    FAILS(imagxp_key_sign(external, S("message"), &bytes, &err), IMAGXP_USAGE_SIGNER);
    /* A signer that signs with another key is found out before anyone else sees it. */
    kms.answer = 0;
    OK(imagxp_key_generate(IMAGXP_ALGORITHM_ES256, NULL, NULL, &kms.key, &err));
    FAILS(imagxp_key_sign(external, S("message"), &bytes, &err), IMAGXP_USAGE_SIGNER);
    imagxp_key_free(kms.key);
    imagxp_key_free(external);
    external = NULL;
    FAILS(imagxp_key_external(NULL, kms_sign, &kms, &external, &err), IMAGXP_USAGE_ARGUMENT);
    FAILS(imagxp_key_external(world.public_key, NULL, &kms, &external, &err), IMAGXP_USAGE_ARGUMENT);
    world_close(&world);
}

static void agent_ids_are_judged(void) {
    imagxp_bytes url = {NULL, 0};
    CHECK(imagxp_address_allowed(S("1.1.1.1")) && imagxp_address_allowed(S("2606:4700::1111")));
    CHECK(!imagxp_address_allowed(S("127.0.0.1")) && !imagxp_address_allowed(S("::ffff:10.0.0.1")));
    CHECK(!imagxp_address_allowed(S("bot.example.com")) && !imagxp_address_allowed(none()));
    CHECK(imagxp_agent_id_is_valid(S("bot.example.com"), false));
    CHECK(!imagxp_agent_id_is_valid(S("Bot.example.com"), false));
    CHECK(!imagxp_agent_id_is_valid(S("127.0.0.1:8080"), false));
    CHECK(imagxp_agent_id_is_valid(S("127.0.0.1:8080"), true));
    CHECK(!imagxp_agent_id_is_valid(none(), true));
    OK(imagxp_agent_id_manifest_url(S(AGENT), false, &url, &err));
    EQUALS(borrow(&url), MANIFEST_URL);
    imagxp_bytes_free(&url);
    FAILS(imagxp_agent_id_manifest_url(S("nowhere"), false, &url, &err), IMAGXP_USAGE_ARGUMENT);
}

static void requests_are_signed(void) {
    struct world world;
    imagxp_sign_request *what = NULL;
    imagxp_headers *headers = NULL;
    imagxp_bytes digest = {NULL, 0};
    imagxp_bytes user_agent = {NULL, 0};
    world_open(&world, FREE_POLICY, NULL);
    OK(imagxp_content_digest(S("hello"), &digest, &err));
    EQUALS(borrow(&digest), "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:");
    OK(imagxp_sign_request_new(S("POST"), S(PAGE), IMAGXP_PURPOSE_SUMMARY, &what, &err));
    OK(imagxp_sign_request_set_ads_displayed(what, true, &err));
    OK(imagxp_sign_request_set_context(what, S("{\"trace\":1}"), &err));
    OK(imagxp_sign_request_set_content_digest(what, borrow(&digest), &err));
    OK(imagxp_sign_request_set_payment(what, S("a.b.c"), &err));
    OK(imagxp_sign_request_set_proof(what, S("d.e.f"), &err));
    OK(imagxp_sign_request_set_compatible(what, true, &err));
    OK(imagxp_identity_sign(world.identity, what, NOW, S("0123456789abcdef"), &headers, &err));
    CHECK(imagxp_headers_count(headers) == 6);
    EQUALS(imagxp_headers_name(headers, 0), "x-imagxp-payload");
    EQUALS(imagxp_headers_name(headers, 1), "x-imagxp-signature");
    EQUALS(imagxp_headers_value(headers, 3), "a.b.c");
    EQUALS(imagxp_headers_name(headers, 4), "x-imagxp-credential");
    EQUALS(imagxp_headers_value(headers, 5), "d.e.f");
    EQUALS(imagxp_headers_name(headers, 6), "");
    EQUALS(imagxp_headers_value(headers, SIZE_MAX), "");
    imagxp_headers_free(headers);

    headers = NULL;
    FAILS(imagxp_identity_sign(world.identity, what, NOW, S("short"), &headers, &err), IMAGXP_USAGE_ARGUMENT);
    FAILS(imagxp_identity_sign(world.identity, what, INT64_MAX, none(), &headers, &err), IMAGXP_USAGE_ARGUMENT);
    OK(imagxp_sign_request_set_context(what, S("[]"), &err));
    FAILS(imagxp_identity_sign(world.identity, what, NOW, none(), &headers, &err), IMAGXP_USAGE_ARGUMENT);
    CHECK(headers == NULL);
    imagxp_sign_request_free(what);
    what = NULL;
    FAILS(imagxp_sign_request_new(S("GET"), S(PAGE), 6, &what, &err), IMAGXP_USAGE_ARGUMENT);
    OK(imagxp_user_agent(S("my-crawler/1.0"), &user_agent, &err));
    EQUALS(borrow(&user_agent), "my-crawler/1.0 IMAGXP/1.0");
    imagxp_bytes_free(&user_agent);
    imagxp_bytes_free(&digest);
    world_close(&world);
}

/* Two requests of one millisecond differ in their nonces. */
static void nonces_are_random(void) {
    struct world world;
    world_open(&world, FREE_POLICY, NULL);
    imagxp_headers *one = sign(&world, PAGE, none());
    imagxp_headers *two = sign(&world, PAGE, none());
    imagxp_slice first = imagxp_headers_value(one, 0);
    imagxp_slice second = imagxp_headers_value(two, 0);
    CHECK(first.len == second.len && memcmp(first.ptr, second.ptr, first.len) != 0);
    imagxp_headers_free(one);
    imagxp_headers_free(two);
    world_close(&world);
}

static void manifests_are_made_and_read(void) {
    struct world world;
    imagxp_manifest *manifest = NULL;
    imagxp_manifest *copy = NULL;
    imagxp_key *next = NULL;
    imagxp_public_key *next_public = NULL;
    imagxp_public_key *listed = NULL;
    imagxp_bytes json = {NULL, 0};
    world_open(&world, FREE_POLICY, NULL);
    OK(imagxp_key_generate(IMAGXP_ALGORITHM_EDDSA, NULL, NULL, &next, &err));
    OK(imagxp_key_public(next, &next_public, &err));
    OK(imagxp_identity_manifest(world.identity, S("security@agent.example"), &manifest, &err));
    OK(imagxp_manifest_add_key(manifest, next_public, NOW, NOW + 1000, &err));
    FAILS(imagxp_manifest_add_key(manifest, next_public, NOW, NOW + 1000, &err), IMAGXP_USAGE_ARGUMENT);
    FAILS(imagxp_manifest_add_key(manifest, next_public, INT64_MAX, NOW, &err), IMAGXP_USAGE_ARGUMENT);
    OK(imagxp_manifest_to_json(manifest, &json, &err));
    OK(imagxp_manifest_parse(S(AGENT), false, borrow(&json), &copy, &err));
    EQUALS(imagxp_manifest_agent_id(copy), AGENT);
    EQUALS(imagxp_manifest_contact(copy), "security@agent.example");
    CHECK(imagxp_manifest_key_count(copy) == 2);
    CHECK(imagxp_manifest_key_exists(copy, 0, NOW - 1));
    CHECK(!imagxp_manifest_key_exists(copy, 1, NOW - 1));
    CHECK(imagxp_manifest_key_exists(copy, 1, NOW) && imagxp_manifest_key_exists(copy, 1, NOW + 1000));
    CHECK(!imagxp_manifest_key_exists(copy, 1, NOW + 1001));
    CHECK(!imagxp_manifest_key_exists(copy, 2, NOW));
    OK(imagxp_manifest_key(copy, 1, &listed, &err));
    CHECK(imagxp_public_key_algorithm(listed) == IMAGXP_ALGORITHM_EDDSA);
    imagxp_public_key_free(listed);
    FAILS(imagxp_manifest_key(copy, 2, &listed, &err), IMAGXP_USAGE_ARGUMENT);
    imagxp_manifest_free(copy);
    copy = NULL;
    FAILS(imagxp_manifest_parse(S("other.example"), false, borrow(&json), &copy, &err), IMAGXP_IDENTITY_MANIFEST_INVALID);
    CHECK(copy == NULL);
    imagxp_bytes_free(&json);
    imagxp_manifest_free(manifest);
    imagxp_public_key_free(next_public);
    imagxp_key_free(next);
    world_close(&world);
}

int main(void) {
    static const struct test tests[] = {
        {"keys_are_generated", keys_are_generated},
        {"keys_are_saved_and_loaded", keys_are_saved_and_loaded},
        {"jwks_are_read", jwks_are_read},
        {"external_signers_sign", external_signers_sign},
        {"agent_ids_are_judged", agent_ids_are_judged},
        {"requests_are_signed", requests_are_signed},
        {"nonces_are_random", nonces_are_random},
        {"manifests_are_made_and_read", manifests_are_made_and_read},
        {NULL, NULL},
    };
    return run_tests(tests);
}
