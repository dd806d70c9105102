#include "runner.h"

#include <stdlib.h>
#include <string.h>

/* The member `content_sha256` as bytes; the slice borrows them, free() its pointer. */
static imagxp_slice sha256(const json_t *item) {
    size_t len = 0;
    uint8_t *bytes = text(item, "content_sha256") == NULL ? NULL : unhex(slice(item, "content_sha256"), &len);
    imagxp_slice hash = {bytes, len};
    return hash;
}

static imagxp_content_origin origin(const char *name) {
    static const char *const NAMES[] = {"", "HUMAN", "SYNTHETIC", "HYBRID"};
    for (uint32_t i = 1; name != NULL && i < sizeof NAMES / sizeof NAMES[0]; i++) {
        if (strcmp(name, NAMES[i]) == 0) {
            return i;
        }
    }
    return 0;
}

static json_t *sign_receipt(const json_t *item, imagxp_slice hash, int64_t now) {
    imagxp_error *error = NULL;
    imagxp_headers *headers = NULL;
    json_t *result = NULL;
    imagxp_key *key = private_key(item, &error);
    if (key != NULL && imagxp_receipt_sign(key, slice(item, "url"), hash, origin(text(item, "origin")), slice(item, "trace_id"),
                                           slice(item, "agent_id"), now, &headers, &error) == IMAGXP_OK) {
        result = json_pack("{s:o}", "headers", header_pairs(headers));
    } else {
        result = error_code(error);
    }
    imagxp_headers_free(headers);
    imagxp_key_free(key);
    return result;
}

static imagxp_slice header(const json_t *item, const char *name) {
    size_t index;
    json_t *pair;
    json_array_foreach(json_object_get(item, "headers"), index, pair) {
        if (strcmp(json_string_value(json_array_get(pair, 0)), name) == 0) {
            const json_t *value = json_array_get(pair, 1);
            imagxp_slice slice = {(const uint8_t *)json_string_value(value), json_string_length(value)};
            return slice;
        }
    }
    return imagxp_slice_of(NULL);
}

/* The host in "https://host/.well-known/...": the name under which the manifest is read. */
static imagxp_slice host_of(const imagxp_bytes *url) {
    const char *start = strstr((const char *)url->ptr, "://") + 3;
    imagxp_slice host = {(const uint8_t *)start, strcspn(start, "/")};
    return host;
}

static json_t *verify_receipt(const json_t *item, imagxp_slice hash, int64_t now) {
    imagxp_error *error = NULL;
    imagxp_receipt *receipt = NULL;
    imagxp_manifest *manifest = NULL;
    imagxp_bytes url = {NULL, 0};
    char *document = dump(item, "manifest");
    bool valid = imagxp_receipt_parse(header(item, "x-imagxp-provenance"), header(item, "x-imagxp-provenance-sig"), &receipt, &error) ==
                     IMAGXP_OK &&
                 imagxp_receipt_manifest_url(receipt, true, &url, &error) == IMAGXP_OK &&
                 imagxp_manifest_parse(host_of(&url), true, imagxp_slice_of(document), &manifest, &error) == IMAGXP_OK &&
                 imagxp_receipt_verify(receipt, manifest, &error) == IMAGXP_OK &&
                 imagxp_receipt_check(receipt, slice(item, "url"), hash, slice(item, "agent_id"), now, &error) == IMAGXP_OK;
    json_t *result = json_pack("{s:b, s:o}", "valid", valid, "code", valid ? json_null() : code_of(error));
    imagxp_bytes_free(&url);
    imagxp_manifest_free(manifest);
    imagxp_receipt_free(receipt);
    free(document);
    return result;
}

json_t *op_provenance(const json_t *item) {
    int64_t now;
    if (!time_ms(item, "now", &now) || text(item, "url") == NULL) {
        return NULL;
    }
    imagxp_slice hash = sha256(item);
    json_t *result = json_object_get(item, "key") != NULL ? sign_receipt(item, hash, now) : verify_receipt(item, hash, now);
    free((void *)hash.ptr);
    return result;
}

