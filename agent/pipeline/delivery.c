/* SPDX-License-Identifier: Apache-2.0
 *
 * The sink joins transactions while input is at hand; when there is none it is flushed, so that a
 * caught-up target sees each commit at once.
 *
 * A sink may send rows together, and then cannot tell which one the target refused. So the first
 * refusal asks for another session that sends each row alone: its refusal is final, with its own
 * words. When everything went through, rows are joined again after a while.
 */
#include "agent/pipeline/delivery.h"

#include <stdatomic.h>

#include "agent/base/arena.h"
#include "agent/base/parse.h"
#include "agent/base/retry.h"
#include "agent/pipeline/doubts.h"

#define SYNC_AFTER_US  200000 /* how old an applied position may get before it is made durable */
#define POLL_EVERY     256    /* records between two looks at the sink while data keeps coming */
#define FIRST_RETRY_US 200000
#define ARENA_BLOCK    (64U << 10)
#define STABLE_US      60000000 /* a session that lasted this long clears the retry count */
#define ROW_BY_ROW_US  60000000 /* how long each row goes alone after a refusal */

struct delivery {
    struct delivery_options o;
    struct decoder *decoder;
    struct sink *sink;
    struct spool_reader *reader;
    struct arena arena;     /* for filtered changes; reset per record */
    uint64_t commit_record; /* of the transaction being read */
    uint64_t border;        /* position of the last place between two transactions */
    bool in_transaction, has_rows;
    bool prepared;     /* the transaction has a gid */
    uint64_t left_out; /* ... and rows of these tables were left to the copy (table_sync.h) */
    struct doubts doubts;
    int64_t rows_commit_us; /* of the last transaction with rows */
    int64_t opened_us, synced_us;
    int64_t idle_us;   /* wall clock when nothing was waiting last; 0: not yet */
    int64_t alone_us;  /* since when each row goes alone */
    struct park *park; /* NULL: no letters */
    struct ddl_gate *ddl;
    uint64_t upserted; /* in the sessions before this one */
    unsigned since_poll;
    struct retry retry;
    atomic_uint_fast64_t durable;
    struct delivery_report report;
    bool news; /* `report` was not taken yet */
};

static int64_t
now_us(const struct delivery *d)
{
    return clock_mono_us(d->o.clock);
}

/* Age of the oldest thing not applied, by the clock of this machine: no older than what was read
 * last, and no older than the last moment at which nothing was waiting. */
static double
lag_seconds(struct delivery *d, const struct sink_progress *p)
{
    int64_t now = clock_wall_us(d->o.clock);
    if (spool_reader_behind(d->reader) == 0 && p->applied >= spool_appended(d->o.spool)) {
        d->idle_us = now;
        return 0;
    }
    int64_t received = spool_reader_received_us(d->reader);
    int64_t since = received > d->idle_us ? received : d->idle_us;
    return since && now > since ? (double)(now - since) / 1e6 : 0;
}

static void
report(struct delivery *d, const struct sink_progress *p)
{
    d->report = (struct delivery_report){.progress = *p,
        .behind_bytes = spool_reader_behind(d->reader),
        .rows_commit_us = d->rows_commit_us,
        .lag_seconds = lag_seconds(d, p)};
    d->report.progress.upserted += d->upserted;
    d->news = true;
    atomic_store(&d->durable, p->durable);
}

/* Behind everything up to `position`, with no transaction open. */
static void
follow_border(struct delivery *d, uint64_t position)
{
    d->in_transaction = false;
    d->border = position > d->border ? position : d->border;
}

static void
follow_transaction(struct delivery *d, const struct record *rec, const struct change *c)
{
    switch (c->kind) {
    case CHANGE_BEGIN:
        d->commit_record = rec->position;
        d->prepared = c->gid != NULL;
        d->left_out = 0;
        d->in_transaction = true;
        d->has_rows = false;
        break;
    case CHANGE_COMMIT:
        d->rows_commit_us = d->has_rows ? c->commit_us : d->rows_commit_us;
        follow_border(d, c->position.commit);
        break;
    case CHANGE_COMMIT_PREPARED: /* its rows came with the prepare */
        d->rows_commit_us = c->commit_us;
        follow_border(d, c->position.commit);
        break;
    case CHANGE_PREPARE:
    case CHANGE_ROLLBACK_PREPARED:
    case CHANGE_MARK:
        follow_border(d, c->position.commit);
        break;
    case CHANGE_DISCARD:
        d->in_transaction = false;
        break;
    case CHANGE_INSERT:
    case CHANGE_UPDATE:
    case CHANGE_DELETE:
    case CHANGE_TRUNCATE:
        d->has_rows = true;
        break;
    case CHANGE_MESSAGE:
        break;
    }
}

