/*
 * The verdict as variables: for logs, maps and headers to an upstream.
 */

#include "ngx_http_imagxp.h"

static ngx_str_t ngx_http_imagxp_served_origin(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx);
static ngx_uint_t ngx_http_imagxp_names_host(ngx_http_request_t *r, ngx_str_t *origin);
static ngx_int_t ngx_http_imagxp_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data);

enum {
    IMAGXP_VAR_OUTCOME,
    IMAGXP_VAR_CODE,
    IMAGXP_VAR_VERDICT_CODE,
    IMAGXP_VAR_HTTP,
    IMAGXP_VAR_DETAIL,
    IMAGXP_VAR_WOULD_DENY,
    IMAGXP_VAR_AGENT,
    IMAGXP_VAR_PURPOSE,
    IMAGXP_VAR_KEY_ID,
    IMAGXP_VAR_VISITOR,
    IMAGXP_VAR_PAYMENT,
    IMAGXP_VAR_PAYMENT_AMOUNT,
    IMAGXP_VAR_PAYMENT_JTI,
    IMAGXP_VAR_WARNINGS,
    IMAGXP_VAR_TRACE_ID,
    IMAGXP_VAR_FEEDBACK_STATUS,
    IMAGXP_VAR_FEEDBACK_SCORE,
    IMAGXP_VAR_FEEDBACK_REASON,
    IMAGXP_VAR_FEEDBACK_URL
};

static ngx_http_variable_t  ngx_http_imagxp_variables[] = {
    { ngx_string("imagxp_outcome"), NULL, ngx_http_imagxp_variable, IMAGXP_VAR_OUTCOME, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("imagxp_code"), NULL, ngx_http_imagxp_variable, IMAGXP_VAR_CODE, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("imagxp_verdict_code"), NULL, ngx_http_imagxp_variable, IMAGXP_VAR_VERDICT_CODE, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("imagxp_http"), NULL, ngx_http_imagxp_variable, IMAGXP_VAR_HTTP, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("imagxp_detail"), NULL, ngx_http_imagxp_variable, IMAGXP_VAR_DETAIL, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("imagxp_would_deny"), NULL, ngx_http_imagxp_variable, IMAGXP_VAR_WOULD_DENY, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("imagxp_agent"), NULL, ngx_http_imagxp_variable, IMAGXP_VAR_AGENT, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("imagxp_purpose"), NULL, ngx_http_imagxp_variable, IMAGXP_VAR_PURPOSE, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("imagxp_key_id"), NULL, ngx_http_imagxp_variable, IMAGXP_VAR_KEY_ID, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("imagxp_visitor"), NULL, ngx_http_imagxp_variable, IMAGXP_VAR_VISITOR, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("imagxp_payment"), NULL, ngx_http_imagxp_variable, IMAGXP_VAR_PAYMENT, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("imagxp_payment_amount"), NULL, ngx_http_imagxp_variable, IMAGXP_VAR_PAYMENT_AMOUNT,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("imagxp_payment_jti"), NULL, ngx_http_imagxp_variable, IMAGXP_VAR_PAYMENT_JTI, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("imagxp_warnings"), NULL, ngx_http_imagxp_variable, IMAGXP_VAR_WARNINGS, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("imagxp_trace_id"), NULL, ngx_http_imagxp_variable, IMAGXP_VAR_TRACE_ID, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("imagxp_feedback_status"), NULL, ngx_http_imagxp_variable, IMAGXP_VAR_FEEDBACK_STATUS,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("imagxp_feedback_score"), NULL, ngx_http_imagxp_variable, IMAGXP_VAR_FEEDBACK_SCORE,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("imagxp_feedback_reason"), NULL, ngx_http_imagxp_variable, IMAGXP_VAR_FEEDBACK_REASON,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("imagxp_feedback_url"), NULL, ngx_http_imagxp_variable, IMAGXP_VAR_FEEDBACK_URL, NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("imagxp_fetch_url"), NULL, ngx_http_imagxp_fetch_variable, offsetof(ngx_http_imagxp_url_t, url),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("imagxp_fetch_scheme"), NULL, ngx_http_imagxp_fetch_variable, offsetof(ngx_http_imagxp_url_t, scheme),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("imagxp_fetch_host"), NULL, ngx_http_imagxp_fetch_variable, offsetof(ngx_http_imagxp_url_t, host),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("imagxp_fetch_authority"), NULL, ngx_http_imagxp_fetch_variable, offsetof(ngx_http_imagxp_url_t, authority),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("imagxp_fetch_address"), NULL, ngx_http_imagxp_fetch_variable, offsetof(ngx_http_imagxp_url_t, address),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },
    { ngx_string("imagxp_fetch_uri"), NULL, ngx_http_imagxp_fetch_variable, offsetof(ngx_http_imagxp_url_t, uri),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },
    ngx_http_null_variable
};

