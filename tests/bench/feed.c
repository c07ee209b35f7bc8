/* SPDX-License-Identifier: Apache-2.0
 *
 * The bytes are made once; a turn writes eight of them for each row, which is next to nothing
 * beside what is counted.
 */
#include "tests/bench/feed.h"

#include <string.h>

#define OID        16400u
#define STEP       128u /* bytes of log that a row takes */
#define BEGIN_LSN  1u   /* of the final position in a begin message, and so on */
#define COMMIT_LSN 2u
#define COMMIT_END 10u
#define ROW_ID     13u /* type, oid, mark, columns, status, length */

static struct feed_message
ended(const struct bench_feed *f, size_t at)
{
    return (struct feed_message){(uint32_t)at, (uint32_t)(f->bytes.len - at)};
}

static void
cstr(struct buf *b, const char *s)
{
    buf_bytes(b, s, strlen(s) + 1);
}

static void
column(struct buf *b, const char *name, uint32_t type)
{
    buf_u8(b, name[0] == 'i'); /* id is the key */
    cstr(b, name);
    buf_u32(b, type);
    buf_u32(b, UINT32_MAX);
}

static void
put_relation(struct bench_feed *f)
{
    size_t at = f->bytes.len;
    buf_u8(&f->bytes, 'R');
    buf_u32(&f->bytes, OID);
    cstr(&f->bytes, "public");
    cstr(&f->bytes, "t");
    buf_u8(&f->bytes, 'd');
    buf_u16(&f->bytes, 5);
    column(&f->bytes, "id", 20);
    column(&f->bytes, "a", 23);
    column(&f->bytes, "b", 25);
    column(&f->bytes, "c", 1184);
    column(&f->bytes, "d", 1700);
    f->relation = ended(f, at);
}

static void
put_begin(struct bench_feed *f)
{
    size_t at = f->bytes.len;
    buf_u8(&f->bytes, 'B');
    buf_u64(&f->bytes, 0);
    buf_u64(&f->bytes, 700000000000000);
    buf_u32(&f->bytes, 731);
    f->begin = ended(f, at);
}

static void
put_commit(struct bench_feed *f)
{
    size_t at = f->bytes.len;
    buf_u8(&f->bytes, 'C');
    buf_u8(&f->bytes, 0);
    buf_u64(&f->bytes, 0);
    buf_u64(&f->bytes, 0);
    buf_u64(&f->bytes, 700000000000000);
    f->commit = ended(f, at);
}

static void
binary(struct buf *b, uint32_t len)
{
    buf_u8(b, 'b');
    buf_u32(b, len);
}

static void
put_row(struct bench_feed *f, uint32_t n)
{
    struct buf *b = &f->bytes;
    size_t at = b->len;
    buf_u8(b, f->kind == FEED_INSERT ? 'I' : 'U');
    buf_u32(b, OID);
    buf_u8(b, 'N');
    buf_u16(b, 5);
    binary(b, 8);
    buf_u64(b, 0);
    binary(b, 4);
    buf_u32(b, n);
    static const char text[] = "some text of forty bytes to fill the row";
    binary(b, sizeof(text) - 1);
    buf_bytes(b, text, sizeof(text) - 1);
    binary(b, 8);
    buf_u64(b, 700000000000000 + n);
    binary(b, 12); /* numeric with two digits: n % 100 and 25 hundredths */
    buf_u16(b, 2);
    buf_u16(b, 0);
    buf_u16(b, 0);
    buf_u16(b, 2);
    buf_u16(b, (uint16_t)(n % 100 + 1));
    buf_u16(b, 2500);
    f->rows[n] = ended(f, at);
}

bool
bench_feed_init(struct bench_feed *f, enum feed_kind kind, struct err *err)
{
    *f = (struct bench_feed){.kind = kind, .position = 0x1600000000, .next_id = 1};
    buf_init(&f->bytes, (size_t)1 << 20);
    put_relation(f);
    put_begin(f);
    for (uint32_t n = 0; n < FEED_ROWS; n++) {
        put_row(f, n);
    }
    put_commit(f);
    return buf_ok(&f->bytes, "the feed", err);
}

void
bench_feed_done(struct bench_feed *f)
{
    buf_done(&f->bytes);
}

static void
write_u64(uint8_t *at, uint64_t v)
{
    for (int i = 0; i < 8; i++) {
        at[i] = (uint8_t)(v >> (56 - 8 * i));
    }
}

void
bench_feed_turn(struct bench_feed *f)
{
    uint64_t commit = f->position + (FEED_ROWS + 1) * STEP;
    write_u64(f->bytes.data + f->begin.at + BEGIN_LSN, commit);
    write_u64(f->bytes.data + f->commit.at + COMMIT_LSN, commit);
    write_u64(f->bytes.data + f->commit.at + COMMIT_END, commit + 8);
    uint64_t id = f->kind == FEED_INSERT ? f->next_id : 1;
    for (uint32_t n = 0; n < FEED_ROWS; n++) {
        write_u64(f->bytes.data + f->rows[n].at + ROW_ID, id + n);
    }
    f->next_id += FEED_ROWS;
}

struct pg_message
bench_feed_message(struct bench_feed *f, struct feed_message m)
{
    f->position += STEP;
    return (struct pg_message){.data = f->bytes.data + m.at,
        .len = m.len,
        .wal_start = f->position,
        .received_us = 1700000000000000};
}
