/*
 * IMAGXP for nginx: the directives, what holds where none is given, and the places where the module takes part.
 */

#include "ngx_http_imagxp.h"

static void *ngx_http_imagxp_create_main_conf(ngx_conf_t *cf);
static void *ngx_http_imagxp_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_imagxp_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child);
static ngx_int_t ngx_http_imagxp_check_origin(ngx_conf_t *cf, ngx_http_imagxp_loc_conf_t *conf);
static ngx_int_t ngx_http_imagxp_check_documents(ngx_conf_t *cf, ngx_http_imagxp_loc_conf_t *conf);
static ngx_int_t ngx_http_imagxp_init(ngx_conf_t *cf);
static void ngx_http_imagxp_exit_process(ngx_cycle_t *cycle);

static ngx_conf_enum_t  ngx_http_imagxp_modes[] = {
    { ngx_string("off"), NGX_HTTP_IMAGXP_OFF },
    { ngx_string("enforce"), NGX_HTTP_IMAGXP_ENFORCE },
    { ngx_string("observe"), NGX_HTTP_IMAGXP_OBSERVE },
    { ngx_null_string, 0 }
};

static ngx_conf_num_bounds_t  ngx_http_imagxp_statuses = { ngx_conf_check_num_bounds, 400, 599 };

#define ANYWHERE  (NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF)

#define SLOT(name, type, set, field, post)                                                                            \
    { ngx_string(name), ANYWHERE|type, set, NGX_HTTP_LOC_CONF_OFFSET, offsetof(ngx_http_imagxp_loc_conf_t, field), post }

static ngx_command_t  ngx_http_imagxp_commands[] = {

    SLOT("imagxp", NGX_HTTP_LIF_CONF|NGX_CONF_TAKE1, ngx_conf_set_enum_slot, mode, ngx_http_imagxp_modes),
    SLOT("imagxp_policy", NGX_CONF_TAKE1, ngx_http_imagxp_policy_directive, policy, NULL),
    SLOT("imagxp_origin", NGX_CONF_TAKE1, ngx_conf_set_str_slot, origin, NULL),
    SLOT("imagxp_manifest_request", NGX_CONF_TAKE1, ngx_conf_set_str_slot, manifest_request, NULL),
    SLOT("imagxp_jwks_request", NGX_CONF_TAKE1, ngx_conf_set_str_slot, jwks_request, NULL),
    SLOT("imagxp_manifest_timeout", NGX_CONF_TAKE1, ngx_conf_set_msec_slot, manifest_timeout, NULL),
    SLOT("imagxp_jwks_timeout", NGX_CONF_TAKE1, ngx_conf_set_msec_slot, jwks_timeout, NULL),
    SLOT("imagxp_redeem_request", NGX_CONF_TAKE1, ngx_conf_set_str_slot, redeem_request, NULL),
    SLOT("imagxp_redeem_identity", NGX_CONF_TAKE12, ngx_http_imagxp_redeem_directive, redeem_identity, NULL),
    SLOT("imagxp_redeem_timeout", NGX_CONF_TAKE1, ngx_conf_set_msec_slot, redeem_timeout, NULL),
    SLOT("imagxp_manifest_file", NGX_CONF_TAKE2, ngx_http_imagxp_document_directive, documents, NULL),
    SLOT("imagxp_jwks_file", NGX_CONF_TAKE2, ngx_http_imagxp_document_directive, documents, NULL),
    SLOT("imagxp_audit_log", NGX_CONF_TAKE1, ngx_http_imagxp_audit_directive, audit, NULL),
    SLOT("imagxp_provenance_key", NGX_CONF_TAKE1, ngx_http_imagxp_key_directive, provenance_key, NULL),
    SLOT("imagxp_provenance_buffer", NGX_CONF_TAKE1, ngx_conf_set_size_slot, provenance_buffer, NULL),
    SLOT("imagxp_strip_headers", NGX_CONF_FLAG, ngx_conf_set_flag_slot, strip_headers, NULL),
    SLOT("imagxp_feedback", NGX_CONF_FLAG, ngx_conf_set_flag_slot, feedback, NULL),
    SLOT("imagxp_status_unsigned", NGX_CONF_TAKE1, ngx_conf_set_num_slot, status_unsigned, &ngx_http_imagxp_statuses),
    SLOT("imagxp_status_payment", NGX_CONF_TAKE1, ngx_conf_set_num_slot, status_payment, &ngx_http_imagxp_statuses),
    SLOT("imagxp_status_rate", NGX_CONF_TAKE1, ngx_conf_set_num_slot, status_rate, &ngx_http_imagxp_statuses),
    SLOT("imagxp_status_undecided", NGX_CONF_TAKE1, ngx_conf_set_num_slot, status_undecided, &ngx_http_imagxp_statuses),

    { ngx_string("imagxp_zone"), NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE2, ngx_http_imagxp_zone_directive,
      NGX_HTTP_MAIN_CONF_OFFSET, 0, NULL },

    { ngx_string("imagxp_zone_status"), NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS, ngx_http_imagxp_zone_status_directive,
      NGX_HTTP_LOC_CONF_OFFSET, 0, NULL },

      ngx_null_command
};

