#include "runner.h"

#include <stdlib.h>

static imagxp_public_key *public_key(const json_t *item, imagxp_error **error) {
    imagxp_public_key *key = NULL;
    if (text(item, "spki") != NULL) {
        imagxp_public_key_from_spki_base64(slice(item, "spki"), &key, error);
    } else if (text(item, "pem") != NULL) {
        imagxp_public_key_from_pem(slice(item, "pem"), &key, error);
    } else {
        char *jwk = dump(item, "jwk");
        imagxp_public_key_from_jwk(imagxp_slice_of(jwk), &key, error);
        free(jwk);
    }
    return key;
}

json_t *op_key(const json_t *item) {
    imagxp_error *error = NULL;
    imagxp_public_key *key = public_key(item, &error);
    if (key == NULL) {
        return json_pack("{s:o}", "code", code_of(error));
    }
    const char *alg = imagxp_public_key_algorithm(key) == IMAGXP_ALGORITHM_ES256 ? "ES256" : "EdDSA";
    json_t *result = json_pack("{s:o, s:s}", "thumbprint", string_or_null(imagxp_public_key_thumbprint(key)), "alg", alg);
    imagxp_public_key_free(key);
    return result;
}

json_t *op_signature(const json_t *item) {
    imagxp_error *error = NULL;
    bool valid = false;
    size_t message_len, signature_len;
    imagxp_public_key *key = public_key(json_object_get(item, "key"), &error);
    if (key == NULL) {
        return json_pack("{s:b, s:o}", "valid", 0, "code", code_of(error));
    }
    uint8_t *message = unhex(slice(item, "message_hex"), &message_len);
    uint8_t *signature = unhex(slice(item, "signature_hex"), &signature_len);
    json_t *result = NULL;
    if (message != NULL && signature != NULL) {
        const imagxp_slice message_slice = {message, message_len};
        const imagxp_slice signature_slice = {signature, signature_len};
        result = imagxp_public_key_verify(key, message_slice, signature_slice, &valid, &error) == IMAGXP_OK
                     ? json_pack("{s:b}", "valid", valid)
                     : error_code(error);
    }
    free(message);
    free(signature);
    imagxp_public_key_free(key);
    return result;
}

json_t *op_jws(const json_t *item) {
    imagxp_error *error = NULL;
    imagxp_bytes claims = {NULL, 0};
    const json_t *expect = json_object_get(item, "expect");
    int64_t now;
    if (!time_ms(item, "now", &now) || text(item, "token") == NULL) {
        return NULL;
    }
    char *jwks = dump(item, "jwks");
    imagxp_slice set = text(item, "jwks_text") != NULL ? slice(item, "jwks_text") : imagxp_slice_of(jwks);
    imagxp_status status = imagxp_token_verify(slice(item, "token"), set, slice(expect, "issuer"), slice(expect, "audience"),
                                               slice(expect, "typ"), now, &claims, &error);
    free(jwks);
    if (status != IMAGXP_OK) {
        return json_pack("{s:b, s:o, s:n}", "valid", 0, "code", code_of(error), "claims");
    }
    json_t *parsed = json_loadb((const char *)claims.ptr, claims.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    imagxp_bytes_free(&claims);
    return json_pack("{s:b, s:n, s:o}", "valid", 1, "code", "claims", parsed);
}

json_t *op_canonicalize(const json_t *item) {
    imagxp_error *error = NULL;
    imagxp_bytes canonical = {NULL, 0};
    uint8_t *decoded = NULL;
    imagxp_slice input = slice(item, "json");
    if (text(item, "json_b64") != NULL) {
        decoded = unbase64(slice(item, "json_b64"), &input.len);
        input.ptr = decoded;
    }
    if (input.ptr == NULL) {
        return NULL;
    }
    json_t *result = NULL;
    if (imagxp_json_canonicalize(input, &canonical, &error) == IMAGXP_OK) {
        result = json_pack("{s:o}", "canonical", json_stringn((const char *)canonical.ptr, canonical.len));
    } else {
        result = json_pack("{s:o}", "code", code_of(error));
    }
    imagxp_bytes_free(&canonical);
    free(decoded);
    return result;
}