ngx_int_t
ngx_http_imagxp_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_imagxp_variables; v->name.len != 0; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}

/*
 * The absolute URL of what is served, as receipts name it; empty when no configured origin is known to have been asked. Path and query are those
 * that came: what the agent has signed need not be what it asked for ("resource_match": "off").
 */
ngx_str_t
ngx_http_imagxp_resource(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx)
{
    u_char                      *p;
    ngx_str_t                    origin, url;
    ngx_http_imagxp_loc_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_imagxp_module);
    origin = conf->origin.len != 0 ? conf->origin : ngx_http_imagxp_served_origin(r, ctx);

    ngx_str_null(&url);

    if (origin.len == 0 || r->unparsed_uri.len == 0 || r->unparsed_uri.data[0] != '/') {
        return url;
    }

    url.data = ngx_pnalloc(r->pool, origin.len + r->unparsed_uri.len);

    if (url.data != NULL) {
        p = ngx_cpymem(url.data, origin.data, origin.len);
        ngx_memcpy(p, r->unparsed_uri.data, r->unparsed_uri.len);
        url.len = origin.len + r->unparsed_uri.len;
    }

    return url;
}

/* The policy's only origin, or the one that Host names, or else the agent; none when the two name different ones. */
static ngx_str_t
ngx_http_imagxp_served_origin(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx)
{
    size_t        i;
    ngx_str_t     origin, first, named, claimed, none;
    imagxp_slice  resource;

    resource = imagxp_verdict_resource(ctx->verdict);

    ngx_str_null(&first);
    ngx_str_null(&named);
    ngx_str_null(&claimed);
    ngx_str_null(&none);

    for (i = 0; /* void */ ; i++) {
        origin = ngx_http_imagxp_str(imagxp_policy_origin(ctx->site->policy->policy, i));

        if (origin.len == 0) {
            break;
        }

        if (i == 0) {
            first = origin;
        }

        if (ngx_http_imagxp_names_host(r, &origin)) {
            named = origin;
        }

        if (resource.len > origin.len && resource.ptr[origin.len] == '/' && ngx_memcmp(resource.ptr, origin.data, origin.len) == 0) {
            claimed = origin;
        }
    }

    if (i == 1) {
        return first;
    }

    if (named.len == 0) {
        return claimed;
    }

    return (claimed.len == 0 || claimed.data == named.data) ? named : none;
}

/* Whether the request came to this origin, by its line and by Host, which may name the port that the scheme has anyway. */
static ngx_uint_t
ngx_http_imagxp_names_host(ngx_http_request_t *r, ngx_str_t *origin)
{
    u_char     *authority;
    size_t      len;
    ngx_str_t   host, *server, port;

    if (r->headers_in.host == NULL) {
        return 0;
    }

    authority = ngx_strlchr(origin->data, origin->data + origin->len, '/') + 2;
    len = origin->data + origin->len - authority;
    host = r->headers_in.host->value;
    server = &r->headers_in.server;

    if (origin->data[4] == 's') {
        ngx_str_set(&port, ":443");
    } else {
        ngx_str_set(&port, ":80");
    }

    if (host.len == len + port.len && ngx_memcmp(host.data + len, port.data, port.len) == 0) {
        host.len = len;
    }

    return host.len == len && ngx_strncasecmp(authority, host.data, len) == 0
           && server->len <= len && ngx_strncasecmp(authority, server->data, server->len) == 0
           && (server->len == len || authority[server->len] == ':');
}

