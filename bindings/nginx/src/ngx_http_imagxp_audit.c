/*
 * The audit log: one JSON line per record. Records are gathered in memory and written by a thread, so that a worker never waits for a disk. When
 * the disk falls so far behind that both buffers are full, or writing fails, records are refused and verdicts are `audit.unavailable`.
 */

#include "ngx_http_imagxp.h"

#define BUFFER     (1024 * 1024)
#define FLUSH_MS   500
/* The manifests that this worker has written to the file lately; one that is forgotten is written again. */
#define MANIFESTS  256
/* `sha-256=:` and `:` around 44 characters (RFC 9530). */
#define DIGEST     54

typedef struct {
    u_char                    *data;
    size_t                     len;
} ngx_http_imagxp_buffer_t;

struct ngx_http_imagxp_audit_s {
    ngx_str_t                  file;
    ngx_open_file_t           *open;
    ngx_event_t                flush;
    ngx_http_imagxp_buffer_t   filling;
    ngx_http_imagxp_buffer_t   writing;
    u_char                     manifests[MANIFESTS][DIGEST];
#if (NGX_THREADS)
    ngx_thread_pool_t         *threads;
    ngx_thread_task_t         *task;
#endif
    /* Where `writing` goes, and after a rotation where `filling` goes: each file has the manifests that its records name. */
    ngx_fd_t                   fd;
    ngx_fd_t                   old;
    ngx_file_uniq_t            torn;
    ngx_err_t                  err;
    unsigned                   busy:1;
    unsigned                   failed:1;
};

static ngx_int_t ngx_http_imagxp_audit_append(ngx_http_imagxp_audit_t *audit, imagxp_slice line);
static ngx_uint_t ngx_http_imagxp_audit_is_new(ngx_http_imagxp_audit_t *audit, imagxp_slice manifest);
static void ngx_http_imagxp_audit_rotate(ngx_open_file_t *file, ngx_log_t *log);
static void ngx_http_imagxp_audit_take(ngx_http_imagxp_audit_t *audit);
static ngx_fd_t ngx_http_imagxp_audit_descriptor(ngx_http_imagxp_audit_t *audit);
static void ngx_http_imagxp_audit_flush(ngx_event_t *ev);
static void ngx_http_imagxp_audit_write(void *data, ngx_log_t *log);
static void ngx_http_imagxp_audit_written(ngx_http_imagxp_audit_t *audit);
#if (NGX_THREADS)
static void ngx_http_imagxp_audit_thread_done(ngx_event_t *ev);
#endif

ngx_http_imagxp_audit_t *
ngx_http_imagxp_audit_open(ngx_conf_t *cf, ngx_str_t *file)
{
    ngx_uint_t                    i;
    ngx_http_imagxp_audit_t      *audit, **known;
    ngx_http_imagxp_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_imagxp_module);

    if (ngx_conf_full_name(cf->cycle, file, 0) != NGX_OK) {
        return NULL;
    }

    known = mcf->audits.elts;

    for (i = 0; i < mcf->audits.nelts; i++) {
        if (known[i]->file.len == file->len && ngx_strncmp(known[i]->file.data, file->data, file->len) == 0) {
            return known[i];
        }
    }

    audit = ngx_pcalloc(cf->pool, sizeof(ngx_http_imagxp_audit_t));
    known = ngx_array_push(&mcf->audits);

    if (audit == NULL || known == NULL) {
        return NULL;
    }

    *known = audit;
    audit->file = *file;
    audit->open = ngx_conf_open_file(cf->cycle, file);

    if (audit->open == NULL) {
        return NULL;
    }

    audit->open->flush = ngx_http_imagxp_audit_rotate;
    audit->open->data = audit;
    audit->fd = NGX_INVALID_FILE;
    audit->old = NGX_INVALID_FILE;

#if (NGX_THREADS)
    audit->threads = ngx_thread_pool_add(cf, NULL);
    audit->task = ngx_thread_task_alloc(cf->pool, 0);

    if (audit->threads == NULL || audit->task == NULL) {
        return NULL;
    }

    audit->task->ctx = audit;
    audit->task->handler = ngx_http_imagxp_audit_write;
    audit->task->event.handler = ngx_http_imagxp_audit_thread_done;
    audit->task->event.data = audit;
