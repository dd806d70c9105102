/*
 * Answers of our own: the public policy, and the bodies of refusals. A refusal leaves the access phase as a status, so that `satisfy`,
 * `error_page` and logs work as they always do; where nginx would then send a page of its own, the filters here put ours in its place.
 */

#include "ngx_http_imagxp.h"

static ngx_int_t ngx_http_imagxp_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_imagxp_body_filter(ngx_http_request_t *r, ngx_chain_t *in);
static ngx_int_t ngx_http_imagxp_replace(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx);
static ngx_uint_t ngx_http_imagxp_status(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx);

ngx_http_output_header_filter_pt  ngx_http_imagxp_next_header_filter;
ngx_http_output_body_filter_pt    ngx_http_imagxp_next_body_filter;

static ngx_str_t  ngx_http_imagxp_json = ngx_string("application/json");

ngx_int_t
ngx_http_imagxp_serve_policy(ngx_http_request_t *r, ngx_http_imagxp_site_t *site)
{
    ngx_int_t                 rc;
    ngx_http_complex_value_t  cv;

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_imagxp_add_header(r, &r->headers_out.headers, imagxp_slice_of("cache-control"),
                                   imagxp_slice_of("public, max-age=300")) != NGX_OK
        || ngx_http_imagxp_add_header(r, &r->headers_out.headers, imagxp_slice_of("access-control-allow-origin"),
                                      imagxp_slice_of("*")) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(&cv, sizeof(cv));
    cv.value.data = site->policy->public_json.ptr;
    cv.value.len = site->policy->public_json.len;

    ngx_http_finalize_request(r, ngx_http_send_response(r, NGX_HTTP_OK, &ngx_http_imagxp_json, &cv));

    return NGX_DONE;
}

/* The status to leave the access phase with. */
ngx_int_t
ngx_http_imagxp_refuse(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    ctx->refused = 1;
    ctx->http = ngx_http_imagxp_status(r, ctx);

    if (clcf->satisfy == NGX_HTTP_SATISFY_ANY && ctx->http != NGX_HTTP_UNAUTHORIZED) {
        /* Others may still let it in; the filters know what it was. */
        return NGX_HTTP_FORBIDDEN;
    }

    return ctx->http;
}

ngx_int_t
ngx_http_imagxp_filter_init(ngx_conf_t *cf)
{
    (void) cf;

    ngx_http_imagxp_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_imagxp_header_filter;

    ngx_http_imagxp_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_imagxp_body_filter;

    return NGX_OK;
}

static ngx_int_t
ngx_http_imagxp_header_filter(ngx_http_request_t *r)
{
    ngx_http_imagxp_ctx_t  *ctx;

    ctx = r == r->main ? ngx_http_imagxp_ctx(r) : NULL;

    if (ctx == NULL || !ctx->decided || ctx->answered) {
        return ngx_http_imagxp_next_header_filter(r);
    }

    ctx->answered = 1;

    if (!ctx->error && ngx_http_imagxp_verdict_headers(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ctx->refused && !ctx->elsewhere
        && (r->err_status == ctx->http || r->err_status == NGX_HTTP_FORBIDDEN || r->err_status == NGX_HTTP_UNAUTHORIZED))
    {
        if (ngx_http_imagxp_replace(r, ctx) != NGX_OK) {
            return NGX_ERROR;
        }

        return ngx_http_imagxp_next_header_filter(r);
    }

    if (ctx->refused) {
        return ngx_http_imagxp_next_header_filter(r);
    }

    return ngx_http_imagxp_receipt_header(r, ctx);
}

static ngx_int_t
ngx_http_imagxp_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_buf_t              *b;
    ngx_chain_t             out, *cl;
    ngx_http_imagxp_ctx_t  *ctx;

    ctx = r == r->main ? ngx_http_imagxp_ctx(r) : NULL;

    if (ctx == NULL || in == NULL || (!ctx->replaced && !ctx->holding && !ctx->trailing)) {
        return ngx_http_imagxp_next_body_filter(r, in);
    }

    if (!ctx->replaced) {
        return ngx_http_imagxp_receipt_body(r, ctx, in);
    }

    for (cl = in; cl != NULL; cl = cl->next) {
        cl->buf->pos = cl->buf->last;
        cl->buf->file_pos = cl->buf->file_last;
    }

    if (ctx->body.len == 0) {
        return NGX_OK;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = ctx->body.data;
    b->last = ctx->body.data + ctx->body.len;
    b->memory = 1;
    b->last_buf = 1;
    b->last_in_chain = 1;
    out.buf = b;
    out.next = NULL;
    ctx->body.len = 0;

    return ngx_http_imagxp_next_body_filter(r, &out);
}

/* nginx's page becomes the verdict's body. */
static ngx_int_t
ngx_http_imagxp_replace(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx)
{
    imagxp_bytes  json;

    static u_char  internal[] = "{\"error\":{\"code\":\"internal.invariant\",\"message\":\"an internal check failed\","
                                "\"retry\":\"never\"}}";

    if (ctx->error) {
        ctx->body.data = internal;
        ctx->body.len = sizeof(internal) - 1;

    } else {
        if (imagxp_verdict_body(ctx->verdict, &json, NULL) != IMAGXP_OK) {
            return NGX_ERROR;
        }

        ctx->body.len = json.len;
        ctx->body.data = ngx_pnalloc(r->pool, json.len);

        if (ctx->body.data != NULL) {
            ngx_memcpy(ctx->body.data, json.ptr, json.len);
        }

        imagxp_bytes_free(&json);

        if (ctx->body.data == NULL) {
            return NGX_ERROR;
        }
    }

    ngx_http_clear_accept_ranges(r);
    ngx_http_clear_last_modified(r);
    ngx_http_clear_etag(r);
    ngx_http_clear_content_length(r);

    if (r->headers_out.content_encoding != NULL) {
        r->headers_out.content_encoding->hash = 0;
        r->headers_out.content_encoding = NULL;
    }

    r->headers_out.status = ctx->http;
    r->headers_out.status_line.len = 0;
    r->headers_out.content_type = ngx_http_imagxp_json;
    r->headers_out.content_type_len = ngx_http_imagxp_json.len;
    r->headers_out.content_type_lowcase = NULL;
    ngx_str_null(&r->headers_out.charset);
    r->headers_out.content_length_n = ctx->body.len;
    ctx->replaced = 1;

    return NGX_OK;
}

/* The verdict's status, unless the operator wants another one for its kind. */
static ngx_uint_t
ngx_http_imagxp_status(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx)
{
    imagxp_status                code;
    ngx_uint_t                   http;
    ngx_http_imagxp_loc_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_imagxp_module);
    code = imagxp_verdict_code(ctx->verdict);
    http = imagxp_verdict_http(ctx->verdict);

    if (code == IMAGXP_AUTH_REQUIRED) {
        return conf->status_unsigned;
    }

    if (code == IMAGXP_RATE_AGENT) {
        return conf->status_rate;
    }

    if (http == 402) {
        return conf->status_payment;
    }

    if (http == NGX_HTTP_SERVICE_UNAVAILABLE) {
        return conf->status_undecided;
    }

    return http;
}
