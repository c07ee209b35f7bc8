/* SPDX-License-Identifier: Apache-2.0
 *
 * A hash that keeps the order of first insertion, so that a type stays in front of the relation
 * that uses it.
 */
#include "agent/spool/schemas.h"

/* In place of uthash's own, which falls through switch labels without saying so. */
#define HASH_FUNCTION(key, len, hash) ((hash) = (unsigned)format_sum(key, len))
#include <uthash.h>

#include "agent/base/arena.h"
#include "agent/spool/format.h"

struct schema {
    uint32_t key;
    uint64_t position;
    int64_t received_us;
    uint8_t *data;
    size_t len;
    UT_hash_handle hh;
};

void
schemas_put(struct schemas *s, const struct record *rec)
{
    struct schema *entry;
    HASH_FIND(hh, s->first, &rec->key, sizeof(rec->key), entry);
    if (entry == NULL) {
        entry = x_zalloc(sizeof(*entry));
        entry->key = rec->key;
        HASH_ADD(hh, s->first, key, sizeof(entry->key), entry);
    }
    entry->position = rec->position;
    entry->received_us = rec->received_us;
    if (entry->len != rec->payload.len) {
        entry->data = x_realloc(entry->data, rec->payload.len + 1);
        entry->len = rec->payload.len;
    }
    if (entry->len > 0) {
        memcpy(entry->data, rec->payload.data, entry->len);
    }
}

void
schemas_done(struct schemas *s)
{
    struct schema *entry = s->first;
    HASH_CLEAR(hh, s->first);
    while (entry != NULL) {
        struct schema *next = entry->hh.next;
        x_free(entry->data);
        x_free(entry);
        entry = next;
    }
}

const struct schema *
schemas_next(const struct schemas *s, const struct schema *after, struct record *rec)
{
    const struct schema *entry = after == NULL ? s->first : after->hh.next;
    if (entry != NULL) {
        *rec = (struct record){
            .kind = RECORD_SCHEMA,
            .key = entry->key,
            .position = entry->position,
            .received_us = entry->received_us,
            .payload = {entry->data, entry->len},
        };
    }
    return entry;
}
