/* SPDX-License-Identifier: Apache-2.0
 *
 * wal2json tells the commit record's begin and end with both B and C, so a transaction goes on as
 * it comes. A TRUNCATE of several tables comes as one message for each, all with the position of
 * the one WAL record: they become one record again, a line each, because a target with foreign keys
 * between them would refuse the first one alone.
 */
#include "agent/source/plugin_feed.h"

static bool
put_truncate(struct plugin_feed *f, const struct pg_message *m, struct err *err)
{
    if (f->truncate_at == 0) {
        return true;
    }
    struct record rec = plugin_feed_record(f, m, RECORD_DATA);
    rec.position = f->truncate_at;
    rec.payload = slice_of(f->truncate.data, f->truncate.len);
    bool ok = buf_ok(&f->truncate, "a TRUNCATE of many tables", err) &&
              feed_queue_put(&f->queue, &rec, err);
    buf_reset(&f->truncate);
    f->truncate_at = 0;
    return ok;
}

static bool
take_truncate(struct plugin_feed *f, const struct pg_message *m, struct err *err)
{
    if (f->truncate_at != m->wal_start && !put_truncate(f, m, err)) {
        return false;
    }
    if (f->truncate.len > 0) {
        buf_u8(&f->truncate, '\n');
    }
    buf_bytes(&f->truncate, m->data, m->len);
    f->truncate_at = m->wal_start;
    return true;
}

static bool
take_begin(struct plugin_feed *f, const struct pg_message *m, const struct plugin_message *p,
    struct err *err)
{
    struct record rec = plugin_feed_record(f, m, RECORD_BEGIN);
    rec.position = p->lsn;
    rec.xid = p->xid;
    return plugin_feed_begin(f, p, err) && feed_queue_put(&f->queue, &rec, err);
}

static bool
take_commit(struct plugin_feed *f, const struct pg_message *m, const struct plugin_message *p,
    struct err *err)
{
    if (!plugin_feed_end(f, p, err)) {
        return false;
    }
    if (!f->has_content) {
        feed_queue_clear(&f->queue);
        f->skipped = p->end_lsn;
        return true;
    }
    struct record rec = plugin_feed_record(f, m, RECORD_COMMIT);
    rec.position = p->end_lsn;
    return feed_queue_put(&f->queue, &rec, err);
}

static bool
take_change(struct plugin_feed *f, const struct pg_message *m, const struct plugin_message *p,
    struct err *err)
{
    bool keep = false;
    if (!plugin_feed_choose(f, m, p, &keep, err) || !keep) {
        return !keep && err->class == ERR_NONE;
    }
    f->ready = true;
    if (p->type == 'T') {
        return take_truncate(f, m, err);
    }
    struct record rec = plugin_feed_record(f, m, RECORD_DATA);
    return feed_queue_put(&f->queue, &rec, err);
}

static bool
wal2json_take(struct plugin_feed *f, const struct pg_message *m, const struct plugin_message *p,
    struct err *err)
{
    if (p->type != 'T' && !put_truncate(f, m, err)) {
        return false;
    }
    switch (p->type) {
    case 'B':
        return take_begin(f, m, p, err);
    case 'C':
        return take_commit(f, m, p, err);
    default:
        return take_change(f, m, p, err);
    }
}

const struct plugin_feed_ops wal2json_feed = {
    .name = "wal2json",
    .parse_head = wal2json_parse_head,
    .take = wal2json_take,
};
