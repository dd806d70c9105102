/*
 * The shared zone: nonces and uses of visas, rates, quotas. State that must be the same in every worker and survive a reload.
 *
 * Two tables of fixed size, chained by index, under the zone's mutex; nothing is allocated after the start. A nonce lies in a chain of its
 * hash and in the list of the minute in which it may be forgotten. Each insertion forgets a few that have expired; what is live is
 * never evicted: a full table refuses. An agent's entry is free again when no nonce names it and its rate says nothing any more. Agents that
 * find none share a few, so that who comes late is let in as long as there is room for its nonce.
 *
 * A worker may be killed anywhere in here; nginx's master then opens the mutex. Entries are complete before one store links them, so the
 * worst is an entry that stays unused until the zone is made anew.
 */

#include "ngx_http_imagxp_zone.h"
#include <sys/random.h>

#define MIN_SIZE  (64 * 4096)
/* For how long a zone that has moved takes nothing: longer than a request lives that came before. */
#define MOVED_S   900

static ngx_int_t ngx_http_imagxp_zone_make(ngx_http_imagxp_zone_t *zone);
static ngx_http_imagxp_zone_t *ngx_http_imagxp_zone_former(ngx_http_imagxp_zone_t *zone);
static void ngx_http_imagxp_zone_carry_nonce(ngx_http_imagxp_sh_t *sh, ngx_http_imagxp_sh_t *old,
    ngx_http_imagxp_nonce_t *nonce, int64_t now);

ngx_int_t
ngx_http_imagxp_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_imagxp_zone_t  *old = data;
    ngx_http_imagxp_zone_t  *zone = shm_zone->data;

    if (old != NULL) {
        zone->sh = old->sh;
        zone->pool = old->pool;
        zone->documents = old->documents;
        return NGX_OK;
    }

    zone->pool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (shm_zone->shm.exists) {
        zone->sh = zone->pool->data;
        zone->documents = zone->sh->documents;
        return NGX_OK;
    }

    if (ngx_http_imagxp_zone_make(zone) != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0, "imagxp_zone \"%V\" of %uz bytes is too small: at least %d",
                      &zone->name, shm_zone->shm.size, MIN_SIZE);
        return NGX_ERROR;
    }

    return NGX_OK;
}

/*
 * nginx makes a zone whose size has changed anew; what the old one held is still true, so it moves. Rates begin anew. It moves when the
 * reload can no more fail: until then the old zone is the one that counts. Afterwards the workers that end add nothing to it, which the new
 * ones would not know. That has an end: should the master die here, the old workers go on, with all that they had.
 */
ngx_int_t
ngx_http_imagxp_zone_move(ngx_cycle_t *cycle)
{
    int64_t                       now;
    uint32_t                      i, index;
    ngx_uint_t                    shared;
    ngx_http_imagxp_sh_t         *sh, *old;
    ngx_http_imagxp_zone_t       *from;
    ngx_http_imagxp_nonce_t      *nonce;
    ngx_http_imagxp_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_imagxp_module);
    from = mcf == NULL || mcf->zone == NULL ? NULL : ngx_http_imagxp_zone_former(mcf->zone);

    if (from == NULL) {
        return NGX_OK;
    }

    sh = mcf->zone->sh;
    old = from->sh;
    now = ngx_time();

    ngx_shmtx_lock(&from->pool->mutex);
    old->moved = now;
    ngx_shmtx_unlock(&from->pool->mutex);

    /* Nobody adds or forgets a nonce any more: nobody has to wait while they are copied. */
    ngx_memcpy(sh->secret, old->secret, sizeof(old->secret));
    ngx_memcpy(sh->forgotten, old->forgotten, sizeof(old->forgotten));
    sh->nforgotten = old->nforgotten;

    /* Shared ones last: an agent that was there before them has a whole share, and may have used it. */
    for (shared = 0; shared < 2; shared++) {
        for (i = 0; i < old->capacity; i++) {
            for (index = old->heads[i]; index != NONE; index = nonce->next) {
                nonce = &old->nonces[index];

                if ((nonce->agent == old->agent_capacity) == shared) {
                    ngx_http_imagxp_zone_carry_nonce(sh, old, nonce, now);
                }
            }
        }
    }

    return NGX_OK;
}

const u_char *
ngx_http_imagxp_zone_secret(ngx_http_imagxp_zone_t *zone)
{
    return zone->sh->secret;
}

