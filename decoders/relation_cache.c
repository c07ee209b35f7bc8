/* SPDX-License-Identifier: Apache-2.0
 *
 * Open addressing with linear probing. Entries are never removed one by one, so a search ends at
 * the first free place. Invariant: at least a quarter of the places is free.
 */
#include "decoders/relation_cache.h"

#include <assert.h>

#include "agent/base/arena.h"

#define FIRST_CAPACITY 64

/* Table oids are handed out in runs; the multiplication spreads them over the upper bits. */
static size_t
home_of(uint32_t id, size_t capacity)
{
    return (size_t)((id * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (capacity - 1);
}

/* The entry of `id`, or the free place where it belongs. */
static struct relation_entry *
place_of(const struct relation_cache *c, uint32_t id)
{
    size_t at = home_of(id, c->capacity);
    while (c->entries[at].id != 0 && c->entries[at].id != id) {
        at = (at + 1) & (c->capacity - 1);
    }
    return &c->entries[at];
}

static void
grow(struct relation_cache *c)
{
    struct relation_cache bigger = *c;
    bigger.capacity = c->capacity ? c->capacity * 2 : FIRST_CAPACITY;
    bigger.entries = x_zalloc(bigger.capacity * sizeof(*bigger.entries));
    for (size_t i = 0; i < c->capacity; i++) {
        if (c->entries[i].id != 0) {
            *place_of(&bigger, c->entries[i].id) = c->entries[i];
        }
    }
    x_free(c->entries);
    *c = bigger;
}

void
relation_cache_init(struct relation_cache *c)
{
    *c = (struct relation_cache){0};
}

void
relation_cache_clear(struct relation_cache *c)
{
    for (size_t i = 0; i < c->capacity; i++) {
        relation_free(c->entries[i].current);
        relation_free(c->entries[i].previous);
        c->entries[i] = (struct relation_entry){0};
    }
    c->len = 0;
}

void
relation_cache_done(struct relation_cache *c)
{
    relation_cache_clear(c);
    x_free(c->entries);
    *c = (struct relation_cache){0};
}

const struct relation *
relation_cache_put(struct relation_cache *c, const struct relation *r)
{
    assert(r->id != 0);
    if ((c->len + 1) * 4 > c->capacity * 3) {
        grow(c);
    }
    struct relation_entry *e = place_of(c, r->id);
    if (e->id == 0) {
        e->id = r->id;
        c->len++;
    } else if (relation_same_shape(e->current, r)) {
        return e->current;
    }
    relation_free(e->previous);
    e->previous = e->current;
    e->current = relation_clone(r);
    e->current->version = ++c->versions;
    return e->current;
}

const struct relation *
relation_cache_find(const struct relation_cache *c, uint32_t id)
{
    if (id == 0 || c->len == 0) {
        return NULL;
    }
    return place_of(c, id)->current;
}
