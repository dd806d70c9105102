/* What a server does around the library: threads that share a publisher, and fork(). */
#include "world.h"

#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4, REQUESTS = 20 };

struct worker {
    struct world *world;
    imagxp_request **requests;
    int allowed;
    int replayed;
};

static void *work(void *argument) {
    struct worker *worker = (struct worker *)argument;
    for (int i = 0; i < REQUESTS; i++) {
        imagxp_verdict *verdict = NULL;
        if (imagxp_publisher_verify(worker->world->publisher, worker->requests[i], NOW, &verdict, NULL) == IMAGXP_OK) {
            worker->allowed += imagxp_verdict_is_allowed(verdict);
            worker->replayed += imagxp_verdict_code(verdict) == IMAGXP_REPLAY_NONCE_SEEN;
        }
        imagxp_verdict_free(verdict);
    }
    return NULL;
}

/* Every thread sends every request: each passes exactly once, whichever thread was first. */
static void threads_share_a_publisher(void) {
    struct world world;
    imagxp_request *requests[REQUESTS];
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    int allowed = 0;
    int replayed = 0;
    world_open(&world, FREE_POLICY, NULL);
    world_supply(&world, NOW);
    for (int i = 0; i < REQUESTS; i++) {
        requests[i] = signed_request(&world, PAGE);
    }
    for (int i = 0; i < THREADS; i++) {
        workers[i].world = &world;
        workers[i].requests = requests;
        workers[i].allowed = workers[i].replayed = 0;
        CHECK(pthread_create(&threads[i], NULL, work, &workers[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        allowed += workers[i].allowed;
        replayed += workers[i].replayed;
    }
    CHECK(allowed == REQUESTS);
    CHECK(replayed == REQUESTS * (THREADS - 1));
    for (int i = 0; i < REQUESTS; i++) {
        imagxp_request_free(requests[i]);
    }
    world_close(&world);
}

/* What a child does with what it inherited; 0 when all is well. */
static int in_the_child(struct world *world, const imagxp_request *spent, const imagxp_request *fresh, int pipe_out) {
    int wrong = 0;
    imagxp_verdict *verdict = NULL;
    /* What the parent has seen before the fork is seen here too. */
    wrong += imagxp_publisher_verify(world->publisher, spent, NOW, &verdict, NULL) != IMAGXP_OK ||
             imagxp_verdict_code(verdict) != IMAGXP_REPLAY_NONCE_SEEN;
    imagxp_verdict_free(verdict);
    verdict = NULL;
    wrong += imagxp_publisher_verify(world->publisher, fresh, NOW, &verdict, NULL) != IMAGXP_OK ||
             !imagxp_verdict_is_allowed(verdict);
    imagxp_verdict_free(verdict);
    /* The first nonce of the child, for the parent to compare. */
    imagxp_headers *headers = sign(world, PAGE, none());
    imagxp_slice payload = imagxp_headers_value(headers, 0);
    wrong += write(pipe_out, payload.ptr, payload.len) != (ssize_t)payload.len;
    imagxp_headers_free(headers);
    return wrong;
}

static void forks_go_on(void) {
    struct world world;
    int ends[2];
    int status = -1;
    char childs[8192];
    world_open(&world, FREE_POLICY, NULL);
    world_supply(&world, NOW);
    imagxp_request *spent = signed_request(&world, PAGE);
    imagxp_request *fresh = signed_request(&world, PAGE);
    expect_code(&world, spent, NOW, IMAGXP_OK);
    if (pipe(ends) != 0) {
        CHECK(!"pipe");
        return;
    }
    pid_t child = fork();
    if (child == 0) {
        int wrong = in_the_child(&world, spent, fresh, ends[1]);
        imagxp_request_free(spent);
        imagxp_request_free(fresh);
        world_close(&world);
        /* Not exit(): buffers of standard output belong to the parent. */
        _exit(wrong);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(ends[1]);
    ssize_t length = read(ends[0], childs, sizeof childs);
    close(ends[0]);
    imagxp_headers *headers = sign(&world, PAGE, none());
    imagxp_slice parents = imagxp_headers_value(headers, 0);
    /* Same millisecond, same URL, another process: another nonce. */
    CHECK(length == (ssize_t)parents.len && memcmp(childs, parents.ptr, parents.len) != 0);
    imagxp_headers_free(headers);
    /* The child's memory is its own. */
    expect_code(&world, fresh, NOW, IMAGXP_OK);
    imagxp_request_free(spent);
    imagxp_request_free(fresh);
    world_close(&world);
}

/* A publisher with the secret that all processes have; its first verdict's trace id goes into `pipe_out`. 0 when all is well. */
static int trace_of_the_first(uint64_t first, const imagxp_request *request, int pipe_out) {
    imagxp_policy *policy = NULL;
    imagxp_publisher_options *options = NULL;
    imagxp_publisher *publisher = NULL;
    imagxp_verdict *verdict = NULL;
    int wrong = imagxp_policy_from_json(S(FREE_POLICY), &policy, NULL) != IMAGXP_OK;
    wrong += imagxp_publisher_options_new(&options, NULL) != IMAGXP_OK;
    wrong += imagxp_publisher_options_set_first_trace(options, first, NULL) != IMAGXP_OK;
    wrong += imagxp_publisher_new(policy, S("0123456789abcdef"), options, &publisher, NULL) != IMAGXP_OK;
    wrong += imagxp_publisher_verify(publisher, request, NOW, &verdict, NULL) != IMAGXP_OK;
    imagxp_slice trace = imagxp_verdict_trace_id(verdict);
    wrong += trace.len != 32 || write(pipe_out, trace.ptr, 32) != 32;
    imagxp_verdict_free(verdict);
    imagxp_publisher_free(publisher);
    imagxp_publisher_options_free(options);
    imagxp_policy_free(policy);
    return wrong;
}

/* As the header and the guide have it: each child makes its own. Those that begin with one number show that it is the number that counts. */
static void publishers_of_children_make_trace_ids_of_their_own(void) {
    static const uint64_t first[] = {1, 1, UINT64_C(1) << 40};
    char traces[3][32];
    struct world world;
    int ends[2];
    world_open(&world, FREE_POLICY, NULL);
    imagxp_request *request = signed_request(&world, PAGE);
    if (pipe(ends) != 0) {
        CHECK(!"pipe");
        return;
    }
    for (int i = 0; i < 3; i++) {
        int status = -1;
        pid_t child = fork();
        if (child == 0) {
            int wrong = trace_of_the_first(first[i], request, ends[1]);
            imagxp_request_free(request);
            world_close(&world);
            _exit(wrong);
        }
        CHECK(child > 0 && waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        CHECK(read(ends[0], traces[i], 32) == 32);
    }
    close(ends[0]);
    close(ends[1]);
    CHECK(memcmp(traces[0], traces[1], 32) == 0);
    CHECK(memcmp(traces[0], traces[2], 32) != 0);
    imagxp_request_free(request);
    world_close(&world);
}

int main(void) {
    static const struct test tests[] = {
        {"threads_share_a_publisher", threads_share_a_publisher},
        {"forks_go_on", forks_go_on},
        {"publishers_of_children_make_trace_ids_of_their_own", publishers_of_children_make_trace_ids_of_their_own},
        {NULL, NULL},
    };
    return run_tests(tests);
}
