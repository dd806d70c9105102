/*
 * Nonces and uses of visas in the shared zone: a table chained by index, and a wheel of minutes in which they may be forgotten.
 */

#include "ngx_http_imagxp_zone.h"

#define DAY_S       86400
/* How many nonces an insertion forgets, and how many when there is no room. */
#define SWEEP       8
#define SWEEP_FULL  4096

static uint32_t ngx_http_imagxp_nonce_quota(ngx_http_imagxp_sh_t *sh, uint32_t owner);
static void ngx_http_imagxp_nonce_link(ngx_http_imagxp_sh_t *sh, uint32_t index);
static void ngx_http_imagxp_nonce_sweep(ngx_http_imagxp_sh_t *sh, int64_t now, ngx_uint_t limit);
static void ngx_http_imagxp_nonce_drop(ngx_http_imagxp_sh_t *sh, uint32_t index);

int
ngx_http_imagxp_nonce_add(ngx_http_imagxp_sh_t *sh, const uint8_t *key, const uint8_t *agent, uint32_t expires,
    int64_t now)
{
    uint32_t                  index, owner, slot;
    ngx_http_imagxp_nonce_t  *nonce;

    ngx_http_imagxp_nonce_sweep(sh, now, SWEEP);

    if (ngx_http_imagxp_nonce_find(sh, key) != NONE) {
        return IMAGXP_INSERT_SEEN;
    }

    if (sh->free == NONE && sh->fresh == sh->capacity) {
        ngx_http_imagxp_nonce_sweep(sh, now, SWEEP_FULL);
    }

    owner = agent == NULL ? NONE : ngx_http_imagxp_agent_find(sh, agent, now * 1000000, 1);

    if (owner == NONE) {
        /* That many others have been here is no reason to refuse it. */
        owner = sh->agent_capacity;
    }

    if (sh->agents[owner].nonces >= ngx_http_imagxp_nonce_quota(sh, owner)) {
        return IMAGXP_INSERT_FULL;
    }

    if (sh->free != NONE) {
        index = sh->free;
        sh->free = sh->nonces[index].next;

    } else if (sh->fresh < sh->capacity) {
        index = sh->fresh++;

    } else {
        return IMAGXP_INSERT_FULL;
    }

    slot = ngx_http_imagxp_zone_slot(key, sh->capacity);
    nonce = &sh->nonces[index];
    ngx_memcpy(nonce->key, key, 16);
    nonce->expires = expires;
    nonce->agent = owner;
    nonce->next = sh->heads[slot];

    sh->agents[owner].nonces++;
    sh->live++;
    ngx_memory_barrier();
    sh->heads[slot] = index;
    ngx_http_imagxp_nonce_link(sh, index);

    return IMAGXP_INSERT_FRESH;
}

/* One agent's share is never more than `max_per_agent`, wherever its nonces lie: half of it is shared ones, and then half is its own. */
static uint32_t
ngx_http_imagxp_nonce_quota(ngx_http_imagxp_sh_t *sh, uint32_t owner)
{
    uint32_t  half;

    half = sh->max_per_agent / 2;

    if (owner == sh->agent_capacity) {
        return half;
    }

    if (sh->agents[owner].late && ngx_http_imagxp_zone_shared(sh)->nonces != 0) {
        return sh->max_per_agent - half;
    }

    return sh->max_per_agent;
}

uint32_t
ngx_http_imagxp_nonce_find(ngx_http_imagxp_sh_t *sh, const uint8_t *key)
{
    uint32_t  index;

    for (index = sh->heads[ngx_http_imagxp_zone_slot(key, sh->capacity)]; index != NONE; index = sh->nonces[index].next) {
        if (ngx_memcmp(sh->nonces[index].key, key, 16) == 0) {
            return index;
        }
    }

    return NONE;
}

/* Into the list of the first minute in which the nonce has surely expired; one that lies too far ahead is looked at earlier. */
static void
ngx_http_imagxp_nonce_link(ngx_http_imagxp_sh_t *sh, uint32_t index)
{
    int64_t    minute;
    uint32_t  *list;

    minute = (int64_t) sh->nonces[index].expires / 60 + 1;
    minute = ngx_max(minute, sh->minute);
    minute = ngx_min(minute, sh->minute + MINUTES - 1);
    list = &sh->wheel[minute % MINUTES];

    sh->nonces[index].due = *list;
    ngx_memory_barrier();
    *list = index;
}

static void
ngx_http_imagxp_nonce_sweep(ngx_http_imagxp_sh_t *sh, int64_t now, ngx_uint_t limit)
{
    int64_t    minute;
    uint32_t   index, *list;

    minute = now / 60;

    if (minute - sh->minute > MINUTES) {
        /* The lists are the same in every round. */
        sh->minute = minute - MINUTES;
    }

    if (sh->minute > minute + 1) {
        /* The clock has stepped back. What has not expired is linked again. */
        sh->minute = minute;
    }

    while (sh->minute <= minute) {
        list = &sh->wheel[sh->minute % MINUTES];
        index = *list;

        if (index == NONE) {
            sh->minute++;
            continue;
        }

        if (limit-- == 0) {
            return;
        }

        *list = sh->nonces[index].due;

        if ((int64_t) sh->nonces[index].expires < now) {
            ngx_http_imagxp_nonce_drop(sh, index);
        } else {
            /* Its minute lies ahead of this one, so it does not come back here. */
            ngx_http_imagxp_nonce_link(sh, index);
        }
    }
}

static void
ngx_http_imagxp_nonce_drop(ngx_http_imagxp_sh_t *sh, uint32_t index)
{
    uint32_t                 *link;
    ngx_http_imagxp_nonce_t  *nonce;

    nonce = &sh->nonces[index];
    ngx_http_imagxp_nonce_forget(sh, nonce->expires);

    link = &sh->heads[ngx_http_imagxp_zone_slot(nonce->key, sh->capacity)];

    while (*link != NONE && *link != index) {
        link = &sh->nonces[*link].next;
    }

    if (*link == index) {
        *link = nonce->next;
    }

    if (sh->agents[nonce->agent].nonces > 0) {
        sh->agents[nonce->agent].nonces--;
    }

    if (sh->live > 0) {
        sh->live--;
    }

    nonce->next = sh->free;
    sh->free = index;
}

/* Claims that end at a forgotten time, or in the day before it, are refused: a clock that steps back reopens nothing. */
void
ngx_http_imagxp_nonce_forget(ngx_http_imagxp_sh_t *sh, int64_t time)
{
    ngx_uint_t                i, nearest;
    ngx_http_imagxp_range_t  *range;

    nearest = 0;

    for (i = 0; i < sh->nforgotten; i++) {
        range = &sh->forgotten[i];

        if (time >= range->from - DAY_S && time <= range->to + DAY_S) {
            range->from = ngx_min(range->from, time - DAY_S);
            range->to = ngx_max(range->to, time);
            return;
        }

        if (range->to < sh->forgotten[nearest].to) {
            nearest = i;
        }
    }

    if (sh->nforgotten < RANGES) {
        range = &sh->forgotten[sh->nforgotten++];
        range->from = time - DAY_S;
        range->to = time;
        return;
    }

    /* The clock has jumped often: the oldest time grows. */
    range = &sh->forgotten[nearest];
    range->from = ngx_min(range->from, time - DAY_S);
    range->to = ngx_max(range->to, time);
}
