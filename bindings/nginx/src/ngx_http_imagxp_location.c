/*
 * The operator's location for each kind of fetch: which one it is, how long a fetch may take, and what happens in a server that does not have it.
 */

#include "ngx_http_imagxp_fetch.h"

/* For so many milliseconds a location that is not there is not looked for. */
#define MISSED_FOR  60000

typedef struct {
    const char  *directive;
    const char  *unnamed;    /* what is said where it is not given */
    const char  *snippet;
    size_t       uri;        /* where the configuration of a location keeps them */
    size_t       timeout;
} ngx_http_imagxp_location_kind_t;

#define FIELD(name)  offsetof(ngx_http_imagxp_loc_conf_t, name)

static ngx_http_imagxp_location_kind_t  ngx_http_imagxp_location_kinds[] = {
    [IMAGXP_NEED_MANIFEST] = { "imagxp_manifest_request", "neither imagxp_manifest_request nor imagxp_manifest_file says how to get it",
                               "imagxp-fetch.conf", FIELD(manifest_request), FIELD(manifest_timeout) },
    [IMAGXP_NEED_JWKS]     = { "imagxp_jwks_request", "neither imagxp_jwks_request nor imagxp_jwks_file says how to get it",
                               "imagxp-fetch.conf", FIELD(jwks_request), FIELD(jwks_timeout) },
    [IMAGXP_NEED_REDEEM]   = { "imagxp_redeem_request", "imagxp_redeem_request does not say how to ask",
                               "imagxp-redeem.conf", FIELD(redeem_request), FIELD(redeem_timeout) },
};

static ngx_uint_t ngx_http_imagxp_location_is(ngx_str_t *uri, ngx_str_t *name);

/* Empty where the operator names none. */
ngx_str_t *
ngx_http_imagxp_location_uri(ngx_http_request_t *r, imagxp_need kind)
{
    return (ngx_str_t *) ((char *) ngx_http_get_module_loc_conf(r, ngx_http_imagxp_module) + ngx_http_imagxp_location_kinds[kind].uri);
}

ngx_msec_t
ngx_http_imagxp_location_timeout(ngx_http_request_t *r, imagxp_need kind)
{
    return *(ngx_msec_t *) ((char *) ngx_http_get_module_loc_conf(r, ngx_http_imagxp_module) + ngx_http_imagxp_location_kinds[kind].timeout);
}

/* Whether a fetch has somewhere to go: the operator names a location, and a moment ago it was not missing. */
ngx_uint_t
ngx_http_imagxp_location_is_usable(ngx_http_request_t *r, imagxp_need kind, ngx_str_t *url)
{
    ngx_http_imagxp_loc_conf_t  *conf;

    if (ngx_http_imagxp_location_uri(r, kind)->len == 0) {
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0, "imagxp: %V is needed, and %s", url,
                      ngx_http_imagxp_location_kinds[kind].unnamed);
        return 0;
    }

    conf = ngx_http_get_module_loc_conf(r, ngx_http_imagxp_module);

    return conf->missed[kind] == 0 || ngx_current_msec - conf->missed[kind] >= MISSED_FOR;
}

/* Whether a subrequest is where the operator has sent it: in a location of that name, or in an internal one, which nothing else leads to. */
ngx_uint_t
ngx_http_imagxp_location_is_reached(ngx_http_request_t *sr, imagxp_need kind)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(sr, ngx_http_core_module);

    return clcf->internal || ngx_http_imagxp_location_is(ngx_http_imagxp_location_uri(sr->main, kind), &clcf->name);
}

/*
 * The server of this request has no such location. The publisher is told nothing, since other servers may share it: those who wait here go
 * without the document, the others carry on.
 */
void
ngx_http_imagxp_location_missed(ngx_http_imagxp_fetch_t *fetch, ngx_http_request_t *r)
{
    ngx_str_t                        *uri;
    ngx_queue_t                      *q, *next;
    ngx_http_imagxp_ctx_t            *ctx;
    ngx_http_imagxp_loc_conf_t       *conf;
    ngx_http_imagxp_location_kind_t  *kind;

    kind = &ngx_http_imagxp_location_kinds[fetch->kind];
    uri = ngx_http_imagxp_location_uri(r, fetch->kind);

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "imagxp: \"%s\" names \"%V\", and this server has neither that location nor an internal one for it: "
                  "include %s in each server", kind->directive, uri, kind->snippet);

    for (q = ngx_queue_head(&fetch->waiting); q != ngx_queue_sentinel(&fetch->waiting); q = next) {
        next = ngx_queue_next(q);
        ctx = ngx_queue_data(q, ngx_http_imagxp_ctx_t, queue);

        if (ctx->request->srv_conf != r->srv_conf
            || !ngx_http_imagxp_location_is(ngx_http_imagxp_location_uri(ctx->request, fetch->kind), uri))
        {
            continue;
        }

        conf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_imagxp_module);
        conf->missed[fetch->kind] = ngx_current_msec;

        ngx_queue_remove(q);
        ctx->fetch = NULL;
        ctx->fetched = 0;
        ngx_post_event(&ctx->wake, &ngx_posted_events);
    }

    if (ngx_queue_empty(&fetch->waiting)) {
        ngx_http_imagxp_fetch_end(fetch);
        return;
    }

    ngx_post_event(&fetch->again, &ngx_posted_events);
}

static ngx_uint_t
ngx_http_imagxp_location_is(ngx_str_t *uri, ngx_str_t *name)
{
    return uri->len == name->len && ngx_strncmp(uri->data, name->data, uri->len) == 0;
}
