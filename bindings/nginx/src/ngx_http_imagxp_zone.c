/*
 * The shared zone: nonces and uses of visas, rates, quotas. State that must be the same in every worker and survive a reload.
 *
 * Two tables of fixed size, chained by index, under the zone's mutex; nothing is allocated after the start. A nonce lies in a chain of its
 * hash and in the list of the minute in which it may be forgotten. Each insertion forgets a few that have expired; what is live is
 * never evicted: a full table refuses. An agent's entry is free again when no nonce names it and its rate says nothing any more.
 *
 * A worker may be killed anywhere in here; nginx's master then opens the mutex. Entries are complete before one store links them, so the
 * worst is an entry that stays unused until the zone is made anew.
 */

#include "ngx_http_imagxp.h"
#include <sys/random.h>

#define NONE            0xffffffffU
#define MINUTES         128
#define RANGES          8
#define DAY_S           86400
/* How many nonces an insertion forgets, and how many when there is no room. */
#define SWEEP           8
#define SWEEP_FULL      4096
#define AGENT_STEPS     64
#define MIN_SIZE        (64 * 4096)

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
    uint32_t                   nonces;
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

static ngx_int_t ngx_http_imagxp_zone_make(ngx_http_imagxp_zone_t *zone);
static void ngx_http_imagxp_zone_carry(ngx_http_imagxp_zone_t *zone);
static int ngx_http_imagxp_zone_add(ngx_http_imagxp_sh_t *sh, const uint8_t *key, const uint8_t *agent,
    uint32_t expires, int64_t now);
static uint32_t ngx_http_imagxp_zone_find(ngx_http_imagxp_sh_t *sh, const uint8_t *key);
static uint32_t ngx_http_imagxp_zone_agent(ngx_http_imagxp_sh_t *sh, const uint8_t *key, int64_t now_us,
    ngx_uint_t make);
static uint32_t ngx_http_imagxp_zone_agent_slot(ngx_http_imagxp_sh_t *sh, int64_t now_us);
static void ngx_http_imagxp_zone_link(ngx_http_imagxp_sh_t *sh, uint32_t index);
static void ngx_http_imagxp_zone_sweep(ngx_http_imagxp_sh_t *sh, int64_t now, ngx_uint_t limit);
static void ngx_http_imagxp_zone_drop(ngx_http_imagxp_sh_t *sh, uint32_t index);
static void ngx_http_imagxp_zone_forget(ngx_http_imagxp_sh_t *sh, int64_t time);

static ngx_inline uint32_t
ngx_http_imagxp_zone_slot(const uint8_t *key, uint32_t size)
{
    uint64_t  hash;

    /* The keys are keyed hashes already. */
    ngx_memcpy(&hash, key, sizeof(hash));

    return (uint32_t) (((hash & 0xffffffff) * size) >> 32);
}

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

    ngx_http_imagxp_zone_carry(zone);

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

    answer = ngx_http_imagxp_zone_add(zone->sh, key, agent, (uint32_t) expires, now_ms / 1000);

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
    index = ngx_http_imagxp_zone_find(zone->sh, key);
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

/* Rates are kept per policy: two policies may grant one agent different ones. */
static void
ngx_http_imagxp_zone_rate_key(ngx_http_imagxp_site_t *site, const uint8_t *agent, u_char *key)
{
    ngx_uint_t    i;
    imagxp_slice  hash;

    hash = imagxp_policy_hash(site->policy->policy);

    for (i = 0; i < 16; i++) {
        key[i] = agent[i] ^ hash.ptr[i];
    }
}

int64_t
ngx_http_imagxp_zone_arrival(void *data, const uint8_t *agent)
{
    u_char                   key[16];
    int64_t                  arrival;
    uint32_t                 index;
    ngx_http_imagxp_site_t  *site = data;

    ngx_http_imagxp_zone_rate_key(site, agent, key);

    ngx_shmtx_lock(&site->zone->pool->mutex);

    index = ngx_http_imagxp_zone_agent(site->zone->sh, key, 0, 0);
    arrival = index == NONE ? IMAGXP_TIME_NONE : site->zone->sh->agents[index].arrival;

    ngx_shmtx_unlock(&site->zone->pool->mutex);

    return arrival;
}

