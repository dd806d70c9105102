/* Sets the clock of a process under test: LD_PRELOAD this, with the milliseconds since 1970 in the file $IMAGXP_CLOCK. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile const int64_t *now;

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("IMAGXP_CLOCK");
    int file = name == NULL ? -1 : open(name, O_RDONLY);
    void *memory = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *now, PROT_READ, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) {
        _exit(70);
    }
    close(file);
    now = memory;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone) {
    (void)zone;
    tv->tv_sec = *now / 1000;
    tv->tv_usec = *now % 1000 * 1000;
    return 0;
}

time_t time(time_t *result) {
    time_t seconds = *now / 1000;
    if (result != NULL) {
        *result = seconds;
    }
    return seconds;
}

int clock_gettime(clockid_t clock, struct timespec *ts) {
    if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE) {
        return (int)syscall(SYS_clock_gettime, clock, ts);
    }
    ts->tv_sec = *now / 1000;
    ts->tv_nsec = *now % 1000 * 1000000;
    return 0;
}
