/*
 * Fetches: what a verdict needs is fetched once per worker, however many requests wait for it, and none of them for longer than its deadline.
 * A broker is asked for each request on its own, and again until it says something definite.
 *
 * A fetch resolves the name with nginx's resolver, checks every address, and then runs a background subrequest of one of the waiting
 * requests, the carrier, to the operator's location. When the carrier goes away, another waiting request carries on; when all have gone, the
 * fetch ends. Waiting requests are woken by posted events, never from within a fetch.
 */

#include "ngx_http_imagxp.h"

#define MAX_FETCHES     32
#define MAX_PER_SECOND  50
#define MAX_REDEEMS     256
/* Between two times that a broker is asked the same. */
#define REDEEM_AGAIN    200

struct ngx_http_imagxp_fetch_s {
    ngx_queue_t                  queue;
    ngx_queue_t                  waiting;    /* of ngx_http_imagxp_ctx_t */
    ngx_pool_t                  *pool;
    ngx_http_imagxp_site_t      *site;
    imagxp_need                  kind;
    ngx_http_imagxp_url_t        url;
    ngx_event_t                  deadline;
    ngx_event_t                  again;      /* carried on by another request */
    ngx_resolver_ctx_t          *resolving;
    ngx_http_request_t          *subrequest;
    ngx_http_imagxp_ctx_t       *carrier;
    ngx_http_post_subrequest_t  *post;
};

static ngx_int_t ngx_http_imagxp_fetch_static(ngx_http_imagxp_ctx_t *ctx, ngx_str_t *url);
static ngx_uint_t ngx_http_imagxp_fetch_is_configured(ngx_http_imagxp_ctx_t *ctx, imagxp_need kind, ngx_str_t *url);
static ngx_http_imagxp_fetch_t *ngx_http_imagxp_fetch_find(ngx_http_imagxp_site_t *site, ngx_str_t *url);
static ngx_uint_t ngx_http_imagxp_fetch_is_busy(imagxp_need kind);
static ngx_http_imagxp_ctx_t *ngx_http_imagxp_fetch_first(ngx_http_imagxp_fetch_t *fetch);
static ngx_http_imagxp_fetch_t *ngx_http_imagxp_fetch_start(ngx_http_imagxp_ctx_t *ctx, imagxp_need kind,
    ngx_str_t *url);
static void ngx_http_imagxp_fetch_resolve(ngx_http_imagxp_fetch_t *fetch, ngx_http_request_t *r);
static void ngx_http_imagxp_fetch_resolved(ngx_resolver_ctx_t *resolving);
static void ngx_http_imagxp_fetch_send(ngx_http_imagxp_fetch_t *fetch);
static ngx_int_t ngx_http_imagxp_fetch_done(ngx_http_request_t *r, void *data, ngx_int_t rc);
static imagxp_fetch_failure ngx_http_imagxp_fetch_judge(ngx_http_request_t *r, ngx_int_t rc);
static uint32_t ngx_http_imagxp_fetch_max_age(ngx_http_request_t *r);
static void ngx_http_imagxp_fetch_redeemed(ngx_http_imagxp_fetch_t *fetch, imagxp_redemption answer);
static void ngx_http_imagxp_fetch_supply(ngx_http_imagxp_fetch_t *fetch, ngx_buf_t *body, uint32_t max_age);
static void ngx_http_imagxp_fetch_fail(ngx_http_imagxp_fetch_t *fetch, imagxp_fetch_failure failure);
static void ngx_http_imagxp_fetch_late(ngx_event_t *ev);
static void ngx_http_imagxp_fetch_carry_on(ngx_event_t *ev);
static void ngx_http_imagxp_fetch_wake(ngx_event_t *ev);
static void ngx_http_imagxp_fetch_abort(ngx_http_imagxp_fetch_t *fetch);
static void ngx_http_imagxp_fetch_end(ngx_http_imagxp_fetch_t *fetch);

/* This worker's. */
static ngx_queue_t  ngx_http_imagxp_fetches;
static ngx_uint_t   ngx_http_imagxp_nfetches;
static ngx_uint_t   ngx_http_imagxp_nredeems;

