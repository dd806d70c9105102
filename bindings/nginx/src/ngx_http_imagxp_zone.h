/*
 * The layout of the shared zone, and what its files ask of each other: zone.c makes it and locks it, nonce.c keeps nonces, agent.c agents.
 * What is declared here is called under the zone's mutex.
 */

#ifndef NGX_HTTP_IMAGXP_ZONE_H
#define NGX_HTTP_IMAGXP_ZONE_H

#include "ngx_http_imagxp.h"

/* The index of nothing. */
#define NONE     0xffffffffU
#define MINUTES  128
#define RANGES   8
/* Entries behind those of agents, for agents that found no room: the first owns their nonces, each of the others is their rate under a policy. */
#define SHARED   16

typedef struct {
    u_char                     key[16];
    uint32_t                   expires;    /* seconds since 1970; seen up to then */
    uint32_t                   agent;
    uint32_t                   next;       /* in its chain, or of the free ones */
    uint32_t                   due;        /* next of the same minute */
} ngx_http_imagxp_nonce_t;

typedef struct {
    u_char                     key[16];
    int64_t                    arrival;    /* of its next request, in microseconds since 1970 */
    uint32_t                   nonces:31;
    uint32_t                   late:1;     /* made when shared nonces were there: some may be its own */
    uint32_t                   next;
} ngx_http_imagxp_agent_t;

/* A time whose nonces may have been forgotten, in seconds since 1970. */
typedef struct {
    int64_t                    from;
    int64_t                    to;
} ngx_http_imagxp_range_t;

struct ngx_http_imagxp_sh_s {
    u_char                     secret[16];
    void                      *documents;
    int64_t                    moved;      /* when a larger or smaller zone took its place; 0: it is the one */

    uint32_t                   capacity;
    uint32_t                   live;
    uint32_t                   fresh;      /* entries from here on have never been used */
    uint32_t                   free;
    uint32_t                   max_per_agent;

    uint32_t                   agent_capacity;
    uint32_t                   agent_fresh;
    uint32_t                   agent_hand;

    int64_t                    minute;     /* the next one to be swept */
    uint32_t                   wheel[MINUTES];
    ngx_http_imagxp_range_t    forgotten[RANGES];
    ngx_uint_t                 nforgotten;
    uint64_t                   refused;

    ngx_http_imagxp_nonce_t   *nonces;
    ngx_http_imagxp_agent_t   *agents;
    uint32_t                  *heads;
    uint32_t                  *agent_heads;
};

static ngx_inline uint32_t
ngx_http_imagxp_zone_slot(const uint8_t *key, uint32_t size)
{
    uint64_t  hash;

    /* The keys are keyed hashes already. */
    ngx_memcpy(&hash, key, sizeof(hash));

    return (uint32_t) (((hash & 0xffffffff) * size) >> 32);
}

/* Who owns the nonces of agents that found no room. */
static ngx_inline ngx_http_imagxp_agent_t *
ngx_http_imagxp_zone_shared(ngx_http_imagxp_sh_t *sh)
{
    return &sh->agents[sh->agent_capacity];
}

/* nonce.c: without an agent it is a shared one */
int ngx_http_imagxp_nonce_add(ngx_http_imagxp_sh_t *sh, const uint8_t *key, const uint8_t *agent, uint32_t expires,
    int64_t now);
uint32_t ngx_http_imagxp_nonce_find(ngx_http_imagxp_sh_t *sh, const uint8_t *key);
void ngx_http_imagxp_nonce_forget(ngx_http_imagxp_sh_t *sh, int64_t time);

/* agent.c */
uint32_t ngx_http_imagxp_agent_find(ngx_http_imagxp_sh_t *sh, const uint8_t *key, int64_t now_us, ngx_uint_t make);
ngx_uint_t ngx_http_imagxp_agent_count(ngx_http_imagxp_sh_t *sh, int64_t now_us);

#endif
