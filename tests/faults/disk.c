/* A disk that fails, lies or is written down: put before the C library by LD_PRELOAD, for the files below $DISK_FOLDER only.
 *
 * DISK_CONTROL  a file of struct control, shared with who makes the faults: counts, and which write or sync is to fail
 * DISK_LOG      every change is appended here, so that disk.py can say what a power cut at any moment would have left
 * DISK_LIES     syncs of files whose name has this in it are answered at once and not done
 * DISK_BOOT     a file that is read in place of the kernel's boot id: after a power cut it is another one
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE, SYNC };
enum { FAIL, HALF, SWALLOW };

/* As disk.py packs it. */
struct control {
    uint64_t count[2];   /* writes and syncs of files below the folder */
    uint64_t fail_at[2]; /* which of them fails; 0: none */
    uint64_t error;      /* with which errno */
    uint64_t how;        /* at once, after half of the bytes, or not at all although nothing is written */
    uint64_t fired;      /* how many have */
};

static struct control *control;
static const char *folder, *lies, *boot;
static int journal = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) ((__typeof__(&name))real(#name))
static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

__attribute__((constructor)) static void begin(void) {
    folder = getenv("DISK_FOLDER");
    lies = getenv("DISK_LIES");
    boot = getenv("DISK_BOOT");
    const char *path = getenv("DISK_CONTROL");
    if (path) {
        int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR);
        void *at = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (at == MAP_FAILED) abort();
        control = at;
    }
    path = getenv("DISK_LOG");
    if (path) {
        journal = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (journal < 0) abort();
    }
}

static int below(const char *path) {
    size_t length = folder ? strlen(folder) : 0;
    return length && !strncmp(path, folder, length) && (path[length] == '/' || !path[length]);
}

/* The path of an open file, when it is one of ours. */
static int ours(int fd, char *path) {
    char link[64];
    if (!folder) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    /* The index of SQLite's log is memory; its file is made anew after a crash. */
    if (length > 4 && !strcmp(path + length - 4, "-shm")) return 0;
    return below(path);
}

/* One record: kind, lengths of path and data, offset, path, data. */
static void note(char kind, const char *path, uint64_t offset, const void *data, size_t length) {
    if (journal < 0) return;
    struct { uint64_t kind, path, length, offset; } head = {(uint64_t)kind, strlen(path), length, offset};
    struct iovec parts[3] = {{&head, sizeof head}, {(void *)path, head.path}, {(void *)data, length}};
    pthread_mutex_lock(&lock);
    if (syscall(SYS_writev, journal, parts, 3) < 0) abort();
    pthread_mutex_unlock(&lock);
}

/* Whether this is the one; how it ends is in `how`. */
static int fails(int kind, uint64_t *how) {
    if (!control) return 0;
    uint64_t number = __atomic_add_fetch(&control->count[kind], 1, __ATOMIC_SEQ_CST);
    if (number != control->fail_at[kind]) return 0;
    *how = control->how;
    __atomic_add_fetch(&control->fired, 1, __ATOMIC_SEQ_CST);
    errno = (int)control->error;
    return 1;
}

static ssize_t write_at(int fd, const void *data, size_t length, off64_t offset, int positioned) {
    char path[PATH_MAX];
    ssize_t (*positioned_write)(int, const void *, size_t, off64_t) = REAL(pwrite64);
    ssize_t (*plain_write)(int, const void *, size_t) = REAL(write);
    if (!ours(fd, path)) return positioned ? positioned_write(fd, data, length, offset) : plain_write(fd, data, length);
    if (!positioned) {
        int appends = fcntl(fd, F_GETFL) & O_APPEND;
        offset = lseek64(fd, 0, appends ? SEEK_END : SEEK_CUR);
    }
    uint64_t how = FAIL;
    if (fails(WRITE, &how)) {
        if (how == SWALLOW) return (ssize_t)length;
        if (how == FAIL || length < 2) return -1;
        length /= 2;
    }
    ssize_t done = positioned ? positioned_write(fd, data, length, offset) : plain_write(fd, data, length);
    int error = errno;
    if (done > 0) note('w', path, (uint64_t)offset, data, (size_t)done);
    errno = error;
    return done;
}

ssize_t write(int fd, const void *data, size_t length) { return write_at(fd, data, length, 0, 0); }
ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) { return write_at(fd, data, length, offset, 1); }
ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) { return write_at(fd, data, length, offset, 1); }

ssize_t writev(int fd, const struct iovec *parts, int count) {
    char path[PATH_MAX];
    ssize_t (*plain)(int, const struct iovec *, int) = REAL(writev);
    if (!ours(fd, path)) return plain(fd, parts, count);
    /* A part at a time: who calls must take less for an answer. */
    for (int at = 0; at < count; at++)
        if (parts[at].iov_len) return write(fd, parts[at].iov_base, parts[at].iov_len);
    return 0;
}

static int sync_of(int fd, int (*plain)(int)) {
    char path[PATH_MAX];
    if (!ours(fd, path)) return plain(fd);
    uint64_t how = FAIL;
    if (fails(SYNC, &how)) return how == SWALLOW ? 0 : -1;
    if (lies && strstr(path, lies)) return 0;
    int done = plain(fd);
    int error = errno;
    if (!done) note('s', path, 0, NULL, 0);
    errno = error;
    return done;
}

int fsync(int fd) { return sync_of(fd, REAL(fsync)); }
int fdatasync(int fd) { return sync_of(fd, REAL(fdatasync)); }

int ftruncate64(int fd, off64_t length) {
    char path[PATH_MAX];
    int (*plain)(int, off64_t) = REAL(ftruncate64);
    int mine = ours(fd, path);
    int done = plain(fd, length);
    if (mine && !done) note('t', path, (uint64_t)length, NULL, 0);
    return done;
}
int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

static int open_at(int at, const char *path, int flags, mode_t mode) {
    int (*plain)(int, const char *, int, ...) = REAL(openat64);
    if (boot && !strcmp(path, "/proc/sys/kernel/random/boot_id")) path = boot;
    struct stat before;
    int mine = folder && below(path), was = mine && !stat(path, &before);
    int fd = plain(at, path, flags, mode);
    int error = errno;
    if (mine && fd >= 0 && !was && (flags & O_CREAT)) note('c', path, 0, NULL, 0);
    if (mine && fd >= 0 && was && (flags & O_TRUNC)) note('t', path, 0, NULL, 0);
    errno = error;
    return fd;
}

#define OPENS(name)                                            \
    int name(const char *path, int flags, ...) {               \
        va_list more;                                          \
        va_start(more, flags);                                 \
        mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0; \
        va_end(more);                                          \
        return open_at(AT_FDCWD, path, flags, mode);           \
    }
OPENS(open)
OPENS(open64)

int unlink(const char *path) {
    int done = REAL(unlink)(path);
    if (!done && below(path)) note('u', path, 0, NULL, 0);
    return done;
}

int rename(const char *from, const char *to) {
    int done = REAL(rename)(from, to);
    if (!done && below(to)) note('r', from, 0, to, strlen(to));
    return done;
}

int linkat(int from_at, const char *from, int to_at, const char *to, int flags) {
    int done = REAL(linkat)(from_at, from, to_at, to, flags);
    if (!done && below(to)) note('l', from, 0, to, strlen(to));
    return done;
}

int mkdir(const char *path, mode_t mode) {
    int done = REAL(mkdir)(path, mode);
    if (!done && below(path)) note('d', path, 0, NULL, 0);
    return done;
}
