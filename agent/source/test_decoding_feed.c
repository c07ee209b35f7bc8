/* SPDX-License-Identifier: Apache-2.0
 *
 * test_decoding tells no positions: the frame of a COMMIT tells where the commit ends, that of a
 * BEGIN where the transaction's first change stands. So a transaction is held until its COMMIT; one
 * that gets too large for that is handed out like those that pgoutput sends while they are open
 * (agent/change/record.h), and goes to a side file.
 *
 * The BEGIN stands at E - 1, where E is the end of the commit record, which begins at B. Whoever
 * asks compares it with a position P that is the end of a record (the consistent point of a
 * snapshot, the position of a COMMIT or MARK), so P <= B or P >= E. Then B < P, E <= P and
 * E - 1 < P mean the same: the rule of agent/pipeline/table_sync.h is kept exactly.
 */
#include "agent/source/plugin_feed.h"

#define HOLD_MAX ((size_t)1 << 20) /* bytes of a transaction in memory */

/* What is held goes on as part of an open transaction; the place for its BEGIN is left out. */
static void
hand_out_open(struct plugin_feed *f)
{
    f->open = f->ready = true;
    f->queue.taken = 1;
    for (size_t i = 1; i < f->queue.len; i++) {
        f->queue.items[i].rec.stream = f->queue.items[i].rec.xid = f->xid;
    }
}

static bool
take_begin(struct plugin_feed *f, const struct pg_message *m, const struct plugin_message *p,
    struct err *err)
{
    struct record rec = plugin_feed_record(f, m, RECORD_BEGIN);
    rec.payload = (struct slice){0};
    feed_queue_clear(&f->queue);
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
        f->skipped = m->wal_start;
        return true;
    }
    struct record commit = plugin_feed_record(f, m, RECORD_COMMIT);
    struct record begin = commit;
    commit.xid = 0;
    begin.kind = RECORD_BEGIN;
    begin.position = m->wal_start - 1;
    begin.xid = p->xid;
    f->ready = true;
    return (f->open ? feed_queue_put(&f->queue, &begin, err)
                    : feed_queue_set_first(&f->queue, &begin, err)) &&
           feed_queue_put(&f->queue, &commit, err);
}

static bool
take_change(struct plugin_feed *f, const struct pg_message *m, const struct plugin_message *p,
    struct err *err)
{
    bool keep = false;
    if (!plugin_feed_choose(f, m, p, &keep, err) || !keep) {
        return !keep && err->class == ERR_NONE;
    }
    struct record rec = plugin_feed_record(f, m, RECORD_DATA);
    if (!feed_queue_put(&f->queue, &rec, err)) {
        return false;
    }
    if (!f->open && f->queue.bytes.len > HOLD_MAX) {
        hand_out_open(f);
    }
    return true;
}

static bool
test_decoding_take(struct plugin_feed *f, const struct pg_message *m,
    const struct plugin_message *p, struct err *err)
{
    switch (p->type) {
    case 'B':
        return take_begin(f, m, p, err);
    case 'C':
        return take_commit(f, m, p, err);
    default:
        return take_change(f, m, p, err);
    }
}

const struct plugin_feed_ops test_decoding_feed = {
    .name = "test_decoding",
    .parse_head = test_decoding_parse_head,
    .take = test_decoding_take,
};
