/*
 * Agents in the shared zone: how many nonces each has there, and when its next request may come (its rate).
 */

#include "ngx_http_imagxp_zone.h"

/* How many entries are looked at for one that is free. */
#define STEPS  64

static void ngx_http_imagxp_agent_rate_key(ngx_http_imagxp_site_t *site, const uint8_t *agent, u_char *key);
static uint32_t ngx_http_imagxp_agent_slot(ngx_http_imagxp_sh_t *sh, int64_t now_us);

int64_t
ngx_http_imagxp_agent_arrival(void *data, const uint8_t *agent)
{
    u_char                   key[16];
    int64_t                  arrival;
    uint32_t                 index;
    ngx_http_imagxp_site_t  *site = data;

    ngx_http_imagxp_agent_rate_key(site, agent, key);

    ngx_shmtx_lock(&site->zone->pool->mutex);

    index = ngx_http_imagxp_agent_find(site->zone->sh, key, 0, 0);
    arrival = index == NONE ? IMAGXP_TIME_NONE : site->zone->sh->agents[index].arrival;

    ngx_shmtx_unlock(&site->zone->pool->mutex);

    return arrival;
}

int
ngx_http_imagxp_agent_replace(void *data, const uint8_t *agent, int64_t before_us, int64_t after_us)
{
    int                      answer;
    u_char                   key[16];
    uint32_t                 index;
    ngx_http_imagxp_sh_t    *sh;
    ngx_http_imagxp_site_t  *site = data;

    sh = site->zone->sh;
    ngx_http_imagxp_agent_rate_key(site, agent, key);

    ngx_shmtx_lock(&site->zone->pool->mutex);

    index = ngx_http_imagxp_agent_find(sh, key, ngx_http_imagxp_now() * 1000, 1);

    if (index == NONE) {
        answer = IMAGXP_RATE_ERROR;

    } else if (sh->agents[index].arrival != before_us) {
        answer = IMAGXP_RATE_CHANGED;

    } else {
        sh->agents[index].arrival = after_us;
        answer = IMAGXP_RATE_REPLACED;
    }

    ngx_shmtx_unlock(&site->zone->pool->mutex);

    return answer;
}

/* Rates are kept per policy: two policies may grant one agent different ones. */
static void
ngx_http_imagxp_agent_rate_key(ngx_http_imagxp_site_t *site, const uint8_t *agent, u_char *key)
{
    ngx_uint_t    i;
    imagxp_slice  hash;

    hash = imagxp_policy_hash(site->policy->policy);

    for (i = 0; i < 16; i++) {
        key[i] = agent[i] ^ hash.ptr[i];
    }
}

uint32_t
ngx_http_imagxp_agent_find(ngx_http_imagxp_sh_t *sh, const uint8_t *key, int64_t now_us, ngx_uint_t make)
{
    uint32_t                  index, slot;
    ngx_http_imagxp_agent_t  *agent;

    slot = ngx_http_imagxp_zone_slot(key, sh->agent_capacity);

    for (index = sh->agent_heads[slot]; index != NONE; index = sh->agents[index].next) {
        if (ngx_memcmp(sh->agents[index].key, key, 16) == 0) {
            return index;
        }
    }

    if (!make) {
        return NONE;
    }

    index = ngx_http_imagxp_agent_slot(sh, now_us);

    if (index != NONE) {
        agent = &sh->agents[index];
        ngx_memcpy(agent->key, key, 16);
        agent->arrival = IMAGXP_TIME_NONE;
        agent->nonces = 0;
        agent->next = sh->agent_heads[slot];
        ngx_memory_barrier();
        sh->agent_heads[slot] = index;
    }

    return index;
}

/* A place for an agent: one that was never used, or one of which nothing is known any more. */
static uint32_t
ngx_http_imagxp_agent_slot(ngx_http_imagxp_sh_t *sh, int64_t now_us)
{
    uint32_t                  index, *link;
    ngx_uint_t                i;
    ngx_http_imagxp_agent_t  *agent;

    if (sh->agent_fresh < sh->agent_capacity) {
        return sh->agent_fresh++;
    }

    for (i = 0; i < STEPS; i++) {
        index = sh->agent_hand;
        sh->agent_hand = (index + 1) % sh->agent_capacity;
        agent = &sh->agents[index];

        if (agent->nonces != 0 || agent->arrival > now_us) {
            continue;
        }

        link = &sh->agent_heads[ngx_http_imagxp_zone_slot(agent->key, sh->agent_capacity)];

        while (*link != NONE && *link != index) {
            link = &sh->agents[*link].next;
        }

        if (*link == index) {
            *link = agent->next;
        }

        return index;
    }

    return NONE;
}
