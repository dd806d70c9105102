/*
 * Provenance receipts: the hash of what is sent, signed. A small body of known length is held back until it is whole, and its receipt is a
 * header; every other body passes, and its receipt is a trailer. Only verified agents get one: who does not sign cannot be told from a
 * browser, and a signature costs.
 */

#include "ngx_http_imagxp.h"

static ngx_uint_t ngx_http_imagxp_gets_receipt(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx);
static ngx_int_t ngx_http_imagxp_receipt_hold(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx, ngx_chain_t *in);
static ngx_int_t ngx_http_imagxp_receipt_release(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx, ngx_uint_t last);
static ngx_int_t ngx_http_imagxp_receipt_sign(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx, ngx_list_t *headers);

ngx_int_t
ngx_http_imagxp_receipt_header(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx)
{
    off_t                        length;
    ngx_http_imagxp_loc_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_imagxp_module);

    if (conf->provenance_key == NULL || !ngx_http_imagxp_gets_receipt(r, ctx)) {
        return ngx_http_imagxp_next_header_filter(r);
    }

    length = r->headers_out.content_length_n;

    if (length == 0 || (length < 0 && r->http_version < NGX_HTTP_VERSION_11)
        || (length > (off_t) conf->provenance_buffer && r->http_version < NGX_HTTP_VERSION_11))
    {
        return ngx_http_imagxp_next_header_filter(r);
    }

    if (imagxp_hasher_new(&ctx->hasher, NULL) != IMAGXP_OK) {
        return NGX_ERROR;
    }

    /* What is hashed must pass through memory. */
    r->main_filter_need_in_memory = 1;
    r->allow_ranges = 0;

    if (length > 0 && length <= (off_t) conf->provenance_buffer) {
        ctx->held = ngx_create_temp_buf(r->pool, length);
        if (ctx->held == NULL) {
            return NGX_ERROR;
        }

        ctx->holding = 1;

        return NGX_OK;
    }

    /* Without a length: clients stop reading where it ends, and would miss the trailer. HTTP/1.1 wants it so anyway. */
    ngx_http_clear_content_length(r);
    ctx->trailing = 1;
    r->expect_trailers = 1;

    if (ngx_http_imagxp_add_header(r, &r->headers_out.headers, imagxp_slice_of("trailer"),
                                   imagxp_slice_of("x-imagxp-provenance, x-imagxp-provenance-sig")) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_imagxp_next_header_filter(r);
}

ngx_int_t
ngx_http_imagxp_receipt_body(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx, ngx_chain_t *in)
{
    imagxp_slice  piece;
    ngx_chain_t  *cl;

    if (ctx->holding) {
        return ngx_http_imagxp_receipt_hold(r, ctx, in);
    }

    for (cl = in; cl != NULL; cl = cl->next) {
        if (ngx_buf_in_memory(cl->buf)) {
            piece.ptr = cl->buf->pos;
            piece.len = cl->buf->last - cl->buf->pos;

            if (imagxp_hasher_update(ctx->hasher, piece, NULL) != IMAGXP_OK) {
                return NGX_ERROR;
            }

        } else if (!ngx_buf_special(cl->buf)) {
            /* A module after the copy filter sends a file: no receipt rather than a wrong one. */
            ctx->trailing = 0;
            break;
        }

        if (cl->buf->last_buf) {
            ctx->trailing = 0;

            if (ngx_http_imagxp_receipt_sign(r, ctx, &r->headers_out.trailers) != NGX_OK) {
                return NGX_ERROR;
            }
        }
    }

    return ngx_http_imagxp_next_body_filter(r, in);
}

/* Successful answers of a verified agent's request, with a body, about a URL that we know, that have no receipt yet. */
static ngx_uint_t
ngx_http_imagxp_gets_receipt(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *header;

    if (r->header_only || r->method == NGX_HTTP_HEAD || r->headers_out.status < NGX_HTTP_OK || r->headers_out.status >= NGX_HTTP_SPECIAL_RESPONSE
        || r->headers_out.status == NGX_HTTP_NO_CONTENT
        /* A part must not be taken for the whole. */
        || r->headers_out.status == NGX_HTTP_PARTIAL_CONTENT
        || imagxp_verdict_visitor(ctx->verdict) != IMAGXP_VISITOR_VERIFIED_AGENT
        || imagxp_policy_content_origin(ctx->site->policy->policy) == 0
        || r->expect_trailers)
    {
        return 0;
    }

    for (part = &r->headers_out.headers.part; part != NULL; part = part->next) {
        header = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (header[i].hash != 0 && header[i].key.len == sizeof("x-imagxp-provenance") - 1
                && ngx_strncasecmp(header[i].key.data, (u_char *) "x-imagxp-provenance", header[i].key.len) == 0)
            {
                return 0;
            }
        }
    }

    return ngx_http_imagxp_resource(r, ctx).len != 0;
}

