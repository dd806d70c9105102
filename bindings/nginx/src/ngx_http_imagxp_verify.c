/*
 * The access phase: one verdict per request and site. A request that lacks a document waits for its fetch and is taken up again here.
 */

#include "ngx_http_imagxp.h"

#define MAX_LINES  1024

static ngx_http_imagxp_ctx_t *ngx_http_imagxp_ctx_make(ngx_http_request_t *r, ngx_http_imagxp_site_t *site);
static void ngx_http_imagxp_ctx_free(void *data);
static ngx_int_t ngx_http_imagxp_verify(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx);
static imagxp_request *ngx_http_imagxp_request(ngx_http_request_t *r, imagxp_error **error);
static ngx_int_t ngx_http_imagxp_complete(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx);
static ngx_int_t ngx_http_imagxp_read_body(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx);
static void ngx_http_imagxp_body_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_imagxp_body_digest(ngx_http_request_t *r, imagxp_request *request, imagxp_error **error);
static void ngx_http_imagxp_take_feedback(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx);
static ngx_int_t ngx_http_imagxp_answer(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx);
static ngx_uint_t ngx_http_imagxp_is_robots(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx);

static ngx_str_t  ngx_http_imagxp_well_known = ngx_string("/.well-known/imagxp-policy.json");

/* Whose verification is running: a request that passes two sites has spent its nonce once. Set around each call of the library. */
static ngx_http_imagxp_ctx_t  *ngx_http_imagxp_current;

ngx_int_t
ngx_http_imagxp_access_handler(ngx_http_request_t *r)
{
    ngx_int_t                    rc;
    ngx_http_imagxp_ctx_t       *ctx;
    ngx_http_imagxp_loc_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_imagxp_module);

    if (conf->mode == NGX_HTTP_IMAGXP_OFF || r != r->main) {
        return NGX_DECLINED;
    }

    /* Whatever becomes of the request: an error page or another module may pass it on, too. */
    if (conf->strip_headers && ngx_http_imagxp_strip_headers(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx = ngx_http_imagxp_ctx(r);

    if (ctx != NULL && ctx->elsewhere) {
        /* The page that tells about the refusal. */
        return NGX_DECLINED;
    }

    if (r->uri.len == ngx_http_imagxp_well_known.len
        && ngx_strncmp(r->uri.data, ngx_http_imagxp_well_known.data, r->uri.len) == 0
        && (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD)) && !r->internal)
    {
        return ngx_http_imagxp_serve_policy(r, conf->site);
    }

    if (ctx == NULL || ctx->site != conf->site) {
        ctx = ngx_http_imagxp_ctx_make(r, conf->site);
        if (ctx == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    if (ctx->fetch != NULL) {
        return NGX_AGAIN;
    }

    if (!ctx->decided) {
        rc = ctx->verdict == NULL ? ngx_http_imagxp_verify(r, ctx) : NGX_OK;

        if (rc == NGX_OK) {
            rc = ngx_http_imagxp_complete(r, ctx);
        }

        if (rc == NGX_AGAIN || rc == NGX_DONE) {
            return rc;
        }

        if (rc != NGX_OK) {
            /* Whatever it is, it must not become a way in. */
            ctx->refused = 1;
            ctx->error = 1;
            ctx->http = NGX_HTTP_INTERNAL_SERVER_ERROR;
            ctx->decided = 1;
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ctx->decided = 1;
        ngx_http_imagxp_take_feedback(r, ctx);
    }

    return ngx_http_imagxp_answer(r, ctx);
}

/* After the access phase: whoever comes here has been let in, by us or, with `satisfy any`, by somebody else. */
ngx_int_t
ngx_http_imagxp_passed_handler(ngx_http_request_t *r)
{
    ngx_http_imagxp_ctx_t  *ctx;

    ctx = r == r->main ? ngx_http_imagxp_ctx(r) : NULL;

    if (ctx != NULL && !ctx->elsewhere) {
        ctx->refused = 0;
    }

    return NGX_DECLINED;
}

/* The context of a request, also after an internal redirect, which takes it away from the request. */
ngx_http_imagxp_ctx_t *
ngx_http_imagxp_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t     *cln;
    ngx_http_imagxp_ctx_t  *ctx;

    r = r->main;
    ctx = ngx_http_get_module_ctx(r, ngx_http_imagxp_module);

    if (ctx == NULL && (r->internal || r->filter_finalize)) {
        for (cln = r->pool->cleanup; cln != NULL; cln = cln->next) {
            if (cln->handler == ngx_http_imagxp_ctx_free) {
                ctx = cln->data;
                ngx_http_set_ctx(r, ctx, ngx_http_imagxp_module);
                /* Only an error page leads a refused request on. */
                ctx->elsewhere = ctx->refused;
                break;
            }
        }
    }

    return ctx;
}

/* Whether the running request itself has spent this. */
int
ngx_http_imagxp_own(const uint8_t *key)
{
    ngx_uint_t              i;
    ngx_http_imagxp_ctx_t  *ctx = ngx_http_imagxp_current;

    for (i = 0; ctx != NULL && i < ctx->nspent; i++) {
        if (ngx_memcmp(ctx->spent[i], key, 16) == 0) {
            return 1;
        }
    }

    return 0;
}

/* Notes what a site has stored for the running request; other sites will find it there. */
void
ngx_http_imagxp_spend(const uint8_t *key)
{
    ngx_http_imagxp_ctx_t  *ctx = ngx_http_imagxp_current;

    if (ctx != NULL && ctx->nspent_now < NGX_HTTP_IMAGXP_MAX_SPENT) {
        ngx_memcpy(ctx->spent[ctx->nspent_now++], key, 16);
    }
}

static ngx_http_imagxp_ctx_t *
ngx_http_imagxp_ctx_make(ngx_http_request_t *r, ngx_http_imagxp_site_t *site)
{
    ngx_pool_cleanup_t     *cln;
    ngx_http_imagxp_ctx_t  *ctx;

    ctx = ngx_http_imagxp_ctx(r);

    if (ctx == NULL) {
        ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_imagxp_ctx_t));
        cln = ngx_pool_cleanup_add(r->pool, 0);

        if (ctx == NULL || cln == NULL) {
            return NULL;
        }

        ctx->request = r;
        cln->handler = ngx_http_imagxp_ctx_free;
        cln->data = ctx;
        ngx_http_set_ctx(r, ctx, ngx_http_imagxp_module);

    } else {
        /* Another site judges the same request: what it has spent already is its own. */
        ngx_http_imagxp_fetch_leave(ctx);
        imagxp_verdict_free(ctx->verdict);
        ctx->verdict = NULL;
        imagxp_feedback_free(ctx->feedback);
        ctx->feedback = NULL;
        ctx->nspent = ctx->nspent_now;
        ctx->rounds = 0;
        ctx->decided = 0;
        ctx->refused = 0;
    }

    ctx->site = site;

    return ctx;
}

