/* Memory that runs out inside the library: the first 80 allocations of each operation and some later ones, with `--all` each of them, fail once, in
 * a process of its own. It ends as docs/hardening.md
 * says: by SIGABRT, with the sentence "memory allocation of N bytes failed", or with an error or the answer it always gives; never by another
 * signal, never with another answer, and never with a byte written beside a block. `--seed-fault` does each of what must not be, and ends with
 * 0 only when all of it is noticed. */
#define _GNU_SOURCE
#include "heap.h"
#include "world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* How a process says what came of it. */
enum { REACHED = 10, BEYOND = 11, REFUSED = 12, WRONG = 13, BROKEN = 14 };

static struct world world;
static imagxp_request *request;
static imagxp_bytes pem;
static imagxp_bytes manifest_json;
static const char *seeded = NULL;
static bool all_of_them = false;

/* Each answers whether it did what it does with memory; an error that says so is REFUSED. */
static imagxp_status status;

static bool read_key(void) {
    imagxp_key *key = NULL;
    imagxp_public_key *public_key = NULL;
    status = imagxp_key_from_pem(borrow(&pem), &key, &err);
    bool same = status == IMAGXP_OK && imagxp_key_public(key, &public_key, &err) == IMAGXP_OK;
    imagxp_public_key_free(public_key);
    imagxp_key_free(key);
    return same;
}

static bool sign_request(void) {
    imagxp_sign_request *what = NULL;
    imagxp_headers *headers = NULL;
    status = imagxp_sign_request_new(S("GET"), S(PAGE), IMAGXP_PURPOSE_RAG_RETRIEVAL, &what, &err);
    if (status == IMAGXP_OK) {
        status = imagxp_identity_sign(world.identity, what, NOW, none(), &headers, &err);
    }
    size_t count = headers == NULL ? 0 : imagxp_headers_count(headers);
    imagxp_headers_free(headers);
    imagxp_sign_request_free(what);
    return count > 2;
}

static bool make_publisher(void) {
    imagxp_policy *policy = NULL;
    imagxp_publisher *publisher = NULL;
    status = imagxp_policy_from_json(S(FREE_POLICY), &policy, &err);
    if (status == IMAGXP_OK) {
        status = imagxp_publisher_new(policy, S("0123456789abcdef"), NULL, &publisher, &err);
    }
    bool made = publisher != NULL;
    imagxp_publisher_free(publisher);
    imagxp_policy_free(policy);
    return made;
}

static bool supply(void) {
    status = imagxp_publisher_supply(world.publisher, S(MANIFEST_URL), borrow(&manifest_json), IMAGXP_MAX_AGE_NONE, NOW, &err);
    return status == IMAGXP_OK;
}

static bool verify_request(void) {
    imagxp_verdict *verdict = NULL;
    imagxp_bytes body = {NULL, 0};
    status = imagxp_publisher_verify(world.publisher, request, NOW, &verdict, &err);
    bool allowed = status == IMAGXP_OK && imagxp_verdict_code(verdict) == IMAGXP_OK;
    imagxp_verdict_free(verdict);
    /* The second time it is refused, and says so in a body. */
    if (allowed && (status = imagxp_publisher_verify(world.publisher, request, NOW, &verdict, &err)) == IMAGXP_OK) {
        allowed = imagxp_verdict_code(verdict) == IMAGXP_REPLAY_NONCE_SEEN;
        if (allowed && (status = imagxp_verdict_body(verdict, &body, &err)) == IMAGXP_OK) {
            allowed = body.len > 2;
            imagxp_bytes_free(&body);
        }
        imagxp_verdict_free(verdict);
    }
    return allowed && status == IMAGXP_OK;
}

static bool make_request(void) {
    imagxp_slice lines[2] = {S("User-Agent"), S("tests/1 IMAGXP/1.0")};
    imagxp_request *made = NULL;
    status = imagxp_request_new(S("GET"), S(PAGE), lines, 1, &made, &err);
    imagxp_request_free(made);
    return status == IMAGXP_OK;
}

/* What must be noticed: a crash, a byte beside a block, a wrong answer. */
static bool seeded_fault(void) {
    volatile char *block = (volatile char *)malloc(24);
    if (strcmp(seeded, "crash") == 0) {
        raise(SIGSEGV);
    }
    if (strcmp(seeded, "overrun") == 0) {
        block[24] = 1;
    }
    free((void *)block);
    return strcmp(seeded, "answer") != 0;
}

struct operation {
    const char *name;
    bool (*act)(void);
};

