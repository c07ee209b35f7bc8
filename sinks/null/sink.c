/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows count once their transaction's COMMIT has come; a DISCARD takes the uncommitted ones back.
 * With nothing to lose, what is applied is durable.
 */
#include "sinks/null/sink.h"

#include <poll.h>

#include "agent/base/arena.h"

struct null_sink {
    struct sink base;
    struct sink_progress progress;
    uint64_t open_rows; /* of the transaction not yet committed */
};

static bool
null_open(const struct sink_params *p, uint64_t start, struct sink **out, uint64_t *resume,
    struct err *err)
{
    (void)p;
    (void)err;
    struct null_sink *s = x_zalloc(sizeof *s);
    s->base.ops = &sink_null_ops;
    s->progress.applied = s->progress.durable = start;
    *out = &s->base;
    *resume = start;
    return true;
}

static struct null_sink *
of(struct sink *s)
{
    return (struct null_sink *)s;
}

static void
advance(struct null_sink *s, uint64_t position)
{
    if (position > s->progress.applied) {
        s->progress.applied = s->progress.durable = position;
    }
}

static bool
null_apply(struct sink *base, const struct change *c, struct err *err)
{
    (void)err;
    struct null_sink *s = of(base);
    switch (c->kind) {
    case CHANGE_BEGIN:
    case CHANGE_DISCARD:
        s->open_rows = 0;
        break;
    case CHANGE_COMMIT:
    case CHANGE_PREPARE:
    case CHANGE_COMMIT_PREPARED:
    case CHANGE_ROLLBACK_PREPARED:
        s->progress.rows += s->open_rows;
        s->progress.transactions++;
        s->progress.applied_commit_us = c->commit_us;
        s->open_rows = 0;
        advance(s, c->position.commit);
        break;
    case CHANGE_MARK:
        advance(s, c->position.commit);
        break;
    case CHANGE_INSERT:
    case CHANGE_UPDATE:
    case CHANGE_DELETE:
        s->open_rows++;
        break;
    case CHANGE_TRUNCATE:
    case CHANGE_MESSAGE:
        break;
    }
    return true;
}

static bool
null_flush(struct sink *s, struct err *err)
{
    (void)s;
    (void)err;
    return true;
}

static bool
null_poll(struct sink *s, int timeout_ms, struct sink_progress *out, struct err *err)
{
    (void)err;
    /* No answer can come: the time is spent as with a target that has nothing to say. */
    if (timeout_ms > 0) {
        (void)poll(NULL, 0, timeout_ms);
    }
    *out = of(s)->progress;
    return true;
}

static bool
null_sync(struct sink *s, struct sink_progress *out, struct err *err)
{
    (void)err;
    *out = of(s)->progress;
    return true;
}

static int
null_fd(const struct sink *s)
{
    (void)s;
    return -1;
}

static void
null_free(struct sink *s)
{
    x_free(s);
}

const struct sink_ops sink_null_ops = {
    .name = "null",
    .summary = "takes every change and throws it away",
    .features = SINK_TRUNCATE,
    .open = null_open,
    .apply = null_apply,
    .flush = null_flush,
    .poll = null_poll,
    .sync = null_sync,
    .fd = null_fd,
    .free = null_free,
};
