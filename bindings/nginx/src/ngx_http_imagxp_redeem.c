/*
 * Asking a broker about a visa (`check = "redeem"`): what the operator configures, what is sent in the site's name, and what the answer says.
 * fetch.c sends it, waits for it, and asks again under the same key when no word has come.
 */

#include "ngx_http_imagxp.h"

#define MAX_KEY_BYTES  (16 * 1024)

static ngx_int_t ngx_http_imagxp_redeem_headers(ngx_http_request_t *sr, ngx_http_imagxp_ctx_t *ctx, imagxp_identity *identity,
    ngx_str_t *url, ngx_str_t *body);
static ngx_int_t ngx_http_imagxp_redeem_body(ngx_http_request_t *sr, ngx_str_t *body);
static void ngx_http_imagxp_redeem_identity_free(void *data);

/* imagxp_redeem_identity <the site's domain> <file of its private key>; or off. */
char *
ngx_http_imagxp_redeem_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                   *value, pem, message;
    imagxp_key                  *key;
    imagxp_error                *error;
    imagxp_status                status;
    ngx_pool_cleanup_t          *cln;
    ngx_http_imagxp_loc_conf_t  *lcf = conf;

    if (lcf->redeem_identity != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;
    lcf->redeem_identity = NULL;

    if (cf->args->nelts == 2) {
        return ngx_strcmp(value[1].data, "off") == 0 ? NGX_CONF_OK : "takes a domain and the file of its key, or \"off\"";
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);

    if (cln == NULL || ngx_http_imagxp_read_file(cf, &value[2], MAX_KEY_BYTES, &pem) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    key = NULL;
    status = imagxp_key_from_pem(ngx_http_imagxp_slice(&pem), &key, &error);
    ngx_explicit_memzero(pem.data, pem.len);

    if (status == IMAGXP_OK) {
        status = imagxp_identity_new(ngx_http_imagxp_slice(&value[1]), key, true, &lcf->redeem_identity, &error);
        imagxp_key_free(key);
    }

    if (status != IMAGXP_OK) {
        message = ngx_http_imagxp_str(imagxp_error_message(error));
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%V \"%V\" \"%V\": %V", &cmd->name, &value[1], &value[2], &message);
        imagxp_error_free(error);
        lcf->redeem_identity = NULL;
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_http_imagxp_redeem_identity_free;
    cln->data = lcf->redeem_identity;

    return NGX_CONF_OK;
}

/* Makes a subrequest, of which nothing is the reader's, one that asks the broker at this URL. */
ngx_int_t
ngx_http_imagxp_redeem_ask(ngx_http_request_t *sr, ngx_http_imagxp_ctx_t *ctx, ngx_str_t *url)
{
    ngx_int_t                    rc;
    ngx_str_t                    body;
    imagxp_bytes                 bytes;
    imagxp_error                *error;
    ngx_http_imagxp_loc_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_imagxp_module);

    if (imagxp_publisher_redemption(ngx_http_imagxp_publisher(ctx->site, sr->connection->log), ctx->verdict, ngx_http_imagxp_now(),
                                    &bytes, &error)
        != IMAGXP_OK)
    {
        ngx_http_imagxp_log_error(NGX_LOG_ERR, sr->connection->log, "a visa cannot be presented", error);
        return NGX_ERROR;
    }

    body.data = bytes.ptr;
    body.len = bytes.len;
    rc = ngx_http_imagxp_redeem_body(sr, &body);

    if (rc == NGX_OK) {
        rc = ngx_http_imagxp_redeem_headers(sr, ctx, conf->redeem_identity, url, &body);
    }

    imagxp_bytes_free(&bytes);

    return rc;
}

/* What came of it. A broker that says nothing definite may have decided all the same. */
imagxp_redemption
ngx_http_imagxp_redeem_read(ngx_http_request_t *sr, ngx_int_t rc)
{
    ngx_str_t   text;
    ngx_uint_t  status;

    status = rc >= NGX_HTTP_SPECIAL_RESPONSE ? (ngx_uint_t) rc : sr->headers_out.status;

    if (rc == NGX_ERROR || sr->out == NULL || sr->out->buf == NULL || sr->headers_out.content_encoding != NULL) {
        return IMAGXP_REDEMPTION_UNAVAILABLE;
    }

    text.data = sr->out->buf->pos;
    text.len = sr->out->buf->last - sr->out->buf->pos;

    return imagxp_redemption_read((uint32_t) status, ngx_http_imagxp_slice(&text));
}

