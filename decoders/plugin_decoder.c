/* SPDX-License-Identifier: Apache-2.0
 *
 * As decoders/pgoutput.c: keeps the open transaction and the tables, and ends the feed at a record
 * that does not fit. Invariant: `ordinal` is the number of changes of the open transaction handed
 * out so far, so the same feed always gives the same positions.
 */
#include "decoders/plugin_decoder.h"

#include <inttypes.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/parse.h"
#include "decoders/named.h"

#define ARENA_BLOCK (64 * 1024)

struct plugin_decoder {
    struct decoder base;
    plugin_parse *parse;
    struct arena arena; /* no ceiling: what is unescaped is never longer than its message */
    struct named tables;
    bool open; /* the rest describes the open transaction */
    uint32_t xid, ordinal;
    uint64_t begin;
    int64_t commit_us;
};

static struct plugin_decoder *
self_of(struct decoder *d)
{
    return (struct plugin_decoder *)d;
}

static bool
misplaced(const struct record *rec, const struct plugin_message *m, struct err *err)
{
    return err_set(err, ERR_FATAL, "message '%c' does not belong in a record of kind %d", m->type,
        (int)rec->kind);
}

/* --- transactions -------------------------------------------------------------------------------
 */

static bool
need_open(const struct plugin_decoder *d, const char *what, struct err *err)
{
    return d->open || err_set(err, ERR_FATAL, "%s outside of a transaction", what);
}

static bool
need_closed(const struct plugin_decoder *d, const char *what, struct err *err)
{
    return !d->open || err_set(err, ERR_FATAL, "%s inside of transaction %" PRIu32, what, d->xid);
}

static void
fill(const struct plugin_decoder *d, enum change_kind kind, uint64_t commit, struct change *out)
{
    out->kind = kind;
    out->position = (struct position){commit, 0};
    out->xid = d->xid;
    out->commit_us = d->commit_us;
}

/* A plugin whose begin tells no position has its commit in both records. */
static bool
feed_begin(struct plugin_decoder *d, const struct record *rec, const struct plugin_message *m,
    struct change *out, struct err *err)
{
    bool fits = m->type == 'B' ? m->lsn != 0 : m->type == 'C' && m->lsn == 0;
    if (!fits) {
        return misplaced(rec, m, err);
    }
    if (!need_closed(d, "begin", err)) {
        return false;
    }
    if (m->lsn != 0 && m->lsn != rec->position) {
        char lsn[FORMAT_SIZE];
        return err_set(err, ERR_FATAL, "begin says position %s", format_lsn(m->lsn, lsn));
    }
    d->open = true;
    d->xid = m->xid;
    d->ordinal = 0;
    d->begin = rec->position;
    d->commit_us = m->us;
    fill(d, CHANGE_BEGIN, d->begin, out);
    return true;
}

static bool
feed_commit(struct plugin_decoder *d, const struct record *rec, const struct plugin_message *m,
    struct change *out, struct err *err)
{
    if (m->type != 'C') {
        return misplaced(rec, m, err);
    }
    if (!need_open(d, "commit", err)) {
        return false;
    }
    bool belongs =
        m->xid == d->xid && (m->lsn == 0 ? d->begin < rec->position
                                         : m->lsn == d->begin && m->end_lsn == rec->position);
    if (!belongs) {
        return err_set(err, ERR_FATAL,
            "commit of transaction %" PRIu32
            " does not belong to the begin of transaction %" PRIu32,
            m->xid, d->xid);
    }
    d->open = false;
    fill(d, CHANGE_COMMIT, rec->position, out);
    return true;
}

/* --- changes ------------------------------------------------------------------------------------
 */

static bool
feed_truncate(
    struct plugin_decoder *d, const struct plugin_message *m, struct change *out, struct err *err)
{
    const struct relation **list =
        arena_alloc(&d->arena, (size_t)m->tables_len * sizeof(struct relation *));
    if (!list) {
        return err_set(
            err, ERR_RETRY, "truncate of %" PRIu32 " tables does not fit in memory", m->tables_len);
    }
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->tables_len; i++) {
        /* One statement may name tables of the migration and others. */
        list[n] = named_find(&d->tables, &m->tables[i]);
        n += list[n] != NULL;
    }
    out->truncated = list;
    out->truncated_len = n;
    out->cascade = m->cascade;
    out->restart_identity = m->restart;
    return n > 0 || err_set(err, ERR_FATAL, "truncate of tables that the feed did not describe");
}

