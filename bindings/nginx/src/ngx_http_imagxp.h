/*
 * IMAGXP for nginx: what the files of this module share.
 *
 * The library decides; the module carries bytes to it and answers back. What belongs to whom:
 *
 * - configuration (policies, sites, keys, static documents) belongs to the cycle's pool and is read only after the fork;
 * - a site's publisher is made in the worker at its first request and freed with the cycle's pool;
 * - a request's context belongs to its pool and outlives internal redirects;
 * - a fetch belongs to the worker: requests wait for it and may go away at any time.
 */

#ifndef NGX_HTTP_IMAGXP_H
#define NGX_HTTP_IMAGXP_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <imagxp.h>

#define NGX_HTTP_IMAGXP_OFF      0
#define NGX_HTTP_IMAGXP_ENFORCE  1
#define NGX_HTTP_IMAGXP_OBSERVE  2

/* Manifest, key set, redemption; a refresh may ask for one of the first two again. */
#define NGX_HTTP_IMAGXP_MAX_ROUNDS  6
/* What one request can have spent: its nonce, uses of its visa, its feedback, and a share of its rate under each policy. */
#define NGX_HTTP_IMAGXP_MAX_SPENT   16

typedef struct ngx_http_imagxp_ctx_s    ngx_http_imagxp_ctx_t;
typedef struct ngx_http_imagxp_fetch_s  ngx_http_imagxp_fetch_t;
typedef struct ngx_http_imagxp_audit_s  ngx_http_imagxp_audit_t;
typedef struct ngx_http_imagxp_sh_s     ngx_http_imagxp_sh_t;

typedef struct {
    ngx_str_t                  name;
    ngx_shm_zone_t            *shm;
    ngx_slab_pool_t           *pool;
    ngx_http_imagxp_sh_t      *sh;
    void                      *documents;
} ngx_http_imagxp_zone_t;

typedef struct {
    ngx_str_t                  file;
    u_char                     id[16];     /* of the file's name */
    imagxp_policy             *policy;
    imagxp_bytes               public_json;
} ngx_http_imagxp_policy_t;

/* One publisher: a policy, a mode and a log. Locations that say the same share it. */
typedef struct {
    ngx_http_imagxp_policy_t  *policy;
    ngx_uint_t                 mode;
    ngx_http_imagxp_audit_t   *audit;
    ngx_http_imagxp_zone_t    *zone;
    imagxp_publisher          *publisher;
} ngx_http_imagxp_site_t;

typedef struct {
    ngx_http_imagxp_zone_t    *zone;
    ngx_array_t                policies;   /* of ngx_http_imagxp_policy_t * */
    ngx_array_t                sites;      /* of ngx_http_imagxp_site_t * */
    ngx_array_t                audits;     /* of ngx_http_imagxp_audit_t * */
} ngx_http_imagxp_main_conf_t;

/* A manifest or key set that the operator gives. */
typedef struct {
    ngx_str_t                  url;
    ngx_str_t                  body;
} ngx_http_imagxp_document_t;

typedef struct {
    ngx_uint_t                 mode;
    ngx_http_imagxp_policy_t  *policy;
    ngx_http_imagxp_site_t    *site;
    ngx_str_t                  origin;
    ngx_str_t                  manifest_request;
    ngx_str_t                  jwks_request;
    ngx_str_t                  redeem_request;
    imagxp_identity           *redeem_identity;
    ngx_array_t               *documents;  /* of ngx_http_imagxp_document_t */
    ngx_msec_t                 manifest_timeout;
    ngx_msec_t                 jwks_timeout;
    ngx_msec_t                 redeem_timeout;
    ngx_msec_t                 missed[IMAGXP_NEED_REDEEM + 1];  /* by kind: when the location for it was not there; this worker's */
    ngx_http_imagxp_audit_t   *audit;
    imagxp_key                *provenance_key;
    size_t                     provenance_buffer;
    ngx_flag_t                 strip_headers;
    ngx_flag_t                 feedback;
    ngx_uint_t                 status_unsigned;
    ngx_uint_t                 status_payment;
    ngx_uint_t                 status_rate;
    ngx_uint_t                 status_undecided;
} ngx_http_imagxp_loc_conf_t;

struct ngx_http_imagxp_ctx_s {
    ngx_http_request_t        *request;
    ngx_http_imagxp_site_t    *site;
    imagxp_verdict            *verdict;
    ngx_uint_t                 rounds;
    ngx_uint_t                 http;