static void
ngx_http_imagxp_ctx_free(void *data)
{
    ngx_http_imagxp_ctx_t  *ctx = data;

    ngx_http_imagxp_fetch_leave(ctx);
    imagxp_headers_free(ctx->receipt);
    imagxp_hasher_free(ctx->hasher);
    imagxp_feedback_free(ctx->feedback);
    imagxp_verdict_free(ctx->verdict);
    ngx_memzero(ctx, sizeof(ngx_http_imagxp_ctx_t));
}

static ngx_int_t
ngx_http_imagxp_verify(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx)
{
    imagxp_error      *error;
    imagxp_status      status;
    imagxp_request    *request;
    imagxp_verdict    *verdict;
    imagxp_publisher  *publisher;

    publisher = ngx_http_imagxp_publisher(ctx->site, r->connection->log);
    if (publisher == NULL) {
        return NGX_ERROR;
    }

    for ( ;; ) {
        error = NULL;
        request = ngx_http_imagxp_request(r, &error);

        if (request == NULL
            || (ctx->body_read && ngx_http_imagxp_body_digest(r, request, &error) != NGX_OK))
        {
            imagxp_request_free(request);
            ngx_http_imagxp_log_error(NGX_LOG_ERR, r->connection->log, "the request cannot be read", error);
            return NGX_ERROR;
        }

        ngx_http_imagxp_current = ctx;
        status = imagxp_publisher_verify(publisher, request, ngx_http_imagxp_now(), &verdict, &error);
        ngx_http_imagxp_current = NULL;
        imagxp_request_free(request);

        if (status != IMAGXP_OK) {
            ngx_http_imagxp_log_error(NGX_LOG_ERR, r->connection->log, "the verification failed", error);
            return NGX_ERROR;
        }

        if (imagxp_verdict_code(verdict) == IMAGXP_CLAIM_DIGEST_MISMATCH && !ctx->body_read) {
            /* The agent has signed the body too. The check of the digest comes before anything is spent. */
            switch (ngx_http_imagxp_read_body(r, ctx)) {

            case NGX_OK:
                imagxp_verdict_free(verdict);
                continue;

            case NGX_DONE:
                imagxp_verdict_free(verdict);
                return NGX_DONE;

            case NGX_DECLINED:
                break;

            default:
                imagxp_verdict_free(verdict);
                return NGX_ERROR;
            }
        }

        ctx->verdict = verdict;

        return NGX_OK;
    }
}

