/* SPDX-License-Identifier: Apache-2.0
 *
 * A made-up source that streams transactions while they are open, between the records of an
 * ordinary feed. The feed remembers what readers have to see of all that: the records of a streamed
 * transaction in the place of its commit, without those of aborted subtransactions.
 */
#ifndef TG_TESTS_SIDE_UTIL_H
#define TG_TESTS_SIDE_UTIL_H

#include "agent/spool/segment.h"
#include "agent/spool/side.h"
#include "tests/unit/agent/spool/spool_util.h"

#define STREAMS_MAX 512
#define SUBS        4 /* subtransactions of each: xid + 1 and up */

struct stream {
    uint32_t xid; /* 0: free */
    struct feed records;
    bool aborted[SUBS + 1]; /* [0]: never */
};

struct tide {
    struct feed feed;
    struct stream streams[STREAMS_MAX];
    unsigned streams_max; /* open at a time */
    uint32_t next_xid;
    size_t links;   /* transactions that left something behind */
    uint64_t taken; /* records of all kinds */
    /* For a refusal that may pass (ERR_RETRY): then it comes again. NULL: every error ends it. */
    void (*relief)(void *arg);
    void *arg;
    unsigned refused;
};

static inline void
tide_init(struct tide *t, uint64_t seed)
{
    memset(t, 0, sizeof(*t));
    feed_init(&t->feed, seed);
    t->streams_max = 4;
    t->next_xid = 100;
}

static inline void
tide_forget_streams(struct tide *t)
{
    for (unsigned i = 0; i < STREAMS_MAX; i++) {
        feed_done(&t->streams[i].records);
        t->streams[i] = (struct stream){0};
    }
}

static inline void
tide_done(struct tide *t)
{
    tide_forget_streams(t);
    feed_done(&t->feed);
}

static inline bool
tide_append(struct tide *t, struct spool *s, const struct record *rec, struct err *err)
{
    while (!spool_append(s, rec, err)) {
        if (err->class != ERR_RETRY || t->relief == NULL) {
            return false;
        }
        assert_true(++t->refused < 100000);
        t->relief(t->arg);
    }
    t->taken++;
    return true;
}

/* One ordinary record. */
static inline bool
tide_plain(struct tide *t, struct spool *s, struct err *err)
{
    uint8_t *bytes = malloc(t->feed.max_payload + 1);
    struct record rec = feed_make(&t->feed, bytes);
    bool ok = tide_append(t, s, &rec, err);
    if (ok) {
        feed_took(&t->feed, &rec);
    }
    free(bytes);
    return ok;
}

/* Until no transaction is open in the log. */
static inline bool
tide_settle(struct tide *t, struct spool *s, struct err *err)
{
    while (t->feed.open) {
        if (!tide_plain(t, s, err)) {
            return false;
        }
    }
    return true;
}

/* One record of stream `i`, which begins with it when it is free; sub 0: the transaction itself. */
static inline bool
tide_stream(struct tide *t, struct spool *s, unsigned i, unsigned sub, struct err *err)
{
    struct stream *st = &t->streams[i];
    struct feed *f = &t->feed;
    if (st->xid == 0) {
        st->xid = t->next_xid;
        t->next_xid += SUBS + 1;
    }
    if (st->aborted[sub]) {
        sub = 0;
    }
    uint8_t *bytes = malloc(f->max_payload + 1);
    size_t len = feed_random(f) % (f->max_payload + 1);
    for (size_t k = 0; k < len; k++) {
        bytes[k] = (uint8_t)feed_random(f);
    }
    bool schema = feed_random(f) % 8 == 0;
    struct record rec = {
        .kind = schema ? RECORD_SCHEMA : RECORD_DATA,
        .xid = st->xid + sub,
        .stream = st->xid,
        .key = schema ? 16384 + (uint32_t)(feed_random(f) % KEYS) : 0,
        .position = f->position + feed_random(f) % 1000 - 500,
        .received_us = f->now + (int64_t)(feed_random(f) % 50),
        .payload = {bytes, len},
    };
    bool ok = tide_append(t, s, &rec, err);
    if (ok) {
        feed_keep(&st->records, &rec);
        f->now = rec.received_us;
    }
    free(bytes);
    return ok;
}

/* sub 0: the whole transaction. */
static inline bool
tide_abort(struct tide *t, struct spool *s, unsigned i, unsigned sub, struct err *err)
{
    struct stream *st = &t->streams[i];
    struct record rec = {.kind = RECORD_ABORT, .xid = st->xid + sub, .stream = st->xid};
    if (st->xid == 0) {
        return true;
    }
    if (!tide_append(t, s, &rec, err)) {
        return false;
    }
    st->aborted[sub] = true;
    if (sub == 0) {
        feed_done(&st->records);
        *st = (struct stream){0};
    }
    return true;
}