static const struct operation OPERATIONS[] = {
    {"read a key", read_key},
    {"sign", sign_request},
    {"make a publisher", make_publisher},
    {"supply a manifest", supply},
    {"make a request", make_request},
    {"verify", verify_request},
};

/* The last word before the process ends: whether the heap was whole. */
static void on_abort(int number) {
    if (!heap_is_whole()) {
        _exit(BROKEN);
    }
    signal(number, SIG_DFL);
    raise(number);
}

static void child(const struct operation *operation, long number) {
    const struct rlimit none_at_all = {0, 0};
    setrlimit(RLIMIT_CORE, &none_at_all);
    signal(SIGABRT, on_abort);
    heap_fail_at(number);
    bool done = operation->act();
    bool reached = !heap_fail_at(0);
    if (!heap_is_whole()) {
        _exit(BROKEN);
    }
    if (!done && status != IMAGXP_OK) {
        imagxp_slice message = imagxp_error_message(err);
        _exit(reached && message.len > 0 ? REFUSED : WRONG);
    }
    _exit(!done ? WRONG : reached ? REACHED : BEYOND);
}

/* Runs one; how it ended, and the sentence it left. */
static int run(const struct operation *operation, long number, char *said, size_t room) {
    int ends[2];
    int status_of = 0;
    size_t count = 0;
    ssize_t more;
    if (pipe(ends) != 0) {
        abort();
    }
    fflush(stdout);
    pid_t process = fork();
    if (process == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        child(operation, number);
    }
    close(ends[1]);
    while (count + 1 < room && (more = read(ends[0], said + count, room - 1 - count)) > 0) {
        count += (size_t)more;
    }
    said[count] = 0;
    close(ends[0]);
    waitpid(process, &status_of, 0);
    return status_of;
}

/* How many processes ended without memory; -1 when one did what none may do. */
static long exhaust(const struct operation *operation) {
    char said[4096];
    long ended = 0;
    for (long number = 0;; number += all_of_them || number < 80 ? 1 : number / 8) {
        int how = run(operation, number, said, sizeof said);
        bool aborted = WIFSIGNALED(how) && WTERMSIG(how) == SIGABRT && strstr(said, "memory allocation of") != NULL;
        int code = WIFEXITED(how) ? WEXITSTATUS(how) : 0;
        /* Number 0 has all the memory there is. */
        if (number == 0 ? code == BEYOND || code == REACHED : aborted || code == REFUSED || code == REACHED) {
            ended += aborted || code == REFUSED;
            continue;
        }
        if (number > 0 && code == BEYOND) {
            return ended;
        }
        fprintf(stderr, "%s, without its allocation %ld: status %x, `%s`\n", operation->name, number, (unsigned)how, said);
        return -1;
    }
}

int main(int count, char **arguments) {
    imagxp_manifest *manifest = NULL;
    if (count > 1 && strcmp(arguments[1], "--seed-fault") == 0) {
        const char *const faults[] = {"crash", "overrun", "answer"};
        const struct operation operation = {"a seeded fault", seeded_fault};
        for (size_t index = 0; index < sizeof faults / sizeof *faults; index++) {
            seeded = faults[index];
            if (exhaust(&operation) >= 0) {
                fprintf(stderr, "the seeded fault `%s` was not noticed\n", seeded);
                return 1;
            }
        }
        return 0;
    }
    all_of_them = count > 1 && strcmp(arguments[1], "--all") == 0;
    world_open(&world, FREE_POLICY, NULL);
    OK(imagxp_key_to_pem(world.key, &pem, &err));
    OK(imagxp_identity_manifest(world.identity, none(), &manifest, &err));
    OK(imagxp_manifest_to_json(manifest, &manifest_json, &err));
    world_supply(&world, NOW);
    request = signed_request(&world, PAGE);
    long all = 0;
    int passed = 0;
    const int operations = (int)(sizeof OPERATIONS / sizeof *OPERATIONS);
    for (int index = 0; index < operations; index++) {
        long ended = exhaust(&OPERATIONS[index]);
        if (ended > 0) {
            passed++;
            all += ended;
        } else {
            fprintf(stderr, "FAILED %s: %ld\n", OPERATIONS[index].name, ended);
        }
    }
    imagxp_request_free(request);
    imagxp_manifest_free(manifest);
    imagxp_bytes_free(&manifest_json);
    imagxp_bytes_free(&pem);
    world_close(&world);
    printf("%ld processes ended without memory\n%d passed, %d failed\n", all, passed, operations - passed);
    return passed == operations ? 0 : 1;
}
