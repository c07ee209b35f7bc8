/* SPDX-License-Identifier: Apache-2.0
 *
 * Each call checks the sink's answer: a test that goes on has had no error so far.
 */
#include "tests/lib/sink_feed.h"

#include "tests/lib/unit.h"

static void
must(struct feed *f, bool ok)
{
    if (!ok) {
        print_error("%s [%s] %s\n", f->err.text, f->err.sqlstate, f->err.hint);
    }
    assert_true(ok);
}

void
feed_open(struct feed *f, const struct sink_params *p, uint64_t start)
{
    *f = (struct feed){.ops = f->ops};
    must(f, f->ops->open(p, start, &f->sink, &f->resume, &f->err));
}

void
feed_close(struct feed *f)
{
    sink_free(f->sink);
    f->sink = NULL;
}

static void
send(struct feed *f, struct change c)
{
    must(f, sink_apply(f->sink, &c, &f->err));
}

void
feed_begin(struct feed *f, uint64_t position)
{
    f->position = position;
    f->ordinal = 0;
    send(f, (struct change){.kind = CHANGE_BEGIN, .position = {position - 8, 0}});
}

static struct change
placed(struct feed *f, struct change c)
{
    c.position = (struct position){f->position - 8, ++f->ordinal};
    return c;
}

void
feed_row(struct feed *f, struct change c)
{
    send(f, placed(f, c));
}

static struct change
commit_of(const struct feed *f)
{
    return (struct change){
        .kind = CHANGE_COMMIT, .position = {f->position, 0}, .commit_us = 1700000000000000};
}

void
feed_commit(struct feed *f)
{
    send(f, commit_of(f));
}

void
feed_discard(struct feed *f)
{
    send(f, (struct change){.kind = CHANGE_DISCARD});
}

void
feed_mark(struct feed *f, uint64_t position)
{
    send(f, (struct change){.kind = CHANGE_MARK, .position = {position, 0}});
}

void
feed_one(struct feed *f, uint64_t position, struct change c)
{
    feed_begin(f, position);
    feed_row(f, c);
    feed_commit(f);
}

struct sink_progress
feed_sync(struct feed *f)
{
    struct sink_progress p = {0};
    must(f, sink_sync(f->sink, &p, &f->err));
    return p;
}

void
feed_fails(struct feed *f, uint64_t position, struct change c)
{
    struct sink_progress p;
    feed_begin(f, position);
    struct change row = placed(f, c), commit = commit_of(f);
    bool ok = sink_apply(f->sink, &row, &f->err) && sink_apply(f->sink, &commit, &f->err) &&
              sink_sync(f->sink, &p, &f->err);
    assert_false(ok);
}
