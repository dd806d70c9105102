/*
 * Policies, and the publishers that apply them. Policies are read when the configuration is; a publisher is made in each worker.
 */

#include "ngx_http_imagxp.h"
#include <ngx_md5.h>
#include <sys/random.h>

#define MAX_POLICY_BYTES  (256 * 1024)

static void ngx_http_imagxp_policy_free(void *data);
static void ngx_http_imagxp_site_free(void *data);
static imagxp_publisher *ngx_http_imagxp_publisher_make(ngx_http_imagxp_site_t *site, imagxp_error **error);

ngx_http_imagxp_policy_t *
ngx_http_imagxp_policy_read(ngx_conf_t *cf, ngx_str_t *file)
{
    size_t                        i;
    ngx_md5_t                     md5;
    ngx_str_t                     text, message;
    ngx_uint_t                    n;
    imagxp_error                 *error;
    imagxp_status                 status;
    ngx_pool_cleanup_t           *cln;
    ngx_http_imagxp_policy_t     *policy, **known;
    ngx_http_imagxp_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_imagxp_module);

    if (ngx_conf_full_name(cf->cycle, file, 1) != NGX_OK) {
        return NULL;
    }

    known = mcf->policies.elts;

    for (n = 0; n < mcf->policies.nelts; n++) {
        if (known[n]->file.len == file->len && ngx_strncmp(known[n]->file.data, file->data, file->len) == 0) {
            return known[n];
        }
    }

    if (ngx_http_imagxp_read_file(cf, file, MAX_POLICY_BYTES, &text) != NGX_OK) {
        return NULL;
    }

    policy = ngx_pcalloc(cf->pool, sizeof(ngx_http_imagxp_policy_t));
    cln = ngx_pool_cleanup_add(cf->pool, 0);
    known = ngx_array_push(&mcf->policies);

    if (policy == NULL || cln == NULL || known == NULL) {
        return NULL;
    }

    policy->file = *file;
    ngx_md5_init(&md5);
    ngx_md5_update(&md5, file->data, file->len);
    ngx_md5_final(policy->id, &md5);
    cln->handler = ngx_http_imagxp_policy_free;
    cln->data = policy;
    *known = policy;

    status = imagxp_policy_from_text(ngx_http_imagxp_slice(&text), ngx_http_imagxp_slice(file), &policy->policy, &error);

    if (status != IMAGXP_OK) {
        message = ngx_http_imagxp_str(imagxp_error_message(error));
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "imagxp_policy \"%V\": %V", file, &message);
        imagxp_error_free(error);
        return NULL;
    }

    for (i = 0; i < imagxp_policy_remark_count(policy->policy); i++) {
        message = ngx_http_imagxp_str(imagxp_policy_remark(policy->policy, i));
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0, "imagxp_policy \"%V\": %V", file, &message);
    }

    if (imagxp_policy_public_json(policy->policy, &policy->public_json, NULL) != IMAGXP_OK) {
        return NULL;
    }

    return policy;
}

ngx_http_imagxp_site_t *
ngx_http_imagxp_site(ngx_conf_t *cf, ngx_http_imagxp_loc_conf_t *conf)
{
    ngx_uint_t                    n;
    ngx_pool_cleanup_t           *cln;
    ngx_http_imagxp_site_t       *site, **known;
    ngx_http_imagxp_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_imagxp_module);
    known = mcf->sites.elts;

    for (n = 0; n < mcf->sites.nelts; n++) {
        if (known[n]->policy == conf->policy && known[n]->mode == conf->mode && known[n]->audit == conf->audit) {
            return known[n];
        }
    }

    site = ngx_pcalloc(cf->pool, sizeof(ngx_http_imagxp_site_t));
    cln = ngx_pool_cleanup_add(cf->pool, 0);
    known = ngx_array_push(&mcf->sites);

    if (site == NULL || cln == NULL || known == NULL) {
        return NULL;
    }

    site->policy = conf->policy;
    site->mode = conf->mode;
    site->audit = conf->audit;
    site->zone = mcf->zone;
    cln->handler = ngx_http_imagxp_site_free;
    cln->data = site;
    *known = site;

    return site;
}

/* This worker's publisher; NULL when it cannot be made, which is logged. */
imagxp_publisher *
ngx_http_imagxp_publisher(ngx_http_imagxp_site_t *site, ngx_log_t *log)
{
    imagxp_error  *error;

    if (site->publisher == NULL) {
        error = NULL;
        site->publisher = ngx_http_imagxp_publisher_make(site, &error);

        if (site->publisher == NULL) {
            ngx_http_imagxp_log_error(NGX_LOG_ERR, log, "a publisher cannot be made", error);
        }
    }

    return site->publisher;
}

ngx_int_t
ngx_http_imagxp_read_file(ngx_conf_t *cf, ngx_str_t *file, size_t max, ngx_str_t *text)
{
    ssize_t          n;
    ngx_file_t       from;
    ngx_file_info_t  info;

    if (ngx_conf_full_name(cf->cycle, file, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_memzero(&from, sizeof(from));
    from.name = *file;
    from.log = cf->log;
    from.fd = ngx_open_file(file->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (from.fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno, ngx_open_file_n " \"%V\" failed", file);
        return NGX_ERROR;
    }

    n = NGX_ERROR;

    if (ngx_fd_info(from.fd, &info) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno, ngx_fd_info_n " \"%V\" failed", file);

    } else if (!ngx_is_file(&info) || (size_t) ngx_file_size(&info) > max) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" is no file of at most %uz bytes", file, max);

    } else {
        text->len = ngx_file_size(&info);
        text->data = ngx_pnalloc(cf->pool, text->len + 1);

        if (text->data != NULL) {
            n = ngx_read_file(&from, text->data, text->len, 0);
        }

        if (n != (ssize_t) text->len) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno, ngx_read_file_n " \"%V\" failed", file);
            n = NGX_ERROR;
        }
    }

    if (ngx_close_file(from.fd) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_ALERT, cf, ngx_errno, ngx_close_file_n " \"%V\" failed", file);
    }

    return n == NGX_ERROR ? NGX_ERROR : NGX_OK;
}

