/* SPDX-License-Identifier: Apache-2.0
 *
 * pgoutput messages made by hand, byte for byte as the manual describes them.
 */
#ifndef TG_TESTS_DECODERS_MESSAGES_H
#define TG_TESTS_DECODERS_MESSAGES_H

#include "agent/base/buf.h"
#include "agent/base/clock.h"
#include "agent/change/record.h"
#include "tests/lib/unit.h"

#define REL_ID      16400
#define XID         731
#define FINAL_LSN   UINT64_C(0x1600000100)
#define END_LSN     UINT64_C(0x1600000148)
#define COMMIT_TIME INT64_C(1700000000123456) /* Unix microseconds */

static inline void
put_cstr(struct buf *b, const char *s)
{
    buf_bytes(b, s, strlen(s) + 1);
}

static inline void
put_time(struct buf *b, int64_t unix_us)
{
    buf_u64(b, (uint64_t)(unix_us - PG_EPOCH_OFFSET_US));
}

/* Values are given as one string each: "n", "u", "t<text>" or "b<bytes>". */
static inline void
put_tuple(struct buf *b, char mark, const char *const *values, uint16_t len)
{
    buf_u8(b, (uint8_t)mark);
    buf_u16(b, len);
    for (uint16_t i = 0; i < len; i++) {
        buf_u8(b, (uint8_t)values[i][0]);
        if (values[i][0] == 't' || values[i][0] == 'b') {
            buf_u32(b, (uint32_t)strlen(values[i] + 1));
            buf_str(b, values[i] + 1);
        }
    }
}

static inline void
put_begin(struct buf *b)
{
    buf_u8(b, 'B');
    buf_u64(b, FINAL_LSN);
    put_time(b, COMMIT_TIME);
    buf_u32(b, XID);
}

static inline void
put_commit(struct buf *b)
{
    buf_u8(b, 'C');
    buf_u8(b, 0);
    buf_u64(b, FINAL_LSN);
    buf_u64(b, END_LSN);
    put_time(b, COMMIT_TIME);
}

static inline void
put_stream_commit(struct buf *b, uint32_t xid)
{
    buf_u8(b, 'c');
    buf_u32(b, xid);
    buf_u8(b, 0);
    buf_u64(b, FINAL_LSN);
    buf_u64(b, END_LSN);
    put_time(b, COMMIT_TIME);
}

#define PREPARE_LSN UINT64_C(0x1600000050)
#define PREPARE_END UINT64_C(0x1600000090)

/* type: b P p K r, the last two of the commit at FINAL_LSN and END_LSN */
static inline void
put_prepared(struct buf *b, char type, uint32_t xid, const char *gid)
{
    bool outcome = type == 'K' || type == 'r';
    buf_u8(b, (uint8_t)type);
    if (type != 'b') {
        buf_u8(b, 0);
    }
    buf_u64(b, type == 'r' ? PREPARE_END : outcome ? FINAL_LSN : PREPARE_LSN);
    buf_u64(b, outcome ? END_LSN : PREPARE_END);
    if (type == 'r') {
        put_time(b, COMMIT_TIME - 1000000);
    }
    put_time(b, COMMIT_TIME);
    buf_u32(b, xid);
    put_cstr(b, gid);
}

static inline void
put_origin(struct buf *b)
{
    buf_u8(b, 'O');
    buf_u64(b, 0x77);
    put_cstr(b, "elsewhere");
}

static inline void
put_type(struct buf *b)
{
    buf_u8(b, 'Y');
    buf_u32(b, 16399);
    put_cstr(b, "public");
    put_cstr(b, "mood");
}

/* "schema"."name" (id int8 key, note text) */
static inline void
put_relation(struct buf *b, uint32_t id, const char *schema, const char *name)
{
    buf_u8(b, 'R');
    buf_u32(b, id);
    put_cstr(b, schema);
    put_cstr(b, name);
    buf_u8(b, 'd');
    buf_u16(b, 2);
    buf_u8(b, 1);
    put_cstr(b, "id");
    buf_u32(b, 20);
    buf_u32(b, (uint32_t)-1);
    buf_u8(b, 0);
    put_cstr(b, "note");
    buf_u32(b, 25);
    buf_u32(b, 104);
}

