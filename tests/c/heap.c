#include "heap.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* glibc's own, under names that nothing interposes. */
extern void *__libc_malloc(size_t size);
extern void __libc_free(void *pointer);

#define FENCE UINT64_C(0x5ea1edf3ace5fe11)
#define FREED UINT64_C(0xdeadfe11dead0000)

/* Before each block; after it stands one more fence. */
struct block {
    void *start;
    struct block *before;
    struct block *after;
    size_t size;
    uint64_t fence[2];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct block *blocks = NULL;
static bool broken = false;
static long left = 0;

bool heap_fail_at(long number) {
    bool still = left > 0;
    left = number;
    return still;
}

static bool fails(void) {
    return left > 0 && --left == 0;
}

static bool stands(const struct block *block) {
    uint64_t end;
    memcpy(&end, (const char *)(block + 1) + block->size, sizeof end);
    return block->fence[0] == FENCE && block->fence[1] == FENCE && end == FENCE;
}

bool heap_is_whole(void) {
    bool whole = !broken;
    for (const struct block *block = blocks; whole && block != NULL; block = block->after) {
        whole = stands(block);
    }
    return whole;
}

static void *take(size_t alignment, size_t size) {
    const uint64_t fence = FENCE;
    if (size > SIZE_MAX / 2) {
        return NULL;
    }
    char *start = __libc_malloc(sizeof(struct block) + alignment + size + sizeof fence);
    if (start == NULL) {
        return NULL;
    }
    uintptr_t place = ((uintptr_t)start + sizeof(struct block) + alignment - 1) / alignment * alignment;
    struct block *block = (struct block *)place - 1;
    pthread_mutex_lock(&lock);
    block->start = start;
    block->before = NULL;
    block->after = blocks;
    block->size = size;
    block->fence[0] = block->fence[1] = fence;
    memcpy((char *)place + size, &fence, sizeof fence);
    if (blocks != NULL) {
        blocks->before = block;
    }
    blocks = block;
    pthread_mutex_unlock(&lock);
    return (void *)place;
}

void *malloc(size_t size) {
    if (fails()) {
        errno = ENOMEM;
        return NULL;
    }
    return take(_Alignof(max_align_t), size);
}

void *calloc(size_t count, size_t size) {
    if (size != 0 && count > SIZE_MAX / size) {
        return NULL;
    }
    void *pointer = malloc(count * size);
    return pointer == NULL ? NULL : memset(pointer, 0, count * size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    return fails() ? NULL : take(alignment, size);
}

int posix_memalign(void **pointer, size_t alignment, size_t size) {
    void *taken = aligned_alloc(alignment, size);
    if (taken == NULL) {
        return ENOMEM;
    }
    *pointer = taken;
    return 0;
}

void free(void *pointer) {
    if (pointer == NULL) {
        return;
    }
    struct block *block = (struct block *)pointer - 1;
    pthread_mutex_lock(&lock);
    if (stands(block)) {
        *(block->before == NULL ? &blocks : &block->before->after) = block->after;
        if (block->after != NULL) {
            block->after->before = block->before;
        }
        block->fence[0] = FREED;
        __libc_free(block->start);
    } else {
        /* What is broken is kept, so that it can be told. */
        broken = true;
    }
    pthread_mutex_unlock(&lock);
}

void *realloc(void *pointer, size_t size) {
    if (pointer == NULL) {
        return malloc(size);
    }
    void *moved = malloc(size);
    if (moved != NULL) {
        const struct block *block = (struct block *)pointer - 1;
        memcpy(moved, pointer, block->size < size ? block->size : size);
        free(pointer);
    }
    return moved;
}