/* The request as it came: its target, never the Host header, and every header line in order. */
static imagxp_request *
ngx_http_imagxp_request(ngx_http_request_t *r, imagxp_error **error)
{
    u_char                      *p;
    ngx_str_t                    url;
    ngx_uint_t                   i, n;
    imagxp_slice                *slices;
    imagxp_request              *request;
    ngx_list_part_t             *part;
    ngx_table_elt_t             *header;
    ngx_http_imagxp_loc_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_imagxp_module);

    n = 0;
    for (part = &r->headers_in.headers.part; part != NULL; part = part->next) {
        n += part->nelts;
    }

    /* What is beyond any limit is counted, not carried: the library refuses it. */
    n = ngx_min(n, MAX_LINES);

    slices = ngx_palloc(r->pool, (n + 1) * 2 * sizeof(imagxp_slice));
    if (slices == NULL) {
        return NULL;
    }

    n = 0;
    for (part = &r->headers_in.headers.part; part != NULL && n < MAX_LINES; part = part->next) {
        header = part->elts;

        for (i = 0; i < part->nelts && n < MAX_LINES; i++, n++) {
            slices[2 * n] = ngx_http_imagxp_slice(&header[i].key);
            slices[2 * n + 1] = ngx_http_imagxp_slice(&header[i].value);
        }
    }

    if (r->unparsed_uri.len == 0 || r->unparsed_uri.data[0] != '/') {
        /* No rule fits what is no path. */
        ngx_str_set(&url, "*");

    } else if (conf->origin.len == 0) {
        url = r->unparsed_uri;

    } else {
        url.len = conf->origin.len + r->unparsed_uri.len;
        url.data = ngx_pnalloc(r->pool, url.len);
        if (url.data == NULL) {
            return NULL;
        }

        p = ngx_cpymem(url.data, conf->origin.data, conf->origin.len);
        ngx_memcpy(p, r->unparsed_uri.data, r->unparsed_uri.len);
    }

    if (imagxp_request_new(ngx_http_imagxp_slice(&r->method_name), ngx_http_imagxp_slice(&url), slices, n, &request, error)
        != IMAGXP_OK)
    {
        return NULL;
    }

    return request;
}

/* Gets what the verdict needs until it needs nothing more. */
static ngx_int_t
ngx_http_imagxp_complete(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx)
{
    size_t             i;
    ngx_int_t          rc;
    ngx_str_t          url;
    imagxp_need        kind;
    imagxp_error      *error;
    imagxp_status      status;
    imagxp_verdict    *verdict;
    imagxp_publisher  *publisher;

    publisher = ngx_http_imagxp_publisher(ctx->site, r->connection->log);

    while (imagxp_verdict_is_pending(ctx->verdict) && ctx->rounds < NGX_HTTP_IMAGXP_MAX_ROUNDS) {

        if (!ctx->fetched) {
            for (i = 0; i < imagxp_verdict_need_count(ctx->verdict); i++) {
                kind = imagxp_verdict_need(ctx->verdict, i);
                url = ngx_http_imagxp_str(imagxp_verdict_need_url(ctx->verdict, i));

                rc = ngx_http_imagxp_fetch_join(ctx, kind, &url);

                if (rc == NGX_AGAIN) {
                    ctx->fetched = 1;
                    return NGX_AGAIN;
                }

                if (rc == NGX_ERROR) {
                    return NGX_ERROR;
                }

                if (rc == NGX_DECLINED && kind == IMAGXP_NEED_REDEEM) {
                    if (imagxp_verdict_redeemed(ctx->verdict, IMAGXP_REDEMPTION_UNAVAILABLE, NULL) != IMAGXP_OK) {
                        return NGX_ERROR;
                    }

                    continue;
                }

                if (rc == NGX_DECLINED) {
                    /* Nobody can get it: the verdict stays undecided. */
                    return NGX_OK;
                }
            }
        }

        ctx->fetched = 0;
        ctx->rounds++;
        error = NULL;

        ngx_http_imagxp_current = ctx;
        status = imagxp_publisher_resume(publisher, ctx->verdict, ngx_http_imagxp_now(), &verdict, &error);
        ngx_http_imagxp_current = NULL;

        if (status != IMAGXP_OK) {
            ngx_http_imagxp_log_error(NGX_LOG_ERR, r->connection->log, "the verification could not go on", error);
            return NGX_ERROR;
        }

        imagxp_verdict_free(ctx->verdict);
        ctx->verdict = verdict;
    }

    return NGX_OK;
}

