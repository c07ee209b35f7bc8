/* SPDX-License-Identifier: Apache-2.0
 *
 * pgoutput_wire.c reads one message; this file keeps what a message needs of those before it: the
 * open transaction and the relations. What the source has streamed arrives in commit order like
 * the rest; its BEGIN and its COMMIT are the same message, a stream commit. A record whose kind
 * does not fit its message, or that does not fit the open transaction, ends the feed: going on
 * could only lose or double changes.
 *
 * Values, strings and message contents of a change point into the record's payload (no copy);
 * arrays are in the arena, which every feed resets. Invariant: `ordinal` is the number of changes
 * of the open transaction handed out so far, so the same feed always gives the same positions.
 */
#include "decoders/pgoutput.h"

#include <inttypes.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/parse.h"
#include "decoders/pgoutput_wire.h"
#include "decoders/relation_cache.h"

#define ARENA_BLOCK   (64 * 1024)
#define ARENA_CEILING (64 * 1024 * 1024) /* 65535 columns twice need 3 MiB */

enum open_as {
    OPEN_ORDINARY,
    OPEN_PREPARED, /* ends with a prepare */
    OPEN_OUTCOME,  /* tells what became of a prepared transaction */
};

struct pgoutput {
    struct decoder base;
    struct arena arena;
    struct relation_cache relations;
    bool open; /* the rest describes the open transaction */
    enum open_as open_as;
    uint32_t xid, ordinal;
    uint64_t final_lsn;
    int64_t commit_us;
};

static struct pgoutput *
self_of(struct decoder *d)
{
    return (struct pgoutput *)d;
}

/* --- transactions -------------------------------------------------------------------------------
 */

static bool
need_open(const struct pgoutput *d, const char *what, struct err *err)
{
    return d->open || err_set(err, ERR_FATAL, "%s outside of a transaction", what);
}

static bool
need_closed(const struct pgoutput *d, const char *what, struct err *err)
{
    return !d->open || err_set(err, ERR_FATAL, "%s inside of transaction %" PRIu32, what, d->xid);
}

/* Fills what every change of the open transaction carries, counting it. */
static bool
take_ordinal(struct pgoutput *d, enum change_kind kind, struct change *out, struct err *err)
{
    if (!need_open(d, change_kind_name(kind), err)) {
        return false;
    }
    if (d->ordinal == UINT32_MAX) {
        return err_set(err, ERR_FATAL, "transaction %" PRIu32 " has too many changes", d->xid);
    }
    out->kind = kind;
    out->position = (struct position){d->final_lsn, ++d->ordinal};
    out->xid = d->xid;
    out->commit_us = d->commit_us;
    return true;
}

static bool
feed_begin(struct pgoutput *d, const struct record *rec, const struct pgoutput_message *m,
    struct change *out, struct err *err)
{
    if (!need_closed(d, "begin", err)) {
        return false;
    }
    if (m->begin.final_lsn != rec->position) {
        char lsn[FORMAT_SIZE];
        return err_set(
            err, ERR_FATAL, "begin says position %s", format_lsn(m->begin.final_lsn, lsn));
    }
    d->open = true;
    d->open_as = OPEN_ORDINARY;
    d->xid = m->begin.xid;
    d->ordinal = 0;
    d->final_lsn = m->begin.final_lsn;
    d->commit_us = m->begin.commit_us;
    out->kind = CHANGE_BEGIN;
    out->position = (struct position){rec->position, 0};
    out->xid = d->xid;
    out->commit_us = d->commit_us;
    return true;
}

static bool
feed_commit(struct pgoutput *d, const struct record *rec, const struct pgoutput_message *m,
    struct change *out, struct err *err)
{
    char lsn[FORMAT_SIZE], begun[FORMAT_SIZE];
    if (!need_open(d, "commit", err)) {
        return false;
    }
    if (m->commit.end_lsn != rec->position) {
        return err_set(
            err, ERR_FATAL, "commit says position %s", format_lsn(m->commit.end_lsn, lsn));
    }
    if (m->commit.commit_lsn != d->final_lsn || d->open_as != OPEN_ORDINARY) {
        return err_set(err, ERR_FATAL, "commit at %s does not belong to the begin of %s",
            format_lsn(m->commit.commit_lsn, lsn), format_lsn(d->final_lsn, begun));
    }
    d->open = false;
    out->kind = CHANGE_COMMIT;
    out->position = (struct position){rec->position, 0};
    out->xid = d->xid;
    out->commit_us = m->commit.commit_us;
    return true;
}