    u_char                     spent[NGX_HTTP_IMAGXP_MAX_SPENT][16];
    ngx_uint_t                 nspent;      /* by sites before this one */
    ngx_uint_t                 nspent_now;  /* by this one, too */
    imagxp_redemption          redemption;  /* what the broker has said of its visa; 0: it has not been asked */

    ngx_http_imagxp_fetch_t   *fetch;
    ngx_queue_t                queue;
    ngx_event_t                wake;

    imagxp_feedback           *feedback;
    ngx_str_t                  feedback_status;

    ngx_str_t                  body;       /* of a refusal */
    imagxp_hasher             *hasher;
    ngx_buf_t                 *held;
    imagxp_headers            *receipt;

    unsigned                   decided:1;
    unsigned                   refused:1;
    unsigned                   elsewhere:1;
    unsigned                   error:1;
    unsigned                   fetched:1;
    unsigned                   astray:1;    /* what was fetched for it was led elsewhere: nothing more is */
    unsigned                   body_read:1;
    unsigned                   replaced:1;
    unsigned                   answered:1;
    unsigned                   holding:1;
    unsigned                   trailing:1;
};

extern ngx_module_t  ngx_http_imagxp_module;

/* Slices and strings. */
#define ngx_http_imagxp_slice(str)  ((imagxp_slice) { (str)->data, (str)->len })

static ngx_inline ngx_str_t
ngx_http_imagxp_str(imagxp_slice slice)
{
    ngx_str_t  str;

    str.len = slice.len;
    str.data = (u_char *) slice.ptr;

    return str;
}

static ngx_inline int64_t
ngx_http_imagxp_now(void)
{
    ngx_time_t  *tp = ngx_timeofday();

    return (int64_t) tp->sec * 1000 + (int64_t) tp->msec;
}

/* directive.c */
char *ngx_http_imagxp_zone_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_imagxp_policy_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_imagxp_document_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_imagxp_audit_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_imagxp_key_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_imagxp_zone_status_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* policy.c */
ngx_http_imagxp_policy_t *ngx_http_imagxp_policy_read(ngx_conf_t *cf, ngx_str_t *file);
ngx_http_imagxp_site_t *ngx_http_imagxp_site(ngx_conf_t *cf, ngx_http_imagxp_loc_conf_t *conf);
imagxp_publisher *ngx_http_imagxp_publisher(ngx_http_imagxp_site_t *site, ngx_log_t *log);
ngx_int_t ngx_http_imagxp_read_file(ngx_conf_t *cf, ngx_str_t *file, size_t max, ngx_str_t *text);
ngx_int_t ngx_http_imagxp_check_listen(ngx_conf_t *cf);
void ngx_http_imagxp_log_error(ngx_uint_t level, ngx_log_t *log, const char *what, imagxp_error *error);

/* zone.c */
ngx_int_t ngx_http_imagxp_zone_init(ngx_shm_zone_t *shm_zone, void *data);
ngx_int_t ngx_http_imagxp_zone_move(ngx_cycle_t *cycle);
const u_char *ngx_http_imagxp_zone_secret(ngx_http_imagxp_zone_t *zone);
int ngx_http_imagxp_zone_insert(void *data, const uint8_t *key, const uint8_t *agent, int64_t expires_at_ms,
    int64_t now_ms);
int ngx_http_imagxp_zone_seen(void *data, const uint8_t *key, int64_t now_ms);
int64_t ngx_http_imagxp_zone_horizon(void *data);
ngx_int_t ngx_http_imagxp_zone_status(ngx_http_request_t *r);

/* agent.c */
int64_t ngx_http_imagxp_agent_arrival(void *data, const uint8_t *agent);
int ngx_http_imagxp_agent_replace(void *data, const uint8_t *agent, int64_t before_us, int64_t after_us);

/* document.c */
void *ngx_http_imagxp_documents_make(ngx_http_imagxp_zone_t *zone);
ngx_uint_t ngx_http_imagxp_documents_count(ngx_http_imagxp_zone_t *zone);
void ngx_http_imagxp_document_put(ngx_http_imagxp_zone_t *zone, ngx_str_t *url, ngx_str_t *body, uint32_t max_age,
    int64_t now_ms);
ngx_int_t ngx_http_imagxp_document_given(ngx_http_imagxp_ctx_t *ctx, ngx_str_t *url);
ngx_int_t ngx_http_imagxp_document_supply(ngx_http_imagxp_site_t *site, ngx_str_t *url, int64_t now_ms, ngx_uint_t old,
    ngx_log_t *log);