static inline bool
tide_begin(struct tide *t, struct spool *s, unsigned i, struct err *err)
{
    struct stream *st = &t->streams[i];
    struct feed *f = &t->feed;
    struct record rec = {
        .kind = RECORD_BEGIN,
        .xid = st->xid,
        .stream = st->xid,
        .position = f->position + feed_random(f) % 40,
        .received_us = f->now,
        .payload = slice_of("begin of a stream", 17),
    };
    bool any = false;
    if (!tide_append(t, s, &rec, err)) {
        return false;
    }
    rec.stream = 0;
    feed_took(f, &rec);
    for (size_t k = 0; k < st->records.count; k++) {
        struct record part = st->records.all[k].rec;
        if (!st->aborted[part.xid - st->xid]) {
            part.stream = 0;
            feed_keep(f, &part);
            any = true;
        }
    }
    t->links += any;
    feed_done(&st->records);
    *st = (struct stream){0};
    return true;
}

static inline bool
tide_commit(struct tide *t, struct spool *s, unsigned i, struct err *err)
{
    struct feed *f = &t->feed;
    uint32_t xid = t->streams[i].xid;
    if (xid == 0) {
        return true;
    }
    if (!tide_settle(t, s, err) || !tide_begin(t, s, i, err)) {
        return false;
    }
    struct record rec = {
        .kind = RECORD_COMMIT,
        .stream = xid,
        .position = f->commit_at + 1 + feed_random(f) % 40,
        .received_us = f->now,
    };
    if (!tide_append(t, s, &rec, err)) {
        return false;
    }
    rec.stream = 0;
    feed_took(f, &rec);
    return true;
}

static inline bool
tide_discard(struct tide *t, struct spool *s, struct err *err)
{
    struct record rec = {.kind = RECORD_DISCARD, .received_us = t->feed.now};
    if (!tide_append(t, s, &rec, err)) {
        return false;
    }
    if (t->feed.open) {
        feed_took(&t->feed, &rec);
    }
    tide_forget_streams(t);
    return true;
}

/* One step of some kind. */
static inline bool
tide_step(struct tide *t, struct spool *s, struct err *err)
{
    struct feed *f = &t->feed;
    unsigned i = (unsigned)(feed_random(f) % t->streams_max);
    unsigned sub = (unsigned)(feed_random(f) % (SUBS + 1));
    uint64_t dice = feed_random(f) % 200;
    if (dice < 90) {
        return tide_plain(t, s, err);
    }
    if (dice < 170) {
        return tide_stream(t, s, i, sub, err);
    }
    if (dice < 180) {
        return tide_abort(t, s, i, 1 + sub % SUBS, err);
    }
    if (dice < 183) {
        return tide_abort(t, s, i, 0, err);
    }
    return dice > 198 ? tide_discard(t, s, err) : tide_commit(t, s, i, err);
}

static inline void
tide_run(struct tide *t, struct spool *s, unsigned steps)
{
    struct err err = ERR_INIT;
    for (unsigned i = 0; i < steps; i++) {
        ok(tide_step(t, s, &err));
    }
}

/* Streams `n` records of transaction `i`, subtransactions in turn. */
static inline void
tide_fill(struct tide *t, struct spool *s, unsigned i, unsigned n)
{
    struct err err = ERR_INIT;
    for (unsigned k = 0; k < n; k++) {
        ok(tide_stream(t, s, i, k % (SUBS + 1), &err));
    }
}

struct side_names {
    const struct fs *fs;
    unsigned open, linked;
    char last[SEGMENT_PATH_MAX]; /* path of the linked file with the greatest serial */
    uint64_t serial;
};

static inline int
count_name(const char *name, void *arg)
{
    struct side_names *n = arg;
    uint64_t segment, serial;
    if (side_name_parse(name, &segment, &serial)) {
        n->open += segment == 0;
        n->linked += segment != 0;
        if (segment != 0 && serial >= n->serial) {
            n->serial = serial;
            snprintf(n->last, sizeof(n->last), "%s/%s", DIR, name);
        }
    }
    return 0;
}

static inline struct side_names
list_sides(struct fake_fs *fake)
{
    struct side_names n = {.fs = fake_fs_get(fake)};
    n.fs->list(n.fs, DIR, count_name, &n);
    return n;
}

/* What the spool says of its bytes and files is what there is. */
static inline void
check_numbers(struct fake_fs *fake, const struct spool *s)
{
    struct spool_stats stats;
    struct side_names names = list_sides(fake);
    spool_stats(s, &stats);
    assert_int_equal(stats.bytes, fake_fs_used(fake));
    assert_int_equal(stats.sides, names.open + names.linked);
}

#endif
