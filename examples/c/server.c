/* A small web site that verifies each request in libevent's loop. While one reader's manifest is being fetched, everybody else is served.
 *
 * Usage: server <policy.json> <port> [--allow-loopback]
 * It listens on 127.0.0.1, for a proxy that speaks TLS; port 0 takes a free one. How documents are fetched is in fetch.c. */
#include "fetch.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

/* How long a manifest may take in all; the tests of slow machines give more. */
#ifndef MANIFEST_MS
#define MANIFEST_MS 1500
#endif
enum { MAX_LINES = 128, MANIFEST_BYTES = 16384, JWKS_BYTES = 65536, JWKS_MS = 3000 };

struct site {
    struct event_base *base;
    imagxp_publisher *publisher;
    imagxp_bytes public_policy;
    struct fetcher *fetcher;
    struct errand *errands;
};

/* A request whose verdict waits for documents. */
struct visit {
    struct site *site;
    struct evhttp_request *http;
    imagxp_verdict *verdict;
    size_t open;
};

/* One document that is being fetched, once for all visits that wait for it. */
struct errand {
    struct site *site;
    struct errand *next;
    char *url;
    struct visit **waiting;
    size_t count;
};

static int64_t now_ms(void) {
    struct timeval now;
    gettimeofday(&now, NULL);
    return (int64_t)now.tv_sec * 1000 + now.tv_usec / 1000;
}

/* A slice as a C string; the caller frees it. */
static char *text(imagxp_slice slice) {
    return memory(slice.len > 0 ? strndup((const char *)slice.ptr, slice.len) : strdup(""));
}

/* Answers by the verdict, which ends here. */
static void answer(struct evhttp_request *http, imagxp_verdict *verdict) {
    struct evbuffer *body = evbuffer_new();
    struct evkeyvalq *headers = evhttp_request_get_output_headers(http);
    for (size_t i = 0; i < imagxp_verdict_response_header_count(verdict); i++) {
        char *name = text(imagxp_verdict_response_header_name(verdict, i));
        char *value = text(imagxp_verdict_response_header_value(verdict, i));
        evhttp_add_header(headers, name, value);
        free(name), free(value);
    }
    if (imagxp_verdict_is_allowed(verdict)) {
        imagxp_slice agent = imagxp_verdict_agent_id(verdict);
        evbuffer_add_printf(body, "hello %.*s\n", (int)agent.len, (const char *)agent.ptr);
    } else {
        imagxp_bytes json = {NULL, 0};
        imagxp_verdict_body(verdict, &json, NULL);
        evbuffer_add(body, json.ptr, json.len);
        imagxp_bytes_free(&json);
            evhttp_add_header(headers, "content-type", "application/json");
    }
    evhttp_send_reply(http, (int)imagxp_verdict_http(verdict), NULL, body);
    evbuffer_free(body);
    imagxp_verdict_free(verdict);
}

static void fetched(void *user_data, const struct answer *answer);

/* Sends for what the verdict needs; false when there is nothing that can be sent for. */
static bool send_for(struct visit *visit) {
    for (size_t i = 0; i < imagxp_verdict_need_count(visit->verdict); i++) {
        imagxp_need need = imagxp_verdict_need(visit->verdict, i);
        if (need != IMAGXP_NEED_MANIFEST && need != IMAGXP_NEED_JWKS) {
            continue; /* a broker's word: this site takes visas that are checked offline */
        }
        char *url = text(imagxp_verdict_need_url(visit->verdict, i));
        struct errand *errand = visit->site->errands;
        while (errand != NULL && strcmp(errand->url, url) != 0) {
            errand = errand->next;
        }
        if (errand == NULL) {
            bool manifest = need == IMAGXP_NEED_MANIFEST;
            errand = memory(calloc(1, sizeof *errand));
            *errand = (struct errand){.site = visit->site, .next = visit->site->errands, .url = memory(strdup(url))};
            visit->site->errands = errand;
            fetch(visit->site->fetcher, url, manifest ? MANIFEST_BYTES : JWKS_BYTES, manifest ? MANIFEST_MS : JWKS_MS, fetched, errand);
        }
        errand->waiting = memory(realloc(errand->waiting, (errand->count + 1) * sizeof(struct visit *)));
        errand->waiting[errand->count++] = visit;
        visit->open++;
        free(url);
    }
    return visit->open > 0;
}