int
ngx_http_imagxp_zone_insert(void *data, const uint8_t *key, const uint8_t *agent, int64_t expires_at_ms, int64_t now_ms)
{
    int                      answer;
    int64_t                  expires;
    ngx_http_imagxp_zone_t  *zone = data;

    if (ngx_http_imagxp_own(key)) {
        return IMAGXP_INSERT_FRESH;
    }

    expires = expires_at_ms / 1000 + 1;

    if (expires < 0 || expires >= NONE) {
        return IMAGXP_INSERT_ERROR;
    }

    ngx_shmtx_lock(&zone->pool->mutex);

    if (zone->sh->moved != 0 && now_ms / 1000 - zone->sh->moved < MOVED_S) {
        /* The zone of the new workers does not hear of it. */
        answer = IMAGXP_INSERT_ERROR;

    } else {
        answer = ngx_http_imagxp_nonce_add(zone->sh, key, agent, (uint32_t) expires, now_ms / 1000);
    }

    if (answer == IMAGXP_INSERT_FULL) {
        zone->sh->refused++;
    }

    ngx_shmtx_unlock(&zone->pool->mutex);

    if (answer == IMAGXP_INSERT_FRESH) {
        ngx_http_imagxp_spend(key);
    }

    return answer;
}

int
ngx_http_imagxp_zone_seen(void *data, const uint8_t *key, int64_t now_ms)
{
    uint32_t                 index;
    ngx_http_imagxp_zone_t  *zone = data;

    (void) now_ms;

    if (ngx_http_imagxp_own(key)) {
        return IMAGXP_SEEN_NO;
    }

    ngx_shmtx_lock(&zone->pool->mutex);
    index = ngx_http_imagxp_nonce_find(zone->sh, key);
    ngx_shmtx_unlock(&zone->pool->mutex);

    return index == NONE ? IMAGXP_SEEN_NO : IMAGXP_SEEN_YES;
}

/* Times that lie ahead of the clock matter to no claim that could be accepted now. */
int64_t
ngx_http_imagxp_zone_horizon(void *data)
{
    int64_t                  horizon, soon;
    ngx_uint_t               i;
    ngx_http_imagxp_sh_t    *sh;
    ngx_http_imagxp_zone_t  *zone = data;

    horizon = IMAGXP_TIME_NONE;
    soon = (int64_t) ngx_time() + 600;
    sh = zone->sh;

    ngx_shmtx_lock(&zone->pool->mutex);

    for (i = 0; i < sh->nforgotten; i++) {
        if (sh->forgotten[i].from <= soon) {
            horizon = ngx_max(horizon, sh->forgotten[i].to * 1000);
        }
    }

    ngx_shmtx_unlock(&zone->pool->mutex);

    return horizon;
}

/* Serves how full the zone is, as JSON: a content handler. */
ngx_int_t
ngx_http_imagxp_zone_status(ngx_http_request_t *r)
{
    u_char                       *p;
    ngx_int_t                     rc;
    ngx_str_t                     type, text;
    ngx_http_imagxp_sh_t         *sh;
    ngx_uint_t                    agents;
    ngx_http_complex_value_t      cv;
    ngx_http_imagxp_main_conf_t  *mcf;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_imagxp_module);
    sh = mcf->zone->sh;

    text.data = ngx_pnalloc(r->pool, 640);
    if (text.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    agents = ngx_http_imagxp_agent_count(sh, ngx_http_imagxp_now() * 1000);

    ngx_shmtx_lock(&mcf->zone->pool->mutex);

    p = ngx_snprintf(text.data, 640,
                     "{\"zone\":\"%V\",\"size\":%uz,\"nonces\":%uD,\"nonces_max\":%uD,\"nonces_per_agent_max\":%uD,"
                     "\"nonces_shared\":%uD,\"agents\":%ui,\"agents_max\":%uD,\"documents\":%ui,\"refused_full\":%uL}\n",
                     &mcf->zone->name, mcf->zone->shm->shm.size, sh->live, sh->capacity, sh->max_per_agent,
                     (uint32_t) ngx_http_imagxp_zone_shared(sh)->nonces, agents, sh->agent_capacity,
                     ngx_http_imagxp_documents_count(mcf->zone), sh->refused);

    ngx_shmtx_unlock(&mcf->zone->pool->mutex);

    text.len = p - text.data;
    ngx_str_set(&type, "application/json");
    ngx_memzero(&cv, sizeof(cv));
    cv.value = text;

    return ngx_http_send_response(r, NGX_HTTP_OK, &type, &cv);
}