/* NGX_OK: supplied; NGX_AGAIN: the request waits and will run its phases again; NGX_DECLINED: nobody can fetch it now. */
ngx_int_t
ngx_http_imagxp_fetch_join(ngx_http_imagxp_ctx_t *ctx, imagxp_need kind, ngx_str_t *url)
{
    ngx_int_t                 rc;
    ngx_http_request_t       *r;
    ngx_http_imagxp_fetch_t  *fetch;

    r = ctx->request;

    if (kind != IMAGXP_NEED_REDEEM) {
        rc = ngx_http_imagxp_fetch_static(ctx, url);
        if (rc != NGX_DECLINED) {
            return rc;
        }

        if (ngx_http_imagxp_document_supply(ctx->site, url, ngx_http_imagxp_now(), r->connection->log) == NGX_OK) {
            return NGX_OK;
        }
    }

    if (!ngx_http_imagxp_fetch_is_configured(ctx, kind, url)) {
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
            return NGX_DECLINED;
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
        ngx_http_imagxp_fetch_resolve(fetch, r);
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
static ngx_http_imagxp_ctx_t *
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

static ngx_int_t
ngx_http_imagxp_fetch_static(ngx_http_imagxp_ctx_t *ctx, ngx_str_t *url)
{
    ngx_log_t                   *log;
    ngx_uint_t                   i;
    imagxp_error                *error;
    ngx_http_imagxp_document_t  *document;
    ngx_http_imagxp_loc_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_imagxp_module);
    log = ctx->request->connection->log;

    if (conf->documents == NULL) {
        return NGX_DECLINED;
    }

    document = conf->documents->elts;

    for (i = 0; i < conf->documents->nelts; i++) {
        if (document[i].url.len != url->len || ngx_strncmp(document[i].url.data, url->data, url->len) != 0) {
            continue;
        }

        if (imagxp_publisher_supply(ngx_http_imagxp_publisher(ctx->site, log), ngx_http_imagxp_slice(url),
                                    ngx_http_imagxp_slice(&document[i].body), IMAGXP_MAX_AGE_NONE, ngx_http_imagxp_now(),
                                    &error) != IMAGXP_OK)
        {
            ngx_http_imagxp_log_error(NGX_LOG_ERR, log, "a document of the configuration is not acceptable", error);
        }

        return NGX_OK;
    }

    return NGX_DECLINED;
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

/* Whether the operator says how to get it. */
static ngx_uint_t
ngx_http_imagxp_fetch_is_configured(ngx_http_imagxp_ctx_t *ctx, imagxp_need kind, ngx_str_t *url)
{
    const char                  *how;
    ngx_str_t                   *location;
    ngx_http_imagxp_loc_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_imagxp_module);

    switch (kind) {

    case IMAGXP_NEED_MANIFEST:
        how = "neither imagxp_manifest_request nor imagxp_manifest_file says how to get it";
        location = &conf->manifest_request;
        break;

    case IMAGXP_NEED_JWKS:
        how = "neither imagxp_jwks_request nor imagxp_jwks_file says how to get it";
        location = &conf->jwks_request;
        break;

    default:
        how = "imagxp_redeem_request does not say how to ask";
        location = &conf->redeem_request;
    }

    if (location->len == 0) {
        ngx_log_error(NGX_LOG_WARN, ctx->request->connection->log, 0, "imagxp: %V is needed, and %s", url, how);
    }

    return location->len != 0;
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
    ngx_pool_t                  *pool;
    ngx_http_imagxp_fetch_t     *fetch;
    ngx_http_imagxp_loc_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_imagxp_module);

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
    ngx_add_timer(&fetch->deadline, kind == IMAGXP_NEED_MANIFEST ? conf->manifest_timeout
                                    : kind == IMAGXP_NEED_JWKS ? conf->jwks_timeout : conf->redeem_timeout);

    fetch->again.handler = ngx_http_imagxp_fetch_carry_on;
    fetch->again.data = fetch;
    fetch->again.log = ngx_cycle->log;

    return fetch;
}