/* A commit is refused for what its rows did together: no single one can be parked. */
static bool
commit_refused(const struct delivery *d, const struct change *c, struct err *err)
{
    if (c->kind == CHANGE_COMMIT && err->class == ERR_DATA && d->o.params.row_by_row &&
        d->o.letters.policy != ON_ERROR_STOP) {
        err_hint(err, "a constraint that is checked at the commit refuses the transaction as a "
                      "whole, and no single row of it: mend the target and start again");
    }
    return false;
}

static bool
stops_tables(const struct delivery *d)
{
    return d->o.resync && resync_view_stops(d->o.resync);
}

/* Applied, parked, or its table has left the stream. */
static bool
apply_or_park(struct delivery *d, const struct record *rec, const struct change *c, struct err *err)
{
    bool parked = false;
    if (d->park && (!park_look(d->park, rec, c, &parked, err) || parked)) {
        return parked;
    }
    if (sink_apply(d->sink, c, err)) {
        return true;
    }
    if (!d->o.params.row_by_row || !sink_undone(d->sink)) {
        return commit_refused(d, c, err);
    }
    d->alone_us = now_us(d);
    return stops_tables(d) ? resync_view_refused(d->o.resync, c, err)
                           : d->park && park_refused(d->park, rec, c, err);
}

/* --- prepared transactions that meet a copy -----------------------------------------------------
 *
 * Rows of a transaction that was prepared before a table's sync position are left to the copy. It
 * has them when they were committed before it, too. When they are committed behind it they are
 * nowhere, and when they are rolled back they are not missed.
 */

static void
note_left_out(struct delivery *d, const struct change *c)
{
    uint64_t sync = d->prepared ? table_sync_left_out(d->o.sync, d->commit_record, c) : 0;
    if (sync != 0 && (d->left_out == 0 || sync < d->left_out)) {
        d->left_out = sync;
    }
}

static bool
is_in_copy(const struct delivery *d, const struct change *c, struct err *err)
{
    const struct doubt *x = doubts_find(&d->doubts, c->gid);
    if (!x || d->commit_record < x->copied) {
        return true;
    }
    char prepared[FORMAT_SIZE], copied[FORMAT_SIZE], committed[FORMAT_SIZE];
    err_set(err, ERR_FATAL,
        "prepared transaction '%s' was prepared at %s and committed at %s, and a table that it "
        "changes was copied in between, at %s: these changes are missing on the target",
        c->gid, format_lsn(x->prepared, prepared), format_lsn(d->commit_record, committed),
        format_lsn(x->copied, copied));
    return err_hint(err,
        "copy to this sink again: take it out of the configuration and start, empty its target, "
        "and when pg_prepared_xacts of the source is empty add it again");
}

/* In front of the sink, which makes a prepare durable at once. */
static bool
look_at_prepared(struct delivery *d, const struct change *c, struct err *err)
{
    if (c->kind == CHANGE_COMMIT_PREPARED) {
        return is_in_copy(d, c, err);
    }
    if (c->kind != CHANGE_PREPARE) {
        return true;
    }
    return d->left_out != 0 ? doubts_put(&d->doubts, c->gid, c->position.commit, d->left_out, err)
                            : doubts_remove(&d->doubts, c->gid, err);
}

/* Behind it: the outcome is durable. */
static bool
settle_prepared(struct delivery *d, const struct change *c, struct err *err)
{
    bool outcome = c->kind == CHANGE_COMMIT_PREPARED || c->kind == CHANGE_ROLLBACK_PREPARED;
    return !outcome || doubts_remove(&d->doubts, c->gid, err);
}

/* --- tables that leave the stream alone (resync_view.h) ------------------------------------------
 */

/* Whether a change of the feed is for this delivery at all. */
static bool
is_meant(struct delivery *d, struct change *c, bool *meant, struct err *err)
{
    *meant = true;
    if (d->o.resync &&
        (!resync_view_filter(d->o.resync, d->commit_record, c, &d->arena, meant, err) || !*meant)) {
        return !*meant;
    }
    note_left_out(d, c);
    *meant = table_sync_filter(d->o.sync, d->commit_record, c, &d->arena);
    return true;
}

static void
tell_border(struct delivery *d)
{
    if (d->o.resync && !d->in_transaction) {
        resync_view_passed(d->o.resync, d->border);
    }
}

