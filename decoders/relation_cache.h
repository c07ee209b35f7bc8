/* SPDX-License-Identifier: Apache-2.0
 *
 * Relations by id, as a feed describes and later mentions them. A description with another shape
 * than the known one gets a new version number; one with the same shape changes nothing, so that
 * caches keyed by (id, version) survive the repeated descriptions that every new connection brings.
 *
 * Ownership: what put and find return belongs to the cache. It stays valid until the second next
 * description of the same id with another shape, or until relation_cache_clear.
 */
#ifndef TG_DECODERS_RELATION_CACHE_H
#define TG_DECODERS_RELATION_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "agent/change/relation.h"

struct relation_entry {
    uint32_t id; /* 0: free place */
    struct relation *current, *previous;
};

struct relation_cache {
    struct relation_entry *entries; /* open addressing, capacity a power of two, at most 3/4 full */
    size_t capacity, len;
    uint32_t versions; /* given out so far; clear leaves it, so that no version comes twice */
};

void relation_cache_init(struct relation_cache *c);
void relation_cache_done(struct relation_cache *c);
void relation_cache_clear(struct relation_cache *c);
/* Borrows `r`, ignores r->version. r->id may not be 0. */
const struct relation *relation_cache_put(struct relation_cache *c, const struct relation *r);
/* NULL when the id is unknown. */
const struct relation *relation_cache_find(const struct relation_cache *c, uint32_t id);

#endif