#endif

    audit->flush.handler = ngx_http_imagxp_audit_flush;
    audit->flush.data = audit;
    audit->flush.log = &cf->cycle->new_log;
    audit->flush.cancelable = 1;

    return audit;
}

/* The library's sink: 0 when the record is kept. */
int
ngx_http_imagxp_audit_record(void *data, imagxp_slice record, imagxp_slice manifest)
{
    ngx_http_imagxp_audit_t  *audit = data;

    if (audit->filling.data == NULL) {
        audit->filling.data = ngx_alloc(BUFFER, ngx_cycle->log);
        audit->writing.data = ngx_alloc(BUFFER, ngx_cycle->log);
    }

    if (audit->filling.data == NULL || audit->writing.data == NULL || audit->failed
        || audit->filling.len + record.len + manifest.len + 2 > BUFFER)
    {
        ngx_http_imagxp_audit_flush(&audit->flush);

        if (audit->filling.data == NULL || audit->writing.data == NULL || audit->failed
            || audit->filling.len + record.len + manifest.len + 2 > BUFFER)
        {
            return -1;
        }
    }

    if (ngx_http_imagxp_audit_is_new(audit, manifest) && ngx_http_imagxp_audit_append(audit, manifest) != NGX_OK) {
        return -1;
    }

    if (ngx_http_imagxp_audit_append(audit, record) != NGX_OK) {
        return -1;
    }

    if (audit->filling.len > BUFFER / 2) {
        ngx_http_imagxp_audit_flush(&audit->flush);

    } else if (!audit->flush.timer_set) {
        ngx_add_timer(&audit->flush, FLUSH_MS);
    }

    return 0;
}

/* The worker exits: what is left is written here and now. */
void
ngx_http_imagxp_audit_close(ngx_http_imagxp_audit_t *audit)
{
    ngx_uint_t  round;

    if (audit->flush.timer_set) {
        ngx_del_timer(&audit->flush);
    }

    if (audit->busy) {
        /* nginx has joined its threads before: what one was doing is done, and only the word of it has not come. */
        ngx_http_imagxp_audit_written(audit);
    }

    /* First what a thread could not write, then what has come since. */
    for (round = 0; round < 2 && (audit->writing.len > 0 || audit->filling.len > 0); round++) {
        ngx_http_imagxp_audit_take(audit);
        ngx_http_imagxp_audit_write(audit, ngx_cycle->log);
        ngx_http_imagxp_audit_written(audit);
    }

    if (audit->flush.timer_set) {
        ngx_del_timer(&audit->flush);
    }

    if (audit->writing.len + audit->filling.len > 0) {
        ngx_log_error(NGX_LOG_CRIT, ngx_cycle->log, 0, "imagxp: %uz bytes of the audit log could not be written",
                      audit->writing.len + audit->filling.len);
    }

    if (audit->filling.data != NULL) {
        ngx_free(audit->filling.data);
    }

    if (audit->writing.data != NULL) {
        ngx_free(audit->writing.data);
    }

    audit->filling.data = NULL;
    audit->writing.data = NULL;
    audit->filling.len = 0;
    audit->writing.len = 0;
}

/* The file is about to be opened again, perhaps under its old name as a new one: what has been gathered belongs to the old one. */
static void
ngx_http_imagxp_audit_rotate(ngx_open_file_t *file, ngx_log_t *log)
{
    ngx_http_imagxp_audit_t  *audit = file->data;

    (void) log;

    if (audit->filling.len == 0) {
        ngx_memzero(audit->manifests, sizeof(audit->manifests));

    } else if (audit->old == NGX_INVALID_FILE) {
        audit->old = ngx_http_imagxp_audit_descriptor(audit);
        ngx_http_imagxp_audit_flush(&audit->flush);
    }
}

/* What is to be written next, and where; what could not be written before goes first, to wherever the file is now. */
static void
ngx_http_imagxp_audit_take(ngx_http_imagxp_audit_t *audit)
{
    ngx_http_imagxp_buffer_t  full;

    if (audit->writing.len == 0) {
        full = audit->filling;
        audit->filling = audit->writing;
        audit->writing = full;

        if (audit->old != NGX_INVALID_FILE) {
            audit->fd = audit->old;
            audit->old = NGX_INVALID_FILE;
            ngx_memzero(audit->manifests, sizeof(audit->manifests));

            return;
        }
    }

    audit->fd = ngx_http_imagxp_audit_descriptor(audit);
}

