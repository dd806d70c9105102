/* Fetches what a verdict needs, inside libevent's loop: nothing here waits. The rules are those of the profile (section "Manifest"): https
 * only, no redirect, no proxy, one deadline over everything, limits while reading, every address of the name checked and the connection
 * made to a checked one, at most 32 at a time and 50 per second. */
#ifndef FETCH_H
#define FETCH_H

#include <event2/event.h>
#include <imagxp.h>
#include <stdlib.h>

/* Memory that cannot be had ends the program, as it does in the library. */
static inline void *memory(void *allocated) {
    if (allocated == NULL) {
        abort();
    }
    return allocated;
}

struct fetcher;

/* What came of it: `failure` is 0 and the body is there, or it says why not. Valid during the call only. */
struct answer {
    imagxp_fetch_failure failure;
    imagxp_slice body;
    uint32_t max_age_s;
};
typedef void (*fetched_fn)(void *user_data, const struct answer *answer);

/* `allow_loopback` admits http://localhost and http://127.0.0.1, for development. NULL when something is missing. */
struct fetcher *fetcher_new(struct event_base *base, bool allow_loopback);
/* Ends what is under way; its `fetched` is called with a failure. */
void fetcher_free(struct fetcher *fetcher);

/* GETs a URL, at most `limit` bytes within `deadline_ms`. `fetched` is called once, later, from the loop. */
void fetch(struct fetcher *fetcher, const char *url, size_t limit, int deadline_ms, fetched_fn fetched, void *user_data);

#endif