static ngx_int_t
ngx_http_imagxp_zone_make(ngx_http_imagxp_zone_t *zone)
{
    size_t                 room, each;
    ngx_uint_t             i;
    ngx_http_imagxp_sh_t  *sh;

    sh = ngx_slab_calloc(zone->pool, sizeof(ngx_http_imagxp_sh_t));
    if (sh == NULL) {
        return NGX_ERROR;
    }

    sh->documents = ngx_http_imagxp_documents_make(zone);

    if (sh->documents == NULL || getrandom(sh->secret, sizeof(sh->secret), 0) != (ssize_t) sizeof(sh->secret)) {
        return NGX_ERROR;
    }

    /* An eighth is left to documents; for each sixteen nonces there is room for one agent. */
    room = zone->pool->pfree * ngx_pagesize;
    room -= room / 8;
    each = sizeof(ngx_http_imagxp_nonce_t) + sizeof(uint32_t)
           + (sizeof(ngx_http_imagxp_agent_t) + sizeof(uint32_t)) / 16 + 1;

    if (room < 16 * ngx_pagesize) {
        return NGX_ERROR;
    }

    room -= 4 * ngx_pagesize + SHARED * sizeof(ngx_http_imagxp_agent_t);
    sh->capacity = (uint32_t) ngx_min(room / each, NONE / 2);
    sh->agent_capacity = sh->capacity / 16 + 1;
    sh->max_per_agent = sh->capacity / 5;

    sh->nonces = ngx_slab_alloc(zone->pool, sh->capacity * sizeof(ngx_http_imagxp_nonce_t));
    sh->heads = ngx_slab_alloc(zone->pool, sh->capacity * sizeof(uint32_t));
    sh->agents = ngx_slab_alloc(zone->pool, (sh->agent_capacity + SHARED) * sizeof(ngx_http_imagxp_agent_t));
    sh->agent_heads = ngx_slab_alloc(zone->pool, sh->agent_capacity * sizeof(uint32_t));

    if (sh->nonces == NULL || sh->heads == NULL || sh->agents == NULL || sh->agent_heads == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(ngx_http_imagxp_zone_shared(sh), SHARED * sizeof(ngx_http_imagxp_agent_t));
    ngx_memset(sh->heads, 0xff, sh->capacity * sizeof(uint32_t));
    ngx_memset(sh->agent_heads, 0xff, sh->agent_capacity * sizeof(uint32_t));

    for (i = 0; i < MINUTES; i++) {
        sh->wheel[i] = NONE;
    }

    sh->free = NONE;
    sh->minute = ngx_time() / 60;

    zone->pool->data = sh;
    zone->sh = sh;
    zone->documents = sh->documents;

    return NGX_OK;
}

/* The zone of this name in the configuration that is being replaced, unless it is the same memory. */
static ngx_http_imagxp_zone_t *
ngx_http_imagxp_zone_former(ngx_http_imagxp_zone_t *zone)
{
    ngx_uint_t               n;
    ngx_shm_zone_t          *shm;
    ngx_list_part_t         *part;
    ngx_http_imagxp_zone_t  *former;

    for (part = (ngx_list_part_t *) &ngx_cycle->shared_memory.part; part != NULL; part = part->next) {
        shm = part->elts;

        for (n = 0; n < part->nelts; n++) {
            former = shm[n].tag == &ngx_http_imagxp_module ? shm[n].data : NULL;

            if (former != NULL && former->sh != NULL && former->sh != zone->sh && former->name.len == zone->name.len
                && ngx_strncmp(former->name.data, zone->name.data, zone->name.len) == 0)
            {
                return former;
            }
        }
    }

    return NULL;
}

static void
ngx_http_imagxp_zone_carry_nonce(ngx_http_imagxp_sh_t *sh, ngx_http_imagxp_sh_t *old, ngx_http_imagxp_nonce_t *nonce,
    int64_t now)
{
    uint32_t                  index;
    const u_char             *key;
    ngx_http_imagxp_agent_t  *agent;

    agent = nonce->agent == old->agent_capacity ? NULL : &old->agents[nonce->agent];
    key = agent == NULL ? NULL : agent->key;

    if (ngx_http_imagxp_nonce_add(sh, nonce->key, key, nonce->expires, now) == IMAGXP_INSERT_FULL) {
        /* It is too small for what is live: claims of that time are refused instead. */
        ngx_http_imagxp_nonce_forget(sh, nonce->expires);
    }

    if (agent == NULL || !agent->late) {
        return;
    }

    /* Some of those that follow may be its own. */
    index = ngx_http_imagxp_agent_find(sh, key, now * 1000000, 0);

    if (index != NONE) {
        sh->agents[index].late = 1;
    }
}