/* The site signs each sending anew; the key by which the broker knows it again is the verdict's. */
static ngx_int_t
ngx_http_imagxp_redeem_headers(ngx_http_request_t *sr, ngx_http_imagxp_ctx_t *ctx, imagxp_identity *identity, ngx_str_t *url,
    ngx_str_t *body)
{
    size_t                 i;
    ngx_int_t              rc;
    ngx_list_t            *lines;
    imagxp_bytes           digest;
    imagxp_error          *error;
    imagxp_slice           slice, none;
    imagxp_headers        *signed_lines;
    imagxp_sign_request   *request;

    lines = &sr->headers_in.headers;
    ngx_memzero(&none, sizeof(none));
    ngx_memzero(&digest, sizeof(digest));
    request = NULL;
    signed_lines = NULL;
    error = NULL;
    rc = NGX_ERROR;

    if (imagxp_content_digest(ngx_http_imagxp_slice(body), &digest, &error) == IMAGXP_OK
        && imagxp_sign_request_new(imagxp_slice_of("POST"), ngx_http_imagxp_slice(url), IMAGXP_PURPOSE_SUMMARY, &request, &error)
           == IMAGXP_OK)
    {
        slice.ptr = digest.ptr;
        slice.len = digest.len;

        if (imagxp_sign_request_set_content_digest(request, slice, &error) == IMAGXP_OK
            && imagxp_identity_sign(identity, request, ngx_http_imagxp_now(), none, &signed_lines, &error) == IMAGXP_OK)
        {
            rc = NGX_OK;
        }
    }

    if (rc != NGX_OK) {
        ngx_http_imagxp_log_error(NGX_LOG_ERR, sr->connection->log, "a request to the broker cannot be signed", error);
    }

    for (i = 0; rc == NGX_OK && i < imagxp_headers_count(signed_lines); i++) {
        rc = ngx_http_imagxp_add_header(sr, lines, imagxp_headers_name(signed_lines, i), imagxp_headers_value(signed_lines, i));
    }

    imagxp_headers_free(signed_lines);
    imagxp_sign_request_free(request);
    imagxp_bytes_free(&digest);

    if (rc != NGX_OK
        || ngx_http_imagxp_add_header(sr, lines, imagxp_slice_of("User-Agent"), imagxp_slice_of("nginx IMAGXP/1.0")) != NGX_OK
        || ngx_http_imagxp_add_header(sr, lines, imagxp_slice_of("Content-Type"), imagxp_slice_of("application/json")) != NGX_OK
        || ngx_http_imagxp_add_header(sr, lines, imagxp_slice_of("Idempotency-Key"), imagxp_verdict_trace_id(ctx->verdict))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}

/* A body in memory, as if it had been read. */
static ngx_int_t
ngx_http_imagxp_redeem_body(ngx_http_request_t *sr, ngx_str_t *body)
{
    ngx_buf_t                *buf;
    ngx_chain_t              *cl;
    ngx_http_request_body_t  *rb;

    rb = ngx_pcalloc(sr->pool, sizeof(ngx_http_request_body_t));
    buf = ngx_create_temp_buf(sr->pool, body->len);
    cl = ngx_alloc_chain_link(sr->pool);

    if (rb == NULL || buf == NULL || cl == NULL) {
        return NGX_ERROR;
    }

    buf->last = ngx_cpymem(buf->pos, body->data, body->len);
    buf->last_buf = 1;
    cl->buf = buf;
    cl->next = NULL;
    rb->bufs = cl;
    rb->buf = buf;
    sr->request_body = rb;
    sr->headers_in.content_length_n = body->len;

    return NGX_OK;
}

static void
ngx_http_imagxp_redeem_identity_free(void *data)
{
    imagxp_identity_free(data);
}
