/*
 * The operator's location for each kind of fetch: which one it is, how long a fetch may take, and what happens in a server that does not have it.
 */

#include "ngx_http_imagxp_fetch.h"

/* For so many milliseconds a location that is not there is not looked for, and the operator is not told again. */
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

static void ngx_http_imagxp_location_say(imagxp_need need, ngx_str_t *uri, ngx_http_request_t *sr, ngx_uint_t led);
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

/*
 * Looks for the location at once, past the rewrites of the server: what they find in variables is the reader's, which the subrequest shares, and
 * no reader chooses where a fetch goes.
 */
void
ngx_http_imagxp_location_enter(ngx_http_request_t *sr)
{
    ngx_http_phase_handler_t   *phases;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_get_module_main_conf(sr, ngx_http_core_module);
    phases = cmcf->phase_engine.handlers;

    for (sr->phase_handler = 0; phases[sr->phase_handler].checker != ngx_http_core_find_config_phase; sr->phase_handler++) { /* void */ }

    sr->valid_location = 1;
    sr->write_event_handler = ngx_http_core_run_phases;
    ngx_http_core_run_phases(sr);
}

/* Whether a subrequest is where the operator has sent it: in a location of that name, or in an internal or named one, where no reader comes. */
ngx_uint_t
ngx_http_imagxp_location_is_reached(ngx_http_request_t *sr, imagxp_need kind)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(sr, ngx_http_core_module);

    return clcf->internal || clcf->named
           || ngx_http_imagxp_location_is(ngx_http_imagxp_location_uri(sr->main, kind), &clcf->name);
}

/*
 * The server of this subrequest has no such location, or something in that location has led elsewhere. The publisher is told nothing, since other
 * servers may share it: those who wait here go without the document, the others carry on. Only what is not there is not looked for again: elsewhere
 * an agent's server may have led with X-Accel-Redirect, which shuts out nobody else.
 */
void
ngx_http_imagxp_location_missed(ngx_http_imagxp_fetch_t *fetch, ngx_http_request_t *sr)
{
    ngx_str_t                   *uri;
    ngx_uint_t                   led;
    ngx_queue_t                 *q, *next;
    ngx_http_request_t          *r;
    ngx_http_imagxp_ctx_t       *ctx;
    ngx_http_imagxp_loc_conf_t  *conf;

    r = sr->main;
    uri = ngx_http_imagxp_location_uri(r, fetch->kind);
    led = !ngx_http_imagxp_location_is(uri, &sr->uri);
    ngx_http_imagxp_location_say(fetch->kind, uri, sr, led);

    for (q = ngx_queue_head(&fetch->waiting); q != ngx_queue_sentinel(&fetch->waiting); q = next) {
        next = ngx_queue_next(q);
        ctx = ngx_queue_data(q, ngx_http_imagxp_ctx_t, queue);

        if (ctx->request->srv_conf != r->srv_conf
            || !ngx_http_imagxp_location_is(ngx_http_imagxp_location_uri(ctx->request, fetch->kind), uri))
        {
            continue;
        }

        conf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_imagxp_module);

        if (led) {
            ctx->astray = 1;
        } else {
            conf->missed[fetch->kind] = ngx_current_msec;
        }

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

/* What is not there is said as often as it is looked for; of what has led elsewhere the operator is told once a minute. */
static void
ngx_http_imagxp_location_say(imagxp_need need, ngx_str_t *uri, ngx_http_request_t *sr, ngx_uint_t led)
{
    ngx_uint_t                        level;
    ngx_http_core_loc_conf_t         *clcf;
    ngx_http_imagxp_location_kind_t  *kind;
    static ngx_msec_t                 told;

    kind = &ngx_http_imagxp_location_kinds[need];

    if (!led) {
        ngx_log_error(NGX_LOG_ERR, sr->connection->log, 0,
                      "imagxp: \"%s\" names \"%V\", and this server has neither that location nor an internal one for it: "
                      "include %s in each server", kind->directive, uri, kind->snippet);
        return;
    }

    level = NGX_LOG_INFO;

    if (told == 0 || ngx_current_msec - told >= MISSED_FOR) {
        told = ngx_current_msec;
        level = NGX_LOG_ERR;
    }

    clcf = ngx_http_get_module_loc_conf(sr, ngx_http_core_module);
    ngx_log_error(level, sr->connection->log, 0,
                  "imagxp: \"%s\" names \"%V\", and a rewrite or X-Accel-Redirect has led it to location \"%V\", which has neither that "
                  "name nor is internal: include %s in each server", kind->directive, uri, &clcf->name, kind->snippet);
}

static ngx_uint_t
ngx_http_imagxp_location_is(ngx_str_t *uri, ngx_str_t *name)
{
    return uri->len == name->len && ngx_strncmp(uri->data, name->data, uri->len) == 0;
}
