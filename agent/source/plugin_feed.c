/* SPDX-License-Identifier: Apache-2.0
 *
 * What both feeds share. Records are copied into a queue, because what has to stand in front of
 * them is known later: a BEGIN when its transaction has something to keep, a description when a
 * table is named.
 */
#include "agent/source/plugin_feed.h"

#include <string.h>

#include "agent/base/parse.h"

#define ARENA_BLOCK  (16 * 1024)
#define TRUNCATE_MAX ((size_t)16 << 20)

const struct plugin_feed_ops *
plugin_feed_find(const char *plugin)
{
    static const struct plugin_feed_ops *const all[] = {&wal2json_feed, &test_decoding_feed};
    for (size_t i = 0; plugin && i < sizeof(all) / sizeof(all[0]); i++) {
        if (strcmp(all[i]->name, plugin) == 0) {
            return all[i];
        }
    }
    return NULL;
}

void
plugin_feed_init(
    struct plugin_feed *f, const struct plugin_feed_ops *ops, plugin_find_table *find, void *arg)
{
    *f = (struct plugin_feed){.ops = ops, .find = find, .arg = arg};
    arena_init(&f->arena, ARENA_BLOCK, 0);
    feed_queue_init(&f->queue);
    buf_init(&f->truncate, TRUNCATE_MAX);
}

void
plugin_feed_done(struct plugin_feed *f)
{
    arena_done(&f->arena);
    feed_queue_done(&f->queue);
    buf_done(&f->truncate);
}

static void
forget_transaction(struct plugin_feed *f)
{
    f->in_transaction = f->ready = f->has_content = f->open = false;
    f->xid = 0;
}

void
plugin_feed_restart(struct plugin_feed *f)
{
    feed_queue_clear(&f->queue);
    buf_reset(&f->truncate);
    f->truncate_at = f->skipped = 0;
    forget_transaction(f);
}

struct record
plugin_feed_record(const struct plugin_feed *f, const struct pg_message *m, enum record_kind kind)
{
    uint32_t xid = f->open ? f->xid : 0;
    return (struct record){.kind = kind,
        .xid = xid,
        .stream = xid,
        .position = m->wal_start,
        .received_us = m->received_us,
        .payload = slice_of(m->data, m->len)};
}

bool
plugin_feed_begin(struct plugin_feed *f, const struct plugin_message *p, struct err *err)
{
    if (f->in_transaction) {
        return err_set(err, ERR_FATAL, "begin of transaction %u in another one", p->xid);
    }
    forget_transaction(f);
    f->in_transaction = true;
    f->xid = p->xid;
    return true;
}

bool
plugin_feed_end(struct plugin_feed *f, const struct plugin_message *p, struct err *err)
{
    if (!f->in_transaction || f->xid != p->xid) {
        return err_set(err, ERR_FATAL, "commit of transaction %u, which was not begun", p->xid);
    }
    f->in_transaction = false;
    return true;
}

static bool
describe(struct plugin_feed *f, const struct pg_message *m, struct feed_table *t, struct err *err)
{
    struct record rec = plugin_feed_record(f, m, RECORD_SCHEMA);
    rec.key = t->oid;
    rec.payload = t->description;
    t->described = true;
    return feed_queue_put(&f->queue, &rec, err);
}

bool
plugin_feed_choose(struct plugin_feed *f, const struct pg_message *m,
    const struct plugin_message *p, bool *keep, struct err *err)
{
    *keep = p->type == 'M' && p->transactional;
    if (!f->in_transaction) {
        /* A message outside of any transaction stands outside of the commit order too. */
        return p->type == 'M' || err_set(err, ERR_FATAL, "a change outside of a transaction");
    }
    for (uint32_t i = 0; i < p->tables_len; i++) {
        struct feed_table *t = NULL;
        if (!f->find(f->arg, p->tables[i].schema, p->tables[i].name, m->wal_start, &t, err)) {
            return false;
        }
        *keep = *keep || t;
        if (t && !t->described && !describe(f, m, t, err)) {
            return false;
        }
    }
    f->has_content = f->has_content || *keep;
    return true;
}

bool
plugin_feed_take(struct plugin_feed *f, const struct pg_message *m, struct err *err)
{
    struct plugin_message p;
    char lsn[FORMAT_SIZE];
    arena_reset(&f->arena);
    if (!f->ops->parse_head(slice_of(m->data, m->len), &f->arena, &p, err) ||
        !f->ops->take(f, m, &p, err)) {
        return err_wrap(
            err, "replication stream: %s at %s", f->ops->name, format_lsn(m->wal_start, lsn));
    }
    return true;
}

bool
plugin_feed_next(struct plugin_feed *f, struct record *out)
{
    return f->ready && feed_queue_take(&f->queue, out);
}
