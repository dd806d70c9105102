#include "runner.h"

#include <stdlib.h>
#include <string.h>

static json_t *refused(imagxp_error *error) {
    return json_pack("{s:b, s:o}", "valid", 0, "code", code_of(error));
}

static json_t *evidence(const json_t *item, const imagxp_public_key *key) {
    imagxp_error *error = NULL;
    imagxp_bytes report = {NULL, 0};
    char *evidence = dump(item, "evidence");
    imagxp_status status = imagxp_audit_verify_evidence(imagxp_slice_of(evidence), key, &report, &error);
    free(evidence);
    if (status != IMAGXP_OK) {
        return refused(error);
    }
    json_t *object = json_loadb((const char *)report.ptr, report.len, 0, NULL);
    imagxp_bytes_free(&report);
    return json_pack("{s:b, s:n, s:o}", "valid", 1, "code", "report", object);
}

/* The hashes of `proof`, one after the other; free() them. */
static uint8_t *hashes(const json_t *item, size_t *len) {
    const json_t *list = json_object_get(item, "proof");
    uint8_t *all = malloc(32 * json_array_size(list) + 1);
    *len = 0;
    for (size_t i = 0; all != NULL && i < json_array_size(list); i++) {
        size_t size = 0;
        const char *base64 = json_string_value(json_array_get(list, i));
        uint8_t *hash = base64 != NULL ? unbase64(imagxp_slice_of(base64), &size) : NULL;
        if (hash != NULL && size == 32) {
            memcpy(all + *len, hash, size);
            *len += size;
        }
        free(hash);
    }
    return all;
}

static json_t *inclusion(const json_t *item, const imagxp_public_key *key) {
    imagxp_error *error = NULL;
    uint64_t size = 0;
    size_t len = 0;
    uint8_t *proof = hashes(item, &len);
    imagxp_status status = imagxp_audit_verify_inclusion(slice(item, "checkpoint"), key, slice(item, "entry"),
                                                         (imagxp_slice){proof, len}, &size, &error);
    free(proof);
    if (status != IMAGXP_OK) {
        return refused(error);
    }
    return json_pack("{s:b, s:n, s:I}", "valid", 1, "code", "size", (json_int_t)size);
}

json_t *op_audit(const json_t *item) {
    imagxp_error *error = NULL;
    imagxp_public_key *key = NULL;
    if (text(item, "spki") != NULL &&
        imagxp_public_key_from_spki_base64(slice(item, "spki"), &key, &error) != IMAGXP_OK) {
        return refused(error);
    }
    json_t *result = json_object_get(item, "evidence") != NULL ? evidence(item, key) : inclusion(item, key);
    imagxp_public_key_free(key);
    return result;
}