static ngx_int_t
ngx_http_imagxp_receipt_hold(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx, ngx_chain_t *in)
{
    size_t        len;
    ngx_int_t     rc;
    ngx_uint_t    last;
    ngx_chain_t  *cl;

    last = 0;

    for (cl = in; cl != NULL; cl = cl->next) {
        len = ngx_buf_in_memory(cl->buf) ? (size_t) (cl->buf->last - cl->buf->pos) : 0;

        if ((!ngx_buf_in_memory(cl->buf) && !ngx_buf_special(cl->buf)) || len > (size_t) (ctx->held->end - ctx->held->last)) {
            /* It is not what it said it was: it passes without a receipt. */
            imagxp_hasher_free(ctx->hasher);
            ctx->hasher = NULL;
            rc = ngx_http_imagxp_receipt_release(r, ctx, 0);

            return rc == NGX_ERROR || rc > NGX_OK ? rc : ngx_http_imagxp_next_body_filter(r, cl);
        }

        if (len > 0) {
            ctx->held->last = ngx_cpymem(ctx->held->last, cl->buf->pos, len);
            cl->buf->pos += len;
        }

        last |= cl->buf->last_buf;
    }

    return last ? ngx_http_imagxp_receipt_release(r, ctx, 1) : NGX_OK;
}

/* Sends what was held back: the head, and the body with it. */
static ngx_int_t
ngx_http_imagxp_receipt_release(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx, ngx_uint_t last)
{
    ngx_int_t     rc;
    ngx_chain_t   out;
    imagxp_slice  body;

    ctx->holding = 0;

    if (ctx->hasher != NULL) {
        body.ptr = ctx->held->pos;
        body.len = ctx->held->last - ctx->held->pos;

        if (imagxp_hasher_update(ctx->hasher, body, NULL) != IMAGXP_OK
            || ngx_http_imagxp_receipt_sign(r, ctx, &r->headers_out.headers) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    rc = ngx_http_imagxp_next_header_filter(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    if (!last && ctx->held->last == ctx->held->pos) {
        return NGX_OK;
    }

    ctx->held->last_buf = last;
    ctx->held->last_in_chain = last;
    out.buf = ctx->held;
    out.next = NULL;

    return ngx_http_imagxp_next_body_filter(r, &out);
}

static ngx_int_t
ngx_http_imagxp_receipt_sign(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx, ngx_list_t *headers)
{
    size_t                       i;
    ngx_int_t                    rc;
    ngx_str_t                    url;
    imagxp_error                *error;
    imagxp_bytes                 sha256;
    imagxp_slice                 hash;
    imagxp_status                status;
    ngx_http_imagxp_loc_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_imagxp_module);

    if (imagxp_hasher_finish(ctx->hasher, &sha256, NULL) != IMAGXP_OK) {
        return NGX_ERROR;
    }

    url = ngx_http_imagxp_resource(r, ctx);
    hash.ptr = sha256.ptr;
    hash.len = sha256.len;
    error = NULL;

    status = imagxp_receipt_sign(conf->provenance_key, ngx_http_imagxp_slice(&url), hash,
                                 imagxp_policy_content_origin(ctx->site->policy->policy),
                                 imagxp_verdict_trace_id(ctx->verdict), imagxp_verdict_agent_id(ctx->verdict),
                                 ngx_http_imagxp_now(), &ctx->receipt, &error);
    imagxp_bytes_free(&sha256);

    if (status != IMAGXP_OK) {
        /* The content is good all the same. */
        ngx_http_imagxp_log_error(NGX_LOG_ERR, r->connection->log, "a receipt cannot be signed", error);
        return NGX_OK;
    }

    rc = NGX_OK;

    for (i = 0; i < imagxp_headers_count(ctx->receipt) && rc == NGX_OK; i++) {
        rc = ngx_http_imagxp_add_header(r, headers, imagxp_headers_name(ctx->receipt, i), imagxp_headers_value(ctx->receipt, i));
    }

    return rc;
}
