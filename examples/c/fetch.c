#include "fetch.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <event2/dns.h>
#include <event2/util.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { IN_FLIGHT = 32, PER_SECOND = 50, HEADER_BYTES = 16384 };

struct fetcher {
    struct event_base *base;
    struct evdns_base *dns;
    struct event *timer;
    CURLM *multi;
    struct job *jobs;
    bool allow_loopback;
    int in_flight, this_second;
    time_t second;
};

/* One fetch: resolve, check, connect, read. */
struct job {
    struct fetcher *fetcher;
    struct job *next;
    char *url, *host, *port;
    CURL *easy;
    struct curl_slist *addresses;
    struct evdns_getaddrinfo_request *resolving;
    struct event *start, *deadline;
    size_t limit, header_bytes, cache_control_len;
    char cache_control[HEADER_BYTES]; /* the values of all such lines, each with a comma, which is shorter than the name */
    struct answer answer;
    uint8_t *body;
    bool loopback, cancelled;
    fetched_fn fetched;
    void *user_data;
};

/* The end of a job, whichever it is. */
static void finish(struct job *job, imagxp_fetch_failure failure) {
    struct job **link = &job->fetcher->jobs;
    while (*link != job) {
        link = &(*link)->next;
    }
    *link = job->next;
    job->fetcher->in_flight--;
    job->answer.failure = failure;
    job->answer.body.ptr = job->body;
    imagxp_slice said = {(const uint8_t *)job->cache_control, job->cache_control_len};
    job->answer.max_age_s = imagxp_max_age(said);
    job->fetched(job->user_data, &job->answer);
    if (job->easy != NULL) {
        curl_multi_remove_handle(job->fetcher->multi, job->easy);
        curl_easy_cleanup(job->easy);
    }
    event_free(job->start);
    event_free(job->deadline);
    curl_slist_free_all(job->addresses);
    curl_free(job->host);
    curl_free(job->port);
    free(job->body);
    free(job->url);
    free(job);
}

static void too_late(evutil_socket_t none, short what, void *user_data) {
    struct job *job = user_data;
    (void)none, (void)what;
    if (job->resolving != NULL && !job->cancelled) {
        job->cancelled = true;
        evdns_getaddrinfo_cancel(job->resolving); /* calls `resolved` later, which ends the job */
    } else if (!job->cancelled) {
        finish(job, IMAGXP_FETCH_FAILED);
    }
}

/* The body, up to the limit. */
static size_t on_body(char *bytes, size_t size, size_t count, void *user_data) {
    struct job *job = user_data;
    size_t len = size * count;
    if (len > job->limit - job->answer.body.len) {
        job->answer.failure = IMAGXP_FETCH_INVALID;
        return 0;
    }
    memcpy(job->body + job->answer.body.len, bytes, len);
    job->answer.body.len += len;
    return len;
}

static bool is_named(const char *line, size_t len, const char *name) {
    return len >= strlen(name) && strncasecmp(line, name, strlen(name)) == 0;
}

/* Header lines: their sum is limited, a coded body is refused, and Cache-Control is kept. */
static size_t on_header(char *line, size_t size, size_t count, void *user_data) {
    struct job *job = user_data;
    size_t len = size * count;
    job->header_bytes += len;
    if (job->header_bytes > HEADER_BYTES || is_named(line, len, "content-encoding:")) {
        job->answer.failure = IMAGXP_FETCH_INVALID;
        return 0;
    }
    if (is_named(line, len, "cache-control:")) {
        memcpy(job->cache_control + job->cache_control_len, line + 14, len - 14);
        job->cache_control_len += len - 14;
        job->cache_control[job->cache_control_len++] = ',';
    }
    return len;
}

static void completed(struct job *job, CURLcode result) {
    long status = 0;
    curl_easy_getinfo(job->easy, CURLINFO_RESPONSE_CODE, &status);
    if (job->answer.failure != 0) {
        finish(job, job->answer.failure);
    } else if (result != CURLE_OK || status >= 500 || status == 429) {
        finish(job, IMAGXP_FETCH_FAILED);
    } else if (status >= 300 && status < 400) {
        finish(job, IMAGXP_FETCH_REDIRECT);
    } else if (status == 404 || status == 410) {
        finish(job, IMAGXP_FETCH_NOT_FOUND);
    } else {
        finish(job, status == 200 ? 0 : IMAGXP_FETCH_INVALID);
    }
}

