/*
 * The directives that nginx's own setters cannot read.
 */

#include "ngx_http_imagxp.h"

#define MAX_KEY_BYTES       (16 * 1024)
#define MAX_DOCUMENT_BYTES  (64 * 1024)

static void ngx_http_imagxp_key_free(void *data);

char *
ngx_http_imagxp_zone_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ssize_t                       size;
    ngx_str_t                    *value;
    ngx_http_imagxp_zone_t       *zone;
    ngx_http_imagxp_main_conf_t  *mcf = conf;

    if (mcf->zone != NULL) {
        return "is duplicate: all sites share one zone";
    }

    value = cf->args->elts;
    size = ngx_parse_size(&value[2]);

    if (size == NGX_ERROR || size < (ssize_t) (32 * ngx_pagesize)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid size \"%V\" of \"%V\": at least %uz bytes", &value[2], &cmd->name,
                           (size_t) (32 * ngx_pagesize));
        return NGX_CONF_ERROR;
    }

    zone = ngx_pcalloc(cf->pool, sizeof(ngx_http_imagxp_zone_t));
    if (zone == NULL) {
        return NGX_CONF_ERROR;
    }

    zone->name = value[1];
    zone->shm = ngx_shared_memory_add(cf, &value[1], size, &ngx_http_imagxp_module);
    if (zone->shm == NULL) {
        return NGX_CONF_ERROR;
    }

    zone->shm->init = ngx_http_imagxp_zone_init;
    zone->shm->data = zone;
    mcf->zone = zone;

    return NGX_CONF_OK;
}

char *
ngx_http_imagxp_policy_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                   *value;
    ngx_http_imagxp_loc_conf_t  *lcf = conf;

    (void) cmd;

    if (lcf->policy != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;
    lcf->policy = ngx_http_imagxp_policy_read(cf, &value[1]);

    return lcf->policy == NULL ? NGX_CONF_ERROR : NGX_CONF_OK;
}

/* imagxp_manifest_file <agent's domain> <file>; imagxp_jwks_file <jwks_uri> <file>. */
char *
ngx_http_imagxp_document_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                   *value;
    imagxp_bytes                 url;
    ngx_http_imagxp_document_t  *document;
    ngx_http_imagxp_loc_conf_t  *lcf = conf;

    value = cf->args->elts;

    if (lcf->documents == NGX_CONF_UNSET_PTR) {
        lcf->documents = ngx_array_create(cf->pool, 4, sizeof(ngx_http_imagxp_document_t));
        if (lcf->documents == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    document = ngx_array_push(lcf->documents);
    if (document == NULL) {
        return NGX_CONF_ERROR;
    }

    document->url = value[1];

    if (ngx_strcmp(cmd->name.data, "imagxp_manifest_file") == 0) {
        if (imagxp_agent_id_manifest_url(ngx_http_imagxp_slice(&value[1]), true, &url, NULL) != IMAGXP_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" is no agent's domain", &value[1]);
            return NGX_CONF_ERROR;
        }

        document->url.len = url.len;
        document->url.data = ngx_pnalloc(cf->pool, url.len);

        if (document->url.data != NULL) {
            ngx_memcpy(document->url.data, url.ptr, url.len);
        }

        imagxp_bytes_free(&url);

        if (document->url.data == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    return ngx_http_imagxp_read_file(cf, &value[2], MAX_DOCUMENT_BYTES, &document->body) == NGX_OK ? NGX_CONF_OK : NGX_CONF_ERROR;
}

char *
ngx_http_imagxp_audit_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                   *value;
    ngx_http_imagxp_loc_conf_t  *lcf = conf;

    (void) cmd;

    if (lcf->audit != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        lcf->audit = NULL;
        return NGX_CONF_OK;
    }

    lcf->audit = ngx_http_imagxp_audit_open(cf, &value[1]);

    return lcf->audit == NULL ? NGX_CONF_ERROR : NGX_CONF_OK;
}

char *
ngx_http_imagxp_key_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                   *value, pem, message;
    imagxp_error                *error;
    imagxp_status                status;
    ngx_pool_cleanup_t          *cln;
    ngx_http_imagxp_loc_conf_t  *lcf = conf;

    (void) cmd;

    if (lcf->provenance_key != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;
    lcf->provenance_key = NULL;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        return NGX_CONF_OK;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);

    if (cln == NULL || ngx_http_imagxp_read_file(cf, &value[1], MAX_KEY_BYTES, &pem) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    status = imagxp_key_from_pem(ngx_http_imagxp_slice(&pem), &lcf->provenance_key, &error);
    ngx_explicit_memzero(pem.data, pem.len);

    if (status != IMAGXP_OK) {
        message = ngx_http_imagxp_str(imagxp_error_message(error));
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "imagxp_provenance_key \"%V\": %V", &value[1], &message);
        imagxp_error_free(error);
        lcf->provenance_key = NULL;
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_http_imagxp_key_free;
    cln->data = lcf->provenance_key;

    return NGX_CONF_OK;
}

char *
ngx_http_imagxp_zone_status_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t     *clcf;
    ngx_http_imagxp_main_conf_t  *mcf;

    (void) cmd;
    (void) conf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_imagxp_module);

    if (mcf->zone == NULL) {
        return "needs \"imagxp_zone\" before it";
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_imagxp_zone_status;

    return NGX_CONF_OK;
}

static void
ngx_http_imagxp_key_free(void *data)
{
    imagxp_key_free(data);
}