static inline void
put_insert(struct buf *b)
{
    buf_u8(b, 'I');
    buf_u32(b, REL_ID);
    put_tuple(b, 'N', (const char *[]){"t17", "n"}, 2);
}

/* old: 'K', 'O' or 0 for none */
static inline void
put_update(struct buf *b, char old)
{
    buf_u8(b, 'U');
    buf_u32(b, REL_ID);
    if (old) {
        put_tuple(b, old, (const char *[]){"t17", old == 'O' ? "tbefore" : "n"}, 2);
    }
    put_tuple(b, 'N', (const char *[]){"b\x01\x02", "u"}, 2);
}

static inline void
put_delete(struct buf *b, char old)
{
    buf_u8(b, 'D');
    buf_u32(b, REL_ID);
    put_tuple(b, old, (const char *[]){"t17", old == 'O' ? "tgone" : "n"}, 2);
}

static inline void
put_truncate(struct buf *b, uint8_t options, const uint32_t *ids, uint32_t len)
{
    buf_u8(b, 'T');
    buf_u32(b, len);
    buf_u8(b, options);
    for (uint32_t i = 0; i < len; i++) {
        buf_u32(b, ids[i]);
    }
}

static inline void
put_logical(struct buf *b, bool transactional)
{
    buf_u8(b, 'M');
    buf_u8(b, transactional);
    buf_u64(b, 0x55);
    put_cstr(b, "prefix");
    buf_u32(b, 5);
    buf_str(b, "hello");
}

/* One of every kind and variant, for the tests that go over all of them. */
#define MESSAGE_VARIANTS 21
static inline void
put_variant(struct buf *b, int variant)
{
    buf_reset(b);
    switch (variant) {
    case 0:
        put_begin(b);
        break;
    case 1:
        put_commit(b);
        break;
    case 2:
        put_origin(b);
        break;
    case 3:
        put_type(b);
        break;
    case 4:
        put_relation(b, REL_ID, "public", "orders");
        break;
    case 5:
        put_insert(b);
        break;
    case 6:
        put_update(b, 0);
        break;
    case 7:
        put_update(b, 'K');
        break;
    case 8:
        put_update(b, 'O');
        break;
    case 9:
        put_delete(b, 'K');
        break;
    case 10:
        put_delete(b, 'O');
        break;
    case 11:
        put_truncate(b, 3, (uint32_t[]){REL_ID, REL_ID}, 2);
        break;
    case 12:
        put_truncate(b, 0, NULL, 0);
        break;
    case 13:
        put_logical(b, true);
        break;
    case 14:
        put_logical(b, false);
        break;
    case 15:
        put_stream_commit(b, XID);
        break;
    default:
        put_prepared(b, "bPpKr"[variant - 16], XID, "gid");
    }
}

static inline struct slice
message_of(const struct buf *b)
{
    assert_false(b->failed);
    return slice_of(b->data, b->len);
}

/* As the PostgreSQL source labels its messages. */
static inline struct record
record_of(const struct buf *b)
{
    struct record rec = {.kind = RECORD_DATA, .position = 0x99, .payload = message_of(b)};
    switch (b->len ? b->data[0] : 0) {
    case 'B':
        rec.kind = RECORD_BEGIN;
        rec.position = FINAL_LSN;
        rec.xid = XID;
        break;
    case 'C':
    case 'c': /* its COMMIT */
        rec.kind = RECORD_COMMIT;
        rec.position = END_LSN;
        break;
    case 'b':
        rec.kind = RECORD_BEGIN;
        rec.position = PREPARE_LSN;
        rec.xid = XID;
        break;
    case 'P':
    case 'p':
        rec.kind = RECORD_COMMIT;
        rec.position = PREPARE_END;
        break;
    case 'K':
    case 'r': /* their COMMIT */
        rec.kind = RECORD_COMMIT;
        rec.position = END_LSN;
        break;
    case 'R':
    case 'Y':
        rec.kind = RECORD_SCHEMA;
        break;
    }
    return rec;
}

#endif