/* curl and libevent: curl says which sockets and which timer it waits for, libevent says when. */
static void progress(struct fetcher *fetcher) {
    int left = 0;
    for (CURLMsg *message; (message = curl_multi_info_read(fetcher->multi, &left)) != NULL;) {
        struct job *job = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&job);
        completed(job, message->data.result);
    }
}
static void on_timer(evutil_socket_t none, short what, void *user_data) {
    struct fetcher *fetcher = user_data;
    int running = 0;
    (void)none, (void)what;
    curl_multi_socket_action(fetcher->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    progress(fetcher);
}
static void on_socket(evutil_socket_t socket, short what, void *user_data) {
    struct fetcher *fetcher = user_data;
    int running = 0, ready = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);
    curl_multi_socket_action(fetcher->multi, socket, ready, &running);
    progress(fetcher);
}
static int wants_socket(CURL *easy, curl_socket_t socket, int what, void *user_data, void *watched) {
    struct fetcher *fetcher = user_data;
    (void)easy;
    if (watched != NULL) {
        event_free(watched);
    }
    struct event *event = NULL;
    if (what != CURL_POLL_REMOVE) {
        short flags = (short)(EV_PERSIST | (what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0));
        event = event_new(fetcher->base, socket, flags, on_socket, fetcher);
        event_add(event, NULL);
    }
    curl_multi_assign(fetcher->multi, socket, event);
    return 0;
}
static int wants_timer(CURLM *multi, long ms, void *user_data) {
    struct fetcher *fetcher = user_data;
    struct timeval soon = {ms / 1000, (ms % 1000) * 1000};
    (void)multi;
    return ms < 0 ? event_del(fetcher->timer) : event_add(fetcher->timer, &soon);
}

/* Hands the request to curl, which connects to `addresses` and to nothing else. */
static void connect_to(struct job *job, struct curl_slist *addresses) {
    CURL *easy = job->easy = memory(curl_easy_init());
    job->addresses = addresses;
    curl_easy_setopt(easy, CURLOPT_URL, job->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, job->loopback ? "http" : "https");
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_RESOLVE, addresses);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "imagxp-example");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, job);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, job);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, job);
    curl_multi_add_handle(job->fetcher->multi, easy);
}

/* The name's addresses: one that may not be connected to refuses the name, and curl gets the others by hand. */
static void resolved(int error, struct evutil_addrinfo *list, void *user_data) {
    struct job *job = user_data;
    char pinned[1024];
    size_t used = (size_t)snprintf(pinned, sizeof pinned, "%s:%s:", job->host, job->port);
    bool allowed = true;
    job->resolving = NULL;
    for (struct evutil_addrinfo *each = list; each != NULL && allowed; each = each->ai_next) {
        char address[INET6_ADDRSTRLEN] = "";
        const struct sockaddr_in *v4 = (const void *)each->ai_addr;
        const struct sockaddr_in6 *v6 = (const void *)each->ai_addr;
        const void *binary = each->ai_family == AF_INET6 ? (const void *)&v6->sin6_addr : (const void *)&v4->sin_addr;
        allowed = evutil_inet_ntop(each->ai_family, binary, address, sizeof address) != NULL &&
                  imagxp_address_allowed(imagxp_slice_of(address));
        /* What has no room is checked all the same, and not used. */
        if (used + sizeof address + 1 < sizeof pinned) {
            used += (size_t)sprintf(pinned + used, each == list ? "%s" : ",%s", address);
        }
    }
    if (error != 0 || list == NULL || !allowed) {
        finish(job, error != 0 || list == NULL ? IMAGXP_FETCH_FAILED : IMAGXP_FETCH_ADDRESS_DENIED);
    } else {
        connect_to(job, curl_slist_append(NULL, pinned));
    }
    if (list != NULL) {
        evutil_freeaddrinfo(list);
    }
}

