#include "runner.h"

#include <stdio.h>
#include <stdlib.h>

/* A member as text, or as base64 under the name with `_b64`; `*owned` is what to free. */
static imagxp_slice bytes(const json_t *item, const char *name, uint8_t **owned) {
    char other[32];
    snprintf(other, sizeof other, "%s_b64", name);
    *owned = NULL;
    if (json_object_get(item, other) == NULL) {
        return slice(item, name);
    }
    imagxp_slice decoded = {NULL, 0};
    *owned = unbase64(slice(item, other), &decoded.len);
    decoded.ptr = *owned;
    return decoded;
}

static bool has(const json_t *item, const char *name) {
    char other[32];
    snprintf(other, sizeof other, "%s_b64", name);
    return json_object_get(item, name) != NULL || json_object_get(item, other) != NULL;
}

json_t *op_robots(const json_t *item) {
    imagxp_error *error = NULL;
    imagxp_robots *robots = NULL;
    uint8_t *owned;
    const json_t *paths = json_object_get(item, "paths");
    imagxp_slice token = slice(item, "product_token");
    imagxp_status status = imagxp_robots_parse(200, bytes(item, "robots", &owned), &robots, &error);
    free(owned);
    if (status != IMAGXP_OK) {
        return error_code(error);
    }
    json_t *allowed = json_array();
    json_t *urls = json_array();
    for (size_t i = 0; i < json_array_size(paths); i++) {
        const json_t *path = json_array_get(paths, i);
        imagxp_slice text = {(const uint8_t *)json_string_value(path), json_string_length(path)};
        json_array_append_new(allowed, json_boolean(imagxp_robots_allows(robots, token, text)));
    }
    for (size_t i = 0;; i++) {
        imagxp_bytes url = {NULL, 0};
        if (imagxp_robots_policy_url(robots, token, i, &url, NULL) != IMAGXP_OK || url.len == 0) {
            imagxp_bytes_free(&url);
            break;
        }
        json_array_append_new(urls, json_stringn((const char *)url.ptr, url.len));
        imagxp_bytes_free(&url);
    }
    imagxp_robots_free(robots);
    return json_pack("{s:o, s:o}", "allowed", allowed, "policy_urls", urls);
}

static imagxp_status give(const json_t *item, imagxp_preferences *preferences, imagxp_error **error) {
    imagxp_status status = IMAGXP_OK;
    uint8_t *owned = NULL;
    const json_t *given = json_object_get(item, "robots_status");
    if (has(item, "robots")) {
        uint32_t code = given == NULL ? 200 : (uint32_t)json_integer_value(given);
        status = imagxp_preferences_robots(preferences, code, bytes(item, "robots", &owned), error);
        free(owned);
    }
    const json_t *headers = json_object_get(item, "headers");
    for (size_t i = 0; status == IMAGXP_OK && i < json_array_size(headers); i++) {
        const json_t *pair = json_array_get(headers, i);
        const json_t *name = json_array_get(pair, 0), *value = json_array_get(pair, 1);
        imagxp_slice n = {(const uint8_t *)json_string_value(name), json_string_length(name)};
        imagxp_slice v = {(const uint8_t *)json_string_value(value), json_string_length(value)};
        status = imagxp_preferences_header(preferences, n, v, error);
    }
    if (status == IMAGXP_OK && has(item, "rsl")) {
        imagxp_slice url = imagxp_slice_of("https://pub.example/license.xml");
        status = imagxp_preferences_rsl(preferences, url, bytes(item, "rsl", &owned), error);
        free(owned);
    }
    if (status == IMAGXP_OK && has(item, "policy")) {
        status = imagxp_preferences_policy(preferences, bytes(item, "policy", &owned), error);
        free(owned);
    }
    return status;
}

json_t *op_preferences(const json_t *item) {
    imagxp_error *error = NULL;
    imagxp_preferences *preferences = NULL;
    imagxp_bytes json = {NULL, 0};
    imagxp_status status = imagxp_preferences_new(slice(item, "url"), slice(item, "product_token"), &preferences, &error);
    if (status == IMAGXP_OK) {
        status = give(item, preferences, &error);
    }
    if (status == IMAGXP_OK) {
        status = imagxp_preferences_json(preferences, &json, &error);
    }
    imagxp_preferences_free(preferences);
    if (status != IMAGXP_OK) {
        return error_code(error);
    }
    json_t *report = json_loadb((const char *)json.ptr, json.len, 0, NULL);
    imagxp_bytes_free(&json);
    return json_pack("{s:o}", "report", report);
}