/* A policy for development on an address that strangers can reach is an open door. */
ngx_int_t
ngx_http_imagxp_check_listen(ngx_conf_t *cf)
{
    ngx_uint_t                    i, n;
    ngx_http_conf_addr_t         *addr;
    ngx_http_conf_port_t         *port;
    ngx_http_imagxp_site_t      **site;
    ngx_http_core_main_conf_t    *cmcf;
    ngx_http_imagxp_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_imagxp_module);
    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    site = mcf->sites.elts;

    for (i = 0; i < mcf->sites.nelts; i++) {
        if (imagxp_policy_allows_loopback(site[i]->policy->policy)) {
            break;
        }
    }

    if (i == mcf->sites.nelts || cmcf->ports == NULL) {
        return NGX_OK;
    }

    port = cmcf->ports->elts;

    for (n = 0; n < cmcf->ports->nelts; n++) {
        ngx_uint_t  a;

        addr = port[n].addrs.elts;

        for (a = 0; a < port[n].addrs.nelts; a++) {
            struct sockaddr  *sockaddr = addr[a].opt.sockaddr;
            ngx_uint_t        loopback = 0;

            switch (sockaddr->sa_family) {

            case AF_INET:
                loopback = (ntohl(((struct sockaddr_in *) sockaddr)->sin_addr.s_addr) >> 24) == 127;
                break;
#if (NGX_HAVE_INET6)
            case AF_INET6:
                loopback = IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *) sockaddr)->sin6_addr);
                break;
#endif
            case AF_UNIX:
                loopback = 1;
                break;
            }

            if (!loopback) {
                ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                              "imagxp_policy \"%V\" has allow_loopback, which is for development; this server listens on %V",
                              &site[i]->policy->file, &addr[a].opt.addr_text);
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}

/* Logs an error of the library and frees it. */
void
ngx_http_imagxp_log_error(ngx_uint_t level, ngx_log_t *log, const char *what, imagxp_error *error)
{
    ngx_str_t  code, message;

    code = ngx_http_imagxp_str(imagxp_error_code(error));
    message = ngx_http_imagxp_str(imagxp_error_message(error));
    ngx_log_error(level, log, 0, "imagxp: %s: %V: %V", what, &code, &message);
    imagxp_error_free(error);
}

static void
ngx_http_imagxp_policy_free(void *data)
{
    ngx_http_imagxp_policy_t  *policy = data;

    imagxp_bytes_free(&policy->public_json);
    imagxp_policy_free(policy->policy);
}

static void
ngx_http_imagxp_site_free(void *data)
{
    ngx_http_imagxp_site_t  *site = data;

    imagxp_publisher_free(site->publisher);
    site->publisher = NULL;
}

static imagxp_publisher *
ngx_http_imagxp_publisher_make(ngx_http_imagxp_site_t *site, imagxp_error **error)
{
    uint64_t                   first;
    imagxp_slice               secret;
    imagxp_publisher          *publisher;
    imagxp_rate_store         *rates;
    imagxp_replay_store       *nonces;
    imagxp_publisher_options  *options;

    options = NULL;
    nonces = NULL;
    rates = NULL;
    publisher = NULL;
    secret.ptr = ngx_http_imagxp_zone_secret(site->zone);
    secret.len = 16;

    /* Every worker names its verdicts from another number on. */
    if (getrandom(&first, sizeof(first), 0) != (ssize_t) sizeof(first)) {
        first = ((uint64_t) ngx_pid << 32) ^ (uint64_t) ngx_random();
    }

    if (imagxp_publisher_options_new(&options, error) == IMAGXP_OK
        && imagxp_replay_store_new(site->zone, ngx_http_imagxp_zone_insert, ngx_http_imagxp_zone_seen,
                                   ngx_http_imagxp_zone_horizon, &nonces, error) == IMAGXP_OK
        && imagxp_rate_store_new(site, ngx_http_imagxp_agent_arrival, ngx_http_imagxp_agent_replace, &rates, error)
           == IMAGXP_OK
        && imagxp_publisher_options_set_replay_store(options, nonces, error) == IMAGXP_OK
        && imagxp_publisher_options_set_rate_store(options, rates, error) == IMAGXP_OK
        && imagxp_publisher_options_set_first_trace(options, first, error) == IMAGXP_OK
        && imagxp_publisher_options_set_mode(options, site->mode, error) == IMAGXP_OK
        && (site->audit == NULL
            || imagxp_publisher_options_set_audit(options, site->audit, ngx_http_imagxp_audit_record, false, error)
               == IMAGXP_OK))
    {
        if (imagxp_publisher_new(site->policy->policy, secret, options, &publisher, error) != IMAGXP_OK) {
            publisher = NULL;
        }
    }

    imagxp_rate_store_free(rates);
    imagxp_replay_store_free(nonces);
    imagxp_publisher_options_free(options);

    return publisher;
}
