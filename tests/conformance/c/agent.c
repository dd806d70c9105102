#include "runner.h"

#include <stdlib.h>

imagxp_key *private_key(const json_t *item, imagxp_error **error) {
    imagxp_key *key = NULL;
    char *jwk = dump(item, "key");
    imagxp_key_from_jwk(imagxp_slice_of(jwk), &key, error);
    free(jwk);
    return key;
}

json_t *header_pairs(const imagxp_headers *headers) {
    json_t *list = json_array();
    for (size_t i = 0; i < imagxp_headers_count(headers); i++) {
        json_array_append_new(list, json_pack("[o, o]", string_or_null(imagxp_headers_name(headers, i)),
                                              string_or_null(imagxp_headers_value(headers, i))));
    }
    return list;
}

static bool options(imagxp_sign_request *request, const json_t *item, imagxp_error **error) {
    char *context = dump(item, "context");
    bool done = imagxp_sign_request_set_context(request, imagxp_slice_of(context), error) == IMAGXP_OK &&
                imagxp_sign_request_set_payment(request, slice(item, "payment"), error) == IMAGXP_OK &&
                imagxp_sign_request_set_proof(request, slice(item, "proof"), error) == IMAGXP_OK &&
                imagxp_sign_request_set_compatible(request, json_is_true(json_object_get(item, "compatible")), error) ==
                    IMAGXP_OK;
    free(context);
    return done;
}

json_t *op_sign(const json_t *item) {
    imagxp_error *error = NULL;
    imagxp_identity *identity = NULL;
    imagxp_sign_request *request = NULL;
    imagxp_headers *headers = NULL;
    json_t *result = NULL;
    int64_t now;
    if (!time_ms(item, "now", &now) || text(item, "method") == NULL || text(item, "url") == NULL) {
        return NULL;
    }
    imagxp_key *key = private_key(item, &error);
    imagxp_purpose purpose = imagxp_purpose_from_name(slice(item, "purpose"));
    if (key != NULL && imagxp_identity_new(slice(item, "agent_id"), key, true, &identity, &error) == IMAGXP_OK &&
        imagxp_sign_request_new(slice(item, "method"), slice(item, "url"), purpose, &request, &error) == IMAGXP_OK &&
        options(request, item, &error) &&
        imagxp_identity_sign(identity, request, now, slice(item, "nonce"), &headers, &error) == IMAGXP_OK) {
        result = json_pack("{s:o}", "headers", header_pairs(headers));
    } else {
        result = error_code(error);
    }
    imagxp_headers_free(headers);
    imagxp_sign_request_free(request);
    imagxp_identity_free(identity);
    imagxp_key_free(key);
    return result;
}

static bool limits(imagxp_visa *visa, const json_t *item, imagxp_error **error) {
    imagxp_slice jkt = slice(item, "jkt");
    if (jkt.len > 0 && imagxp_visa_set_holder(visa, jkt, error) != IMAGXP_OK) {
        return false;
    }
    size_t index;
    json_t *purpose;
    json_array_foreach(json_object_get(item, "purposes"), index, purpose) {
        imagxp_purpose number = imagxp_purpose_from_name(imagxp_slice_of(json_string_value(purpose)));
        if (imagxp_visa_add_purpose(visa, number, error) != IMAGXP_OK) {
            return false;
        }
    }
    const json_t *lifetime = json_object_get(item, "lifetime_s");
    const json_t *uses = json_object_get(item, "max_uses");
    return (lifetime == NULL || imagxp_visa_set_lifetime(visa, (uint32_t)json_integer_value(lifetime), error) == IMAGXP_OK) &&
           (uses == NULL || imagxp_visa_set_max_uses(visa, (uint32_t)json_integer_value(uses), error) == IMAGXP_OK);
}

json_t *op_visa(const json_t *item) {
    imagxp_error *error = NULL;
    imagxp_visa *visa = NULL;
    imagxp_bytes token = {NULL, 0};
    json_t *result = NULL;
    int64_t now;
    if (!time_ms(item, "now", &now)) {
        return NULL;
    }
    imagxp_key *key = private_key(item, &error);
    if (key != NULL &&
        imagxp_visa_new(slice(item, "issuer"), slice(item, "audience"), slice(item, "agent_id"), slice(item, "jti"),
                        slice(item, "amount"), slice(item, "currency"), &visa, &error) == IMAGXP_OK &&
        limits(visa, item, &error) && imagxp_visa_issue(visa, key, now, &token, &error) == IMAGXP_OK) {
        result = json_pack("{s:s}", "token", (const char *)token.ptr);
    } else {
        result = error_code(error);
    }
    imagxp_bytes_free(&token);
    imagxp_visa_free(visa);
    imagxp_key_free(key);
    return result;
}
