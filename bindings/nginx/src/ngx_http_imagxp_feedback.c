/*
 * Feedback: what an agent says of earlier content, in x-imagxp-feedback.
 */

#include "ngx_http_imagxp.h"

/* What came in x-imagxp-feedback. It never decides about the request that carries it. */
void
ngx_http_imagxp_feedback_take(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx)
{
    ngx_uint_t                   i, n;
    imagxp_error                *error;
    imagxp_slice                 value, name;
    imagxp_status                status;
    imagxp_verdict              *verdict;
    const imagxp_verdict        *carrier;
    ngx_list_part_t             *part;
    ngx_table_elt_t             *header;
    ngx_http_imagxp_loc_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_imagxp_module);

    if (!conf->feedback) {
        return;
    }

    n = 0;
    ngx_memzero(&value, sizeof(value));

    for (part = &r->headers_in.headers.part; part != NULL; part = part->next) {
        header = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (header[i].key.len == sizeof("x-imagxp-feedback") - 1
                && ngx_strncasecmp(header[i].key.data, (u_char *) "x-imagxp-feedback", header[i].key.len) == 0)
            {
                value = ngx_http_imagxp_slice(&header[i].value);
                n++;
            }
        }
    }

    if (n != 1) {
        return;
    }

    carrier = imagxp_verdict_visitor(ctx->verdict) == IMAGXP_VISITOR_VERIFIED_AGENT ? ctx->verdict : NULL;
    error = NULL;

    ngx_http_imagxp_current = ctx;
    status = imagxp_publisher_feedback(ngx_http_imagxp_publisher(ctx->site, r->connection->log), value, carrier,
                                       ngx_http_imagxp_now(), &verdict, &ctx->feedback, &error);
    ngx_http_imagxp_current = NULL;

    if (status != IMAGXP_OK) {
        ngx_http_imagxp_log_error(NGX_LOG_ERR, r->connection->log, "taking feedback failed", error);
        ngx_str_set(&ctx->feedback_status, "internal.invariant");
        return;
    }

    if (imagxp_verdict_is_allowed(verdict)) {
        ngx_str_set(&ctx->feedback_status, "accepted");

    } else {
        /* The names of codes live forever. */
        name = imagxp_status_name(imagxp_verdict_code(verdict));
        ctx->feedback_status = ngx_http_imagxp_str(name);
    }

    imagxp_verdict_free(verdict);
}
