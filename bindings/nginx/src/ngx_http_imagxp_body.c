/*
 * The body of a request whose claim signs it: read into memory, when it is small enough, and hashed.
 */

#include "ngx_http_imagxp.h"

static void ngx_http_imagxp_body_handler(ngx_http_request_t *r);

/* NGX_OK: it is here; NGX_DONE: it is coming; NGX_DECLINED: it is none that we would hold in memory. */
ngx_int_t
ngx_http_imagxp_body_read(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx)
{
    ngx_int_t                  rc;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (r->headers_in.content_length_n < 0 && !r->headers_in.chunked) {
        ctx->body_read = 1;
        return NGX_OK;
    }

    if (r->headers_in.chunked || r->headers_in.content_length_n > (off_t) clcf->client_body_buffer_size) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "imagxp: a signed body is not checked: it has no length or more than client_body_buffer_size");
        return NGX_DECLINED;
    }

    ctx->body_read = 1;
    r->request_body_in_single_buf = 1;
    rc = ngx_http_read_client_request_body(r, ngx_http_imagxp_body_handler);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return NGX_ERROR;
    }

    ngx_http_finalize_request(r, NGX_DONE);

    return NGX_DONE;
}

static void
ngx_http_imagxp_body_handler(ngx_http_request_t *r)
{
    r->preserve_body = 1;
    r->write_event_handler = ngx_http_core_run_phases;
    ngx_http_core_run_phases(r);
}

/* The body will not be read: if the claim signs it, the refusal is final, and goes into the audit log. */
ngx_int_t
ngx_http_imagxp_body_unread(imagxp_request *request, imagxp_error **error)
{
    imagxp_slice  none;

    none.ptr = NULL;
    none.len = 0;

    return imagxp_request_set_body_digest(request, none, error) == IMAGXP_OK ? NGX_OK : NGX_ERROR;
}

ngx_int_t
ngx_http_imagxp_body_digest(ngx_http_request_t *r, imagxp_request *request, imagxp_error **error)
{
    u_char         *p;
    ngx_str_t       body;
    ngx_int_t       rc;
    ngx_chain_t    *cl;
    imagxp_bytes    digest;
    imagxp_slice    slice;

    ngx_str_null(&body);

    if (r->request_body != NULL) {
        if (r->request_body->temp_file != NULL) {
            /* Reading it would block; without a digest the claim does not match. */
            return ngx_http_imagxp_body_unread(request, error);
        }

        for (cl = r->request_body->bufs; cl != NULL; cl = cl->next) {
            body.len += cl->buf->last - cl->buf->pos;
        }

        body.data = ngx_pnalloc(r->pool, body.len + 1);
        if (body.data == NULL) {
            return NGX_ERROR;
        }

        p = body.data;
        for (cl = r->request_body->bufs; cl != NULL; cl = cl->next) {
            p = ngx_cpymem(p, cl->buf->pos, cl->buf->last - cl->buf->pos);
        }
    }

    if (imagxp_content_digest(ngx_http_imagxp_slice(&body), &digest, error) != IMAGXP_OK) {
        return NGX_ERROR;
    }

    slice.ptr = digest.ptr;
    slice.len = digest.len;
    rc = imagxp_request_set_body_digest(request, slice, error) == IMAGXP_OK ? NGX_OK : NGX_ERROR;
    imagxp_bytes_free(&digest);

    return rc;
}