/* One message that says at the end what begin and commit say. */
static bool
feed_stream_commit(struct pgoutput *d, const struct record *rec, const struct pgoutput_message *m,
    struct change *out, struct err *err)
{
    if (rec->kind == RECORD_BEGIN) {
        struct pgoutput_message begin = {.type = 'B',
            .begin = {.final_lsn = m->commit.commit_lsn,
                .commit_us = m->commit.commit_us,
                .xid = m->commit.xid}};
        return feed_begin(d, rec, &begin, out, err);
    }
    if (d->open && d->xid != m->commit.xid) {
        return err_set(err, ERR_FATAL,
            "commit of transaction %" PRIu32 " inside of transaction %" PRIu32, m->commit.xid,
            d->xid);
    }
    return feed_commit(d, rec, m, out, err);
}

/* Prepared transactions. What `rec` is of tells the message's part: p, K and r are both begin and
 * end. A prepare that comes late, together with its commit, is an ordinary transaction: b ... K. */
static bool
feed_begin_prepared(struct pgoutput *d, const struct record *rec, const struct pgoutput_message *m,
    struct change *out, struct err *err)
{
    bool rows = m->type == 'b' || m->type == 'p';
    struct pgoutput_message begin = {.type = 'B',
        .begin = {.final_lsn = rows ? m->prepared.lsn : m->prepared.end_lsn - 1,
            .commit_us = m->prepared.us,
            .xid = m->prepared.xid}};
    if (m->type == 'b' && rec->position > m->prepared.lsn) {
        begin.begin.final_lsn = rec->position; /* late */
    }
    if (!feed_begin(d, rec, &begin, out, err)) {
        return false;
    }
    d->open_as = rows ? OPEN_PREPARED : OPEN_OUTCOME;
    out->gid = m->prepared.gid;
    return true;
}

static bool
feed_end_prepared(struct pgoutput *d, const struct record *rec, const struct pgoutput_message *m,
    struct change *out, struct err *err)
{
    char lsn[FORMAT_SIZE];
    enum open_as fits = m->type == 'P' || m->type == 'p' ? OPEN_PREPARED : OPEN_OUTCOME;
    bool late = m->type == 'K' && d->open_as == OPEN_PREPARED;
    if (!need_open(d, "end of a prepared transaction", err)) {
        return false;
    }
    if (d->xid != m->prepared.xid || (d->open_as != fits && !late)) {
        return err_set(err, ERR_FATAL,
            "'%c' of transaction %" PRIu32 " does not belong to the begin of transaction %" PRIu32,
            m->type, m->prepared.xid, d->xid);
    }
    if (m->prepared.end_lsn != rec->position) {
        return err_set(err, ERR_FATAL, "end of a prepared transaction says position %s",
            format_lsn(m->prepared.end_lsn, lsn));
    }
    d->open = false;
    out->kind = late                    ? CHANGE_COMMIT
                : fits == OPEN_PREPARED ? CHANGE_PREPARE
                : m->type == 'K'        ? CHANGE_COMMIT_PREPARED
                                        : CHANGE_ROLLBACK_PREPARED;
    out->position = (struct position){rec->position, 0};
    out->xid = d->xid;
    out->commit_us = m->prepared.us;
    out->gid = m->prepared.gid;
    return true;
}

/* --- rows ---------------------------------------------------------------------------------------
 */

static bool
find_relation(const struct pgoutput *d, uint32_t id, const struct relation **out, struct err *err)
{
    *out = relation_cache_find(&d->relations, id);
    return *out ||
           err_set(err, ERR_FATAL, "relation %" PRIu32 " was not described by the feed", id);
}