static ngx_http_module_t  ngx_http_imagxp_module_ctx = {
    ngx_http_imagxp_add_variables,         /* preconfiguration */
    ngx_http_imagxp_init,                  /* postconfiguration */
    ngx_http_imagxp_create_main_conf,      /* create main configuration */
    NULL,                                  /* init main configuration */
    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */
    ngx_http_imagxp_create_loc_conf,       /* create location configuration */
    ngx_http_imagxp_merge_loc_conf         /* merge location configuration */
};

ngx_module_t  ngx_http_imagxp_module = {
    NGX_MODULE_V1,
    &ngx_http_imagxp_module_ctx,           /* module context */
    ngx_http_imagxp_commands,              /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_imagxp_zone_move,             /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_imagxp_exit_process,          /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};

static void *
ngx_http_imagxp_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_imagxp_main_conf_t  *mcf;

    mcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_imagxp_main_conf_t));

    if (mcf == NULL
        || ngx_array_init(&mcf->policies, cf->pool, 4, sizeof(ngx_http_imagxp_policy_t *)) != NGX_OK
        || ngx_array_init(&mcf->sites, cf->pool, 4, sizeof(ngx_http_imagxp_site_t *)) != NGX_OK
        || ngx_array_init(&mcf->audits, cf->pool, 1, sizeof(ngx_http_imagxp_audit_t *)) != NGX_OK)
    {
        return NULL;
    }

    return mcf;
}

static void *
ngx_http_imagxp_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_imagxp_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_imagxp_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    conf->mode = NGX_CONF_UNSET_UINT;
    conf->policy = NGX_CONF_UNSET_PTR;
    conf->documents = NGX_CONF_UNSET_PTR;
    conf->audit = NGX_CONF_UNSET_PTR;
    conf->provenance_key = NGX_CONF_UNSET_PTR;
    conf->provenance_buffer = NGX_CONF_UNSET_SIZE;
    conf->manifest_timeout = NGX_CONF_UNSET_MSEC;
    conf->jwks_timeout = NGX_CONF_UNSET_MSEC;
    conf->redeem_identity = NGX_CONF_UNSET_PTR;
    conf->redeem_timeout = NGX_CONF_UNSET_MSEC;
    conf->strip_headers = NGX_CONF_UNSET;
    conf->feedback = NGX_CONF_UNSET;
    conf->status_unsigned = NGX_CONF_UNSET_UINT;
    conf->status_payment = NGX_CONF_UNSET_UINT;
    conf->status_rate = NGX_CONF_UNSET_UINT;
    conf->status_undecided = NGX_CONF_UNSET_UINT;

    return conf;
}

static char *
ngx_http_imagxp_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_imagxp_loc_conf_t   *prev = parent;
    ngx_http_imagxp_loc_conf_t   *conf = child;
    ngx_http_imagxp_main_conf_t  *mcf;

    ngx_conf_merge_uint_value(conf->mode, prev->mode, NGX_HTTP_IMAGXP_OFF);
    ngx_conf_merge_ptr_value(conf->policy, prev->policy, NULL);
    ngx_conf_merge_str_value(conf->origin, prev->origin, "");
    ngx_conf_merge_str_value(conf->manifest_request, prev->manifest_request, "");
    ngx_conf_merge_str_value(conf->jwks_request, prev->jwks_request, "");
    ngx_conf_merge_msec_value(conf->manifest_timeout, prev->manifest_timeout, 1500);
    ngx_conf_merge_msec_value(conf->jwks_timeout, prev->jwks_timeout, 3000);
    ngx_conf_merge_str_value(conf->redeem_request, prev->redeem_request, "");
    ngx_conf_merge_ptr_value(conf->redeem_identity, prev->redeem_identity, NULL);
    ngx_conf_merge_msec_value(conf->redeem_timeout, prev->redeem_timeout, 5000);
    ngx_conf_merge_ptr_value(conf->documents, prev->documents, NULL);
    ngx_conf_merge_ptr_value(conf->audit, prev->audit, NULL);
    ngx_conf_merge_ptr_value(conf->provenance_key, prev->provenance_key, NULL);
    ngx_conf_merge_size_value(conf->provenance_buffer, prev->provenance_buffer, 64 * 1024);
    ngx_conf_merge_value(conf->strip_headers, prev->strip_headers, 1);
    ngx_conf_merge_value(conf->feedback, prev->feedback, 0);
    ngx_conf_merge_uint_value(conf->status_unsigned, prev->status_unsigned, NGX_HTTP_UNAUTHORIZED);
    ngx_conf_merge_uint_value(conf->status_payment, prev->status_payment, 402);
    ngx_conf_merge_uint_value(conf->status_rate, prev->status_rate, NGX_HTTP_TOO_MANY_REQUESTS);
    ngx_conf_merge_uint_value(conf->status_undecided, prev->status_undecided, NGX_HTTP_SERVICE_UNAVAILABLE);

    if (conf->mode == NGX_HTTP_IMAGXP_OFF) {
        return NGX_CONF_OK;
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_imagxp_module);

    if (mcf->zone == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"imagxp\" needs \"imagxp_zone\" in the http block");
        return NGX_CONF_ERROR;
    }

    if (conf->policy == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"imagxp\" needs \"imagxp_policy\"");
        return NGX_CONF_ERROR;
    }

    if (conf->provenance_key != NULL && imagxp_policy_content_origin(conf->policy->policy) == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"imagxp_provenance_key\": receipts say who made the content: give the policy \"%V\" a provenance.origin",
                           &conf->policy->file);
        return NGX_CONF_ERROR;
    }

    if ((conf->redeem_request.len == 0) != (conf->redeem_identity == NULL)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"imagxp_redeem_request\" and \"imagxp_redeem_identity\" go together");
        return NGX_CONF_ERROR;
    }

    if (ngx_http_imagxp_check_origin(cf, conf) != NGX_OK || ngx_http_imagxp_check_documents(cf, conf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    conf->site = ngx_http_imagxp_site(cf, conf);

    return conf->site == NULL ? NGX_CONF_ERROR : NGX_CONF_OK;
}

/* The origin for which this server vouches is one of the policy's. */
static ngx_int_t
ngx_http_imagxp_check_origin(ngx_conf_t *cf, ngx_http_imagxp_loc_conf_t *conf)
{
    size_t        i;
    imagxp_slice  origin;

    if (conf->origin.len == 0) {
        return NGX_OK;
    }

    for (i = 0; /* void */ ; i++) {
        origin = imagxp_policy_origin(conf->policy->policy, i);

        if (origin.len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "imagxp_origin \"%V\" is none of the origins of the policy \"%V\"",
                               &conf->origin, &conf->policy->file);
            return NGX_ERROR;
        }

        if (origin.len == conf->origin.len && ngx_strncmp(origin.ptr, conf->origin.data, origin.len) == 0) {
            return NGX_OK;
        }
    }
}

