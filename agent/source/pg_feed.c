/* SPDX-License-Identifier: Apache-2.0
 *
 * Two kinds of transactions come in one feed:
 *
 *   B (R Y I U D T M O)* C              committed, whole, alone
 *   S (R Y I U D T M)* E    ...   c     still open: blocks of it, between whole transactions and
 *                                       blocks of others; at its end one message
 *                           A           it, or a subtransaction of it, was rolled back
 *
 * Between S and E the id of the (sub)transaction stands behind a message's type. It goes into the
 * record, and the type is moved up to the rest, so that whoever reads the payload later needs not
 * know how it came. A stream commit says what B and C say together and becomes both records.
 *
 * A slot with two-phase commit also sends
 *
 *   b (...)* P                          a transaction that was prepared; or  S ... E ...  p
 *   K, r                                what became of it; each is a transaction without changes
 *   b (...)* P K                        one that was prepared before two-phase began, in full now
 *                                       that it is committed: an ordinary one, to be committed at K
 *
 * In a block a logical message (M) has the id of the whole transaction, so a rollback of the
 * subtransaction that wrote it would not take it along. One that names its subtransaction behind
 * PG_FEED_SUBTRANSACTION in its prefix belongs to that.
 *
 * K and r begin one byte before their end: a transaction's begin lies below a position exactly when
 * its end lies at or below it, and what begins at a record's own begin may be a MARK's position.
 *
 * Invariant: blocks stand neither in each other nor in a whole transaction, so at any message at
 * most one of `in_transaction` and `stream` is set.
 */
#include "agent/source/pg_feed.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/buf.h"
#include "agent/base/parse.h"

#define XID_BYTES             4
#define MESSAGE_TRANSACTIONAL 1

struct head {
    struct reader r;
    const char *wrong; /* NULL: nothing so far */
};

static void
expect(struct head *h, bool holds, const char *otherwise)
{
    if (!holds && !h->wrong) {
        h->wrong = otherwise;
    }
}

static uint32_t
read_xid(struct head *h)
{
    uint32_t xid = reader_u32(&h->r);
    expect(h, xid != 0 || !reader_ok(&h->r), "names no transaction");
    return xid;
}

static void
take_begin(struct pg_feed *f, struct head *h, struct record *out)
{
    out->kind = RECORD_BEGIN;
    out->position = reader_u64(&h->r);
    (void)reader_u64(&h->r); /* commit time */
    out->xid = reader_u32(&h->r);
    f->in_transaction = true;
}

static void
take_commit(struct pg_feed *f, struct head *h, struct record *out)
{
    out->kind = RECORD_COMMIT;
    (void)reader_u8(&h->r);  /* flags */
    (void)reader_u64(&h->r); /* commit record */
    out->position = reader_u64(&h->r);
    f->in_transaction = false;
}

/* The server sends in order; a prepare from behind the last position comes with its commit. Its
 * position must not be below what was handed out, nor be one that could be confirmed. */
static void
take_begin_prepare(struct pg_feed *f, struct head *h, struct record *out)
{
    uint64_t lsn = reader_u64(&h->r), end = reader_u64(&h->r);
    (void)reader_u64(&h->r); /* time of the prepare */
    out->kind = RECORD_BEGIN;
    out->xid = read_xid(h);
    f->in_transaction = true;
    f->late = end <= f->last;
    out->position = f->late ? f->last : lsn;
}

/* False: what it ends goes on to the commit. */
static bool
take_prepare(struct pg_feed *f, struct head *h, struct record *out)
{
    out->kind = RECORD_COMMIT;
    (void)reader_u8(&h->r);  /* flags */
    (void)reader_u64(&h->r); /* prepare record */
    out->position = reader_u64(&h->r);
    f->in_transaction = f->late;
    return !f->late;
}

/* Begin and end in one message. */
static void
put_both(struct pg_feed *f, struct record *out, uint64_t begin, uint64_t end)
{
    out->kind = RECORD_BEGIN;
    out->position = begin;
    f->pending = *out;
    f->pending.kind = RECORD_COMMIT;
    f->pending.xid = 0;
    f->pending.position = end;
}

/* K, r and p have the same head up to the time. */
static void
take_prepared(struct pg_feed *f, struct head *h, uint8_t type, struct record *out)
{
    (void)reader_u8(&h->r); /* flags */
    uint64_t lsn = reader_u64(&h->r), end = reader_u64(&h->r);
    (void)reader_u64(&h->r); /* time */
    if (type == 'r') {
        (void)reader_u64(&h->r); /* ... of the prepare; this one is the rollback's */
    }
    out->xid = read_xid(h);
    expect(h, end > lsn, "ends before it begins");
    if (type == 'K' && f->late) {
        out->kind = RECORD_COMMIT;
        out->xid = 0;
        out->position = end;
        f->in_transaction = f->late = false;
        return;
    }
    out->stream = type == 'p' ? out->xid : 0;
    put_both(f, out, type == 'p' ? lsn : end - 1, end);
}

static void
take_stream_start(struct pg_feed *f, struct head *h)
{
    f->stream = read_xid(h);
    (void)reader_u8(&h->r); /* whether it is the transaction's first block */
}