void ngx_http_imagxp_document_supplied(ngx_http_imagxp_site_t *site, ngx_str_t *url, int64_t fetched_ms);

/* verify.c */
ngx_int_t ngx_http_imagxp_access_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_imagxp_passed_handler(ngx_http_request_t *r);

/* ctx.c */
extern ngx_http_imagxp_ctx_t  *ngx_http_imagxp_current;
ngx_http_imagxp_ctx_t *ngx_http_imagxp_ctx(ngx_http_request_t *r);
ngx_http_imagxp_ctx_t *ngx_http_imagxp_ctx_make(ngx_http_request_t *r, ngx_http_imagxp_site_t *site);
int ngx_http_imagxp_own(const uint8_t *key);
void ngx_http_imagxp_spend(const uint8_t *key);

/* body.c */
ngx_int_t ngx_http_imagxp_body_read(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx);
ngx_int_t ngx_http_imagxp_body_unread(imagxp_request *request, imagxp_error **error);
ngx_int_t ngx_http_imagxp_body_digest(ngx_http_request_t *r, imagxp_request *request, imagxp_error **error);

/* feedback.c */
void ngx_http_imagxp_feedback_take(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx);

/* fetch.c */
ngx_int_t ngx_http_imagxp_fetch_join(ngx_http_imagxp_ctx_t *ctx, imagxp_need kind, ngx_str_t *url);
void ngx_http_imagxp_fetch_leave(ngx_http_imagxp_ctx_t *ctx);
void ngx_http_imagxp_fetch_stop(void);
ngx_int_t ngx_http_imagxp_fetch_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data);

/* redeem.c */
char *ngx_http_imagxp_redeem_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
ngx_int_t ngx_http_imagxp_redeem_ask(ngx_http_request_t *sr, ngx_http_imagxp_ctx_t *ctx, ngx_str_t *url);
imagxp_redemption ngx_http_imagxp_redeem_read(ngx_http_request_t *sr, ngx_int_t rc);

typedef struct {
    ngx_str_t                  url;
    ngx_str_t                  scheme;
    ngx_str_t                  host;       /* without a port */
    ngx_str_t                  authority;  /* with it, unless it is the scheme's */
    ngx_str_t                  address;    /* where to connect: checked */
    ngx_str_t                  uri;
    in_port_t                  port;
} ngx_http_imagxp_url_t;

/* url.c */
ngx_int_t ngx_http_imagxp_url_parse(ngx_pool_t *pool, ngx_str_t *text, ngx_http_imagxp_url_t *url,
    ngx_uint_t loopback);
ngx_int_t ngx_http_imagxp_url_address(ngx_pool_t *pool, ngx_http_imagxp_url_t *url, ngx_resolver_addr_t *addrs,
    ngx_uint_t naddrs, ngx_uint_t loopback);

/* verdict.c */
ngx_int_t ngx_http_imagxp_add_variables(ngx_conf_t *cf);
ngx_str_t ngx_http_imagxp_resource(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx);

/* headers.c */
ngx_int_t ngx_http_imagxp_strip_headers(ngx_http_request_t *r);
ngx_int_t ngx_http_imagxp_add_header(ngx_http_request_t *r, ngx_list_t *headers, imagxp_slice name,
    imagxp_slice value);
ngx_int_t ngx_http_imagxp_verdict_headers(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx);

/* respond.c */
ngx_int_t ngx_http_imagxp_serve_policy(ngx_http_request_t *r, ngx_http_imagxp_site_t *site);
ngx_int_t ngx_http_imagxp_refuse(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx);
ngx_int_t ngx_http_imagxp_filter_init(ngx_conf_t *cf);
extern ngx_http_output_header_filter_pt  ngx_http_imagxp_next_header_filter;
extern ngx_http_output_body_filter_pt    ngx_http_imagxp_next_body_filter;

/* receipt.c */
ngx_int_t ngx_http_imagxp_receipt_header(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx);
ngx_int_t ngx_http_imagxp_receipt_body(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx, ngx_chain_t *in);

/* lines.c */
size_t ngx_http_imagxp_lines_append(ngx_fd_t fd, u_char *data, size_t len, ngx_file_uniq_t *torn, ngx_err_t *err);

/* audit.c */
ngx_http_imagxp_audit_t *ngx_http_imagxp_audit_open(ngx_conf_t *cf, ngx_str_t *file);
int ngx_http_imagxp_audit_record(void *data, imagxp_slice record, imagxp_slice manifest);
void ngx_http_imagxp_audit_close(ngx_http_imagxp_audit_t *audit);

#endif