static imagxp_feedback_reason reason(imagxp_slice name) {
    for (imagxp_feedback_reason number = 1; imagxp_feedback_reason_name(number).len > 0; number++) {
        imagxp_slice candidate = imagxp_feedback_reason_name(number);
        if (candidate.len == name.len && memcmp(candidate.ptr, name.ptr, name.len) == 0) {
            return number;
        }
    }
    return 0;
}

static json_t *sign_feedback(const json_t *item, int64_t now) {
    imagxp_error *error = NULL;
    imagxp_identity *identity = NULL;
    imagxp_bytes value = {NULL, 0};
    json_t *result = NULL;
    imagxp_slice hash = sha256(item);
    uint32_t score = (uint32_t)json_integer_value(json_object_get(item, "score_millionths"));
    imagxp_key *key = private_key(item, &error);
    if (key != NULL && imagxp_identity_new(slice(item, "agent_id"), key, true, &identity, &error) == IMAGXP_OK &&
        imagxp_identity_feedback(identity, slice(item, "url"), score, reason(slice(item, "reason")), slice(item, "jti"), hash, now,
                                 slice(item, "nonce"), &value, &error) == IMAGXP_OK) {
        result = json_pack("{s:s}", "value", (const char *)value.ptr);
    } else {
        result = error_code(error);
    }
    imagxp_bytes_free(&value);
    imagxp_identity_free(identity);
    imagxp_key_free(key);
    free((void *)hash.ptr);
    return result;
}

static json_t *fields(const imagxp_feedback *feedback) {
    char hex[65] = "";
    imagxp_slice hash = imagxp_feedback_content_sha256(feedback);
    for (size_t i = 0; i < hash.len; i++) {
        static const char DIGITS[] = "0123456789abcdef";
        hex[2 * i] = DIGITS[hash.ptr[i] >> 4];
        hex[2 * i + 1] = DIGITS[hash.ptr[i] & 15];
    }
    return json_pack("{s:o, s:I, s:o, s:o, s:o}", "url", string_or_null(imagxp_feedback_url(feedback)), "score_millionths",
                     (json_int_t)imagxp_feedback_score_millionths(feedback), "reason",
                     string_or_null(imagxp_feedback_reason_name(imagxp_feedback_reason_of(feedback))), "jti",
                     string_or_null(imagxp_feedback_jti(feedback)), "content_sha256", string_or_null(imagxp_slice_of(hex)));
}

static json_t *take_feedback(const json_t *item, int64_t now) {
    static const char *const OUTCOMES[] = {"", "allow", "deny", "undecided"};
    imagxp_error *error = NULL;
    imagxp_verdict *verdict = NULL;
    imagxp_feedback *feedback = NULL;
    json_t *result = NULL;
    imagxp_publisher *publisher = publisher_of(item, &error);
    if (publisher == NULL) {
        return error_code(error);
    }
    supply(publisher, item, "manifests", now);
    if (imagxp_publisher_feedback(publisher, slice(item, "value"), NULL, now, &verdict, &feedback, &error) == IMAGXP_OK) {
        result = json_pack("{s:s, s:o, s:i, s:o, s:o}", "outcome", OUTCOMES[imagxp_verdict_outcome(verdict)], "code",
                           string_or_null(imagxp_status_name(imagxp_verdict_code(verdict))), "http",
                           (int)imagxp_verdict_http(verdict), "agent_id", string_or_null(imagxp_verdict_agent_id(verdict)),
                           "feedback", feedback != NULL ? fields(feedback) : json_null());
    } else {
        result = error_code(error);
    }
    imagxp_feedback_free(feedback);
    imagxp_verdict_free(verdict);
    imagxp_publisher_free(publisher);
    return result;
}

json_t *op_feedback(const json_t *item) {
    int64_t now;
    if (!time_ms(item, "now", &now)) {
        return NULL;
    }
    return json_object_get(item, "key") != NULL ? sign_feedback(item, now) : take_feedback(item, now);
}