static bool
feed_message(
    struct plugin_decoder *d, const struct plugin_message *m, struct change *out, struct err *err)
{
    char *prefix = arena_strndup(&d->arena, (const char *)m->prefix.data, m->prefix.len);
    if (!prefix) {
        return err_set(err, ERR_RETRY, "a logical message does not fit in memory");
    }
    out->prefix = prefix;
    out->content = m->content;
    out->transactional = m->transactional;
    return true;
}

static enum change_kind
kind_of(char type)
{
    switch (type) {
    case 'I':
        return CHANGE_INSERT;
    case 'U':
        return CHANGE_UPDATE;
    case 'D':
        return CHANGE_DELETE;
    case 'T':
        return CHANGE_TRUNCATE;
    default:
        return CHANGE_MESSAGE;
    }
}

static bool
feed_change(struct plugin_decoder *d, const struct record *rec, const struct plugin_message *m,
    struct change *out, struct err *err)
{
    if (!strchr("IUDTM", m->type)) {
        return misplaced(rec, m, err);
    }
    enum change_kind kind = kind_of(m->type);
    if (!need_open(d, change_kind_name(kind), err)) {
        return false;
    }
    if (d->ordinal == UINT32_MAX) {
        return err_set(err, ERR_FATAL, "transaction %" PRIu32 " has too many changes", d->xid);
    }
    fill(d, kind, d->begin, out);
    out->position.ordinal = ++d->ordinal;
    if (kind == CHANGE_TRUNCATE) {
        return feed_truncate(d, m, out, err);
    }
    return kind == CHANGE_MESSAGE ? feed_message(d, m, out, err)
                                  : named_row(&d->tables, m, &d->arena, out, err);
}

/* --- records ------------------------------------------------------------------------------------
 */

static bool
feed_payload(
    struct plugin_decoder *d, const struct record *rec, struct change *out, struct err *err)
{
    struct plugin_message m;
    if (!d->parse(rec->payload, &d->arena, &m, err)) {
        return false;
    }
    if (rec->kind == RECORD_BEGIN) {
        return feed_begin(d, rec, &m, out, err);
    }
    return rec->kind == RECORD_COMMIT ? feed_commit(d, rec, &m, out, err)
                                      : feed_change(d, rec, &m, out, err);
}

static bool
feed_record(struct plugin_decoder *d, const struct record *rec, struct change *out, struct err *err)
{
    switch (rec->kind) {
    case RECORD_BEGIN:
    case RECORD_DATA:
    case RECORD_COMMIT:
        return feed_payload(d, rec, out, err);
    case RECORD_SCHEMA:
        return named_describe(&d->tables, rec->payload, &d->arena, err);
    case RECORD_DISCARD:
        if (!need_open(d, "discard", err)) {
            return false;
        }
        d->open = false;
        fill(d, CHANGE_DISCARD, d->begin, out);
        out->commit_us = 0;
        return true;
    case RECORD_MARK:
        if (!need_closed(d, "mark", err)) {
            return false;
        }
        out->kind = CHANGE_MARK;
        out->position = (struct position){rec->position, 0};
        return true;
    case RECORD_LINK:
    case RECORD_ABORTED:
    case RECORD_ABORT:
        break;
    }
    return err_set(
        err, ERR_FATAL, "a record of kind %d does not belong into a feed", (int)rec->kind);
}

/* --- the decoder --------------------------------------------------------------------------------
 */

struct decoder *
plugin_decoder_new(const struct decoder_ops *ops, plugin_parse *parse)
{
    struct plugin_decoder *d = x_zalloc(sizeof(*d));
    d->base.ops = ops;
    d->parse = parse;
    arena_init(&d->arena, ARENA_BLOCK, 0);
    named_init(&d->tables);
    return &d->base;
}

bool
plugin_decoder_feed(struct decoder *base, const struct record *rec, struct change *out,
    bool *produced, struct err *err)
{
    struct plugin_decoder *d = self_of(base);
    arena_reset(&d->arena);
    *out = (struct change){0};
    *produced = false;
    if (!feed_record(d, rec, out, err)) {
        char lsn[FORMAT_SIZE];
        return err_wrap(err, "decode %s at %s", base->ops->name, format_lsn(rec->position, lsn));
    }
    *produced = out->kind != 0;
    return true;
}

void
plugin_decoder_reset(struct decoder *base)
{
    struct plugin_decoder *d = self_of(base);
    arena_reset(&d->arena);
    named_clear(&d->tables);
    d->open = false;
}

void
plugin_decoder_free(struct decoder *base)
{
    if (base) {
        struct plugin_decoder *d = self_of(base);
        named_done(&d->tables);
        arena_done(&d->arena);
        x_free(d);
    }
}
