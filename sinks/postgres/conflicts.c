/* SPDX-License-Identifier: Apache-2.0
 *
 * A table has a key to tell its rows apart by when nothing but that key makes two of its rows meet:
 * no other unique or exclusion index, and equal values that are the same bytes. Old and new key are
 * both noted, since an insert may need the place that a delete makes. The rows of another table
 * count as one. Where something fires at a change, anything may be touched.
 *
 * A dependency that is missed nevertheless (a column that the target rounds, say) cannot change the
 * outcome: a row lock is held up to the commit and commits come in order, so an earlier group that
 * finds a later one at its row waits for ever, which lock_timeout ends; a later one that is too
 * early finds no row, or one too many, which is an error. It costs the session, never a row.
 */
#include "sinks/postgres/conflicts.h"

#include <assert.h>
#include <string.h>
#include <xxhash.h>

#include "agent/base/arena.h"

void
conflicts_init(struct conflicts *c)
{
    *c = (struct conflicts){.slots = x_zalloc(CONFLICTS_SLOTS * sizeof *c->slots)};
}

void
conflicts_done(struct conflicts *c)
{
    x_free(c->slots);
    *c = (struct conflicts){0};
}

void
conflicts_committed(struct conflicts *c, uint64_t group)
{
    assert(group >= c->committed);
    c->committed = group;
}

uint64_t
conflicts_alone(struct conflicts *c, uint64_t group)
{
    assert(group > c->committed && group >= c->alone);
    if (c->used > 0) { /* whoever comes later waits for this group, and so for all that are noted */
        memset(c->slots, 0, CONFLICTS_SLOTS * sizeof *c->slots);
        c->used = 0;
    }
    c->alone = group;
    return group - 1;
}

/* Its slot, or the free one where it belongs. */
static struct conflicts_slot *
find(struct conflicts_slot *slots, uint64_t hash)
{
    uint32_t at = (uint32_t)(hash % CONFLICTS_SLOTS);
    while (slots[at].hash != 0 && slots[at].hash != hash) {
        at = (at + 1) % CONFLICTS_SLOTS;
    }
    return &slots[at];
}

/* Takes out what is committed. */
static void
purge(struct conflicts *c)
{
    struct conflicts_slot *kept = x_zalloc(CONFLICTS_SLOTS * sizeof *kept);
    c->used = 0;
    for (uint32_t i = 0; i < CONFLICTS_SLOTS; i++) {
        if (c->slots[i].hash != 0 && c->slots[i].group > c->committed) {
            *find(kept, c->slots[i].hash) = c->slots[i];
            c->used++;
        }
    }
    x_free(c->slots);
    c->slots = kept;
}

/* False when there is no room; else *wait: the group that had it before, if that is later. */
static bool
note(struct conflicts *c, uint64_t group, uint64_t hash, uint64_t *wait)
{
    struct conflicts_slot *slot = find(c->slots, hash);
    if (slot->hash == 0 && c->used == CONFLICTS_KEYS) {
        purge(c);
        /* Going through all slots must not be the price of each key. */
        if (c->used > CONFLICTS_KEYS / 2) {
            return false;
        }
        slot = find(c->slots, hash);
    }
    if (slot->hash == 0) {
        slot->hash = hash;
        c->used++;
    } else if (slot->group != group && slot->group > *wait) {
        *wait = slot->group;
    }
    slot->group = group;
    return true;
}

/* The column's value in the old row, or in the new one; NULL when it is not known. */
static const struct value *
value_of(const struct change *change, bool old, uint16_t column)
{
    const struct value *v = NULL;
    bool has_old = change->old_kind != OLD_NONE && change->old.len > column;
    if (old) {
        v = has_old ? &change->old.values[column] : NULL;
    } else if (change->new.len > column) {
        v = &change->new.values[column];
        if (v->status == VALUE_UNCHANGED && has_old) {
            v = &change->old.values[column];
        }
    }
    return v && v->status == VALUE_BINARY ? v : NULL; /* a text may be written in several ways */
}

/* Nothing but one key, whose equal values are the same bytes, makes two of its rows meet. Another
 * type on the target may take two values for the same one. */
static bool
rows_are_apart(const struct target *t, const struct relation *r)
{
    bool any = false;
    for (uint16_t i = 0; i < r->columns_len; i++) {
        const struct target_column *column = &t->columns[i];
        if (column->unique && (!column->exact || column->type_oid != r->columns[i].type_oid)) {
            return false;
        }
        any = any || column->unique;
    }
    return any && t->has_unique && t->one_unique;
}

static uint64_t
table_hash(const struct relation *r)
{
    uint64_t hash = XXH3_64bits(r->schema, strlen(r->schema));
    hash = XXH3_64bits_withSeed(r->name, strlen(r->name), hash);
    return hash == 0 ? 1 : hash;
}

/* 0: not known. */
static uint64_t
key_hash(const struct target *t, const struct change *change, bool old)
{
    const struct relation *r = change->relation;
    uint64_t hash = table_hash(r);
    for (uint16_t i = 0; i < r->columns_len; i++) {
        if (!t->columns[i].unique) {
            continue;
        }
        const struct value *v = value_of(change, old, i);
        bool known =
            change->kind == CHANGE_INSERT || change->old_kind == OLD_FULL || r->columns[i].key;
        if (!v || !known) {
            return 0;
        }
        hash = XXH3_64bits_withSeed(v->bytes.data, v->bytes.len, hash);
    }
    return hash == 0 ? 1 : hash;
}

uint64_t
conflicts_row(
    struct conflicts *c, uint64_t group, const struct target *t, const struct change *change)
{
    assert(group > c->committed && group >= c->alone);
    if (c->alone == group) {
        return group - 1;
    }
    if (!t->present || !t->unseen) {
        return conflicts_alone(c, group);
    }
    uint64_t wait = c->alone;
    if (!rows_are_apart(t, change->relation)) {
        bool noted = note(c, group, table_hash(change->relation), &wait);
        return noted ? wait : conflicts_alone(c, group);
    }
    bool sides[2] = {
        change->new.len > 0, change->kind != CHANGE_INSERT && change->old_kind != OLD_NONE};
    for (int old = 0; old < 2; old++) {
        uint64_t hash = sides[old] ? key_hash(t, change, old) : 0;
        if (sides[old] && (hash == 0 || !note(c, group, hash, &wait))) {
            return conflicts_alone(c, group);
        }
    }
    return sides[0] || sides[1] ? wait : conflicts_alone(c, group);
}