static void
ngx_http_imagxp_fetch_resolve(ngx_http_imagxp_fetch_t *fetch, ngx_http_request_t *r)
{
    ngx_str_t                  text;
    ngx_int_t                  rc;
    ngx_uint_t                 loopback;
    ngx_resolver_ctx_t        *resolving, name;
    ngx_http_core_loc_conf_t  *clcf;

    loopback = imagxp_policy_allows_loopback(fetch->site->policy->policy);
    text = fetch->url.url;
    rc = ngx_http_imagxp_url_parse(fetch->pool, &text, &fetch->url, loopback);

    if (rc != NGX_OK) {
        ngx_http_imagxp_fetch_fail(fetch, rc == NGX_DECLINED ? IMAGXP_FETCH_ADDRESS_DENIED : IMAGXP_FETCH_FAILED);
        return;
    }

    if (fetch->url.address.len != 0) {
        ngx_http_imagxp_fetch_send(fetch);
        return;
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);
    ngx_memzero(&name, sizeof(name));
    name.name = fetch->url.host;
    resolving = ngx_resolve_start(clcf->resolver, &name);

    if (resolving == NULL || resolving == NGX_NO_RESOLVER) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0, "imagxp: no resolver defined to resolve %V", &fetch->url.host);
        ngx_http_imagxp_fetch_fail(fetch, IMAGXP_FETCH_FAILED);
        return;
    }

    resolving->name = fetch->url.host;
    resolving->handler = ngx_http_imagxp_fetch_resolved;
    resolving->data = fetch;
    resolving->timeout = clcf->resolver_timeout;
    fetch->resolving = resolving;

    if (ngx_resolve_name(resolving) != NGX_OK) {
        /* It has been freed. */
        fetch->resolving = NULL;
        ngx_http_imagxp_fetch_fail(fetch, IMAGXP_FETCH_FAILED);
    }
}

static void
ngx_http_imagxp_fetch_resolved(ngx_resolver_ctx_t *resolving)
{
    ngx_int_t                 rc;
    ngx_uint_t                loopback;
    ngx_connection_t         *c;
    ngx_http_imagxp_fetch_t  *fetch;

    fetch = resolving->data;
    fetch->resolving = NULL;

    if (resolving->state) {
        ngx_log_error(NGX_LOG_INFO, ngx_cycle->log, 0, "imagxp: %V could not be resolved (%i: %s)", &resolving->name,
                      resolving->state, ngx_resolver_strerror(resolving->state));
        ngx_resolve_name_done(resolving);
        ngx_http_imagxp_fetch_fail(fetch, IMAGXP_FETCH_FAILED);
        return;
    }

    loopback = imagxp_policy_allows_loopback(fetch->site->policy->policy);
    rc = ngx_http_imagxp_url_address(fetch->pool, &fetch->url, resolving->addrs, resolving->naddrs, loopback);
    ngx_resolve_name_done(resolving);

    if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0, "imagxp: %V does not resolve to public addresses only", &fetch->url.host);
        ngx_http_imagxp_fetch_fail(fetch, IMAGXP_FETCH_ADDRESS_DENIED);
        return;
    }

    c = ngx_http_imagxp_fetch_first(fetch)->request->connection;
    ngx_http_imagxp_fetch_send(fetch);
    ngx_http_run_posted_requests(c);
}

/* Runs the subrequest on the first of those who wait. */
static void
ngx_http_imagxp_fetch_send(ngx_http_imagxp_fetch_t *fetch)
{
    ngx_str_t                   *location;
    ngx_http_request_t          *r, *sr;
    ngx_http_imagxp_ctx_t       *ctx;
    ngx_http_imagxp_loc_conf_t  *conf;

    ctx = ngx_http_imagxp_fetch_first(fetch);
    r = ctx->request;
    conf = ngx_http_get_module_loc_conf(r, ngx_http_imagxp_module);
    location = fetch->kind == IMAGXP_NEED_MANIFEST ? &conf->manifest_request
               : fetch->kind == IMAGXP_NEED_JWKS ? &conf->jwks_request : &conf->redeem_request;

    fetch->post = ngx_palloc(r->pool, sizeof(ngx_http_post_subrequest_t));

    if (fetch->post == NULL) {
        ngx_http_imagxp_fetch_fail(fetch, IMAGXP_FETCH_FAILED);
        return;
    }

    fetch->post->handler = ngx_http_imagxp_fetch_done;
    fetch->post->data = fetch;

    if (ngx_http_subrequest(r, location, NULL, &sr, fetch->post,
                            NGX_HTTP_SUBREQUEST_IN_MEMORY|NGX_HTTP_SUBREQUEST_BACKGROUND) != NGX_OK)
    {
        fetch->post = NULL;
        ngx_http_imagxp_fetch_fail(fetch, IMAGXP_FETCH_FAILED);
        return;
    }

    /* Nothing that the reader has sent may reach the agent's server: no cookie, no claim, no visa. */
    ngx_memzero(&sr->headers_in, sizeof(ngx_http_headers_in_t));
    sr->headers_in.content_length_n = -1;
    sr->headers_in.keep_alive_n = -1;

    fetch->subrequest = sr;
    fetch->carrier = ctx;

    if (ngx_list_init(&sr->headers_in.headers, sr->pool, 8, sizeof(ngx_table_elt_t)) != NGX_OK
        || (fetch->kind == IMAGXP_NEED_REDEEM && ngx_http_imagxp_redeem_ask(sr, ctx, &fetch->url.url) != NGX_OK))
    {
        ngx_http_imagxp_fetch_fail(fetch, IMAGXP_FETCH_FAILED);
    }
}

