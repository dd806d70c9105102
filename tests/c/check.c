#include "check.h"

#include <stdio.h>
#include <string.h>

imagxp_error *err = NULL;

static int failures = 0;

static void failed(const char *what, const char *file, int line) {
    failures++;
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
}

void check(bool passed, const char *what, const char *file, int line) {
    if (!passed) {
        failed(what, file, line);
    }
}

bool ok(imagxp_status status, const char *what, const char *file, int line) {
    if (status == IMAGXP_OK) {
        return true;
    }
    imagxp_slice message = imagxp_error_message(err);
    failed(what, file, line);
    fprintf(stderr, "    %u %.*s\n", (unsigned)status, (int)message.len, (const char *)message.ptr);
    imagxp_error_free(err);
    err = NULL;
    return false;
}

void fails(imagxp_status status, imagxp_status expected, const char *what, const char *file, int line) {
    imagxp_slice name = imagxp_status_name(status);
    imagxp_slice code = imagxp_error_code(err);
    bool good = status == expected && err != NULL && imagxp_error_status(err) == status && code.len > 0 &&
                imagxp_error_message(err).len > 0 && code.len == name.len && memcmp(code.ptr, name.ptr, code.len) == 0;
    if (!good) {
        failed(what, file, line);
        fprintf(stderr, "    status %u, expected %u\n", (unsigned)status, (unsigned)expected);
    }
    imagxp_error_free(err);
    err = NULL;
}

void equals(imagxp_slice got, const char *expected, const char *what, const char *file, int line) {
    if (got.len != strlen(expected) || (got.len > 0 && memcmp(got.ptr, expected, got.len) != 0)) {
        failed(what, file, line);
        fprintf(stderr, "    is `%.*s`, expected `%s`\n", (int)got.len, (const char *)got.ptr, expected);
    }
}

imagxp_slice none(void) {
    imagxp_slice slice;
    slice.ptr = NULL;
    slice.len = 0;
    return slice;
}

imagxp_slice borrow(const imagxp_bytes *bytes) {
    imagxp_slice slice;
    slice.ptr = bytes->ptr;
    slice.len = bytes->len;
    return slice;
}

bool contains(imagxp_slice slice, const char *text) {
    size_t len = strlen(text);
    for (size_t at = 0; at + len <= slice.len; at++) {
        if (memcmp(slice.ptr + at, text, len) == 0) {
            return true;
        }
    }
    return false;
}

int run_tests(const struct test *tests) {
    int passed = 0;
    int bad = 0;
    for (; tests->name != NULL; tests++) {
        int before = failures;
        tests->run();
        if (failures == before) {
            passed++;
        } else {
            bad++;
            fprintf(stderr, "FAILED %s\n", tests->name);
        }
    }
    printf("%d passed, %d failed\n", passed, bad);
    return bad == 0 && passed > 0 ? 0 : 1;
}
