/*
 * The exchange of a fetch: nginx's resolver gives the addresses, each of which is checked; then a background subrequest of the request that has
 * waited longest asks the operator's location, and its answer is judged, read and supplied.
 */

#include "ngx_http_imagxp_fetch.h"

/* Milliseconds between two times that a broker is asked the same. */
#define REDEEM_AGAIN      200
/* Milliseconds between two times that the operator is told of a resolver. */
#define UNRESOLVED_AGAIN  60000

static void ngx_http_imagxp_exchange_resolved(ngx_resolver_ctx_t *resolving);
static void ngx_http_imagxp_exchange_unresolved(ngx_http_imagxp_fetch_t *fetch, ngx_int_t state);
static ngx_int_t ngx_http_imagxp_exchange_done(ngx_http_request_t *r, void *data, ngx_int_t rc);
static imagxp_fetch_failure ngx_http_imagxp_exchange_judge(ngx_http_request_t *r, ngx_int_t rc);
static uint32_t ngx_http_imagxp_exchange_max_age(ngx_http_request_t *r);
static void ngx_http_imagxp_exchange_redeemed(ngx_http_imagxp_fetch_t *fetch, imagxp_redemption answer);
static void ngx_http_imagxp_exchange_answer(ngx_http_imagxp_fetch_t *fetch, imagxp_redemption answer);
static void ngx_http_imagxp_exchange_supply(ngx_http_imagxp_fetch_t *fetch, ngx_buf_t *body, uint32_t max_age);

void
ngx_http_imagxp_exchange_begin(ngx_http_imagxp_fetch_t *fetch, ngx_http_request_t *r)
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
        ngx_http_imagxp_exchange_fail(fetch, rc == NGX_DECLINED ? IMAGXP_FETCH_ADDRESS_DENIED : IMAGXP_FETCH_FAILED);
        return;
    }

    if (fetch->url.address.len != 0) {
        ngx_http_imagxp_exchange_send(fetch);
        return;
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);
    ngx_memzero(&name, sizeof(name));
    name.name = fetch->url.host;
    resolving = ngx_resolve_start(clcf->resolver, &name);

    if (resolving == NULL || resolving == NGX_NO_RESOLVER) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0, "imagxp: no resolver defined to resolve %V", &fetch->url.host);
        ngx_http_imagxp_exchange_fail(fetch, IMAGXP_FETCH_FAILED);
        return;
    }

    resolving->name = fetch->url.host;
    resolving->handler = ngx_http_imagxp_exchange_resolved;
    resolving->data = fetch;
    resolving->timeout = clcf->resolver_timeout;
    fetch->resolving = resolving;

    if (ngx_resolve_name(resolving) != NGX_OK) {
        /* It has been freed. */
        fetch->resolving = NULL;
        ngx_http_imagxp_exchange_fail(fetch, IMAGXP_FETCH_FAILED);
    }
}

static void
ngx_http_imagxp_exchange_resolved(ngx_resolver_ctx_t *resolving)
{
    ngx_int_t                 rc;
    ngx_uint_t                loopback;
    ngx_connection_t         *c;
    ngx_http_imagxp_fetch_t  *fetch;

    fetch = resolving->data;
    fetch->resolving = NULL;

    if (resolving->state) {
        ngx_http_imagxp_exchange_unresolved(fetch, resolving->state);
        ngx_resolve_name_done(resolving);
        ngx_http_imagxp_exchange_fail(fetch, IMAGXP_FETCH_FAILED);
        return;
    }

    loopback = imagxp_policy_allows_loopback(fetch->site->policy->policy);
    rc = ngx_http_imagxp_url_address(fetch->pool, &fetch->url, resolving->addrs, resolving->naddrs, loopback);
    ngx_resolve_name_done(resolving);

    if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0, "imagxp: %V does not resolve to public addresses only", &fetch->url.host);
        ngx_http_imagxp_exchange_fail(fetch, IMAGXP_FETCH_ADDRESS_DENIED);
        return;
    }

    c = ngx_http_imagxp_fetch_first(fetch)->request->connection;
    ngx_http_imagxp_exchange_send(fetch);
    ngx_http_run_posted_requests(c);
}

