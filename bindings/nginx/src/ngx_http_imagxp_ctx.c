/*
 * A request's context: one per request, for one site after the other. It outlives internal redirects, and remembers what the request has
 * spent and what a broker has said of its visa: who passes two sites has spent its nonce once, and is paid for once.
 */

#include "ngx_http_imagxp.h"

static void ngx_http_imagxp_ctx_free(void *data);

/* Whose verification is running: set around each call of the library. */
ngx_http_imagxp_ctx_t  *ngx_http_imagxp_current;

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

/* The context of a request for the site that judges it now. */
ngx_http_imagxp_ctx_t *
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
        ctx->astray = 0;
    }

    ctx->site = site;

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