static void begin(evutil_socket_t none, short what, void *user_data) {
    struct job *job = user_data;
    struct evutil_addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_protocol = IPPROTO_TCP};
    (void)none, (void)what;
    if (job->answer.failure != 0) {
        finish(job, job->answer.failure);
    } else if (job->loopback) {
        connect_to(job, NULL);
    } else {
        struct evdns_getaddrinfo_request *request = evdns_getaddrinfo(job->fetcher->dns, job->host, NULL, &hints, resolved, job);
        /* NULL: it was answered at once, and the job may be gone. */
        if (request != NULL) {
            job->resolving = request;
        }
    }
}

/* At most so many at a time and per second: strangers decide how many names there are. */
static bool busy(struct fetcher *fetcher) {
    time_t now = time(NULL);
    if (now != fetcher->second) {
        fetcher->second = now;
        fetcher->this_second = 0;
    }
    return fetcher->in_flight > IN_FLIGHT || ++fetcher->this_second > PER_SECOND;
}

static bool starts_with(const char *text, const char *begin) { return strncmp(text, begin, strlen(begin)) == 0; }

void fetch(struct fetcher *fetcher, const char *url, size_t limit, int deadline_ms, fetched_fn fetched, void *user_data) {
    struct job *job = memory(calloc(1, sizeof *job));
    struct timeval deadline = {deadline_ms / 1000, deadline_ms % 1000 * 1000};
    job->fetcher = fetcher;
    job->url = memory(strdup(url));
    job->body = memory(malloc(limit));
    job->limit = limit;
    job->fetched = fetched;
    job->user_data = user_data;
    job->loopback = fetcher->allow_loopback && (starts_with(url, "http://localhost:") || starts_with(url, "http://127.0.0.1:"));
    CURLU *parts = curl_url();
    if (curl_url_set(parts, CURLUPART_URL, url, 0) != CURLUE_OK || curl_url_get(parts, CURLUPART_HOST, &job->host, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_PORT, &job->port, CURLU_DEFAULT_PORT) != CURLUE_OK) {
        job->answer.failure = IMAGXP_FETCH_INVALID;
    }
    curl_url_cleanup(parts);
    job->next = fetcher->jobs;
    fetcher->jobs = job;
    fetcher->in_flight++;
    if (busy(fetcher)) {
        job->answer.failure = IMAGXP_FETCH_BUSY;
    }
    /* Not from here: `fetched` is promised for later. */
    job->start = event_new(fetcher->base, -1, 0, begin, job);
    event_active(job->start, 0, 0);
    job->deadline = evtimer_new(fetcher->base, too_late, job);
    event_add(job->deadline, &deadline);
}

struct fetcher *fetcher_new(struct event_base *base, bool allow_loopback) {
    struct fetcher *fetcher = memory(calloc(1, sizeof *fetcher));
    fetcher->base = base;
    fetcher->allow_loopback = allow_loopback;
    fetcher->timer = evtimer_new(base, on_timer, fetcher);
    fetcher->dns = evdns_base_new(base, EVDNS_BASE_INITIALIZE_NAMESERVERS | EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    fetcher->multi = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? curl_multi_init() : NULL;
    if (fetcher->dns == NULL || fetcher->multi == NULL) {
        fetcher_free(fetcher);
        return NULL;
    }
    curl_multi_setopt(fetcher->multi, CURLMOPT_SOCKETFUNCTION, wants_socket);
    curl_multi_setopt(fetcher->multi, CURLMOPT_SOCKETDATA, fetcher);
    curl_multi_setopt(fetcher->multi, CURLMOPT_TIMERFUNCTION, wants_timer);
    curl_multi_setopt(fetcher->multi, CURLMOPT_TIMERDATA, fetcher);
    return fetcher;
}

void fetcher_free(struct fetcher *fetcher) {
    while (fetcher->jobs != NULL) {
        too_late(-1, 0, fetcher->jobs);
        event_base_loop(fetcher->base, EVLOOP_NONBLOCK);
    }
    curl_multi_cleanup(fetcher->multi);
    if (fetcher->dns != NULL) {
        evdns_base_free(fetcher->dns, 0);
    }
    event_free(fetcher->timer);
    free(fetcher);
    curl_global_cleanup();
}
