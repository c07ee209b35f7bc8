/* SPDX-License-Identifier: Apache-2.0
 *
 * The decoders of wal2json and test_decoding under arbitrary records. Input: plugin:u8, then
 * { kind:u8 length:u16 payload }*; begin and commit records get the position that their message
 * names, so that whole transactions are reachable. The corpus pgNN-* is made from the recorded
 * feeds by corpus/plugins/make.py.
 */
#include <stdint.h>

#include "agent/base/arena.h"
#include "decoders/decoder.h"
#include "decoders/plugin_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads every byte that the change claims to have. */
static unsigned
walk_tuple(const struct tuple *t)
{
    unsigned sum = 0;
    for (uint16_t i = 0; i < t->len; i++) {
        for (size_t b = 0; b < t->values[i].bytes.len; b++) {
            sum += t->values[i].bytes.data[b];
        }
    }
    return sum;
}

static unsigned
walk(const struct change *c)
{
    char key[64];
    unsigned sum = walk_tuple(&c->old) + walk_tuple(&c->new);
    if (c->relation) {
        assert(c->new.len == 0 || c->new.len == c->relation->columns_len);
        assert(c->old.len == 0 || c->old.len == c->relation->columns_len);
        sum += (unsigned)strlen(change_describe_key(c, key, sizeof(key)));
    }
    for (uint32_t i = 0; i < c->truncated_len; i++) {
        sum += (unsigned)strlen(c->truncated[i]->name);
    }
    sum += c->prefix ? (unsigned)strlen(c->prefix) : 0;
    for (size_t i = 0; i < c->content.len; i++) {
        sum += c->content.data[i];
    }
    return sum;
}

/* As the source sees it; it reads the tables' names and the positions. */
static uint64_t
position_of(struct slice payload, bool wal2json, enum record_kind kind, struct arena *arena)
{
    struct plugin_message m;
    struct err err = ERR_INIT;
    bool ok = wal2json ? wal2json_parse_head(payload, arena, &m, &err)
                       : test_decoding_parse_head(payload, arena, &m, &err);
    if (!ok) {
        return 7;
    }
    volatile unsigned sum = 0;
    for (uint32_t i = 0; i < m.tables_len; i++) {
        for (size_t b = 0; b < m.tables[i].name.len; b++) {
            sum += m.tables[i].name.data[b];
        }
    }
    (void)sum;
    if (m.lsn == 0) {
        return kind == RECORD_COMMIT ? 20 : 10;
    }
    return kind == RECORD_COMMIT ? m.end_lsn : m.lsn;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct decoder *d;
    struct err err = ERR_INIT;
    struct reader in;
    struct arena arena;
    reader_init(&in, slice_of(data, size));
    bool wal2json = reader_u8(&in) % 2 == 0;
    if (!decoder_find(wal2json ? "wal2json" : "test_decoding")->open(&d, &err)) {
        return 0;
    }
    arena_init(&arena, 4096, 0);
    while (reader_left(&in) > 0) {
        struct record rec = {.kind = (enum record_kind)reader_u8(&in)};
        rec.payload = reader_bytes(&in, reader_u16(&in));
        rec.position = position_of(rec.payload, wal2json, rec.kind, &arena);
        struct change c;
        bool produced;
        if (decoder_feed(d, &rec, &c, &produced, &err) && produced) {
            volatile unsigned sum = walk(&c);
            (void)sum;
        }
        arena_reset(&arena);
    }
    arena_done(&arena);
    decoder_free(d);
    return 0;
}