/*
 * Strangers choose the names, and that one does not exist says nothing about the resolver. Whatever else keeps it from an answer may be the
 * operator's to mend, who is told once a minute.
 */
static void
ngx_http_imagxp_exchange_unresolved(ngx_http_imagxp_fetch_t *fetch, ngx_int_t state)
{
    ngx_uint_t         level;
    static ngx_msec_t  told;

    level = NGX_LOG_INFO;

    if (state != NGX_RESOLVE_NXDOMAIN && (told == 0 || ngx_current_msec - told >= UNRESOLVED_AGAIN)) {
        told = ngx_current_msec;
        level = NGX_LOG_ERR;
    }

    ngx_log_error(level, ngx_cycle->log, 0, "imagxp: %V could not be resolved (%i: %s)%s", &fetch->url.host, state,
                  ngx_resolver_strerror(state), level == NGX_LOG_ERR ? "; if no name can be, \"resolver\" names no server that answers" : "");
}

/* Runs the subrequest on the first of those who wait. */
void
ngx_http_imagxp_exchange_send(ngx_http_imagxp_fetch_t *fetch)
{
    ngx_http_request_t     *r, *sr;
    ngx_http_imagxp_ctx_t  *ctx;

    ctx = ngx_http_imagxp_fetch_first(fetch);
    r = ctx->request;

    fetch->post = ngx_palloc(r->pool, sizeof(ngx_http_post_subrequest_t));

    if (fetch->post == NULL) {
        ngx_http_imagxp_exchange_fail(fetch, IMAGXP_FETCH_FAILED);
        return;
    }

    fetch->post->handler = ngx_http_imagxp_exchange_done;
    fetch->post->data = fetch;

    if (ngx_http_subrequest(r, ngx_http_imagxp_location_uri(r, fetch->kind), NULL, &sr, fetch->post,
                            NGX_HTTP_SUBREQUEST_IN_MEMORY|NGX_HTTP_SUBREQUEST_BACKGROUND) != NGX_OK)
    {
        fetch->post = NULL;
        ngx_http_imagxp_exchange_fail(fetch, IMAGXP_FETCH_FAILED);
        return;
    }

    /* Nothing that the reader has sent may reach the agent's server: no cookie, no claim, no visa. */
    ngx_memzero(&sr->headers_in, sizeof(ngx_http_headers_in_t));
    sr->headers_in.content_length_n = -1;
    sr->headers_in.keep_alive_n = -1;
    sr->write_event_handler = ngx_http_imagxp_location_enter;

    fetch->subrequest = sr;
    fetch->carrier = ctx;

    if (ngx_list_init(&sr->headers_in.headers, sr->pool, 8, sizeof(ngx_table_elt_t)) != NGX_OK
        || (fetch->kind == IMAGXP_NEED_REDEEM && ngx_http_imagxp_redeem_ask(sr, ctx, &fetch->url.url) != NGX_OK))
    {
        ngx_http_imagxp_exchange_fail(fetch, IMAGXP_FETCH_FAILED);
    }
}

/* Whether this is the subrequest of a fetch, and in a location that knows nothing of fetches: it must not answer. */
ngx_uint_t
ngx_http_imagxp_exchange_is_astray(ngx_http_request_t *r)
{
    ngx_http_imagxp_fetch_t  *fetch;

    if (r->post_subrequest == NULL || r->post_subrequest->handler != ngx_http_imagxp_exchange_done) {
        return 0;
    }

    fetch = r->post_subrequest->data;

    return fetch != NULL && !ngx_http_imagxp_location_is_reached(r, fetch->kind);
}

