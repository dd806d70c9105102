/*
 * Agents in the shared zone: how many nonces each has there, and when its next request may come (its rate).
 */

#include "ngx_http_imagxp_zone.h"

/* How many entries are looked at for one that is free. */
#define STEPS  64

static void ngx_http_imagxp_agent_rate_key(ngx_http_imagxp_site_t *site, const uint8_t *agent, u_char *key);
static ngx_http_imagxp_agent_t *ngx_http_imagxp_agent_rate(ngx_http_imagxp_site_t *site, const u_char *key);
static uint32_t ngx_http_imagxp_agent_slot(ngx_http_imagxp_sh_t *sh, int64_t now_us);

int64_t
ngx_http_imagxp_agent_arrival(void *data, const uint8_t *agent)
{
    u_char                    key[16];
    int64_t                   arrival;
    ngx_http_imagxp_site_t   *site = data;
    ngx_http_imagxp_agent_t  *rate;

    ngx_http_imagxp_agent_rate_key(site, agent, key);

    if (ngx_http_imagxp_own(key)) {
        return IMAGXP_TIME_NONE;
    }

    ngx_shmtx_lock(&site->zone->pool->mutex);

    rate = ngx_http_imagxp_agent_rate(site, key);
    arrival = rate->arrival;

    ngx_shmtx_unlock(&site->zone->pool->mutex);

    return arrival;
}

int
ngx_http_imagxp_agent_replace(void *data, const uint8_t *agent, int64_t before_us, int64_t after_us)
{
    int                       answer;
    u_char                    key[16];
    ngx_http_imagxp_site_t   *site = data;
    ngx_http_imagxp_agent_t  *rate;

    ngx_http_imagxp_agent_rate_key(site, agent, key);

    if (ngx_http_imagxp_own(key)) {
        /* Another site of the same policy has counted this request. */
        return IMAGXP_RATE_REPLACED;
    }

    ngx_shmtx_lock(&site->zone->pool->mutex);

    rate = ngx_http_imagxp_agent_rate(site, key);

    if (rate->arrival != before_us) {
        answer = IMAGXP_RATE_CHANGED;

    } else {
        rate->arrival = after_us;
        answer = IMAGXP_RATE_REPLACED;
    }

    ngx_shmtx_unlock(&site->zone->pool->mutex);

    if (answer == IMAGXP_RATE_REPLACED) {
        ngx_http_imagxp_spend(key);
    }

    return answer;
}

/*
 * Where the agent's next time stands: in its own entry; without room for one, in that of all such agents under this policy, who count as one.
 * There are few of those; policies that find none share another's.
 */
static ngx_http_imagxp_agent_t *
ngx_http_imagxp_agent_rate(ngx_http_imagxp_site_t *site, const u_char *key)
{
    int64_t                   now_us;
    uint32_t                  index, slot;
    ngx_uint_t                i;
    const u_char             *id;
    ngx_http_imagxp_sh_t     *sh;
    ngx_http_imagxp_agent_t  *rate, *rates, *unused;

    sh = site->zone->sh;
    id = site->policy->id;
    now_us = ngx_http_imagxp_now() * 1000;
    index = ngx_http_imagxp_agent_find(sh, key, now_us, 1);

    if (index != NONE) {
        return &sh->agents[index];
    }

    rates = ngx_http_imagxp_zone_shared(sh) + 1;
    slot = ngx_http_imagxp_zone_slot(id, SHARED - 1);
    unused = NULL;

    for (i = 0; i < SHARED - 1; i++) {
        rate = &rates[(slot + i) % (SHARED - 1)];

        if (ngx_memcmp(rate->key, id, 16) == 0) {
            return rate;
        }

        if (unused == NULL && rate->arrival <= now_us) {
            unused = rate;
        }
    }

    if (unused == NULL) {
        return &rates[slot];
    }

    unused->arrival = IMAGXP_TIME_NONE;
    ngx_memcpy(unused->key, id, 16);

    return unused;
}

/* Rates are kept per policy, by the name of its file: two policies may grant one agent different ones, and a reload changes what a file says. */
static void
ngx_http_imagxp_agent_rate_key(ngx_http_imagxp_site_t *site, const uint8_t *agent, u_char *key)
{
    ngx_uint_t  i;

    for (i = 0; i < 16; i++) {
        key[i] = agent[i] ^ site->policy->id[i];
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
        agent->late = ngx_http_imagxp_zone_shared(sh)->nonces != 0;
        agent->next = sh->agent_heads[slot];
        ngx_memory_barrier();
        sh->agent_heads[slot] = index;
    }

    return index;
}

/* How many entries say something. It only reads, and may be called without the mutex: a table of many may take a while. */
ngx_uint_t
ngx_http_imagxp_agent_count(ngx_http_imagxp_sh_t *sh, int64_t now_us)
{
    uint32_t    index;
    ngx_uint_t  count;

    count = 0;

    for (index = 0; index < sh->agent_fresh && index < sh->agent_capacity; index++) {
        count += sh->agents[index].nonces != 0 || sh->agents[index].arrival > now_us;
    }

    return count;
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
