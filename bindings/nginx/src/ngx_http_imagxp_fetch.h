/*
 * A fetch: what it holds, and what its files ask of each other. fetch.c says who waits for it and how it ends, exchange.c how it comes about,
 * location.c where the operator sends it.
 */

#ifndef NGX_HTTP_IMAGXP_FETCH_H
#define NGX_HTTP_IMAGXP_FETCH_H

#include "ngx_http_imagxp.h"

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

/* fetch.c */
ngx_http_imagxp_ctx_t *ngx_http_imagxp_fetch_first(ngx_http_imagxp_fetch_t *fetch);
void ngx_http_imagxp_fetch_end(ngx_http_imagxp_fetch_t *fetch);

/* exchange.c */
ngx_uint_t ngx_http_imagxp_exchange_is_astray(ngx_http_request_t *r);
void ngx_http_imagxp_exchange_begin(ngx_http_imagxp_fetch_t *fetch, ngx_http_request_t *r);
void ngx_http_imagxp_exchange_send(ngx_http_imagxp_fetch_t *fetch);
void ngx_http_imagxp_exchange_fail(ngx_http_imagxp_fetch_t *fetch, imagxp_fetch_failure failure);
void ngx_http_imagxp_exchange_report(ngx_http_imagxp_site_t *site, ngx_str_t *url, imagxp_fetch_failure failure);
void ngx_http_imagxp_exchange_abort(ngx_http_imagxp_fetch_t *fetch);

/* location.c */
ngx_str_t *ngx_http_imagxp_location_uri(ngx_http_request_t *r, imagxp_need kind);
ngx_msec_t ngx_http_imagxp_location_timeout(ngx_http_request_t *r, imagxp_need kind);
ngx_uint_t ngx_http_imagxp_location_is_usable(ngx_http_request_t *r, imagxp_need kind, ngx_str_t *url);
void ngx_http_imagxp_location_enter(ngx_http_request_t *sr);
ngx_uint_t ngx_http_imagxp_location_is_reached(ngx_http_request_t *sr, imagxp_need kind);
void ngx_http_imagxp_location_missed(ngx_http_imagxp_fetch_t *fetch, ngx_http_request_t *sr);

#endif
