/* Checks: each failure is printed with its place; a program ends with 1 when there was any. Compiles as C11 and as C++17. */
#ifndef IMAGXP_TESTS_CHECK_H
#define IMAGXP_TESTS_CHECK_H

#include <imagxp.h>

/* The error that the last failed call wrote; FAILS looks at it and frees it. */
extern imagxp_error *err;

void check(bool passed, const char *what, const char *file, int line);
bool ok(imagxp_status status, const char *what, const char *file, int line);
void fails(imagxp_status status, imagxp_status expected, const char *what, const char *file, int line);
void equals(imagxp_slice got, const char *expected, const char *what, const char *file, int line);

/* A condition that must hold. */
#define CHECK(condition) check((condition), #condition, __FILE__, __LINE__)
/* A call that must succeed; it passes &err. */
#define OK(call) ok((call), #call, __FILE__, __LINE__)
/* A call that must fail with this status, and say why in an error object; it passes &err. */
#define FAILS(call, status) fails((call), (status), #call, __FILE__, __LINE__)
/* A slice that must have this text. */
#define EQUALS(slice, text) equals((slice), (text), #slice, __FILE__, __LINE__)

/* The text of a test, as a slice. */
#define S(text) imagxp_slice_of(text)
/* What is absent. */
imagxp_slice none(void);
/* Borrows owned bytes. */
imagxp_slice borrow(const imagxp_bytes *bytes);
bool contains(imagxp_slice slice, const char *text);

/* One test of a program; the table ends with {NULL, NULL}. */
struct test {
    const char *name;
    void (*run)(void);
};

/* Runs them all, prints "N passed, M failed", and returns main's result. */
int run_tests(const struct test *tests);

#endif
