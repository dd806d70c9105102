/*
 * URLs that are fetched, and the addresses to which a fetch may connect: global unicast only, every address of a name is checked, and the
 * connection is made to a checked one.
 */

#include "ngx_http_imagxp.h"

static ngx_uint_t ngx_http_imagxp_url_is_loopback(struct sockaddr *sockaddr);

/* Splits an absolute URL. `address` is set where no name has to be resolved. NGX_DECLINED: it cannot be fetched, or must not be. */
ngx_int_t
ngx_http_imagxp_url_parse(ngx_pool_t *pool, ngx_str_t *text, ngx_http_imagxp_url_t *url, ngx_uint_t loopback)
{
    ngx_url_t            u;
    ngx_uint_t           i;
    ngx_resolver_addr_t  addr;

    ngx_memzero(url, sizeof(ngx_http_imagxp_url_t));
    ngx_memzero(&u, sizeof(ngx_url_t));

    url->url.len = text->len;
    url->url.data = ngx_pstrdup(pool, text);
    if (url->url.data == NULL) {
        return NGX_ERROR;
    }

    u.url = url->url;
    u.uri_part = 1;
    u.no_resolve = 1;

    if (u.url.len > 8 && ngx_strncmp(u.url.data, "https://", 8) == 0) {
        ngx_str_set(&url->scheme, "https");
        u.default_port = 443;
        u.url.data += 8;
        u.url.len -= 8;

    } else if (loopback && u.url.len > 7 && ngx_strncmp(u.url.data, "http://", 7) == 0) {
        ngx_str_set(&url->scheme, "http");
        u.default_port = 80;
        u.url.data += 7;
        u.url.len -= 7;

    } else {
        return NGX_DECLINED;
    }

    url->authority = u.url;

    for (i = 0; i < u.url.len; i++) {
        if (u.url.data[i] == '/' || u.url.data[i] == '?') {
            break;
        }

        if (u.url.data[i] == '@') {
            return NGX_DECLINED;
        }
    }

    url->authority.len = i;

    if (ngx_parse_url(pool, &u) != NGX_OK || u.host.len == 0 || u.family == AF_UNIX) {
        return NGX_DECLINED;
    }

    url->host = u.host;
    url->port = u.port;
    url->uri = u.uri;

    if (url->uri.len == 0) {
        ngx_str_set(&url->uri, "/");
    }

    if (url->uri.data[0] != '/') {
        return NGX_DECLINED;
    }

    if (u.naddrs > 0) {
        addr.sockaddr = u.addrs[0].sockaddr;
        addr.socklen = u.addrs[0].socklen;
        return ngx_http_imagxp_url_address(pool, url, &addr, 1, loopback);
    }

    if (loopback && url->host.len == 9 && ngx_strncmp(url->host.data, "localhost", 9) == 0) {
        url->address.data = ngx_pnalloc(pool, sizeof("127.0.0.1:65535") - 1);
        if (url->address.data == NULL) {
            return NGX_ERROR;
        }

        url->address.len = ngx_sprintf(url->address.data, "127.0.0.1:%ui", (ngx_uint_t) url->port) - url->address.data;
    }

    return NGX_OK;
}

/* Chooses where to connect. NGX_DECLINED: one of the addresses is not public. */
ngx_int_t
ngx_http_imagxp_url_address(ngx_pool_t *pool, ngx_http_imagxp_url_t *url, ngx_resolver_addr_t *addrs,
    ngx_uint_t naddrs, ngx_uint_t loopback)
{
    size_t        len;
    u_char       *p, text[NGX_SOCKADDR_STRLEN];
    ngx_uint_t    i, chosen;
    imagxp_slice  slice;

    chosen = naddrs;

    for (i = 0; i < naddrs; i++) {
        len = ngx_sock_ntop(addrs[i].sockaddr, addrs[i].socklen, text, sizeof(text), 0);
        slice.ptr = text;
        slice.len = len;

        if (!imagxp_address_allowed(slice)
            && !(loopback && ngx_http_imagxp_url_is_loopback(addrs[i].sockaddr)))
        {
            return NGX_DECLINED;
        }

        if (chosen == naddrs || addrs[i].sockaddr->sa_family == AF_INET) {
            chosen = i;
        }
    }

    if (chosen == naddrs) {
        return NGX_DECLINED;
    }

    len = ngx_sock_ntop(addrs[chosen].sockaddr, addrs[chosen].socklen, text, sizeof(text), 0);

    p = ngx_pnalloc(pool, len + sizeof("[]:65535") - 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    url->address.data = p;
    p = ngx_sprintf(p, addrs[chosen].sockaddr->sa_family == AF_INET ? "%*s:%ui" : "[%*s]:%ui", len, text,
                    (ngx_uint_t) url->port);
    url->address.len = p - url->address.data;

    return NGX_OK;
}

static ngx_uint_t
ngx_http_imagxp_url_is_loopback(struct sockaddr *sockaddr)
{
#if (NGX_HAVE_INET6)
    if (sockaddr->sa_family == AF_INET6) {
        return IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *) sockaddr)->sin6_addr) ? 1 : 0;
    }
#endif

    return sockaddr->sa_family == AF_INET
           && (ntohl(((struct sockaddr_in *) sockaddr)->sin_addr.s_addr) >> 24) == 127;
}