/* Answers, or waits. */
static void go_on(struct visit *visit) {
    if (imagxp_verdict_is_pending(visit->verdict) && send_for(visit)) {
        return;
    }
    /* Still undecided: the verdict's own answer is 503 with Retry-After. */
    answer(visit->http, visit->verdict);
    free(visit);
}

/* A document has come, or will not come: whoever waits is judged with it. */
static void fetched(void *user_data, const struct answer *answer) {
    struct errand *errand = user_data;
    struct site *site = errand->site;
    imagxp_slice url = imagxp_slice_of(errand->url);
    struct errand **link = &site->errands;
    while (*link != errand) {
        link = &(*link)->next;
    }
    *link = errand->next;
    if (answer->failure == 0) {
        /* A body that breaks a rule is an error here and a verdict below. */
        imagxp_publisher_supply(site->publisher, url, answer->body, answer->max_age_s, now_ms(), NULL);
    } else {
        imagxp_publisher_supply_failure(site->publisher, url, answer->failure, now_ms(), NULL);
    }
    for (size_t i = 0; i < errand->count; i++) {
        struct visit *visit = errand->waiting[i];
        imagxp_verdict *resumed = NULL;
        if (--visit->open > 0) {
            continue;
        }
        if (imagxp_publisher_resume(site->publisher, visit->verdict, now_ms(), &resumed, NULL) == IMAGXP_OK) {
            imagxp_verdict_free(visit->verdict);
            visit->verdict = resumed;
        }
        go_on(visit);
    }
    free(errand->waiting);
    free(errand->url);
    free(errand);
}

static imagxp_slice method(const struct evhttp_request *http) {
    static const struct {
        enum evhttp_cmd_type type;
        const char *name;
    } names[] = {{EVHTTP_REQ_GET, "GET"},         {EVHTTP_REQ_POST, "POST"},       {EVHTTP_REQ_HEAD, "HEAD"}, {EVHTTP_REQ_PUT, "PUT"},
                 {EVHTTP_REQ_DELETE, "DELETE"}, {EVHTTP_REQ_OPTIONS, "OPTIONS"}, {EVHTTP_REQ_PATCH, "PATCH"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (evhttp_request_get_command(http) == names[i].type) {
            return imagxp_slice_of(names[i].name);
        }
    }
    return imagxp_slice_of(NULL);
}

static void on_request(struct evhttp_request *http, void *user_data) {
    struct site *site = user_data;
    const char *target = evhttp_request_get_uri(http);
    imagxp_slice lines[2 * MAX_LINES];
    size_t count = 0;
    imagxp_request *request = NULL;
    imagxp_verdict *verdict = NULL;
    imagxp_bytes digest = {NULL, 0};

    /* An absolute target would name an origin of the sender's choice. */
    if (target[0] != '/') {
        evhttp_send_error(http, HTTP_BADREQUEST, NULL);
        return;
    }
    if (strcmp(target, "/.well-known/imagxp-policy.json") == 0) {
        struct evbuffer *body = evbuffer_new();
        evbuffer_add(body, site->public_policy.ptr, site->public_policy.len);
        evhttp_add_header(evhttp_request_get_output_headers(http), "content-type", "application/json");
        evhttp_send_reply(http, HTTP_OK, "OK", body);
        evbuffer_free(body);
        return;
    }
    /* Every line as it came, in order, duplicates included. One too many is passed on, for the verdict to refuse. */
    struct evkeyval *line = evhttp_request_get_input_headers(http)->tqh_first;
    for (; line != NULL && count < MAX_LINES; line = line->next.tqe_next, count++) {
        lines[2 * count] = imagxp_slice_of(line->key);
        lines[2 * count + 1] = imagxp_slice_of(line->value);
    }
    if (imagxp_request_new(method(http), imagxp_slice_of(target), lines, count, &request, NULL) == IMAGXP_OK) {
        struct evbuffer *body = evhttp_request_get_input_buffer(http);
        imagxp_slice bytes = {evbuffer_pullup(body, -1), evbuffer_get_length(body)};
        if (bytes.len > 0 && imagxp_content_digest(bytes, &digest, NULL) == IMAGXP_OK) {
            imagxp_request_set_body_digest(request, (imagxp_slice){digest.ptr, digest.len}, NULL);
            imagxp_bytes_free(&digest);
        }
        imagxp_publisher_verify(site->publisher, request, now_ms(), &verdict, NULL);
    }
    imagxp_request_free(request);
    if (verdict == NULL) {
        evhttp_send_error(http, HTTP_INTERNAL, NULL);
        return;
    }
    struct visit *visit = memory(calloc(1, sizeof *visit));
    *visit = (struct visit){.site = site, .http = http, .verdict = verdict};
    go_on(visit);
}

static void on_signal(evutil_socket_t number, short what, void *user_data) {
    (void)number, (void)what;
    event_base_loopexit(user_data, NULL);
}

/* The publisher of a policy file; says what is wrong with it. */
static bool open_site(struct site *site, const char *path) {
    static char json[1 << 18];
    imagxp_error *error = NULL;
    imagxp_policy *policy = NULL;
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return perror(path), false;
    }
    imagxp_slice bytes = {(const uint8_t *)json, fread(json, 1, sizeof json, file)};
    fclose(file);
    if (imagxp_policy_from_json(bytes, &policy, &error) != IMAGXP_OK ||
        imagxp_publisher_new(policy, imagxp_slice_of(NULL), NULL, &site->publisher, &error) != IMAGXP_OK ||
        imagxp_policy_public_json(policy, &site->public_policy, &error) != IMAGXP_OK) {
        fprintf(stderr, "%s: %.*s\n", path, (int)imagxp_error_message(error).len, (const char *)imagxp_error_message(error).ptr);
    }
    bool opened = error == NULL;
    imagxp_error_free(error);
    imagxp_policy_free(policy);
    return opened;
}

