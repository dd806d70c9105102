/*
 * The access phase: one verdict per request and site. A request that lacks a document waits for its fetch and is taken up again here.
 */

#include "ngx_http_imagxp_fetch.h"

#define MAX_LINES  1024

static ngx_int_t ngx_http_imagxp_verify(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx);
static imagxp_request *ngx_http_imagxp_request(ngx_http_request_t *r, imagxp_error **error);
static ngx_int_t ngx_http_imagxp_complete(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx);
static ngx_int_t ngx_http_imagxp_answer(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx);
static ngx_uint_t ngx_http_imagxp_is_robots(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx);

static ngx_str_t  ngx_http_imagxp_well_known = ngx_string("/.well-known/imagxp-policy.json");

ngx_int_t
ngx_http_imagxp_access_handler(ngx_http_request_t *r)
{
    ngx_int_t                     rc;
    ngx_http_imagxp_ctx_t        *ctx;
    ngx_http_imagxp_loc_conf_t   *conf;
    ngx_http_imagxp_main_conf_t  *mcf;

    if (r != r->main) {
        return NGX_DECLINED;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_imagxp_module);
    conf = ngx_http_get_module_loc_conf(r, ngx_http_imagxp_module);

    /*
     * Whatever becomes of the request: an error page or another module may pass it on, too. Also where nobody is judged: an application
     * that believes these headers has more than one location.
     */
    if (mcf->zone != NULL && conf->strip_headers && ngx_http_imagxp_strip_headers(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (conf->mode == NGX_HTTP_IMAGXP_OFF) {
        return NGX_DECLINED;
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
        ngx_http_imagxp_feedback_take(r, ctx);
    }

    return ngx_http_imagxp_answer(r, ctx);
}

/* After the access phase: whoever comes here has been let in, by us or, with `satisfy any`, by somebody else. Our own subrequests come here, too. */
ngx_int_t
ngx_http_imagxp_passed_handler(ngx_http_request_t *r)
{
    ngx_http_imagxp_ctx_t  *ctx;

    if (r != r->main) {
        return ngx_http_imagxp_exchange_is_astray(r) ? NGX_HTTP_NOT_FOUND : NGX_DECLINED;
    }

    ctx = ngx_http_imagxp_ctx(r);

    if (ctx != NULL && !ctx->elsewhere) {
        ctx->refused = 0;
    }

    return NGX_DECLINED;
}

static ngx_int_t
ngx_http_imagxp_verify(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx)
{
    ngx_uint_t         unread;
    imagxp_error      *error;
    imagxp_status      status;
    imagxp_request    *request;
    imagxp_verdict    *verdict;
    imagxp_publisher  *publisher;

    publisher = ngx_http_imagxp_publisher(ctx->site, r->connection->log);
    if (publisher == NULL) {
        return NGX_ERROR;
    }

    unread = 0;

    for ( ;; ) {
        error = NULL;
        request = ngx_http_imagxp_request(r, &error);

        if (request == NULL
            || (ctx->body_read && ngx_http_imagxp_body_digest(r, request, &error) != NGX_OK)
            || (unread && ngx_http_imagxp_body_unread(request, &error) != NGX_OK))
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

        if (imagxp_verdict_code(verdict) == IMAGXP_CLAIM_DIGEST_MISMATCH && !ctx->body_read && !unread) {
            /* The agent has signed the body too. The check of the digest comes before anything is spent. */
            switch (ngx_http_imagxp_body_read(r, ctx)) {

            case NGX_OK:
                imagxp_verdict_free(verdict);
                continue;

            case NGX_DONE:
                imagxp_verdict_free(verdict);
                return NGX_DONE;

            case NGX_DECLINED:
                imagxp_verdict_free(verdict);
                unread = 1;
                continue;

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
    imagxp_redemption  answer;

    publisher = ngx_http_imagxp_publisher(ctx->site, r->connection->log);

    while (imagxp_verdict_is_pending(ctx->verdict) && ctx->rounds < NGX_HTTP_IMAGXP_MAX_ROUNDS) {

        if (!ctx->fetched) {
            for (i = 0; i < imagxp_verdict_need_count(ctx->verdict); i++) {
                kind = imagxp_verdict_need(ctx->verdict, i);
                url = ngx_http_imagxp_str(imagxp_verdict_need_url(ctx->verdict, i));

                answer = kind == IMAGXP_NEED_REDEEM ? ctx->redemption : 0;
                rc = answer != 0 ? NGX_DECLINED : ngx_http_imagxp_fetch_join(ctx, kind, &url);

                if (rc == NGX_AGAIN) {
                    ctx->fetched = 1;
                    return NGX_AGAIN;
                }

                if (rc == NGX_ERROR) {
                    return NGX_ERROR;
                }

                if (rc == NGX_DECLINED && kind == IMAGXP_NEED_REDEEM) {
                    /* A site before this one has asked about the visa, or nobody can. */
                    answer = answer != 0 ? answer : IMAGXP_REDEMPTION_UNAVAILABLE;

                    if (imagxp_verdict_redeemed(ctx->verdict, answer, NULL) != IMAGXP_OK) {
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

static ngx_int_t
ngx_http_imagxp_answer(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx)
{
    ngx_http_imagxp_loc_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_imagxp_module);

    if (!imagxp_verdict_is_allowed(ctx->verdict) && !ngx_http_imagxp_is_robots(r, ctx)) {
        return ngx_http_imagxp_refuse(r, ctx);
    }

    /* With `satisfy any` an OK opens what others would close: a verified reader may, an unsigned visitor merely passes here. */
    if (conf->mode == NGX_HTTP_IMAGXP_OBSERVE || !imagxp_verdict_is_allowed(ctx->verdict)
        || imagxp_verdict_visitor(ctx->verdict) != IMAGXP_VISITOR_VERIFIED_AGENT)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}

/*
 * Rules that nobody may read bind nobody (RFC 9309 section 2.3.1.3). The target counts as it came: a proxy may pass it on, and another reading
 * of it must not become a way in. The operator may lead it elsewhere, by `try_files`, `rewrite` or the page of an error; then without a query,
 * which is the visitor's and could choose another page there.
 */
static ngx_uint_t
ngx_http_imagxp_is_robots(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx)
{
    imagxp_visitor    visitor;
    static ngx_str_t  robots = ngx_string("/robots.txt");

    visitor = imagxp_verdict_visitor(ctx->verdict);

    return (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))
           && r->unparsed_uri.len >= robots.len && ngx_strncmp(r->unparsed_uri.data, robots.data, robots.len) == 0
           && (r->unparsed_uri.len == robots.len
               || (r->unparsed_uri.data[robots.len] == '?'
                   && r->uri.len == robots.len && ngx_strncmp(r->uri.data, robots.data, robots.len) == 0))
           && (visitor == IMAGXP_VISITOR_UNSIGNED_BROWSER || visitor == IMAGXP_VISITOR_UNSIGNED_CLIENT);
}