/* --- steps ---------------------------------------------------------------------------------- */

/* A table that is described anew may have to be altered first; or it is copied anew, and the row is
 * none for this delivery any more. */
static bool
follow_relation(struct delivery *d, struct change *c, bool *meant, struct err *err)
{
    bool acted = false;
    return ddl_gate_row(d->ddl, d->sink, c, d->commit_record, &acted, err) &&
           (!acted || is_meant(d, c, meant, err));
}

static bool
take_change(struct delivery *d, const struct record *rec, struct change *c, struct err *err)
{
    if (ddl_is_message(c)) {
        return ddl_gate_message(d->ddl, d->sink, c, d->commit_record, err);
    }
    bool meant = true;
    if (!look_at_prepared(d, c, err) || !follow_relation(d, c, &meant, err)) {
        return false;
    }
    return !meant || (apply_or_park(d, rec, c, err) && settle_prepared(d, c, err));
}

static bool
hand_over(struct delivery *d, const struct record *rec, struct err *err)
{
    struct change change;
    bool produced = false;
    if (d->park) {
        park_see(d->park, rec);
    }
    if (!decoder_feed(d->decoder, rec, &change, &produced, err)) {
        char lsn[FORMAT_SIZE];
        return err_wrap(err, "decode record at %s", format_lsn(rec->position, lsn));
    }
    if (!produced) {
        return true;
    }
    follow_transaction(d, rec, &change);
    arena_reset(&d->arena);
    bool meant = false;
    bool ok = is_meant(d, &change, &meant, err) && (!meant || take_change(d, rec, &change, err));
    if (ok) {
        tell_border(d);
    }
    return ok;
}

/* What is not flushed yet is flushed; what is applied and not durable for a while is made durable,
 * with `durable` at once. */
static bool
settle(struct delivery *d, bool durable, struct err *err)
{
    struct sink_progress p;
    if (!sink_flush(d->sink, err) || !sink_poll(d->sink, 0, &p, err)) {
        return false;
    }
    bool late = p.durable < p.applied && now_us(d) - d->synced_us > SYNC_AFTER_US;
    if (durable || late) {
        if (!sink_sync(d->sink, &p, err)) {
            return false;
        }
        d->synced_us = now_us(d);
    }
    report(d, &p);
    return true;
}

/* Each row went alone for long enough, and this is a moment to change that. */
static bool
joins_again(const struct delivery *d)
{
    return d->o.params.row_by_row && !d->in_transaction && now_us(d) - d->alone_us > ROW_BY_ROW_US;
}

static bool
look_at_sink(struct delivery *d, struct err *err)
{
    if (++d->since_poll < POLL_EVERY) {
        return true;
    }
    d->since_poll = 0;
    struct sink_progress p;
    if (!sink_poll(d->sink, 0, &p, err)) {
        return false;
    }
    report(d, &p);
    return true;
}

bool
delivery_step(struct delivery *d, bool pause, enum delivery_next *next, struct err *err)
{
    if (joins_again(d)) {
        d->o.params.row_by_row = false;
        *next = DELIVERY_REOPEN;
        return settle(d, true, err);
    }
    bool paused = pause && !d->in_transaction;
    if (d->o.resync && !d->in_transaction && resync_view_due(d->o.resync)) {
        bool hold = false;
        if (!settle(d, true, err) || !resync_view_border(d->o.resync, d->border, &hold, err)) {
            return false;
        }
        paused = paused || hold;
    }
    struct record rec;
    bool got = false;
    if (!paused && !spool_reader_next(d->reader, &rec, &got, err)) {
        return false;
    }
    if (!got) {
        *next = paused ? DELIVERY_PAUSED : DELIVERY_WAIT;
        return settle(d, false, err);
    }
    *next = DELIVERY_MORE;
    return hand_over(d, &rec, err) && look_at_sink(d, err);
}

bool
delivery_finish(struct delivery *d, struct err *err)
{
    return d->in_transaction || settle(d, true, err);
}

bool
delivery_open(struct delivery *d, uint64_t *resume, struct err *err)
{
    d->opened_us = now_us(d);
    *resume = 0;
    if (!d->o.sink->open(&d->o.params, d->o.start, &d->sink, resume, err)) {
        return false;
    }
    atomic_store(&d->durable, *resume);
    decoder_reset(d->decoder);
    d->in_transaction = false;
    d->since_poll = 0;
    if (!spool_reader_open(d->o.spool, *resume, &d->reader, err)) {
        return err_wrap(err, "sink '%s'", d->o.params.name);
    }
    d->synced_us = now_us(d);
    d->border = *resume;
    return doubts_load(&d->doubts, err) && ddl_gate_open(d->ddl, err) &&
           (!d->park || park_open(d->park, *resume, err)) &&
           (!d->o.resync || resync_view_begin(d->o.resync, *resume, err));
}