static ngx_int_t
ngx_http_imagxp_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                 *p;
    size_t                  i, len;
    ngx_str_t               value;
    imagxp_status           code;
    imagxp_slice            warning;
    imagxp_verdict         *verdict;
    ngx_http_imagxp_ctx_t  *ctx;

    v->not_found = 1;
    ctx = ngx_http_imagxp_ctx(r);

    if (ctx == NULL || !ctx->decided) {
        return NGX_OK;
    }

    verdict = ctx->verdict;
    ngx_str_null(&value);

    switch (data) {

    case IMAGXP_VAR_OUTCOME:
        if (ctx->error) {
            ngx_str_set(&value, "undecided");
        } else {
            value = ngx_http_imagxp_str(imagxp_outcome_name(imagxp_verdict_outcome(verdict)));
        }
        break;

    case IMAGXP_VAR_CODE:
    case IMAGXP_VAR_VERDICT_CODE:
        code = ctx->error ? IMAGXP_INTERNAL_INVARIANT : imagxp_verdict_code(verdict);

        if (code == IMAGXP_OK && data == IMAGXP_VAR_VERDICT_CODE) {
            ngx_str_set(&value, "ok");
        } else {
            value = ngx_http_imagxp_str(imagxp_status_name(code));
        }
        break;

    case IMAGXP_VAR_HTTP:
        value.data = ngx_pnalloc(r->pool, NGX_INT_T_LEN);
        if (value.data == NULL) {
            return NGX_ERROR;
        }
        value.len = ngx_sprintf(value.data, "%ui", (ngx_uint_t) imagxp_verdict_http(verdict)) - value.data;
        break;

    case IMAGXP_VAR_DETAIL:
        value = ngx_http_imagxp_str(imagxp_verdict_detail(verdict));
        break;

    case IMAGXP_VAR_WOULD_DENY:
        if (imagxp_verdict_would_deny(verdict)) {
            ngx_str_set(&value, "1");
        } else {
            ngx_str_set(&value, "0");
        }
        break;

    case IMAGXP_VAR_AGENT:
        value = ngx_http_imagxp_str(imagxp_verdict_agent_id(verdict));
        break;

    case IMAGXP_VAR_PURPOSE:
        value = ngx_http_imagxp_str(imagxp_purpose_name(imagxp_verdict_purpose(verdict)));
        break;

    case IMAGXP_VAR_KEY_ID:
        value = ngx_http_imagxp_str(imagxp_verdict_key_id(verdict));
        break;

    case IMAGXP_VAR_VISITOR:
        value = ngx_http_imagxp_str(imagxp_visitor_name(imagxp_verdict_visitor(verdict)));
        break;

    case IMAGXP_VAR_PAYMENT:
        value = ngx_http_imagxp_str(imagxp_payment_name(imagxp_verdict_payment(verdict)));
        break;

    case IMAGXP_VAR_PAYMENT_AMOUNT:
        value = ngx_http_imagxp_str(imagxp_verdict_payment_amount(verdict));
        break;

    case IMAGXP_VAR_PAYMENT_JTI:
        value = ngx_http_imagxp_str(imagxp_verdict_payment_jti(verdict));
        break;

    case IMAGXP_VAR_WARNINGS:
        len = 0;
        for (i = 0; i < imagxp_verdict_warning_count(verdict); i++) {
            len += imagxp_verdict_warning(verdict, i).len + 1;
        }

        if (len != 0) {
            p = ngx_pnalloc(r->pool, len);
            if (p == NULL) {
                return NGX_ERROR;
            }

            value.data = p;
            for (i = 0; i < imagxp_verdict_warning_count(verdict); i++) {
                warning = imagxp_verdict_warning(verdict, i);
                p = ngx_cpymem(p, warning.ptr, warning.len);
                *p++ = ',';
            }

            value.len = len - 1;
        }
        break;

    case IMAGXP_VAR_TRACE_ID:
        value = ngx_http_imagxp_str(imagxp_verdict_trace_id(verdict));
        break;

    case IMAGXP_VAR_FEEDBACK_STATUS:
        value = ctx->feedback_status;
        break;

    case IMAGXP_VAR_FEEDBACK_SCORE:
        if (ctx->feedback != NULL) {
            uint32_t  score = imagxp_feedback_score_millionths(ctx->feedback);

            value.data = ngx_pnalloc(r->pool, sizeof("0.000000"));
            if (value.data == NULL) {
                return NGX_ERROR;
            }
            value.len = ngx_sprintf(value.data, "%uD.%06uD", score / 1000000, score % 1000000) - value.data;
        }
        break;

    case IMAGXP_VAR_FEEDBACK_REASON:
        value = ngx_http_imagxp_str(imagxp_feedback_reason_name(imagxp_feedback_reason_of(ctx->feedback)));
        break;

    case IMAGXP_VAR_FEEDBACK_URL:
        value = ngx_http_imagxp_str(imagxp_feedback_url(ctx->feedback));
        break;
    }

    if (value.len != 0) {
        /* Copied: nginx keeps a value for longer than another site, after an internal redirect, lets the verdict live. */
        v->data = ngx_pstrdup(r->pool, &value);
        if (v->data == NULL) {
            return NGX_ERROR;
        }
        v->len = value.len;
        v->valid = 1;
        v->no_cacheable = 0;
        v->not_found = 0;
    }

    return NGX_OK;
}
