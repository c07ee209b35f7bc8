/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything is copied into one arena, so that tests may write values as temporaries.
 */
#include "tests/lib/rows.h"

#include <string.h>

#include "agent/base/arena.h"

const char *const ROW_UNCHANGED = "(unchanged)";

static struct arena memory;

static void *
room(size_t len)
{
    if (!memory.block_size) {
        arena_init(&memory, 65536, 0);
    }
    return arena_zalloc(&memory, len);
}

static void *
keep(const void *bytes, size_t len)
{
    void *p = room(len + 1);
    memcpy(p, bytes, len);
    return p;
}

struct relation
rows_relation(uint32_t id, const char *schema, const char *name, char identity,
    struct column *columns, uint16_t len)
{
    return (struct relation){id, 1, schema, name, identity, len, columns};
}

struct tuple
rows_tuple(const char *const *texts, uint16_t len)
{
    struct value *values = room((len + 1u) * sizeof *values);
    for (uint16_t i = 0; i < len; i++) {
        if (!texts[i]) {
            values[i].status = VALUE_NULL;
        } else if (texts[i] == ROW_UNCHANGED) {
            values[i].status = VALUE_UNCHANGED;
        } else {
            values[i].status = VALUE_TEXT;
            values[i].bytes = slice_of(keep(texts[i], strlen(texts[i])), strlen(texts[i]));
        }
    }
    return (struct tuple){len, values};
}

void
rows_binary(struct tuple t, uint16_t column, const void *bytes, size_t len)
{
    t.values[column].status = VALUE_BINARY;
    t.values[column].bytes = slice_of(keep(bytes, len), len);
}

void
rows_int4(struct tuple t, uint16_t column, int32_t v)
{
    uint32_t u = (uint32_t)v;
    uint8_t b[4] = {(uint8_t)(u >> 24), (uint8_t)(u >> 16), (uint8_t)(u >> 8), (uint8_t)u};
    rows_binary(t, column, b, 4);
}

struct tuple
rows_ints(int32_t a, int32_t b)
{
    struct tuple t = ROW(NULL, NULL);
    rows_int4(t, 0, a);
    rows_int4(t, 1, b);
    return t;
}

void
rows_free(void)
{
    arena_done(&memory);
    memory = (struct arena){0};
}

static struct change
make(enum change_kind kind, const struct relation *r, enum old_kind old_kind, struct tuple old,
    struct tuple new)
{
    return (struct change){
        .kind = kind,
        .position = {0x16B374D848, 3},
        .relation = r,
        .old_kind = old_kind,
        .old = old,
        .new = new,
    };
}

struct change
rows_insert(const struct relation *r, struct tuple new)
{
    return make(CHANGE_INSERT, r, OLD_NONE, (struct tuple){0}, new);
}

struct change
rows_update(const struct relation *r, struct tuple new)
{
    return make(CHANGE_UPDATE, r, OLD_NONE, (struct tuple){0}, new);
}

struct change
rows_update_key(const struct relation *r, struct tuple old, struct tuple new)
{
    return make(CHANGE_UPDATE, r, OLD_KEY, old, new);
}

struct change
rows_update_full(const struct relation *r, struct tuple old, struct tuple new)
{
    return make(CHANGE_UPDATE, r, OLD_FULL, old, new);
}

struct change
rows_delete(const struct relation *r, struct tuple old)
{
    return make(CHANGE_DELETE, r, OLD_KEY, old, (struct tuple){0});
}

struct change
rows_delete_full(const struct relation *r, struct tuple old)
{
    return make(CHANGE_DELETE, r, OLD_FULL, old, (struct tuple){0});
}
