/*
 * Headers: in which only we speak of verdicts, and those that a verdict adds.
 */

#include "ngx_http_imagxp.h"

static ngx_uint_t ngx_http_imagxp_speaks_of_verdicts(ngx_str_t *name);
static ngx_uint_t ngx_http_imagxp_has_header(ngx_http_request_t *r, imagxp_slice name);

/* Takes x-imagxp-verdict-* out of the request, so that an upstream can believe what it finds. */
ngx_int_t
ngx_http_imagxp_strip_headers(ngx_http_request_t *r)
{
    ngx_uint_t        i, found;
    ngx_list_t       *list;
    ngx_list_part_t  *part, old;
    ngx_table_elt_t  *header, *kept;

    found = 0;
    list = &r->headers_in.headers;

    for (part = &list->part; part != NULL; part = part->next) {
        header = part->elts;

        for (i = 0; i < part->nelts; i++) {
            found += ngx_http_imagxp_speaks_of_verdicts(&header[i].key);
        }
    }

    if (!found) {
        return NGX_OK;
    }

    /* A new list: pointers to the old elements, r->headers_in.host for one, stay good. */
    old = list->part;

    if (ngx_list_init(list, r->pool, 20, sizeof(ngx_table_elt_t)) != NGX_OK) {
        return NGX_ERROR;
    }

    for (part = &old; part != NULL; part = part->next) {
        header = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (ngx_http_imagxp_speaks_of_verdicts(&header[i].key)) {
                continue;
            }

            kept = ngx_list_push(list);
            if (kept == NULL) {
                return NGX_ERROR;
            }

            *kept = header[i];
        }
    }

    return NGX_OK;
}

/* Adds a header line; name and value are copied. */
ngx_int_t
ngx_http_imagxp_add_header(ngx_http_request_t *r, ngx_list_t *headers, imagxp_slice name, imagxp_slice value)
{
    u_char           *p;
    ngx_table_elt_t  *header;

    /* Before the list grows: an element that nothing was put into would be sent, too. */
    p = ngx_pnalloc(r->pool, 2 * name.len + value.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    header = ngx_list_push(headers);
    if (header == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(header, sizeof(ngx_table_elt_t));
    header->hash = 1;
    header->key.len = name.len;
    header->key.data = p;
    header->lowcase_key = p + name.len;
    header->value.len = value.len;
    header->value.data = p + 2 * name.len;
    ngx_memcpy(header->key.data, name.ptr, name.len);
    ngx_strlow(header->lowcase_key, header->key.data, name.len);
    ngx_memcpy(header->value.data, value.ptr, value.len);

    return NGX_OK;
}

/* What the verdict wants said, unless the answer says it already. */
ngx_int_t
ngx_http_imagxp_verdict_headers(ngx_http_request_t *r, ngx_http_imagxp_ctx_t *ctx)
{
    size_t        i;
    imagxp_slice  name, value;

    if (ctx->feedback_status.len != 0
        && ngx_http_imagxp_add_header(r, &r->headers_out.headers, imagxp_slice_of("x-imagxp-feedback-status"),
                                      ngx_http_imagxp_slice(&ctx->feedback_status)) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!ctx->refused && !imagxp_verdict_is_allowed(ctx->verdict)) {
        /* Somebody else has let it in. */
        return NGX_OK;
    }

    for (i = 0; i < imagxp_verdict_response_header_count(ctx->verdict); i++) {
        name = imagxp_verdict_response_header_name(ctx->verdict, i);
        value = imagxp_verdict_response_header_value(ctx->verdict, i);

        if (ngx_http_imagxp_has_header(r, name) && name.ptr[0] == 'x') {
            continue;
        }

        if (ngx_http_imagxp_add_header(r, &r->headers_out.headers, name, value) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}

static ngx_uint_t
ngx_http_imagxp_speaks_of_verdicts(ngx_str_t *name)
{
    u_char      c;
    ngx_uint_t  i;

    static u_char  prefix[] = "x-imagxp-verdict-";

    if (name->len < sizeof(prefix) - 1) {
        return 0;
    }

    for (i = 0; i < sizeof(prefix) - 1; i++) {
        /* CGI and WSGI cannot tell `_` from `-`. */
        c = name->data[i] == '_' ? '-' : ngx_tolower(name->data[i]);

        if (c != prefix[i]) {
            return 0;
        }
    }

    return 1;
}

static ngx_uint_t
ngx_http_imagxp_has_header(ngx_http_request_t *r, imagxp_slice name)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *header;

    for (part = &r->headers_out.headers.part; part != NULL; part = part->next) {
        header = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (header[i].hash != 0 && header[i].key.len == name.len
                && ngx_strncasecmp(header[i].key.data, (u_char *) name.ptr, name.len) == 0)
            {
                return 1;
            }
        }
    }

    return 0;
}