static void
take_stream_commit(struct pg_feed *f, struct head *h, struct record *out)
{
    out->stream = out->xid = read_xid(h);
    (void)reader_u8(&h->r); /* flags */
    uint64_t lsn = reader_u64(&h->r), end = reader_u64(&h->r);
    put_both(f, out, lsn, end);
}

/* With 'parallel' streaming position and time follow; they say nothing that the order of the
 * messages does not. */
static void
take_stream_abort(struct head *h, struct record *out)
{
    out->kind = RECORD_ABORT;
    out->stream = read_xid(h);
    out->xid = read_xid(h);
    out->payload = (struct slice){0};
}

static void
take_subtransaction(struct head *h, struct record *out)
{
    size_t len = sizeof PG_FEED_SUBTRANSACTION - 1;
    uint32_t xid = 0;
    (void)reader_u64(&h->r); /* position */
    const char *prefix = reader_cstr(&h->r);
    if (strncmp(prefix, PG_FEED_SUBTRANSACTION, len) == 0 && parse_u32(prefix + len, &xid) &&
        xid != 0) {
        out->xid = xid;
    }
}

/* A change, or what changes need to be understood; the reader stands behind type and xid. */
static bool
take_content(const struct pg_feed *f, struct head *h, uint8_t type, struct record *out)
{
    if (type == 'R') {
        out->kind = RECORD_SCHEMA;
        out->key = reader_u32(&h->r);
    } else if (type == 'M') {
        /* A message outside of any transaction stands outside of the commit order too. */
        bool transactional = (reader_u8(&h->r) & MESSAGE_TRANSACTIONAL) != 0;
        if (f->stream != 0) {
            take_subtransaction(h, out);
        }
        return f->stream != 0 ? transactional : f->in_transaction;
    }
    return true;
}

/* A message of a block: its id comes out of it. Where the transaction came from ('O') has none. */
static bool
take_streamed(
    const struct pg_feed *f, struct head *h, const struct pg_message *m, struct record *out)
{
    uint8_t type = m->data[0];
    out->stream = f->stream;
    if (type == 'O') {
        out->xid = f->stream;
        return true;
    }
    out->xid = read_xid(h);
    if (!reader_ok(&h->r)) {
        return false;
    }
    m->data[XID_BYTES] = type;
    out->payload = slice_of(m->data + XID_BYTES, m->len - XID_BYTES);
    return take_content(f, h, type, out);
}

static bool
is_border(uint8_t type)
{
    return type != 0 && strchr("BCSEcAbPpKr", type) != NULL;
}

/* What begins or ends something. False: the message has been taken, and is no record. */
static bool
take_border(struct pg_feed *f, struct head *h, uint8_t type, struct record *out)
{
    expect(h, (f->stream != 0) == (type == 'E'),
        type == 'E' ? "ends no block of an open transaction"
                    : "stands in a block of an open transaction");
    bool ends = type == 'C' || type == 'P' || (type == 'K' && f->late);
    expect(h, f->in_transaction == ends,
        ends ? "has no begin in front of it" : "stands in another transaction");
    switch (type) {
    case 'B':
        take_begin(f, h, out);
        return true;
    case 'C':
        take_commit(f, h, out);
        return true;
    case 'c':
        take_stream_commit(f, h, out);
        return true;
    case 'A':
        take_stream_abort(h, out);
        return true;
    case 'b':
        take_begin_prepare(f, h, out);
        return true;
    case 'P':
        return take_prepare(f, h, out);
    case 'p':
    case 'K':
    case 'r':
        take_prepared(f, h, type, out);
        return true;
    case 'S':
        take_stream_start(f, h);
        return false;
    default: /* E */
        f->stream = 0;
        return false;
    }
}

static bool
check(const struct head *h, const struct pg_message *m, uint8_t type, struct err *err)
{
    char name[8], place[32];
    if (reader_ok(&h->r) && !h->wrong) {
        return true;
    }
    snprintf(name, sizeof(name), isprint(type) ? "%c" : "\\x%02x", type);
    snprintf(place, sizeof(place), "%X/%X", (unsigned)(m->wal_start >> 32), (unsigned)m->wal_start);
    if (!reader_ok(&h->r)) {
        return err_set(err, ERR_FATAL,
            "replication stream: message '%s' at %s is cut short (%zu bytes)", name, place, m->len);
    }
    return err_set(
        err, ERR_FATAL, "replication stream: message '%s' at %s %s", name, place, h->wrong);
}

bool
pg_feed_take(
    struct pg_feed *f, const struct pg_message *m, struct record *out, bool *keep, struct err *err)
{
    struct head h = {0};
    reader_init(&h.r, slice_of(m->data, m->len));
    uint8_t type = reader_u8(&h.r);
    *out = (struct record){.kind = RECORD_DATA,
        .position = m->wal_start,
        .received_us = m->received_us,
        .payload = slice_of(m->data, m->len)};
    if (is_border(type)) {
        *keep = take_border(f, &h, type, out);
    } else if (f->stream != 0) {
        *keep = take_streamed(f, &h, m, out);
    } else {
        *keep = take_content(f, &h, type, out);
    }
    return check(&h, m, type, err);
}

bool
pg_feed_pending(struct pg_feed *f, struct record *out)
{
    if (f->pending.kind == 0) {
        return false;
    }
    *out = f->pending;
    f->pending = (struct record){0};
    return true;
}
