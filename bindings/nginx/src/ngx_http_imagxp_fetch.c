/*
 * Fetches: what a verdict needs is fetched once per worker, however many requests wait for it, and none of them for longer than its deadline.
 * A broker is asked for each request on its own, and again until it says something definite.
 *
 * A fetch resolves the name with nginx's resolver, checks every address, and then runs a background subrequest of one of the waiting
 * requests, the carrier, to the operator's location. When the carrier goes away, another waiting request carries on; when all have gone, the
 * fetch ends. Waiting requests are woken by posted events, never from within a fetch.
 */

#include "ngx_http_imagxp_fetch.h"

#define MAX_FETCHES     32
#define MAX_PER_SECOND  50
#define MAX_REDEEMS     256

static ngx_http_imagxp_fetch_t *ngx_http_imagxp_fetch_find(ngx_http_imagxp_site_t *site, ngx_str_t *url);
static ngx_uint_t ngx_http_imagxp_fetch_is_busy(imagxp_need kind);
static ngx_http_imagxp_fetch_t *ngx_http_imagxp_fetch_start(ngx_http_imagxp_ctx_t *ctx, imagxp_need kind,
    ngx_str_t *url);
static void ngx_http_imagxp_fetch_late(ngx_event_t *ev);
static void ngx_http_imagxp_fetch_carry_on(ngx_event_t *ev);
static void ngx_http_imagxp_fetch_wake(ngx_event_t *ev);

/* This worker's. */
static ngx_queue_t  ngx_http_imagxp_fetches;
static ngx_uint_t   ngx_http_imagxp_nfetches;
static ngx_uint_t   ngx_http_imagxp_nredeems;

/* NGX_OK: supplied, or said to come later; NGX_AGAIN: the request waits and will run its phases again; NGX_DECLINED: nobody can fetch it now. */
ngx_int_t
ngx_http_imagxp_fetch_join(ngx_http_imagxp_ctx_t *ctx, imagxp_need kind, ngx_str_t *url)
{
    ngx_int_t                 rc;
    ngx_http_request_t       *r;
    ngx_http_imagxp_fetch_t  *fetch;

    r = ctx->request;

    if (kind != IMAGXP_NEED_REDEEM) {
        rc = ngx_http_imagxp_document_given(ctx, url);
        if (rc != NGX_DECLINED) {
            return rc;
        }

        if (ngx_http_imagxp_document_supply(ctx->site, url, ngx_http_imagxp_now(), 0, r->connection->log) == NGX_OK) {
            return NGX_OK;
        }
    }

    if (ctx->astray || !ngx_http_imagxp_location_is_usable(r, kind, url)) {
        return NGX_DECLINED;
    }

    if (ngx_http_imagxp_fetches.next == NULL) {
        ngx_queue_init(&ngx_http_imagxp_fetches);
    }

    /* What a broker says of one visa is nobody else's answer. */
    fetch = kind == IMAGXP_NEED_REDEEM ? NULL : ngx_http_imagxp_fetch_find(ctx->site, url);

    if (fetch == NULL) {
        if (ngx_http_imagxp_fetch_is_busy(kind)) {
            ngx_log_error(NGX_LOG_WARN, r->connection->log, 0, "imagxp: %V is not fetched: too many fetches", url);

            if (kind == IMAGXP_NEED_REDEEM) {
                return NGX_DECLINED;
            }

            ngx_http_imagxp_exchange_report(ctx->site, url, IMAGXP_FETCH_BUSY);
            return NGX_OK;
        }

        fetch = ngx_http_imagxp_fetch_start(ctx, kind, url);
        if (fetch == NULL) {
            return NGX_ERROR;
        }
    }

    ctx->fetch = fetch;
    ngx_queue_insert_tail(&fetch->waiting, &ctx->queue);
    ctx->wake.handler = ngx_http_imagxp_fetch_wake;
    ctx->wake.data = ctx;
    ctx->wake.log = r->connection->log;

    /* A client that goes away is noticed. */
    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
        ngx_http_imagxp_fetch_leave(ctx);
        return NGX_ERROR;
    }

    if (fetch->resolving == NULL && fetch->subrequest == NULL && !fetch->again.posted) {
        ngx_http_imagxp_exchange_begin(fetch, r);
    }

    return NGX_AGAIN;
}