int
ngx_http_imagxp_zone_replace(void *data, const uint8_t *agent, int64_t before_us, int64_t after_us)
{
    int                      answer;
    u_char                   key[16];
    uint32_t                 index;
    ngx_http_imagxp_sh_t    *sh;
    ngx_http_imagxp_site_t  *site = data;

    sh = site->zone->sh;
    ngx_http_imagxp_zone_rate_key(site, agent, key);

    ngx_shmtx_lock(&site->zone->pool->mutex);

    index = ngx_http_imagxp_zone_agent(sh, key, ngx_http_imagxp_now() * 1000, 1);

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

/* Serves how full the zone is, as JSON: a content handler. */
ngx_int_t
ngx_http_imagxp_zone_status(ngx_http_request_t *r)
{
    u_char                       *p;
    ngx_int_t                     rc;
    ngx_str_t                     type, text;
    ngx_http_imagxp_sh_t         *sh;
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

    text.data = ngx_pnalloc(r->pool, 512);
    if (text.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_shmtx_lock(&mcf->zone->pool->mutex);

    p = ngx_snprintf(text.data, 512,
                     "{\"zone\":\"%V\",\"size\":%uz,\"nonces\":%uD,\"nonces_max\":%uD,\"nonces_per_agent_max\":%uD,"
                     "\"agents_max\":%uD,\"documents\":%ui,\"refused_full\":%uL}\n",
                     &mcf->zone->name, mcf->zone->shm->shm.size, sh->live, sh->capacity, sh->max_per_agent,
                     sh->agent_capacity, ngx_http_imagxp_documents_count(mcf->zone), sh->refused);

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

    sh->capacity = (uint32_t) ngx_min((room - 4 * ngx_pagesize) / each, NONE - 1);
    sh->agent_capacity = sh->capacity / 16 + 1;
    sh->max_per_agent = sh->capacity / 5;

    sh->nonces = ngx_slab_alloc(zone->pool, sh->capacity * sizeof(ngx_http_imagxp_nonce_t));
    sh->heads = ngx_slab_alloc(zone->pool, sh->capacity * sizeof(uint32_t));
    sh->agents = ngx_slab_alloc(zone->pool, sh->agent_capacity * sizeof(ngx_http_imagxp_agent_t));
    sh->agent_heads = ngx_slab_alloc(zone->pool, sh->agent_capacity * sizeof(uint32_t));

    if (sh->nonces == NULL || sh->heads == NULL || sh->agents == NULL || sh->agent_heads == NULL) {
        return NGX_ERROR;
    }

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

/* nginx makes a zone whose size has changed anew; what the old one held is still true. Rates begin anew. */
static void
ngx_http_imagxp_zone_carry(ngx_http_imagxp_zone_t *zone)
{
    int64_t                   now;
    uint32_t                  i, index;
    ngx_uint_t                n;
    ngx_shm_zone_t           *shm;
    ngx_list_part_t          *part;
    ngx_http_imagxp_sh_t     *old;
    ngx_http_imagxp_zone_t   *from;
    ngx_http_imagxp_nonce_t  *nonce;

    from = NULL;

    for (part = (ngx_list_part_t *) &ngx_cycle->shared_memory.part; part != NULL && from == NULL; part = part->next) {
        shm = part->elts;

        for (n = 0; n < part->nelts; n++) {
            if (shm[n].tag == &ngx_http_imagxp_module && shm[n].data != zone && shm[n].data != NULL
                && shm[n].shm.name.len == zone->name.len
                && ngx_strncmp(shm[n].shm.name.data, zone->name.data, zone->name.len) == 0
                && ((ngx_http_imagxp_zone_t *) shm[n].data)->sh != NULL)
            {
                from = shm[n].data;
                break;
            }
        }
    }

    if (from == NULL) {
        return;
    }

    old = from->sh;
    now = ngx_time();

    ngx_shmtx_lock(&from->pool->mutex);

    ngx_memcpy(zone->sh->secret, old->secret, sizeof(old->secret));
    ngx_memcpy(zone->sh->forgotten, old->forgotten, sizeof(old->forgotten));
    zone->sh->nforgotten = old->nforgotten;

    for (i = 0; i < old->capacity; i++) {
        for (index = old->heads[i]; index != NONE; index = nonce->next) {
            nonce = &old->nonces[index];

            if (ngx_http_imagxp_zone_add(zone->sh, nonce->key, old->agents[nonce->agent].key, nonce->expires, now)
                == IMAGXP_INSERT_FULL)
            {
                /* It is too small for what is live: claims of that time are refused instead. */
                ngx_http_imagxp_zone_forget(zone->sh, nonce->expires);
            }
        }
    }

    ngx_shmtx_unlock(&from->pool->mutex);
}

static int
ngx_http_imagxp_zone_add(ngx_http_imagxp_sh_t *sh, const uint8_t *key, const uint8_t *agent, uint32_t expires,
    int64_t now)
{
    uint32_t                  index, owner, slot;
    ngx_http_imagxp_nonce_t  *nonce;

    ngx_http_imagxp_zone_sweep(sh, now, SWEEP);

    if (ngx_http_imagxp_zone_find(sh, key) != NONE) {
        return IMAGXP_INSERT_SEEN;
    }

    if (sh->free == NONE && sh->fresh == sh->capacity) {
        ngx_http_imagxp_zone_sweep(sh, now, SWEEP_FULL);
    }

    owner = ngx_http_imagxp_zone_agent(sh, agent, now * 1000000, 1);

    if (owner == NONE || sh->agents[owner].nonces >= sh->max_per_agent) {
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
    ngx_http_imagxp_zone_link(sh, index);

    return IMAGXP_INSERT_FRESH;
}

static uint32_t
ngx_http_imagxp_zone_find(ngx_http_imagxp_sh_t *sh, const uint8_t *key)
{
    uint32_t  index;

    for (index = sh->heads[ngx_http_imagxp_zone_slot(key, sh->capacity)]; index != NONE; index = sh->nonces[index].next) {
        if (ngx_memcmp(sh->nonces[index].key, key, 16) == 0) {
            return index;
        }
    }

    return NONE;
}

static uint32_t
ngx_http_imagxp_zone_agent(ngx_http_imagxp_sh_t *sh, const uint8_t *key, int64_t now_us, ngx_uint_t make)
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

    index = ngx_http_imagxp_zone_agent_slot(sh, now_us);

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
ngx_http_imagxp_zone_agent_slot(ngx_http_imagxp_sh_t *sh, int64_t now_us)
{
    uint32_t                  index, *link;
    ngx_uint_t                i;
    ngx_http_imagxp_agent_t  *agent;

    if (sh->agent_fresh < sh->agent_capacity) {
        return sh->agent_fresh++;
    }

    for (i = 0; i < AGENT_STEPS; i++) {
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

/* Into the list of the first minute in which the nonce has surely expired; one that lies too far ahead is looked at earlier. */
static void
ngx_http_imagxp_zone_link(ngx_http_imagxp_sh_t *sh, uint32_t index)
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
ngx_http_imagxp_zone_sweep(ngx_http_imagxp_sh_t *sh, int64_t now, ngx_uint_t limit)
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
            ngx_http_imagxp_zone_drop(sh, index);
        } else {
            /* Its minute lies ahead of this one, so it does not come back here. */
            ngx_http_imagxp_zone_link(sh, index);
        }
    }
}

static void
ngx_http_imagxp_zone_drop(ngx_http_imagxp_sh_t *sh, uint32_t index)
{
    uint32_t                 *link;
    ngx_http_imagxp_nonce_t  *nonce;

    nonce = &sh->nonces[index];
    ngx_http_imagxp_zone_forget(sh, nonce->expires);

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
static void
ngx_http_imagxp_zone_forget(ngx_http_imagxp_sh_t *sh, int64_t time)
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
