/*
 * Whole lines at the end of a file to which other workers write as well. A disk that fills up in the middle of a line leaves half of it: that is
 * taken back, so that the line can come later, or into another file, and what follows in this one is a line of its own.
 */

#include "ngx_http_imagxp.h"

/*
 * Returns how much of `data` is in the file now, in whole lines; `err` says why not all of it. `torn` is 0, or the file that still ends with
 * half a line, which another kind of file, or one that may only grow, does: a newline comes before the next.
 */
size_t
ngx_http_imagxp_lines_append(ngx_fd_t fd, u_char *data, size_t len, ngx_file_uniq_t *torn, ngx_err_t *err)
{
    size_t           done, whole;
    ssize_t          n;
    ngx_err_t        locked;
    ngx_file_info_t  before, after;

    *err = 0;
    done = 0;

    /* While we hold it, half a line of ours is the last thing in the file. */
    locked = ngx_lock_fd(fd);

    if (ngx_fd_info(fd, &before) == NGX_FILE_ERROR) {
        *err = ngx_errno;
        len = 0;

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

    return whole;
}