/* The request waits no more: it is going away, or has been woken. */
void
ngx_http_imagxp_fetch_leave(ngx_http_imagxp_ctx_t *ctx)
{
    ngx_http_imagxp_fetch_t  *fetch;

    if (ctx->wake.posted) {
        ngx_delete_posted_event(&ctx->wake);
    }

    fetch = ctx->fetch;

    if (fetch == NULL) {
        return;
    }

    ctx->fetch = NULL;
    ngx_queue_remove(&ctx->queue);

    if (fetch->carrier == ctx) {
        /* The subrequest goes with its request. */
        fetch->carrier = NULL;
        fetch->subrequest = NULL;
        fetch->post->data = NULL;
        fetch->post = NULL;

        if (!ngx_queue_empty(&fetch->waiting)) {
            ngx_post_event(&fetch->again, &ngx_posted_events);
            return;
        }
    }

    if (ngx_queue_empty(&fetch->waiting)) {
        ngx_http_imagxp_fetch_end(fetch);
    }
}

/* Ends everything: the worker exits. */
void
ngx_http_imagxp_fetch_stop(void)
{
    ngx_queue_t              *q;
    ngx_http_imagxp_ctx_t    *ctx;
    ngx_http_imagxp_fetch_t  *fetch;

    if (ngx_http_imagxp_fetches.next == NULL) {
        return;
    }

    while (!ngx_queue_empty(&ngx_http_imagxp_fetches)) {
        fetch = ngx_queue_data(ngx_queue_head(&ngx_http_imagxp_fetches), ngx_http_imagxp_fetch_t, queue);

        if (fetch->post != NULL) {
            fetch->post->data = NULL;
        }

        while (!ngx_queue_empty(&fetch->waiting)) {
            q = ngx_queue_head(&fetch->waiting);
            ctx = ngx_queue_data(q, ngx_http_imagxp_ctx_t, queue);
            ngx_queue_remove(q);
            ctx->fetch = NULL;
        }

        ngx_http_imagxp_fetch_end(fetch);
    }
}

/* Who has waited longest. Somebody waits for every fetch. */
ngx_http_imagxp_ctx_t *
ngx_http_imagxp_fetch_first(ngx_http_imagxp_fetch_t *fetch)
{
    ngx_queue_t  *q;

    q = ngx_queue_head(&fetch->waiting);

    return ngx_queue_data(q, ngx_http_imagxp_ctx_t, queue);
}

/* $imagxp_fetch_*: where the operator's location connects, and as whom it verifies. */
ngx_int_t
ngx_http_imagxp_fetch_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                *value;
    ngx_queue_t              *q;
    ngx_http_imagxp_fetch_t  *fetch;

    v->not_found = 1;

    if (ngx_http_imagxp_fetches.next == NULL) {
        return NGX_OK;
    }

    for (q = ngx_queue_head(&ngx_http_imagxp_fetches);
         q != ngx_queue_sentinel(&ngx_http_imagxp_fetches);
         q = ngx_queue_next(q))
    {
        fetch = ngx_queue_data(q, ngx_http_imagxp_fetch_t, queue);

        if (fetch->subrequest == r) {
            value = (ngx_str_t *) ((char *) &fetch->url + data);
            v->data = ngx_pnalloc(r->pool, value->len);
            if (v->data == NULL) {
                return NGX_ERROR;
            }

            ngx_memcpy(v->data, value->data, value->len);
            v->len = value->len;
            v->valid = 1;
            v->no_cacheable = 0;
            v->not_found = 0;
            break;
        }
    }

    return NGX_OK;
}

static ngx_http_imagxp_fetch_t *
ngx_http_imagxp_fetch_find(ngx_http_imagxp_site_t *site, ngx_str_t *url)
{
    ngx_queue_t              *q;
    ngx_http_imagxp_fetch_t  *fetch;

    for (q = ngx_queue_head(&ngx_http_imagxp_fetches);
         q != ngx_queue_sentinel(&ngx_http_imagxp_fetches);
         q = ngx_queue_next(q))
    {
        fetch = ngx_queue_data(q, ngx_http_imagxp_fetch_t, queue);

        if (fetch->site == site && fetch->url.url.len == url->len
            && ngx_strncmp(fetch->url.url.data, url->data, url->len) == 0)
        {
            return fetch;
        }
    }

    return NULL;
}

static ngx_uint_t
ngx_http_imagxp_fetch_is_busy(imagxp_need kind)
{
    static time_t      second;
    static ngx_uint_t  count;

    if (kind == IMAGXP_NEED_REDEEM) {
        return ngx_http_imagxp_nredeems >= MAX_REDEEMS;
    }

    if (second != ngx_time()) {
        second = ngx_time();
        count = 0;
    }

    return ngx_http_imagxp_nfetches >= MAX_FETCHES || ++count > MAX_PER_SECOND;
}

