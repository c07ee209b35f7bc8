/* SPDX-License-Identifier: Apache-2.0
 *
 * A list of blocks; allocations bump the head block. What does not fit into an ordinary block gets
 * a block of its own behind the head, so that the head's rest stays usable.
 *
 * Invariant: `total` is the sum of all blocks' sizes, headers included, and never above the
 * ceiling. Under the address sanitizer everything that was not handed out is poisoned, so that a
 * use after a reset shows at once.
 */
#include "agent/base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#endif

#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   ASAN_POISON_MEMORY_REGION(p, n)
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define POISON(p, n)   ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

#define ALIGN 16u

struct arena_block {
    struct arena_block *next;
    size_t size; /* of the whole block, this header included */
    size_t used; /* bytes of data[] handed out, a multiple of ALIGN */
    size_t pad;
    _Alignas(ALIGN) unsigned char data[];
};

void
arena_init(struct arena *a, size_t block_size, size_t ceiling)
{
    *a = (struct arena){.block_size = block_size, .ceiling = ceiling};
}

static void
block_free(struct arena *a, struct arena_block *b)
{
    a->total -= b->size;
    UNPOISON(b->data, b->size - sizeof *b);
    free(b);
}

void
arena_done(struct arena *a)
{
    struct arena_block *next;
    for (struct arena_block *b = a->head; b != NULL; b = next) {
        next = b->next;
        block_free(a, b);
    }
    a->head = NULL;
}

void
arena_reset(struct arena *a)
{
    struct arena_block *keep = NULL, *next;
    for (struct arena_block *b = a->head; b != NULL; b = next) {
        next = b->next;
        if (keep == NULL && b->size == a->block_size) {
            keep = b;
        } else {
            block_free(a, b);
        }
    }
    if (keep != NULL) {
        keep->next = NULL;
        keep->used = 0;
        POISON(keep->data, keep->size - sizeof *keep);
    }
    a->head = keep;
}

static size_t
block_room(const struct arena_block *b)
{
    return b->size - sizeof *b - b->used;
}

/* `size` is the whole block's. */
static struct arena_block *
block_new(struct arena *a, size_t size)
{
    if (a->ceiling != 0 && size > a->ceiling - a->total) {
        return NULL;
    }
    struct arena_block *b = malloc(size);
    if (b == NULL) {
        return NULL;
    }
    b->next = NULL;
    b->size = size;
    b->used = 0;
    a->total += size;
    POISON(b->data, size - sizeof *b);
    return b;
}

static struct arena_block *
block_for(struct arena *a, size_t need)
{
    if (a->head != NULL && block_room(a->head) >= need) {
        return a->head;
    }
    if (need + sizeof(struct arena_block) <= a->block_size) {
        struct arena_block *b = block_new(a, a->block_size);
        if (b != NULL) {
            b->next = a->head;
            a->head = b;
            return b;
        }
        /* The ceiling may leave room for less than an ordinary block. */
    }
    struct arena_block *b = block_new(a, need + sizeof *b);
    if (b != NULL && a->head != NULL) {
        b->next = a->head->next;
        a->head->next = b;
    } else if (b != NULL) {
        a->head = b;
    }
    return b;
}

void *
arena_alloc(struct arena *a, size_t size)
{
    if (size > SIZE_MAX / 2) {
        return NULL;
    }
    /* An empty allocation takes a place too: pointers differ. */
    size_t need = size == 0 ? ALIGN : (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    struct arena_block *b = block_for(a, need);
    if (b == NULL) {
        return NULL;
    }
    void *p = b->data + b->used;
    b->used += need;
    UNPOISON(p, size);
    return p;
}

void *
arena_zalloc(struct arena *a, size_t size)
{
    void *p = arena_alloc(a, size);
    if (p != NULL) {
        memset(p, 0, size);
    }
    return p;
}

char *
arena_strndup(struct arena *a, const char *s, size_t len)
{
    char *p = len < SIZE_MAX ? arena_alloc(a, len + 1) : NULL;
    if (p != NULL) {
        if (len > 0) {
            memcpy(p, s, len);
        }
        p[len] = '\0';
    }
    return p;
}

char *
arena_strdup(struct arena *a, const char *s)
{
    return arena_strndup(a, s, strlen(s));
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int len = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = len < 0 ? NULL : arena_alloc(a, (size_t)len + 1);
    if (p != NULL) {
        vsnprintf(p, (size_t)len + 1, fmt, again);
    }
    va_end(again);
    return p;
}

static void *
checked(void *p)
{
    if (p == NULL) {
        fputs("tidegate: out of memory\n", stderr);
        abort();
    }
    return p;
}

void *
x_malloc(size_t size)
{
    return checked(malloc(size == 0 ? 1 : size));
}

void *
x_zalloc(size_t size)
{
    return checked(calloc(1, size == 0 ? 1 : size));
}

void *
x_realloc(void *p, size_t size)
{
    return checked(realloc(p, size == 0 ? 1 : size));
}

char *
x_strdup(const char *s)
{
    return x_strndup(s, strlen(s));
}

char *
x_strndup(const char *s, size_t len)
{
    char *p = checked(len < SIZE_MAX ? malloc(len + 1) : NULL);
    if (len > 0) {
        memcpy(p, s, len);
    }
    p[len] = '\0';
    return p;
}

char *
x_printf(const char *fmt, ...)
{
    va_list ap;
    char *p = NULL;
    va_start(ap, fmt);
    int len = vasprintf(&p, fmt, ap);
    va_end(ap);
    return checked(len < 0 ? NULL : p);
}

void
x_free(void *p)
{
    free(p);
}
