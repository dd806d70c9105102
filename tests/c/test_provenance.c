/* Receipts: signed by a publisher, verified by a reader. */
#include "world.h"

#include <string.h>

/* SHA-256 of "hello". */
static const uint8_t HELLO[32] = {0x2c, 0xf2, 0x4d, 0xba, 0x5f, 0xb0, 0xa3, 0x0e, 0x26, 0xe8, 0x3b, 0x2a, 0xc5, 0xb9, 0xe2, 0x9e,
                                  0x1b, 0x16, 0x1e, 0x5c, 0x1f, 0xa7, 0x42, 0x5e, 0x73, 0x04, 0x33, 0x62, 0x93, 0x8b, 0x98, 0x24};

static imagxp_slice hello(void) {
    imagxp_slice hash = {HELLO, sizeof HELLO};
    return hash;
}

static imagxp_slice header(const imagxp_headers *headers, const char *name) {
    for (size_t i = 0; i < imagxp_headers_count(headers); i++) {
        imagxp_slice found = imagxp_headers_name(headers, i);
        if (found.len == strlen(name) && memcmp(found.ptr, name, found.len) == 0) {
            return imagxp_headers_value(headers, i);
        }
    }
    return none();
}

struct site {
    imagxp_key *key;
    imagxp_manifest *manifest;
};

/* A publisher's key and the manifest at its domain. */
static void site_open(struct site *site, const char *domain) {
    imagxp_identity *identity = NULL;
    imagxp_bytes json = {NULL, 0};
    imagxp_manifest *own = NULL;
    OK(imagxp_key_generate(IMAGXP_ALGORITHM_ES256, NULL, NULL, &site->key, &err));
    OK(imagxp_identity_new(S(domain), site->key, false, &identity, &err));
    OK(imagxp_identity_manifest(identity, none(), &own, &err));
    OK(imagxp_manifest_to_json(own, &json, &err));
    OK(imagxp_manifest_parse(S(domain), false, borrow(&json), &site->manifest, &err));
    imagxp_bytes_free(&json);
    imagxp_manifest_free(own);
    imagxp_identity_free(identity);
}

static void site_close(struct site *site) {
    imagxp_manifest_free(site->manifest);
    imagxp_key_free(site->key);
}

static void a_receipt_is_signed_and_read(void) {
    struct site site;
    struct site other;
    imagxp_headers *headers = NULL;
    imagxp_receipt *receipt = NULL;
    imagxp_bytes url = {NULL, 0};
    site_open(&site, "pub.example");
    site_open(&other, "other.example");
    OK(imagxp_receipt_sign(site.key, S(PAGE), hello(), IMAGXP_CONTENT_ORIGIN_HYBRID, S("trace-1"), S(AGENT), NOW, &headers, &err));
    CHECK(imagxp_headers_count(headers) == 2);
    OK(imagxp_receipt_parse(header(headers, "x-imagxp-provenance"), header(headers, "x-imagxp-provenance-sig"), &receipt, &err));
    OK(imagxp_receipt_manifest_url(receipt, false, &url, &err));
    EQUALS(borrow(&url), "https://pub.example/.well-known/imagxp-agent.json");
    OK(imagxp_receipt_verify(receipt, site.manifest, &err));
    FAILS(imagxp_receipt_verify(receipt, other.manifest, &err), IMAGXP_IDENTITY_KEY_MISMATCH);
    FAILS(imagxp_receipt_verify(receipt, NULL, &err), IMAGXP_USAGE_ARGUMENT);
    EQUALS(imagxp_receipt_url(receipt), PAGE);
    EQUALS(imagxp_receipt_agent_id(receipt), AGENT);
    EQUALS(imagxp_receipt_trace_id(receipt), "trace-1");
    CHECK(imagxp_receipt_key_id(receipt).len == 43);
    imagxp_slice hash = imagxp_receipt_content_sha256(receipt);
    CHECK(hash.len == 32 && memcmp(hash.ptr, HELLO, 32) == 0);
    CHECK(imagxp_receipt_origin(receipt) == IMAGXP_CONTENT_ORIGIN_HYBRID);
    CHECK(imagxp_receipt_time_ms(receipt) == NOW);

    OK(imagxp_receipt_check(receipt, S(PAGE), hello(), S(AGENT), NOW + 1000, &err));
    FAILS(imagxp_receipt_check(receipt, S(PAGE), hello(), none(), NOW, &err), IMAGXP_PROVENANCE_MISMATCH);
    FAILS(imagxp_receipt_check(receipt, S("https://pub.example/other"), hello(), S(AGENT), NOW, &err), IMAGXP_PROVENANCE_MISMATCH);
    FAILS(imagxp_receipt_check(receipt, S(PAGE), hello(), S(AGENT), NOW + 301000, &err), IMAGXP_PROVENANCE_MISMATCH);
    FAILS(imagxp_receipt_check(receipt, S(PAGE), S("short"), S(AGENT), NOW, &err), IMAGXP_USAGE_ARGUMENT);
    uint8_t changed[32];
    memcpy(changed, HELLO, 32);
    changed[31] ^= 1;
    imagxp_slice body = {changed, 32};
    FAILS(imagxp_receipt_check(receipt, S(PAGE), body, S(AGENT), NOW, &err), IMAGXP_PROVENANCE_MISMATCH);

    imagxp_bytes_free(&url);
    imagxp_receipt_free(receipt);
    imagxp_headers_free(headers);
    site_close(&site);
    site_close(&other);
}

