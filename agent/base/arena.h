/* SPDX-License-Identifier: Apache-2.0
 *
 * Bump allocator with a ceiling, reset as a whole. Three lifetimes exist: process (plain malloc
 * through x_* below), batch, message. An arena is passed by hand; there is no hidden current one.
 *
 * Locking: none, one owner thread.
 */
#ifndef TG_BASE_ARENA_H
#define TG_BASE_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *head; /* block in use; older blocks hang behind it */
    size_t block_size;        /* of a new ordinary block, bytes */
    size_t ceiling;           /* of all blocks together, bytes; 0 is none */
    size_t total;             /* allocated from the system now, bytes */
};

void arena_init(struct arena *a, size_t block_size, size_t ceiling);
/* Frees everything; `a` may be used again after arena_init. Accepts an all-zero arena. */
void arena_done(struct arena *a);
/* Forgets all allocations, keeps one ordinary block for reuse. */
void arena_reset(struct arena *a);

/* Aligned to 16 bytes, not zeroed. NULL when the ceiling or the system's memory is reached. */
void *arena_alloc(struct arena *a, size_t size);
void *arena_zalloc(struct arena *a, size_t size);
/* Copies len bytes and adds a NUL byte. */
char *arena_strndup(struct arena *a, const char *s, size_t len);
char *arena_strdup(struct arena *a, const char *s);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Process-lifetime memory: these abort the process with a message when memory is exhausted. */
void *x_malloc(size_t size);
void *x_zalloc(size_t size);
void *x_realloc(void *p, size_t size);
char *x_strdup(const char *s);
char *x_strndup(const char *s, size_t len);
char *x_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void x_free(void *p); /* accepts NULL */

#endif
