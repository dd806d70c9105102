#include "runner.h"

#include <stdlib.h>
#include <string.h>

static const char *name_of(const char *const *names, uint32_t number) {
    return names[number];
}

static const char *const OUTCOMES[] = {"", "allow", "deny", "undecided"};
static const char *const VISITORS[] = {"", "verified_agent", "unsigned_browser", "unsigned_client", "invalid_agent"};
static const char *const BINDINGS[] = {"", "domain", "key_only", "none"};
static const char *const PAYMENTS[] = {"", "not_required", "visa", "ads", "unpaid"};
static const char *const NEEDS[] = {"", "manifest", "jwks", "redeem"};
static const char *const RETRIES[] = {"", "never", "new_nonce", "pay", "fix"};

static json_t *retry(const imagxp_verdict *verdict) {
    imagxp_retry kind = imagxp_verdict_retry(verdict);
    return kind == IMAGXP_RETRY_AFTER ? json_sprintf("after:%u", (unsigned)imagxp_verdict_retry_after_s(verdict))
                                      : json_string(name_of(RETRIES, kind));
}

/* Every field by its accessor. */
static json_t *fields(const imagxp_verdict *verdict) {
    json_t *payment = json_object();
    json_object_set_new(payment, "state", json_string(name_of(PAYMENTS, imagxp_verdict_payment(verdict))));
    json_object_set_new(payment, "jti", string_or_null(imagxp_verdict_payment_jti(verdict)));
    json_object_set_new(payment, "issuer", string_or_null(imagxp_verdict_payment_issuer(verdict)));
    json_object_set_new(payment, "amount", string_or_null(imagxp_verdict_payment_amount(verdict)));
    json_object_set_new(payment, "currency", string_or_null(imagxp_verdict_payment_currency(verdict)));
    json_t *warnings = json_array();
    for (size_t i = 0; i < imagxp_verdict_warning_count(verdict); i++) {
        json_array_append_new(warnings, string_or_null(imagxp_verdict_warning(verdict, i)));
    }
    json_t *needs = json_array();
    for (size_t i = 0; i < imagxp_verdict_need_count(verdict); i++) {
        json_array_append_new(needs, json_pack("{s:s, s:o}", "kind", name_of(NEEDS, imagxp_verdict_need(verdict, i)), "url",
                                               string_or_null(imagxp_verdict_need_url(verdict, i))));
    }
    json_t *headers = json_array();
    for (size_t i = 0; i < imagxp_verdict_response_header_count(verdict); i++) {
        json_array_append_new(headers, json_pack("[o, o]", string_or_null(imagxp_verdict_response_header_name(verdict, i)),
                                                 string_or_null(imagxp_verdict_response_header_value(verdict, i))));
    }
    json_t *object = json_object();
    json_object_set_new(object, "outcome", json_string(name_of(OUTCOMES, imagxp_verdict_outcome(verdict))));
    json_object_set_new(object, "code", string_or_null(imagxp_status_name(imagxp_verdict_code(verdict))));
    json_object_set_new(object, "http", json_integer(imagxp_verdict_http(verdict)));
    json_object_set_new(object, "message", string_or_null(imagxp_verdict_message(verdict)));
    json_object_set_new(object, "hint", string_or_null(imagxp_verdict_hint(verdict)));
    json_object_set_new(object, "detail", string_or_null(imagxp_verdict_detail(verdict)));
    json_object_set_new(object, "retry", retry(verdict));
    json_object_set_new(object, "visitor", json_string(name_of(VISITORS, imagxp_verdict_visitor(verdict))));
    json_object_set_new(object, "would_deny", json_boolean(imagxp_verdict_would_deny(verdict)));
    json_object_set_new(object, "agent_id", string_or_null(imagxp_verdict_agent_id(verdict)));
    json_object_set_new(object, "key_id", string_or_null(imagxp_verdict_key_id(verdict)));
    json_object_set_new(object, "purpose", string_or_null(imagxp_purpose_name(imagxp_verdict_purpose(verdict))));
    json_object_set_new(object, "resource", string_or_null(imagxp_verdict_resource(verdict)));
    json_object_set_new(object, "binding", json_string(name_of(BINDINGS, imagxp_verdict_binding(verdict))));
    json_object_set_new(object, "payment", payment);
    json_object_set_new(object, "warnings", warnings);
    json_object_set_new(object, "needs", needs);
    json_object_set_new(object, "response_headers", headers);
    json_object_set_new(object, "trace_id", string_or_null(imagxp_verdict_trace_id(verdict)));
    return object;
}