static void bad_receipts_are_refused(void) {
    struct site site;
    imagxp_headers *headers = NULL;
    imagxp_receipt *receipt = NULL;
    site_open(&site, "pub.example");
    FAILS(imagxp_receipt_sign(site.key, S("/page"), hello(), IMAGXP_CONTENT_ORIGIN_HUMAN, S("t"), none(), NOW, &headers, &err),
          IMAGXP_USAGE_ARGUMENT);
    FAILS(imagxp_receipt_sign(site.key, S(PAGE), hello(), 0, S("t"), none(), NOW, &headers, &err), IMAGXP_USAGE_ARGUMENT);
    FAILS(imagxp_receipt_sign(site.key, S(PAGE), hello(), IMAGXP_CONTENT_ORIGIN_HUMAN, S("a b"), none(), NOW, &headers, &err),
          IMAGXP_USAGE_ARGUMENT);
    FAILS(imagxp_receipt_sign(NULL, S(PAGE), hello(), IMAGXP_CONTENT_ORIGIN_HUMAN, S("t"), none(), NOW, &headers, &err),
          IMAGXP_USAGE_ARGUMENT);
    CHECK(headers == NULL);
    OK(imagxp_receipt_sign(site.key, S(PAGE), hello(), IMAGXP_CONTENT_ORIGIN_HUMAN, S("t"), none(), NOW, &headers, &err));
    imagxp_slice value = header(headers, "x-imagxp-provenance");
    imagxp_slice signature = header(headers, "x-imagxp-provenance-sig");
    FAILS(imagxp_receipt_parse(value, none(), &receipt, &err), IMAGXP_PROVENANCE_MISSING);
    FAILS(imagxp_receipt_parse(none(), signature, &receipt, &err), IMAGXP_PROVENANCE_MISSING);
    FAILS(imagxp_receipt_parse(S("!"), signature, &receipt, &err), IMAGXP_PROVENANCE_MALFORMED);
    CHECK(receipt == NULL);
    char forged[129];
    memcpy(forged, signature.ptr, 128);
    forged[128] = 0;
    forged[127] = forged[127] == '0' ? '1' : '0';
    OK(imagxp_receipt_parse(value, S(forged), &receipt, &err));
    FAILS(imagxp_receipt_verify(receipt, site.manifest, &err), IMAGXP_SIG_INVALID);
    CHECK(imagxp_receipt_agent_id(receipt).len == 0);
    imagxp_receipt_free(receipt);
    imagxp_headers_free(headers);
    site_close(&site);

    CHECK(imagxp_receipt_url(NULL).len == 0 && imagxp_receipt_origin(NULL) == 0 && imagxp_receipt_time_ms(NULL) == 0);
    CHECK(imagxp_receipt_content_sha256(NULL).len == 0 && imagxp_receipt_key_id(NULL).len == 0);
    imagxp_receipt_free(NULL);
}

int main(void) {
    static const struct test tests[] = {
        {"a_receipt_is_signed_and_read", a_receipt_is_signed_and_read},
        {"bad_receipts_are_refused", bad_receipts_are_refused},
        {NULL, NULL},
    };
    return run_tests(tests);
}