void
delivery_close(struct delivery *d)
{
    d->upserted = d->report.progress.upserted;
    if (d->o.resync) {
        resync_view_end(d->o.resync);
    }
    sink_free(d->sink);
    d->sink = NULL;
    spool_reader_close(d->reader);
    d->reader = NULL;
}

enum delivery_verdict
delivery_failed(struct delivery *d, const struct err *err, int64_t *pause_us, int *attempts)
{
    if (err->class == ERR_DATA && !d->o.params.row_by_row) {
        d->o.params.row_by_row = true;
        d->alone_us = now_us(d);
        return DELIVERY_ROW_BY_ROW;
    }
    if (ddl_gate_waits(d->ddl)) {
        d->alone_us = now_us(d);
        return DELIVERY_UNDECIDED;
    }
    if (now_us(d) - d->opened_us > STABLE_US) {
        retry_success(&d->retry);
    }
    struct retry_policy policy = {
        .first_us = FIRST_RETRY_US, .max_us = d->o.retry_max_us, .deadline_us = d->o.give_up_us};
    bool transient = err->class == ERR_RECONNECT || err->class == ERR_RETRY;
    uint32_t random = (uint32_t)clock_wall_us(d->o.clock);
    if (!transient || !retry_next(&d->retry, &policy, now_us(d), random, pause_us)) {
        return DELIVERY_FAILED;
    }
    *attempts = d->retry.attempts;
    return DELIVERY_RETRY;
}

bool
delivery_news(struct delivery *d, struct delivery_report *out)
{
    if (!d->news) {
        return false;
    }
    *out = d->report;
    d->news = false;
    return true;
}

const char *
delivery_parked(const struct delivery *d, uint64_t *n)
{
    *n = 0;
    return d->park ? park_last(d->park, n) : "";
}

uint64_t
delivery_border(const struct delivery *d, bool *inside)
{
    *inside = d->in_transaction;
    return d->border;
}

const char *
delivery_stopped(const struct delivery *d, uint64_t *n)
{
    *n = 0;
    return d->o.resync ? resync_view_stopped(d->o.resync, n) : "";
}

bool
delivery_decided(struct delivery *d)
{
    return ddl_gate_decided(d->ddl);
}

const char *
delivery_ddl_news(struct delivery *d)
{
    return ddl_gate_news(d->ddl);
}

void
delivery_ddl_counts(const struct delivery *d, struct ddl_counts *out)
{
    ddl_gate_counts(d->ddl, out);
}

int
delivery_sink_fd(const struct delivery *d)
{
    return d->sink ? sink_fd(d->sink) : -1;
}

int
delivery_spool_fd(const struct delivery *d)
{
    return d->reader ? spool_reader_fd(d->reader) : -1;
}

uint64_t
delivery_durable(const struct delivery *d)
{
    return atomic_load(&d->durable);
}

bool
delivery_new(const struct delivery_options *o, struct delivery **out, struct err *err)
{
    struct delivery *d = x_zalloc(sizeof(*d));
    d->o = *o;
    arena_init(&d->arena, ARENA_BLOCK, 0);
    atomic_init(&d->durable, o->start);
    doubts_init(&d->doubts, o->letters.store, o->params.name);
    d->ddl = ddl_gate_new(&o->ddl);
    d->park = o->letters.store ? park_new(&o->letters) : NULL;
    if (o->letters.policy == ON_ERROR_UPSERT) {
        d->o.params.refusal = SINK_REFUSAL_UPSERT;
    } else if (o->letters.policy == ON_ERROR_DEAD_LETTER || stops_tables(d)) {
        d->o.params.refusal = SINK_REFUSAL_UNDONE;
    }
    if (!o->decoder->open(&d->decoder, err)) {
        delivery_free(d);
        return false;
    }
    *out = d;
    return true;
}

void
delivery_free(struct delivery *d)
{
    if (!d) {
        return;
    }
    delivery_close(d);
    park_free(d->park);
    ddl_gate_free(d->ddl);
    doubts_done(&d->doubts);
    decoder_free(d->decoder);
    arena_done(&d->arena);
    x_free(d);
}
