/* The worker of run.py for the C ABI: the requests of the core's row verify/hot, through libimagxp.so. Processor time of the process. */
#include <imagxp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NOW_S = 1772366400, WARM = 64, MOST = 4000 };

#define URL "https://pub.example/2026/03/01/what-the-spring-tides-left-behind?page=2"
#define AGENT "crawler-0.agents.example"
#define POLICY "{\"version\":1,\"origins\":[\"https://pub.example\"],\"purposes\":{\"RAG_RETRIEVAL\":{}}}"

static const char *const USUAL[] = {"host", "pub.example", "user-agent", "ExampleBot/1.0 (+https://agents.example/bot) IMAGXP/1.0",
                                    "accept", "text/html,application/xhtml+xml", "accept-encoding", "gzip, br", "connection", "keep-alive"};

static void must(imagxp_status status, const char *what) {
    if (status != IMAGXP_OK) {
        fprintf(stderr, "%s: %d\n", what, (int)status);
        exit(1);
    }
}

static double cpu_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

struct site {
    imagxp_identity *agent;
    imagxp_sign_request *read;
    imagxp_publisher *publisher;
    imagxp_headers *signed_headers[MOST];
    imagxp_slice lines[MOST][2 * 16];
    size_t counts[MOST];
};

static void set_up(struct site *site) {
    imagxp_key *key = NULL;
    imagxp_policy *policy = NULL;
    imagxp_manifest *manifest = NULL;
    imagxp_bytes json = {NULL, 0};
    imagxp_slice secret = {(const uint8_t *)"0123456789abcdef", 16};
    must(imagxp_key_generate(IMAGXP_ALGORITHM_ES256, NULL, NULL, &key, NULL), "key");
    must(imagxp_identity_new(imagxp_slice_of(AGENT), key, false, &site->agent, NULL), "identity");
    must(imagxp_sign_request_new(imagxp_slice_of("GET"), imagxp_slice_of(URL), IMAGXP_PURPOSE_RAG_RETRIEVAL, &site->read, NULL), "request");
    must(imagxp_sign_request_set_context(site->read, imagxp_slice_of("{\"note\":\"spring\"}"), NULL), "context");
    must(imagxp_policy_from_json(imagxp_slice_of(POLICY), &policy, NULL), "policy");
    must(imagxp_publisher_new(policy, secret, NULL, &site->publisher, NULL), "publisher");
    must(imagxp_identity_manifest(site->agent, imagxp_slice_of(""), &manifest, NULL), "manifest");
    must(imagxp_manifest_to_json(manifest, &json, NULL), "manifest");
    imagxp_slice body = {json.ptr, json.len};
    must(imagxp_publisher_supply(site->publisher, imagxp_slice_of("https://" AGENT "/.well-known/imagxp-agent.json"), body,
                                 IMAGXP_MAX_AGE_NONE, (int64_t)NOW_S * 1000, NULL),
         "supply");
    imagxp_bytes_free(&json);
    imagxp_manifest_free(manifest);
    imagxp_policy_free(policy);
    imagxp_key_free(key);
}

/* Nanoseconds of one of `count` verdicts: a request made, verified, asked whether it may pass, and freed. */
static double verify(struct site *site, size_t count) {
    for (size_t i = 0; i < count; i++) {
        imagxp_headers *headers = NULL;
        must(imagxp_identity_sign(site->agent, site->read, (int64_t)NOW_S * 1000, imagxp_slice_of(""), &headers, NULL), "sign");
        imagxp_slice *line = site->lines[i];
        for (size_t n = 0; n < sizeof USUAL / sizeof *USUAL; n++) {
            *line++ = imagxp_slice_of(USUAL[n]);
        }
        for (size_t n = 0; n < imagxp_headers_count(headers); n++) {
            *line++ = imagxp_headers_name(headers, n);
            *line++ = imagxp_headers_value(headers, n);
        }
        site->counts[i] = (size_t)(line - site->lines[i]) / 2;
        site->signed_headers[i] = headers;
    }
    double begin = cpu_ns();
    for (size_t i = 0; i < count; i++) {
        imagxp_request *request = NULL;
        imagxp_verdict *verdict = NULL;
        must(imagxp_request_new(imagxp_slice_of("GET"), imagxp_slice_of(URL), site->lines[i], site->counts[i], &request, NULL), "request");
        must(imagxp_publisher_verify(site->publisher, request, (int64_t)NOW_S * 1000, &verdict, NULL), "verify");
        if (!imagxp_verdict_is_allowed(verdict)) {
            fprintf(stderr, "refused\n");
            exit(1);
        }
        imagxp_verdict_free(verdict);
        imagxp_request_free(request);
    }
    double took = cpu_ns() - begin;
    for (size_t i = 0; i < count; i++) {
        imagxp_headers_free(site->signed_headers[i]);
    }
    return took / (double)count;
}

int main(void) {
    static struct site site;
    char name[32];
    size_t count;
    set_up(&site);
    verify(&site, WARM);
    printf("verify\n");
    fflush(stdout);
    while (scanf("%31s %zu", name, &count) == 2) {
        if (strcmp(name, "verify") != 0 || count > MOST) {
            fprintf(stderr, "%s %zu is not known here\n", name, count);
            return 1;
        }
        printf("%.1f\n", verify(&site, count));
        fflush(stdout);
    }
    return 0;
}