static bool
fits(const struct relation *r, const struct tuple *t, const char *which, struct err *err)
{
    if (t->len == r->columns_len) {
        return true;
    }
    return err_set(err, ERR_FATAL, "the %s tuple of '%s.%s' has %u columns instead of %u", which,
        r->schema, r->name, (unsigned)t->len, (unsigned)r->columns_len);
}

static bool
feed_row(struct pgoutput *d, enum change_kind kind, const struct pgoutput_message *m,
    struct change *out, struct err *err)
{
    const struct relation *r = NULL;
    if (!take_ordinal(d, kind, out, err) || !find_relation(d, m->row.relation, &r, err)) {
        return false;
    }
    if (m->row.old_kind != OLD_NONE && !fits(r, &m->row.old, "old", err)) {
        return false;
    }
    if (kind != CHANGE_DELETE && !fits(r, &m->row.new, "new", err)) {
        return false;
    }
    out->relation = r;
    out->old_kind = m->row.old_kind;
    out->old = m->row.old;
    out->new = m->row.new;
    return true;
}

static bool
feed_truncate(
    struct pgoutput *d, const struct pgoutput_message *m, struct change *out, struct err *err)
{
    if (!take_ordinal(d, CHANGE_TRUNCATE, out, err)) {
        return false;
    }
    const struct relation **list =
        arena_alloc(&d->arena, (size_t)m->truncate.len * sizeof(struct relation *));
    if (!list) {
        return err_set(err, ERR_RETRY, "truncate of %" PRIu32 " tables does not fit in memory",
            m->truncate.len);
    }
    for (uint32_t i = 0; i < m->truncate.len; i++) {
        if (!find_relation(d, m->truncate.relations[i], &list[i], err)) {
            return false;
        }
    }
    out->truncated = list;
    out->truncated_len = m->truncate.len;
    out->cascade = m->truncate.cascade;
    out->restart_identity = m->truncate.restart_identity;
    return true;
}

static bool
feed_logical(struct pgoutput *d, const struct record *rec, const struct pgoutput_message *m,
    struct change *out, struct err *err)
{
    if (d->open || m->logical.transactional) {
        if (!take_ordinal(d, CHANGE_MESSAGE, out, err)) {
            return false;
        }
    } else {
        /* Not part of a transaction: everything that ended below it has been handed out. */
        out->kind = CHANGE_MESSAGE;
        out->position = (struct position){rec->position, 0};
    }
    out->prefix = m->logical.prefix;
    out->content = m->logical.content;
    out->transactional = m->logical.transactional;
    return true;
}

/* --- records ------------------------------------------------------------------------------------
 */

static bool
belongs_in(char type, enum record_kind kind)
{
    switch (type) {
    case 'B':
    case 'b':
        return kind == RECORD_BEGIN;
    case 'C':
    case 'P':
        return kind == RECORD_COMMIT;
    case 'c':
    case 'p':
    case 'K':
    case 'r':
        return kind == RECORD_BEGIN || kind == RECORD_COMMIT;
    case 'R':
        return kind == RECORD_SCHEMA;
    case 'Y':
        /* Types are as good in the stream as before it: whoever keeps records may not know their
         * keys. */
        return kind == RECORD_SCHEMA || kind == RECORD_DATA;
    default:
        return kind == RECORD_DATA;
    }
}

static bool
feed_message(struct pgoutput *d, const struct record *rec, const struct pgoutput_message *m,
    struct change *out, struct err *err)
{
    switch (m->type) {
    case 'B':
        return feed_begin(d, rec, m, out, err);
    case 'C':
        return feed_commit(d, rec, m, out, err);
    case 'c':
        return feed_stream_commit(d, rec, m, out, err);
    case 'b':
    case 'P':
    case 'p':
    case 'K':
    case 'r':
        return rec->kind == RECORD_BEGIN ? feed_begin_prepared(d, rec, m, out, err)
                                         : feed_end_prepared(d, rec, m, out, err);
    case 'I':
        return feed_row(d, CHANGE_INSERT, m, out, err);
    case 'U':
        return feed_row(d, CHANGE_UPDATE, m, out, err);
    case 'D':
        return feed_row(d, CHANGE_DELETE, m, out, err);
    case 'T':
        return feed_truncate(d, m, out, err);
    case 'M':
        return feed_logical(d, rec, m, out, err);
    case 'R':
        relation_cache_put(&d->relations, &m->relation);
        return true;
    default: /* Y: a value's type oid is all we need; O: where the source got the transaction from
              */
        return true;
    }
}

