/* The shortest program that gives a verdict on a request. */
#include <imagxp.h>
#include <stdio.h>
#include <time.h>

int main(void) {
    imagxp_policy *policy = NULL;
    imagxp_publisher *publisher = NULL;
    imagxp_request *request = NULL;
    imagxp_verdict *verdict = NULL;
    imagxp_slice json = imagxp_slice_of("{\"version\": 1, \"origins\": [\"https://pub.example\"], \"unsigned\": \"deny\"}");
    imagxp_slice headers[] = {imagxp_slice_of("User-Agent"), imagxp_slice_of("curl/8.0")};
    /* README begin */
    imagxp_policy_from_json(json, &policy, NULL);
    imagxp_publisher_new(policy, imagxp_slice_of(NULL), NULL, &publisher, NULL);
    imagxp_request_new(imagxp_slice_of("GET"), imagxp_slice_of("/posts/1"), headers, 1, &request, NULL);
    imagxp_publisher_verify(publisher, request, (int64_t)time(NULL) * 1000, &verdict, NULL);
    imagxp_slice why = imagxp_verdict_message(verdict);
    printf("%u %.*s\n", (unsigned)imagxp_verdict_http(verdict), (int)why.len, (const char *)why.ptr);
    imagxp_verdict_free(verdict);
    imagxp_request_free(request);
    imagxp_publisher_free(publisher);
    imagxp_policy_free(policy);
    /* README end */
    return 0;
}
