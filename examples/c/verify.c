/* Verifies an HTTP request that lies in a file. Usage: verify <policy.json> <manifest.json> <request.http> <now in ms since 1970> */
#include <imagxp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A whole file as a slice; it lives as long as the program. */
static imagxp_slice file(const char *path) {
    static char files[3][1 << 16];
    static size_t count = 0;
    char *bytes = files[count++];
    FILE *stream = fopen(path, "rb");
    if (stream == NULL) {
        perror(path);
        exit(2);
    }
    imagxp_slice slice = {(const uint8_t *)bytes, fread(bytes, 1, sizeof files[0] - 1, stream)};
    fclose(stream);
    return slice;
}

/* Ends the program with the error's sentence when a call failed. */
static void must(imagxp_status status, imagxp_error *error) {
    if (status != IMAGXP_OK) {
        fprintf(stderr, "%.*s\n", (int)imagxp_error_message(error).len, (const char *)imagxp_error_message(error).ptr);
        imagxp_error_free(error);
        exit(2);
    }
}

int main(int argc, char **argv) {
    imagxp_error *error = NULL;
    imagxp_policy *policy = NULL;
    imagxp_publisher *publisher = NULL;
    imagxp_request *request = NULL;
    imagxp_verdict *verdict = NULL, *resumed = NULL;
    imagxp_slice headers[2 * 100];
    size_t count = 0;
    if (argc != 5) {
        return fprintf(stderr, "usage: %s policy.json manifest.json request.http now-ms\n", argv[0]), 2;
    }
    int64_t now = strtoll(argv[4], NULL, 10);
    must(imagxp_policy_from_json(file(argv[1]), &policy, &error), error);
    must(imagxp_publisher_new(policy, imagxp_slice_of(NULL), NULL, &publisher, &error), error);

    /* The request line, then every header line as it came. */
    char *text = (char *)file(argv[3]).ptr;
    const char *method = strtok(text, " "), *url = strtok(NULL, " ");
    strtok(NULL, "\n");
    for (char *line; count < 100 && (line = strtok(NULL, "\r\n")) != NULL && strchr(line, ':') != NULL; count++) {
        char *colon = strchr(line, ':');
        headers[2 * count] = (imagxp_slice){(const uint8_t *)line, (size_t)(colon - line)};
        headers[2 * count + 1] = imagxp_slice_of(colon + 1 + strspn(colon + 1, " \t"));
    }
    must(imagxp_request_new(imagxp_slice_of(method), imagxp_slice_of(url), headers, count, &request, &error), error);
    must(imagxp_publisher_verify(publisher, request, now, &verdict, &error), error);
    /* A server would fetch what is needed; here it lies in a file. */
    if (imagxp_verdict_is_pending(verdict) && imagxp_verdict_need(verdict, 0) == IMAGXP_NEED_MANIFEST) {
        imagxp_publisher_supply(publisher, imagxp_verdict_need_url(verdict, 0), file(argv[2]), IMAGXP_MAX_AGE_NONE, now, NULL);
        must(imagxp_publisher_resume(publisher, verdict, now, &resumed, &error), error);
    }
    const imagxp_verdict *last = resumed != NULL ? resumed : verdict;
    imagxp_slice code = imagxp_status_name(imagxp_verdict_code(last)), agent = imagxp_verdict_agent_id(last);
    printf("%u %.*s%.*s\n", (unsigned)imagxp_verdict_http(last), (int)code.len, (const char *)code.ptr, (int)agent.len,
           (const char *)agent.ptr);
    int allowed = imagxp_verdict_is_allowed(last);
    imagxp_verdict_free(resumed);
    imagxp_verdict_free(verdict);
    imagxp_request_free(request);
    imagxp_publisher_free(publisher);
    imagxp_policy_free(policy);
    return allowed ? 0 : 1;
}
