/*
 * Manifests and key sets: those that the configuration gives, and those in the shared zone. What one worker has fetched, the others need not
 * fetch. The zone's are a cache: when there is no room, the least recently used document leaves.
 */

#include "ngx_http_imagxp.h"

#define MIN_AGE_S       300
#define MAX_AGE_S       3600
/* Which copies this worker has used; one that is forgotten costs a fetch. */
#define SUPPLIED        1024
#define MAX_BYTES       (64 * 1024)

typedef struct {
    ngx_str_node_t             node;
    ngx_queue_t                queue;
    int64_t                    fetched_ms;
    uint32_t                   max_age;
    size_t                     len;
    u_char                    *body;
} ngx_http_imagxp_cached_t;

typedef struct {
    ngx_rbtree_t               tree;
    ngx_rbtree_node_t          sentinel;
    ngx_queue_t                recent;
    ngx_uint_t                 count;
} ngx_http_imagxp_documents_t;

static void ngx_http_imagxp_document_remove(ngx_http_imagxp_zone_t *zone, ngx_http_imagxp_cached_t *cached);
static int64_t *ngx_http_imagxp_supplied(ngx_http_imagxp_site_t *site, ngx_str_t *url);

void *
ngx_http_imagxp_documents_make(ngx_http_imagxp_zone_t *zone)
{
    ngx_http_imagxp_documents_t  *documents;

    documents = ngx_slab_calloc(zone->pool, sizeof(ngx_http_imagxp_documents_t));

    if (documents != NULL) {
        ngx_rbtree_init(&documents->tree, &documents->sentinel, ngx_str_rbtree_insert_value);
        ngx_queue_init(&documents->recent);
        /* A full cache is no news. */
        zone->pool->log_nomem = 0;
    }

    return documents;
}

/* Under the zone's mutex. */
ngx_uint_t
ngx_http_imagxp_documents_count(ngx_http_imagxp_zone_t *zone)
{
    return ((ngx_http_imagxp_documents_t *) zone->documents)->count;
}

void
ngx_http_imagxp_document_put(ngx_http_imagxp_zone_t *zone, ngx_str_t *url, ngx_str_t *body, uint32_t max_age,
    int64_t now_ms)
{
    u_char                       *memory;
    uint32_t                      hash;
    ngx_queue_t                  *last;
    ngx_http_imagxp_cached_t     *cached;
    ngx_http_imagxp_documents_t  *documents;

    if (body->len > MAX_BYTES) {
        return;
    }

    hash = ngx_crc32_long(url->data, url->len);

    ngx_shmtx_lock(&zone->pool->mutex);

    documents = zone->documents;
    cached = (ngx_http_imagxp_cached_t *) ngx_str_rbtree_lookup(&documents->tree, url, hash);

    if (cached != NULL) {
        ngx_http_imagxp_document_remove(zone, cached);
    }

    for ( ;; ) {
        memory = ngx_slab_alloc_locked(zone->pool, sizeof(ngx_http_imagxp_cached_t) + url->len + body->len);

        if (memory != NULL || ngx_queue_empty(&documents->recent)) {
            break;
        }

        last = ngx_queue_last(&documents->recent);
        ngx_http_imagxp_document_remove(zone, ngx_queue_data(last, ngx_http_imagxp_cached_t, queue));
    }

    if (memory != NULL) {
        cached = (ngx_http_imagxp_cached_t *) memory;
        cached->node.node.key = hash;
        cached->node.str.len = url->len;
        cached->node.str.data = memory + sizeof(ngx_http_imagxp_cached_t);
        cached->body = cached->node.str.data + url->len;
        cached->len = body->len;
        cached->fetched_ms = now_ms;
        cached->max_age = max_age;
        ngx_memcpy(cached->node.str.data, url->data, url->len);
        ngx_memcpy(cached->body, body->data, body->len);
        ngx_rbtree_insert(&documents->tree, &cached->node.node);
        ngx_queue_insert_head(&documents->recent, &cached->queue);
        documents->count++;
    }

    ngx_shmtx_unlock(&zone->pool->mutex);
}

/*
 * Hands a document that another worker has fetched to this worker's publisher: NGX_OK, or NGX_DECLINED when there is none that is new. One that
 * is fresh no more is handed over where nothing newer can be had (`old`): the publisher knows how long it serves.
 */
