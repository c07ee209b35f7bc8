/* SPDX-License-Identifier: Apache-2.0
 *
 * The pgoutput decoder under arbitrary records. Input: { kind:u8 length:u16 payload }*; begin and
 * commit records get the position that their message names, so that whole transactions are
 * reachable. The corpus is made from the recorded feeds by corpus/pgoutput/make.py.
 */
#include <stdint.h>

#include "decoders/decoder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t
position_in(struct slice payload, size_t at)
{
    struct reader r;
    reader_init(&r, payload);
    reader_bytes(&r, at);
    return reader_u64(&r);
}

static uint64_t
begin_of(struct slice payload, size_t xid_flags)
{
    switch (payload.len > 0 ? payload.data[0] : 0) {
    case 'p':
        return position_in(payload, 2);
    case 'K':
    case 'r':
        return position_in(payload, 10) - 1;
    default:
        return position_in(payload, 1 + xid_flags);
    }
}

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
    if (c->prefix) {
        sum += (unsigned)strlen(c->prefix);
    }
    for (size_t i = 0; i < c->content.len; i++) {
        sum += c->content.data[i];
    }
    return sum;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct decoder *d;
    struct err err = ERR_INIT;
    struct reader in;
    if (!decoder_find("pgoutput")->open(&d, &err)) {
        return 0;
    }
    reader_init(&in, slice_of(data, size));
    while (reader_left(&in) > 0) {
        struct record rec = {.kind = (enum record_kind)reader_u8(&in), .position = 7};
        rec.payload = reader_bytes(&in, reader_u16(&in));
        size_t xid_flags = rec.payload.len > 0 && rec.payload.data[0] == 'c' ? 5 : 0;
        if (rec.kind == RECORD_BEGIN) {
            rec.position = begin_of(rec.payload, xid_flags);
        } else if (rec.kind == RECORD_COMMIT) {
            rec.position = position_in(rec.payload, xid_flags ? 14 : 10);
        }
        struct change c;
        bool produced;
        if (decoder_feed(d, &rec, &c, &produced, &err) && produced) {
            volatile unsigned sum = walk(&c);
            (void)sum;
        }
    }
    decoder_free(d);
    return 0;
}