int main(int argc, char **argv) {
    struct site site = {.base = event_base_new()};
    bool allow_loopback = argc == 4 && strcmp(argv[3], "--allow-loopback") == 0;
    if (argc != 3 && !allow_loopback) {
        return fprintf(stderr, "usage: %s policy.json port [--allow-loopback]\n", argv[0]), 2;
    }
    signal(SIGPIPE, SIG_IGN);
    if (!open_site(&site, argv[1]) || (site.fetcher = fetcher_new(site.base, allow_loopback)) == NULL) {
        return 2;
    }
    struct evhttp *server = evhttp_new(site.base);
    evhttp_set_allowed_methods(server, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
                                           EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH);
    evhttp_set_max_headers_size(server, 65536);
    evhttp_set_max_body_size(server, 1 << 20);
    evhttp_set_timeout(server, 10);
    evhttp_set_gencb(server, on_request, &site);
    struct evhttp_bound_socket *socket = evhttp_bind_socket_with_handle(server, "127.0.0.1", (ev_uint16_t)atoi(argv[2]));
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    if (socket == NULL || getsockname(evhttp_bound_socket_get_fd(socket), (struct sockaddr *)&address, &size) != 0) {
        return perror("cannot listen"), 2;
    }
    struct event *stop[] = {evsignal_new(site.base, SIGINT, on_signal, site.base), evsignal_new(site.base, SIGTERM, on_signal, site.base)};
    event_add(stop[0], NULL), event_add(stop[1], NULL);
    printf("listening on http://127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    event_base_dispatch(site.base);

    fetcher_free(site.fetcher); /* whoever still waits is answered 503 */
    event_base_loop(site.base, EVLOOP_NONBLOCK);
    evhttp_free(server);
    event_free(stop[0]), event_free(stop[1]);
    imagxp_bytes_free(&site.public_policy);
    imagxp_publisher_free(site.publisher);
    event_base_free(site.base);
    return 0;
}
