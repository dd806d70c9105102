/*
 * Whole lines at the end of a file to which other workers write as well. A disk that fills up in the middle of a line leaves half of it: that is
 * taken back, so that the line can come later, or into another file, and what follows in this one is a line of its own.
 */

#include "ngx_http_imagxp.h"

static ngx_fd_t ngx_http_imagxp_lines_reader(ngx_fd_t fd);

/*
 * Returns how much of `data` is in the file now, in whole lines; `err` says why not all of it. One that may only grow, or that is no regular
 * file, keeps half a line: a newline comes before the next, whoever writes that. `torn` is 0, or the file that we have left so; it counts only
 * where the file cannot be read.
 */
size_t
ngx_http_imagxp_lines_append(ngx_fd_t fd, u_char *data, size_t len, ngx_file_uniq_t *torn, ngx_err_t *err)
{
    u_char           last;
    size_t           done, whole;
    ssize_t          n;
    ngx_fd_t         reader;
    ngx_err_t        locked;
    ngx_file_info_t  before, after;

    *err = 0;
    done = 0;
    last = '\n';

    reader = ngx_http_imagxp_lines_reader(fd);

    /* While we hold it, half a line of ours is the last thing in the file, and half a line of others is all that there will be. */
    locked = ngx_lock_fd(fd);

    if (ngx_fd_info(fd, &before) == NGX_FILE_ERROR) {
        *err = ngx_errno;
        len = 0;

    } else if (locked == 0 && reader != NGX_INVALID_FILE
               && (before.st_size == 0 || pread(reader, &last, 1, before.st_size - 1) == 1))
    {
        *torn = last == '\n' ? 0 : ngx_file_uniq(&before);

    } else if (*torn != 0 && *torn != ngx_file_uniq(&before)) {
        /* The file has been changed for another. */
        *torn = 0;
    }

    if (len != 0 && *torn != 0) {

        if (ngx_write_fd(fd, (void *) "\n", 1) == 1) {
            *torn = 0;
            before.st_size++;

        } else {
            *err = ngx_errno;
            len = 0;
        }
    }

    while (done < len) {
        n = ngx_write_fd(fd, data + done, len - done);

        if (n <= 0) {
            *err = n == 0 ? NGX_ENOSPC : ngx_errno;
            break;
        }

        done += n;
    }

    for (whole = done; whole > 0 && data[whole - 1] != '\n'; whole--) { /* void */ }

    if (whole != done
        && (!ngx_is_file(&before) || ngx_fd_info(fd, &after) == NGX_FILE_ERROR
            || after.st_size != before.st_size + (off_t) done || ftruncate(fd, before.st_size + (off_t) whole) == -1))
    {
        *torn = ngx_file_uniq(&before);
    }

    if (locked == 0) {
        (void) ngx_unlock_fd(fd);
    }

    if (reader != NGX_INVALID_FILE) {
        /* Not before: with any descriptor of the file its lock is gone. */
        (void) ngx_close_file(reader);
    }

    return whole;
}

/* A descriptor that reads what `fd` writes, whatever its name is by now. */
static ngx_fd_t
ngx_http_imagxp_lines_reader(ngx_fd_t fd)
{
    u_char           name[sizeof("/proc/self/fd/") + NGX_INT_T_LEN];
    ngx_file_info_t  info;

    if (ngx_fd_info(fd, &info) == NGX_FILE_ERROR || !ngx_is_file(&info)) {
        return NGX_INVALID_FILE;
    }

    ngx_sprintf(name, "/proc/self/fd/%d%Z", fd);

    return ngx_open_file(name, NGX_FILE_RDONLY|O_CLOEXEC, NGX_FILE_OPEN, 0);
}