/* The subrequest has ended. Whatever it was, the request that carried it goes on. */
static ngx_int_t
ngx_http_imagxp_fetch_done(ngx_http_request_t *r, void *data, ngx_int_t rc)
{
    ngx_buf_t                *body;
    imagxp_fetch_failure      failure;
    ngx_http_imagxp_fetch_t  *fetch = data;

    if (fetch == NULL || fetch->subrequest != r) {
        return NGX_OK;
    }

    failure = ngx_http_imagxp_fetch_judge(r, rc);
    body = r->out == NULL ? NULL : r->out->buf;
    fetch->subrequest = NULL;
    fetch->carrier = NULL;
    fetch->post = NULL;

    if (fetch->kind == IMAGXP_NEED_REDEEM) {
        ngx_http_imagxp_fetch_redeemed(fetch, ngx_http_imagxp_redeem_read(r, rc));
        return NGX_OK;
    }

    if (failure != 0) {
        ngx_http_imagxp_fetch_fail(fetch, failure);
    } else {
        ngx_http_imagxp_fetch_supply(fetch, body, ngx_http_imagxp_fetch_max_age(r));
    }

    return NGX_OK;
}

/* 0 when the answer may be read. */
static imagxp_fetch_failure
ngx_http_imagxp_fetch_judge(ngx_http_request_t *r, ngx_int_t rc)
{
    ngx_uint_t  status;

    status = rc >= NGX_HTTP_SPECIAL_RESPONSE ? (ngx_uint_t) rc : r->headers_out.status;

    if (status == NGX_HTTP_NOT_FOUND || status == 410) {
        return IMAGXP_FETCH_NOT_FOUND;
    }

    if (status >= NGX_HTTP_SPECIAL_RESPONSE && status < NGX_HTTP_BAD_REQUEST) {
        return IMAGXP_FETCH_REDIRECT;
    }

    if (rc == NGX_ERROR && r->connection->error && !r->main->header_sent) {
        /* It is longer than subrequest_output_buffer_size: a filter has refused it. That is no error of the reader's connection. */
        r->connection->error = 0;
        return IMAGXP_FETCH_INVALID;
    }

    if (rc == NGX_ERROR || status >= NGX_HTTP_INTERNAL_SERVER_ERROR || status == 0
        || status == NGX_HTTP_REQUEST_TIME_OUT || status == NGX_HTTP_TOO_MANY_REQUESTS)
    {
        return IMAGXP_FETCH_FAILED;
    }

    if (status != NGX_HTTP_OK || r->out == NULL || r->headers_out.content_encoding != NULL) {
        return IMAGXP_FETCH_INVALID;
    }

    return 0;
}

static uint32_t
ngx_http_imagxp_fetch_max_age(ngx_http_request_t *r)
{
    uint32_t          max_age, least;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *header;

    least = IMAGXP_MAX_AGE_NONE;

    for (part = &r->headers_out.headers.part; part != NULL; part = part->next) {
        header = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (header[i].hash != 0 && header[i].key.len == sizeof("Cache-Control") - 1
                && ngx_strncasecmp(header[i].key.data, (u_char *) "Cache-Control", header[i].key.len) == 0)
            {
                max_age = imagxp_max_age(ngx_http_imagxp_slice(&header[i].value));
                least = ngx_min(least, max_age);
            }
        }
    }

    return least;
}