static ngx_http_imagxp_fetch_t *
ngx_http_imagxp_fetch_start(ngx_http_imagxp_ctx_t *ctx, imagxp_need kind, ngx_str_t *url)
{
    ngx_pool_t               *pool;
    ngx_http_imagxp_fetch_t  *fetch;

    pool = ngx_create_pool(1024, ngx_cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    fetch = ngx_pcalloc(pool, sizeof(ngx_http_imagxp_fetch_t));

    if (fetch != NULL) {
        fetch->url.url.data = ngx_pstrdup(pool, url);
        fetch->url.url.len = url->len;
    }

    if (fetch == NULL || fetch->url.url.data == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    fetch->pool = pool;
    fetch->site = ctx->site;
    fetch->kind = kind;
    ngx_queue_init(&fetch->waiting);
    ngx_queue_insert_tail(&ngx_http_imagxp_fetches, &fetch->queue);
    (*(kind == IMAGXP_NEED_REDEEM ? &ngx_http_imagxp_nredeems : &ngx_http_imagxp_nfetches))++;

    fetch->deadline.handler = ngx_http_imagxp_fetch_late;
    fetch->deadline.data = fetch;
    fetch->deadline.log = ngx_cycle->log;
    ngx_add_timer(&fetch->deadline, ngx_http_imagxp_location_timeout(ctx->request, kind));

    fetch->again.handler = ngx_http_imagxp_fetch_carry_on;
    fetch->again.data = fetch;
    fetch->again.log = ngx_cycle->log;

    return fetch;
}

static void
ngx_http_imagxp_fetch_late(ngx_event_t *ev)
{
    ngx_connection_t         *c;
    ngx_http_imagxp_fetch_t  *fetch = ev->data;

    c = fetch->carrier == NULL ? NULL : fetch->carrier->request->connection;
    ngx_http_imagxp_exchange_fail(fetch, IMAGXP_FETCH_FAILED);

    if (c != NULL) {
        ngx_http_run_posted_requests(c);
    }
}

static void
ngx_http_imagxp_fetch_carry_on(ngx_event_t *ev)
{
    ngx_connection_t         *c;
    ngx_http_imagxp_fetch_t  *fetch = ev->data;

    c = ngx_http_imagxp_fetch_first(fetch)->request->connection;
    ngx_http_imagxp_exchange_send(fetch);
    ngx_http_run_posted_requests(c);
}

static void
ngx_http_imagxp_fetch_wake(ngx_event_t *ev)
{
    ngx_connection_t       *c;
    ngx_http_request_t     *r;
    ngx_http_imagxp_ctx_t  *ctx = ev->data;

    r = ctx->request;
    c = r->connection;
    ngx_http_set_log_request(c->log, r);

    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_core_run_phases;
    ngx_http_core_run_phases(r);
    ngx_http_run_posted_requests(c);
}

/* Wakes all who wait, and forgets the fetch. */
void
ngx_http_imagxp_fetch_end(ngx_http_imagxp_fetch_t *fetch)
{
    ngx_queue_t            *q;
    ngx_http_imagxp_ctx_t  *ctx;

    ngx_queue_remove(&fetch->queue);
    (*(fetch->kind == IMAGXP_NEED_REDEEM ? &ngx_http_imagxp_nredeems : &ngx_http_imagxp_nfetches))--;

    if (fetch->deadline.timer_set) {
        ngx_del_timer(&fetch->deadline);
    }

    if (fetch->again.posted) {
        ngx_delete_posted_event(&fetch->again);
    }

    if (fetch->again.timer_set) {
        ngx_del_timer(&fetch->again);
    }

    if (fetch->resolving != NULL) {
        ngx_resolve_name_done(fetch->resolving);
        fetch->resolving = NULL;
    }

    while (!ngx_queue_empty(&fetch->waiting)) {
        q = ngx_queue_head(&fetch->waiting);
        ngx_queue_remove(q);
        ctx = ngx_queue_data(q, ngx_http_imagxp_ctx_t, queue);
        ctx->fetch = NULL;
        ngx_post_event(&ctx->wake, &ngx_posted_events);
    }

    ngx_http_imagxp_exchange_abort(fetch);
    ngx_destroy_pool(fetch->pool);
}