/* The fields, which must be what the library's own JSON of the verdict says. */
static json_t *answer(const imagxp_verdict *verdict) {
    imagxp_bytes text = {NULL, 0};
    imagxp_error *error = NULL;
    if (imagxp_verdict_json(verdict, &text, &error) != IMAGXP_OK) {
        return error_code(error);
    }
    json_t *whole = json_loadb((const char *)text.ptr, text.len, 0, NULL);
    json_t *mine = fields(verdict);
    if (!json_equal(whole, mine)) {
        json_object_clear(mine);
        json_object_set_new(mine, "error", json_string("the accessors and the JSON of the verdict differ"));
    }
    json_decref(whole);
    imagxp_bytes_free(&text);
    return mine;
}

/* A document given counts as fetched at the step's time; one that is refused is part of the case, and the verdict tells. */
void supply(const imagxp_publisher *publisher, const json_t *item, const char *kind, int64_t now) {
    const char *url;
    json_t *document;
    json_object_foreach(json_object_get(item, kind), url, document) {
        char *body = json_dumps(document, JSON_COMPACT | JSON_ENCODE_ANY);
        imagxp_publisher_supply(publisher, imagxp_slice_of(url), imagxp_slice_of(body), IMAGXP_MAX_AGE_NONE, now, NULL);
        free(body);
    }
}

static json_t *step(const imagxp_publisher *publisher, const json_t *item, const json_t *step) {
    int64_t now;
    const json_t *given = json_object_get(step, "request");
    const json_t *lines = json_object_get(given, "headers");
    if (!time_ms(step, "now", &now) || text(given, "method") == NULL || text(given, "url") == NULL || !json_is_array(lines)) {
        return NULL;
    }
    supply(publisher, item, "manifests", now);
    supply(publisher, item, "jwks", now);
    size_t count = json_array_size(lines);
    imagxp_slice *headers = calloc(2 * count + 1, sizeof *headers);
    for (size_t i = 0; i < 2 * count; i++) {
        const json_t *part = json_array_get(json_array_get(lines, i / 2), i % 2);
        headers[i].ptr = (const uint8_t *)json_string_value(part);
        headers[i].len = json_string_length(part);
    }
    imagxp_request *request = NULL;
    imagxp_verdict *verdict = NULL;
    imagxp_error *error = NULL;
    json_t *result = NULL;
    if (imagxp_request_new(slice(given, "method"), slice(given, "url"), headers, count, &request, &error) == IMAGXP_OK &&
        imagxp_request_set_body_digest(request, slice(given, "body_digest"), &error) == IMAGXP_OK &&
        imagxp_publisher_verify(publisher, request, now, &verdict, &error) == IMAGXP_OK) {
        result = answer(verdict);
    } else {
        result = error_code(error);
    }
    imagxp_verdict_free(verdict);
    imagxp_request_free(request);
    free(headers);
    return result;
}

imagxp_publisher *publisher_of(const json_t *item, imagxp_error **error) {
    static const uint8_t ZEROS[16] = {0};
    const imagxp_slice secret = {ZEROS, sizeof ZEROS};
    imagxp_policy *policy = NULL;
    imagxp_publisher *publisher = NULL;
    char *json = dump(item, "policy");
    if (imagxp_policy_from_json(imagxp_slice_of(json), &policy, error) == IMAGXP_OK) {
        imagxp_publisher_new(policy, secret, NULL, &publisher, error);
    }
    imagxp_policy_free(policy);
    free(json);
    return publisher;
}

json_t *op_verify(const json_t *item) {
    imagxp_error *error = NULL;
    imagxp_publisher *publisher = publisher_of(item, &error);
    json_t *result = publisher != NULL ? step(publisher, item, item) : error_code(error);
    imagxp_publisher_free(publisher);
    return result;
}

json_t *op_sequence(const json_t *item) {
    imagxp_error *error = NULL;
    imagxp_publisher *publisher = publisher_of(item, &error);
    if (publisher == NULL) {
        return error_code(error);
    }
    json_t *results = json_array();
    size_t index;
    json_t *each;
    json_array_foreach(json_object_get(item, "steps"), index, each) {
        json_t *result = step(publisher, item, each);
        json_array_append_new(results, result != NULL ? result : json_null());
    }
    imagxp_publisher_free(publisher);
    return json_pack("{s:o}", "results", results);
}