/* What the broker has said goes to the one request that asks; without a word it is asked again while there is time. */
static void
ngx_http_imagxp_fetch_redeemed(ngx_http_imagxp_fetch_t *fetch, imagxp_redemption answer)
{
    if (answer == IMAGXP_REDEMPTION_UNAVAILABLE) {
        ngx_add_timer(&fetch->again, REDEEM_AGAIN);
        return;
    }

    imagxp_verdict_redeemed(ngx_http_imagxp_fetch_first(fetch)->verdict, answer, NULL);
    ngx_http_imagxp_fetch_end(fetch);
}

static void
ngx_http_imagxp_fetch_supply(ngx_http_imagxp_fetch_t *fetch, ngx_buf_t *body, uint32_t max_age)
{
    int64_t        now;
    ngx_str_t      text;
    imagxp_error  *error;

    text.data = body->pos;
    text.len = body->last - body->pos;
    now = ngx_http_imagxp_now();

    if (imagxp_publisher_supply(ngx_http_imagxp_publisher(fetch->site, ngx_cycle->log), ngx_http_imagxp_slice(&fetch->url.url),
                                ngx_http_imagxp_slice(&text), max_age, now, &error)
        == IMAGXP_OK)
    {
        ngx_http_imagxp_document_put(fetch->site->zone, &fetch->url.url, &text, max_age, now);
        ngx_http_imagxp_document_supplied(fetch->site, &fetch->url.url, now);

    } else {
        ngx_http_imagxp_log_error(NGX_LOG_INFO, ngx_cycle->log, "a fetched document is not acceptable", error);
    }

    ngx_http_imagxp_fetch_end(fetch);
}

static void
ngx_http_imagxp_fetch_fail(ngx_http_imagxp_fetch_t *fetch, imagxp_fetch_failure failure)
{
    imagxp_error  *error;

    if (fetch->kind == IMAGXP_NEED_REDEEM) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0, "imagxp: %V does not answer", &fetch->url.url);
        imagxp_verdict_redeemed(ngx_http_imagxp_fetch_first(fetch)->verdict, IMAGXP_REDEMPTION_UNAVAILABLE, NULL);
        ngx_http_imagxp_fetch_end(fetch);
        return;
    }

    ngx_log_error(NGX_LOG_INFO, ngx_cycle->log, 0, "imagxp: %V cannot be fetched", &fetch->url.url);

    if (imagxp_publisher_supply_failure(ngx_http_imagxp_publisher(fetch->site, ngx_cycle->log),
                                        ngx_http_imagxp_slice(&fetch->url.url), failure, ngx_http_imagxp_now(), &error)
        != IMAGXP_OK)
    {
        ngx_http_imagxp_log_error(NGX_LOG_ERR, ngx_cycle->log, "a failed fetch cannot be reported", error);
    }

    ngx_http_imagxp_fetch_end(fetch);
}

static void
ngx_http_imagxp_fetch_late(ngx_event_t *ev)
{
    ngx_connection_t         *c;
    ngx_http_imagxp_fetch_t  *fetch = ev->data;

    c = fetch->carrier == NULL ? NULL : fetch->carrier->request->connection;
    ngx_http_imagxp_fetch_fail(fetch, IMAGXP_FETCH_FAILED);

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
    ngx_http_imagxp_fetch_send(fetch);
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

/* Ends a subrequest that has not ended by itself: a server that sends one byte a second must not keep it. */
static void
ngx_http_imagxp_fetch_abort(ngx_http_imagxp_fetch_t *fetch)
{
    ngx_http_upstream_t  *u;
    ngx_http_request_t   *sr;

    sr = fetch->subrequest;
    fetch->subrequest = NULL;
    fetch->carrier = NULL;

    if (fetch->post != NULL) {
        fetch->post->data = NULL;
        fetch->post = NULL;
    }

    if (sr == NULL) {
        return;
    }

    u = sr->upstream;

    if (u != NULL && u->cleanup != NULL) {
        (*u->cleanup)(sr);
    }
}

/* Wakes all who wait, and forgets the fetch. */
static void
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

    ngx_http_imagxp_fetch_abort(fetch);
    ngx_destroy_pool(fetch->pool);
}