/* The subrequest has ended. Whatever it was, the request that carried it goes on. */
static ngx_int_t
ngx_http_imagxp_exchange_done(ngx_http_request_t *r, void *data, ngx_int_t rc)
{
    ngx_buf_t                *body;
    imagxp_fetch_failure      failure;
    ngx_http_imagxp_fetch_t  *fetch = data;

    if (fetch == NULL || fetch->subrequest != r) {
        return NGX_OK;
    }

    failure = ngx_http_imagxp_exchange_judge(r, rc);
    body = r->out == NULL ? NULL : r->out->buf;
    fetch->subrequest = NULL;
    fetch->carrier = NULL;
    fetch->post = NULL;

    if (!ngx_http_imagxp_location_is_reached(r, fetch->kind)) {
        ngx_http_imagxp_location_missed(fetch, r);
        return NGX_OK;
    }

    if (fetch->kind == IMAGXP_NEED_REDEEM) {
        ngx_http_imagxp_exchange_redeemed(fetch, ngx_http_imagxp_redeem_read(r, rc));
        return NGX_OK;
    }

    if (failure != 0) {
        ngx_http_imagxp_exchange_fail(fetch, failure);
    } else {
        ngx_http_imagxp_exchange_supply(fetch, body, ngx_http_imagxp_exchange_max_age(r));
    }

    return NGX_OK;
}

/* 0 when the answer may be read. */
static imagxp_fetch_failure
ngx_http_imagxp_exchange_judge(ngx_http_request_t *r, ngx_int_t rc)
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
ngx_http_imagxp_exchange_max_age(ngx_http_request_t *r)
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
ngx_http_imagxp_exchange_redeemed(ngx_http_imagxp_fetch_t *fetch, imagxp_redemption answer)
{
    if (answer == IMAGXP_REDEMPTION_UNAVAILABLE) {
        ngx_add_timer(&fetch->again, REDEEM_AGAIN);
        return;
    }

    ngx_http_imagxp_exchange_answer(fetch, answer);
}

/* Kept as well for sites that judge the request after this one: under another key the broker would take them for somebody who comes too late. */
static void
ngx_http_imagxp_exchange_answer(ngx_http_imagxp_fetch_t *fetch, imagxp_redemption answer)
{
    ngx_http_imagxp_ctx_t  *ctx;

    ctx = ngx_http_imagxp_fetch_first(fetch);
    ctx->redemption = answer;
    imagxp_verdict_redeemed(ctx->verdict, answer, NULL);
    ngx_http_imagxp_fetch_end(fetch);
}

static void
ngx_http_imagxp_exchange_supply(ngx_http_imagxp_fetch_t *fetch, ngx_buf_t *body, uint32_t max_age)
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

void
ngx_http_imagxp_exchange_fail(ngx_http_imagxp_fetch_t *fetch, imagxp_fetch_failure failure)
{
    if (fetch->resolving != NULL) {
        /* The deadline came before the resolver gave up. */
        ngx_http_imagxp_exchange_unresolved(fetch, NGX_RESOLVE_TIMEDOUT);
    }

    if (fetch->kind == IMAGXP_NEED_REDEEM) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0, "imagxp: %V does not answer", &fetch->url.url);
        ngx_http_imagxp_exchange_answer(fetch, IMAGXP_REDEMPTION_UNAVAILABLE);
        return;
    }

    ngx_log_error(NGX_LOG_INFO, ngx_cycle->log, 0, "imagxp: %V cannot be fetched", &fetch->url.url);
    ngx_http_imagxp_exchange_report(fetch->site, &fetch->url.url, failure);
    ngx_http_imagxp_fetch_end(fetch);
}

/* Tells the publisher that there is no document now: an older one, its own or another worker's, serves on for a while. */
void
ngx_http_imagxp_exchange_report(ngx_http_imagxp_site_t *site, ngx_str_t *url, imagxp_fetch_failure failure)
{
    int64_t        now;
    imagxp_error  *error;

    now = ngx_http_imagxp_now();
    (void) ngx_http_imagxp_document_supply(site, url, now, 1, ngx_cycle->log);

    if (imagxp_publisher_supply_failure(ngx_http_imagxp_publisher(site, ngx_cycle->log), ngx_http_imagxp_slice(url), failure,
                                        now, &error)
        != IMAGXP_OK)
    {
        ngx_http_imagxp_log_error(NGX_LOG_ERR, ngx_cycle->log, "a failed fetch cannot be reported", error);
    }
}

/* Ends a subrequest that has not ended by itself: a server that sends one byte a second must not keep it. */
void
ngx_http_imagxp_exchange_abort(ngx_http_imagxp_fetch_t *fetch)
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