/* NGX_OK: it is here; NGX_DONE: it is coming; NGX_DECLINED: it is none that we would hold in memory. */
static ngx_int_t
ngx_http_imagxp_read_body(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx)
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

static ngx_int_t
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
            return NGX_OK;
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

/* What came in x-imagxp-feedback. It never decides about the request that carries it. */
static void
ngx_http_imagxp_take_feedback(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx)
{
    ngx_uint_t                   i, n;
    imagxp_error                *error;
    imagxp_slice                 value, name;
    imagxp_status                status;
    imagxp_verdict              *verdict;
    const imagxp_verdict        *carrier;
    ngx_list_part_t             *part;
    ngx_table_elt_t             *header;
    ngx_http_imagxp_loc_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_imagxp_module);

    if (!conf->feedback) {
        return;
    }

    n = 0;
    ngx_memzero(&value, sizeof(value));

    for (part = &r->headers_in.headers.part; part != NULL; part = part->next) {
        header = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (header[i].key.len == sizeof("x-imagxp-feedback") - 1
                && ngx_strncasecmp(header[i].key.data, (u_char *) "x-imagxp-feedback", header[i].key.len) == 0)
            {
                value = ngx_http_imagxp_slice(&header[i].value);
                n++;
            }
        }
    }

    if (n != 1) {
        return;
    }

    carrier = imagxp_verdict_visitor(ctx->verdict) == IMAGXP_VISITOR_VERIFIED_AGENT ? ctx->verdict : NULL;
    error = NULL;

    ngx_http_imagxp_current = ctx;
    status = imagxp_publisher_feedback(ngx_http_imagxp_publisher(ctx->site, r->connection->log), value, carrier,
                                       ngx_http_imagxp_now(), &verdict, &ctx->feedback, &error);
    ngx_http_imagxp_current = NULL;

    if (status != IMAGXP_OK) {
        ngx_http_imagxp_log_error(NGX_LOG_ERR, r->connection->log, "taking feedback failed", error);
        ngx_str_set(&ctx->feedback_status, "internal.invariant");
        return;
    }

    if (imagxp_verdict_is_allowed(verdict)) {
        ngx_str_set(&ctx->feedback_status, "accepted");

    } else {
        /* The names of codes live forever. */
        name = imagxp_status_name(imagxp_verdict_code(verdict));
        ctx->feedback_status = ngx_http_imagxp_str(name);
    }

    imagxp_verdict_free(verdict);
}

static ngx_int_t
ngx_http_imagxp_answer(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx)
{
    ngx_http_imagxp_loc_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_imagxp_module);

    if (!imagxp_verdict_is_allowed(ctx->verdict) && !ngx_http_imagxp_is_robots(r, ctx)) {
        return ngx_http_imagxp_refuse(r, ctx);
    }

    /* With `satisfy any` only a verdict that grants opens what others would close. */
    if (conf->mode == NGX_HTTP_IMAGXP_OBSERVE || !imagxp_verdict_is_allowed(ctx->verdict)) {
        return NGX_DECLINED;
    }

    return NGX_OK;
}

/* Rules that nobody may read bind nobody (RFC 9309 section 2.3.1.3). */
static ngx_uint_t
ngx_http_imagxp_is_robots(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx)
{
    imagxp_visitor    visitor;
    static ngx_str_t  robots = ngx_string("/robots.txt");

    visitor = imagxp_verdict_visitor(ctx->verdict);

    /* As it is served, and as it came: a proxy may pass on the latter, and another reading of it must not become a way in. */
    return (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))
           && r->uri.len == robots.len && ngx_strncmp(r->uri.data, robots.data, robots.len) == 0
           && r->unparsed_uri.len >= robots.len && ngx_strncmp(r->unparsed_uri.data, robots.data, robots.len) == 0
           && (r->unparsed_uri.len == robots.len || r->unparsed_uri.data[robots.len] == '?')
           && (visitor == IMAGXP_VISITOR_UNSIGNED_BROWSER || visitor == IMAGXP_VISITOR_UNSIGNED_CLIENT);
}
