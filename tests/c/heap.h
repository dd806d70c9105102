/* The process's heap, with a fence around each block, and an allocation that is to fail. Linked into a program, it serves the library too. */
#ifndef IMAGXP_TESTS_HEAP_H
#define IMAGXP_TESTS_HEAP_H

#include <stdbool.h>

/* The `number`-th allocation from now on fails, 1 being the next; 0 ends that. Whether one was still to come is the answer. */
bool heap_fail_at(long number);

/* Whether every fence stands: nothing has been written beside a block, nor freed twice. */
bool heap_is_whole(void);

#endif