ngx_int_t
ngx_http_imagxp_document_supply(ngx_http_imagxp_site_t *site, ngx_str_t *url, int64_t now_ms, ngx_uint_t old, ngx_log_t *log)
{
    u_char                       *body;
    int64_t                       fetched_ms, age_ms;
    size_t                        len;
    uint32_t                      max_age, fresh_s;
    imagxp_error                 *error;
    imagxp_slice                  slice;
    ngx_http_imagxp_zone_t       *zone;
    ngx_http_imagxp_cached_t     *cached;
    ngx_http_imagxp_documents_t  *documents;

    zone = site->zone;
    body = NULL;
    len = 0;
    max_age = 0;
    fetched_ms = 0;

    ngx_shmtx_lock(&zone->pool->mutex);

    documents = zone->documents;
    cached = (ngx_http_imagxp_cached_t *)
                 ngx_str_rbtree_lookup(&documents->tree, url, ngx_crc32_long(url->data, url->len));

    if (cached != NULL) {
        fetched_ms = cached->fetched_ms;
        max_age = cached->max_age;
        age_ms = now_ms - fetched_ms;
        fresh_s = max_age == IMAGXP_MAX_AGE_NONE ? MIN_AGE_S : ngx_min(ngx_max(max_age, 60), MAX_AGE_S);

        if (age_ms >= 0 && (old || age_ms < (int64_t) fresh_s * 1000) && fetched_ms > *ngx_http_imagxp_supplied(site, url)) {
            /* Copied: parsing under the lock would hold up every worker. */
            body = ngx_alloc(cached->len, log);

            if (body != NULL) {
                len = cached->len;
                ngx_memcpy(body, cached->body, len);
                ngx_queue_remove(&cached->queue);
                ngx_queue_insert_head(&documents->recent, &cached->queue);
            }
        }
    }

    ngx_shmtx_unlock(&zone->pool->mutex);

    if (body == NULL) {
        return NGX_DECLINED;
    }

    slice.ptr = body;
    slice.len = len;

    if (imagxp_publisher_supply(ngx_http_imagxp_publisher(site, log), ngx_http_imagxp_slice(url), slice, max_age,
                                fetched_ms, &error)
        != IMAGXP_OK)
    {
        ngx_http_imagxp_log_error(NGX_LOG_INFO, log, "a document of the zone is not acceptable", error);
    }

    ngx_free(body);
    ngx_http_imagxp_document_supplied(site, url, fetched_ms);

    return NGX_OK;
}

void
ngx_http_imagxp_document_supplied(ngx_http_imagxp_site_t *site, ngx_str_t *url, int64_t fetched_ms)
{
    *ngx_http_imagxp_supplied(site, url) = fetched_ms;
}

static void
ngx_http_imagxp_document_remove(ngx_http_imagxp_zone_t *zone, ngx_http_imagxp_cached_t *cached)
{
    ngx_http_imagxp_documents_t  *documents;

    documents = zone->documents;
    ngx_rbtree_delete(&documents->tree, &cached->node.node);
    ngx_queue_remove(&cached->queue);
    documents->count--;
    ngx_slab_free_locked(zone->pool, cached);
}

/* When the copy that this worker's publisher has was fetched. */
static int64_t *
ngx_http_imagxp_supplied(ngx_http_imagxp_site_t *site, ngx_str_t *url)
{
    static struct {
        ngx_http_imagxp_site_t  *site;
        uint64_t                 url;
        int64_t                  fetched_ms;
    } supplied[SUPPLIED];

    uint64_t    hash;
    ngx_uint_t  place;

    hash = ((uint64_t) ngx_crc32_long(url->data, url->len) << 32) | ngx_murmur_hash2(url->data, url->len);
    place = hash % SUPPLIED;

    if (supplied[place].site != site || supplied[place].url != hash) {
        supplied[place].site = site;
        supplied[place].url = hash;
        supplied[place].fetched_ms = 0;
    }

    return &supplied[place].fetched_ms;
}

/* A document that the configuration gives. NGX_DECLINED: it gives none of this URL. */
ngx_int_t
ngx_http_imagxp_document_given(ngx_http_imagxp_ctx_t *ctx, ngx_str_t *url)
{
    ngx_log_t                   *log;
    ngx_uint_t                   i;
    imagxp_error                *error;
    ngx_http_imagxp_document_t  *document;
    ngx_http_imagxp_loc_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_imagxp_module);
    log = ctx->request->connection->log;

    if (conf->documents == NULL) {
        return NGX_DECLINED;
    }

    document = conf->documents->elts;

    for (i = 0; i < conf->documents->nelts; i++) {
        if (document[i].url.len != url->len || ngx_strncmp(document[i].url.data, url->data, url->len) != 0) {
            continue;
        }

        if (imagxp_publisher_supply(ngx_http_imagxp_publisher(ctx->site, log), ngx_http_imagxp_slice(url),
                                    ngx_http_imagxp_slice(&document[i].body), IMAGXP_MAX_AGE_NONE, ngx_http_imagxp_now(),
                                    &error) != IMAGXP_OK)
        {
            ngx_http_imagxp_log_error(NGX_LOG_ERR, log, "a document of the configuration is not acceptable", error);
        }

        return NGX_OK;
    }

    return NGX_DECLINED;
}