/* What the operator gives is read once more by a publisher of its own, so that `nginx -t` finds what is wrong. */
static ngx_int_t
ngx_http_imagxp_check_documents(ngx_conf_t *cf, ngx_http_imagxp_loc_conf_t *conf)
{
    ngx_str_t                    message;
    ngx_uint_t                   i;
    imagxp_error                *error;
    imagxp_slice                 none;
    imagxp_publisher            *publisher;
    ngx_http_imagxp_document_t  *document;

    if (conf->documents == NULL) {
        return NGX_OK;
    }

    ngx_memzero(&none, sizeof(none));

    if (imagxp_publisher_new(conf->policy->policy, none, NULL, &publisher, NULL) != IMAGXP_OK) {
        return NGX_ERROR;
    }

    document = conf->documents->elts;

    for (i = 0; i < conf->documents->nelts; i++) {
        if (imagxp_publisher_supply(publisher, ngx_http_imagxp_slice(&document[i].url), ngx_http_imagxp_slice(&document[i].body),
                                    IMAGXP_MAX_AGE_NONE, ngx_http_imagxp_now(), &error) != IMAGXP_OK)
        {
            message = ngx_http_imagxp_str(imagxp_error_message(error));
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "the document for \"%V\" is not acceptable: %V", &document[i].url, &message);
            imagxp_error_free(error);
            imagxp_publisher_free(publisher);
            return NGX_ERROR;
        }
    }

    imagxp_publisher_free(publisher);

    return NGX_OK;
}

static ngx_int_t
ngx_http_imagxp_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *access, *passed;
    ngx_http_core_main_conf_t  *cmcf;

    if (imagxp_abi_version() != IMAGXP_ABI_VERSION) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "libimagxp has another ABI than the one this module was built for");
        return NGX_ERROR;
    }

    if (ngx_http_imagxp_check_listen(cf) != NGX_OK) {
        return NGX_ERROR;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    access = ngx_array_push(&cmcf->phases[NGX_HTTP_ACCESS_PHASE].handlers);
    passed = ngx_array_push(&cmcf->phases[NGX_HTTP_PRECONTENT_PHASE].handlers);

    if (access == NULL || passed == NULL) {
        return NGX_ERROR;
    }

    *access = ngx_http_imagxp_access_handler;
    *passed = ngx_http_imagxp_passed_handler;

    return ngx_http_imagxp_filter_init(cf);
}

static void
ngx_http_imagxp_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                     i;
    ngx_http_imagxp_audit_t      **audit;
    ngx_http_imagxp_main_conf_t   *mcf;

    ngx_http_imagxp_fetch_stop();

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_imagxp_module);

    if (mcf != NULL) {
        audit = mcf->audits.elts;

        for (i = 0; i < mcf->audits.nelts; i++) {
            ngx_http_imagxp_audit_close(audit[i]);
        }
    }
}