/* One of its own: a rotation closes the other while a thread may be writing, and its number may become a client's. */
static ngx_fd_t
ngx_http_imagxp_audit_descriptor(ngx_http_imagxp_audit_t *audit)
{
    return fcntl(audit->open->fd, F_DUPFD_CLOEXEC, 0);
}

static ngx_int_t
ngx_http_imagxp_audit_append(ngx_http_imagxp_audit_t *audit, imagxp_slice line)
{
    u_char  *p;

    if (line.len + 1 > BUFFER - audit->filling.len) {
        return NGX_ERROR;
    }

    p = audit->filling.data + audit->filling.len;
    p = ngx_cpymem(p, line.ptr, line.len);
    *p = '\n';
    audit->filling.len += line.len + 1;

    return NGX_OK;
}

/* By SHA-256: an agent that could make two manifests look alike would keep one of them out of the log. */
static ngx_uint_t
ngx_http_imagxp_audit_is_new(ngx_http_imagxp_audit_t *audit, imagxp_slice manifest)
{
    u_char        *known;
    ngx_uint_t     is_new;
    imagxp_bytes   digest;

    if (manifest.len == 0) {
        return 0;
    }

    digest.ptr = NULL;
    digest.len = 0;

    if (imagxp_content_digest(manifest, &digest, NULL) != IMAGXP_OK || digest.len != DIGEST) {
        imagxp_bytes_free(&digest);
        return 1;
    }

    known = audit->manifests[ngx_murmur_hash2(digest.ptr, digest.len) % MANIFESTS];
    is_new = ngx_memcmp(known, digest.ptr, DIGEST) != 0;

    ngx_memcpy(known, digest.ptr, DIGEST);
    imagxp_bytes_free(&digest);

    return is_new;
}

static void
ngx_http_imagxp_audit_flush(ngx_event_t *ev)
{
    ngx_http_imagxp_audit_t  *audit = ev->data;

    if (audit->busy || audit->filling.data == NULL) {
        return;
    }

    if (audit->filling.len == 0 && !audit->failed) {
        return;
    }

    ngx_http_imagxp_audit_take(audit);
    audit->busy = 1;

#if (NGX_THREADS)
    if (ngx_thread_task_post(audit->threads, audit->task) == NGX_OK) {
        return;
    }
#endif

    ngx_http_imagxp_audit_write(audit, ngx_cycle->log);
    ngx_http_imagxp_audit_written(audit);
}

/* In a thread. What could not be written stays, and is tried again. */
static void
ngx_http_imagxp_audit_write(void *data, ngx_log_t *log)
{
    size_t                    done;
    ngx_http_imagxp_audit_t  *audit = data;

    (void) log;

    done = ngx_http_imagxp_lines_append(audit->fd, audit->writing.data, audit->writing.len, &audit->torn, &audit->err);
    ngx_memmove(audit->writing.data, audit->writing.data + done, audit->writing.len - done);
    audit->writing.len -= done;
}

static void
ngx_http_imagxp_audit_written(ngx_http_imagxp_audit_t *audit)
{
    audit->busy = 0;

    if (audit->fd != NGX_INVALID_FILE) {
        (void) ngx_close_file(audit->fd);
        audit->fd = NGX_INVALID_FILE;
    }

    if (audit->writing.len != 0) {
        if (!audit->failed) {
            ngx_log_error(NGX_LOG_CRIT, ngx_cycle->log, audit->err, "imagxp: " ngx_write_fd_n " to \"%V\" failed",
                          &audit->file);
        }

        audit->failed = 1;

    } else {
        audit->failed = 0;
    }

    if ((audit->failed || audit->filling.len != 0) && !audit->flush.timer_set && !ngx_exiting) {
        ngx_add_timer(&audit->flush, FLUSH_MS);
    }
}

#if (NGX_THREADS)

static void
ngx_http_imagxp_audit_thread_done(ngx_event_t *ev)
{
    ngx_http_imagxp_audit_written(ev->data);
}

#endif