static bool
feed_payload(struct pgoutput *d, const struct record *rec, struct change *out, struct err *err)
{
    struct pgoutput_message m;
    if (!pgoutput_parse(rec->payload, &d->arena, &m, err)) {
        return false;
    }
    if (!belongs_in(m.type, rec->kind)) {
        return err_set(err, ERR_FATAL,
            "message '%c' at offset 0 does not belong in a record of kind %d", m.type,
            (int)rec->kind);
    }
    return feed_message(d, rec, &m, out, err);
}

static bool
feed_discard(struct pgoutput *d, struct change *out, struct err *err)
{
    if (!need_open(d, "discard", err)) {
        return false;
    }
    d->open = false;
    out->kind = CHANGE_DISCARD;
    out->position = (struct position){d->final_lsn, 0};
    out->xid = d->xid;
    return true;
}

static bool
feed_mark(struct pgoutput *d, const struct record *rec, struct change *out, struct err *err)
{
    if (!need_closed(d, "mark", err)) {
        return false;
    }
    out->kind = CHANGE_MARK;
    out->position = (struct position){rec->position, 0};
    return true;
}

static bool
feed_record(struct pgoutput *d, const struct record *rec, struct change *out, struct err *err)
{
    switch (rec->kind) {
    case RECORD_BEGIN:
    case RECORD_DATA:
    case RECORD_COMMIT:
    case RECORD_SCHEMA:
        return feed_payload(d, rec, out, err);
    case RECORD_DISCARD:
        return feed_discard(d, out, err);
    case RECORD_LINK:
    case RECORD_ABORTED:
    case RECORD_ABORT:
        return err_set(
            err, ERR_FATAL, "a record of kind %d does not belong into a feed", (int)rec->kind);
    case RECORD_MARK:
        return feed_mark(d, rec, out, err);
    }
    return err_set(err, ERR_FATAL, "record of unknown kind %d", (int)rec->kind);
}

/* --- the decoder --------------------------------------------------------------------------------
 */

static bool
pgoutput_open(struct decoder **out, struct err *err)
{
    (void)err;
    struct pgoutput *d = x_zalloc(sizeof(*d));
    d->base.ops = &pgoutput_decoder;
    arena_init(&d->arena, ARENA_BLOCK, ARENA_CEILING);
    relation_cache_init(&d->relations);
    *out = &d->base;
    return true;
}

static bool
pgoutput_feed(struct decoder *base, const struct record *rec, struct change *out, bool *produced,
    struct err *err)
{
    struct pgoutput *d = self_of(base);
    arena_reset(&d->arena);
    *out = (struct change){0};
    *produced = false;
    if (!feed_record(d, rec, out, err)) {
        char lsn[FORMAT_SIZE];
        return err_wrap(err, "decode pgoutput at %s", format_lsn(rec->position, lsn));
    }
    *produced = out->kind != 0;
    return true;
}

static void
pgoutput_reset(struct decoder *base)
{
    struct pgoutput *d = self_of(base);
    arena_reset(&d->arena);
    relation_cache_clear(&d->relations);
    d->open = false;
}

static void
pgoutput_free(struct decoder *base)
{
    if (base) {
        struct pgoutput *d = self_of(base);
        relation_cache_done(&d->relations);
        arena_done(&d->arena);
        x_free(d);
    }
}

const struct decoder_ops pgoutput_decoder = {
    .name = "pgoutput",
    .summary = "PostgreSQL logical decoding, protocol versions 1 to 4",
    .open = pgoutput_open,
    .feed = pgoutput_feed,
    .reset = pgoutput_reset,
    .free = pgoutput_free,
};
