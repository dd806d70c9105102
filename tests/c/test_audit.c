/* Evidence from an audit log, verified without the log. */
#include "check.h"
#include "audit_data.h"

#include <stdlib.h>
#include <string.h>

static imagxp_public_key *publisher_key(const char *spki) {
    imagxp_public_key *key = NULL;
    OK(imagxp_public_key_from_spki_base64(S(spki), &key, &err));
    return key;
}

static void evidence_proves_itself(void) {
    imagxp_public_key *key = publisher_key(AUDIT_KEY);
    imagxp_bytes report = {NULL, 0};
    OK(imagxp_audit_verify_evidence(S(AUDIT_EVIDENCE), key, &report, &err));
    CHECK(contains(borrow(&report), "\"key_known\":true") && contains(borrow(&report), "\"request_verified\":true"));
    CHECK(contains(borrow(&report), "\"agent_id\":\"agent.example\"") && contains(borrow(&report), "\"outcome\":\"allow\""));
    imagxp_bytes_free(&report);
    OK(imagxp_audit_verify_evidence(S(AUDIT_EVIDENCE), NULL, &report, &err));
    CHECK(contains(borrow(&report), "\"key_known\":false"));
    imagxp_bytes_free(&report);
    imagxp_public_key_free(key);
}

static void what_is_altered_is_found(void) {
    imagxp_public_key *key = publisher_key(AUDIT_KEY);
    imagxp_public_key *other = publisher_key(AUDIT_OTHER_KEY);
    imagxp_bytes report = {NULL, 0};
    size_t length = strlen(AUDIT_EVIDENCE);
    char *bent = (char *)malloc(length + 1);
    FAILS(imagxp_audit_verify_evidence(S(AUDIT_EVIDENCE), other, &report, &err), IMAGXP_AUDIT_ALTERED);
    for (size_t at = 0; bent != NULL && at < length; at++) {
        memcpy(bent, AUDIT_EVIDENCE, length + 1);
        bent[at] ^= 1;
        const imagxp_slice evidence = {(const uint8_t *)bent, length};
        imagxp_status status = imagxp_audit_verify_evidence(evidence, key, &report, NULL);
        CHECK(status == IMAGXP_AUDIT_MALFORMED || status == IMAGXP_AUDIT_ALTERED || status == IMAGXP_AUDIT_PROOF_INVALID);
    }
    free(bent);
    FAILS(imagxp_audit_verify_evidence(none(), key, &report, &err), IMAGXP_AUDIT_MALFORMED);
    FAILS(imagxp_audit_verify_evidence(S(AUDIT_EVIDENCE), key, NULL, &err), IMAGXP_USAGE_ARGUMENT);
    imagxp_public_key_free(other);
    imagxp_public_key_free(key);
}

static void an_entry_is_included(void) {
    imagxp_public_key *key = publisher_key(AUDIT_KEY);
    uint64_t size = 0;
    imagxp_slice proof = {AUDIT_PROOF, sizeof AUDIT_PROOF};
    OK(imagxp_audit_verify_inclusion(S(AUDIT_CHECKPOINT), key, S(AUDIT_ENTRY), proof, &size, &err));
    CHECK(size == 20);
    imagxp_slice shorter = {AUDIT_PROOF, sizeof AUDIT_PROOF - 32};
    FAILS(imagxp_audit_verify_inclusion(S(AUDIT_CHECKPOINT), key, S(AUDIT_ENTRY), shorter, &size, &err),
          IMAGXP_AUDIT_PROOF_INVALID);
    imagxp_slice broken = {AUDIT_PROOF, sizeof AUDIT_PROOF - 1};
    FAILS(imagxp_audit_verify_inclusion(S(AUDIT_CHECKPOINT), key, S(AUDIT_ENTRY), broken, &size, &err),
          IMAGXP_USAGE_ARGUMENT);
    FAILS(imagxp_audit_verify_inclusion(S(AUDIT_CHECKPOINT), NULL, S(AUDIT_ENTRY), proof, &size, &err),
          IMAGXP_USAGE_ARGUMENT);
    FAILS(imagxp_audit_verify_inclusion(S("x"), key, S(AUDIT_ENTRY), proof, &size, &err), IMAGXP_AUDIT_MALFORMED);
    FAILS(imagxp_audit_verify_inclusion(S(AUDIT_CHECKPOINT), key, S("{}"), proof, &size, &err), IMAGXP_AUDIT_MALFORMED);
    imagxp_public_key_free(key);
}

int main(void) {
    static const struct test tests[] = {
        {"evidence_proves_itself", evidence_proves_itself},
        {"what_is_altered_is_found", what_is_altered_is_found},
        {"an_entry_is_included", an_entry_is_included},
        {NULL, NULL},
    };
    return run_tests(tests);
}
