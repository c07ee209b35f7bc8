/* SPDX-License-Identifier: Apache-2.0
 *
 * Read a record, append it; when nothing is at hand, flush so that readers see it; when enough time
 * or bytes have gone by, sync and confirm. A full spool blocks the append, not the connection: the
 * record is held until there is room, the source hears from us meanwhile and keeps what we cannot
 * take.
 */
#include "agent/pipeline/intake.h"

#include "agent/base/arena.h"
#include "agent/base/failpoint.h"
#include "agent/base/retry.h"

#define IDLE_WAIT_MS    200
#define SYNC_BYTES      (8ULL << 20)
#define CHECK_EVERY     256 /* records between two looks at the clock while data keeps coming */
#define RETIRE_EVERY_US 2000000
#define FIRST_RETRY_US  200000

struct intake {
    struct intake_options o;
    struct source *source;
    bool in_transaction; /* in the spool: a BEGIN without its COMMIT */
    bool holding;        /* `held` was read and found no room; borrowed from the source */
    struct record held;
    int timeout_ms; /* of the next read */
    unsigned since_check;
    int64_t opened_us, synced_us, retired_us;
    struct retry retry;
    struct err blocked_by;
};

static int64_t
now_us(const struct intake *i)
{
    return clock_mono_us(i->o.clock);
}

static bool
sync_and_confirm(struct intake *i, bool now, struct err *err)
{
    /* A full disk is no reason to leave: what is durable is confirmed, the rest waits for room. */
    if (!spool_sync(i->o.spool, err)) {
        if (err->class != ERR_RETRY) {
            return false;
        }
        err_clear(err);
    }
    FAILPOINT("capture.synced");
    i->synced_us = now_us(i);
    return source_confirm(i->source, spool_durable(i->o.spool), now, err);
}

static bool
retire(struct intake *i, struct err *err)
{
    int64_t now = now_us(i);
    if (now - i->retired_us < RETIRE_EVERY_US) {
        return true;
    }
    i->retired_us = now;
    return spool_retire(i->o.spool, i->o.retire_below(i->o.arg), err);
}

/* No room: keep the connection alive, give way to the sinks, to try again later. */
static bool
make_room(struct intake *i, enum intake_next *next, struct err *err)
{
    i->blocked_by = *err;
    err_clear(err);
    i->retired_us = 0;
    *next = INTAKE_BLOCKED;
    return retire(i, err) && sync_and_confirm(i, true, err);
}

/* How long a read may wait: until the sync is due when something is unsynced. */
static int
wait_ms(const struct intake *i)
{
    if (spool_unsynced(i->o.spool) == 0) {
        return IDLE_WAIT_MS;
    }
    int64_t left = i->synced_us + i->o.sync_interval_us - now_us(i);
    return left <= 0 ? 0 : (int)(left / 1000) + 1;
}

static bool
when_idle(struct intake *i, enum intake_next *next, struct err *err)
{
    *next = INTAKE_SETTLED;
    if (!spool_flush(i->o.spool, err)) {
        return err->class == ERR_RETRY && make_room(i, next, err);
    }
    bool due = now_us(i) - i->synced_us >= i->o.sync_interval_us;
    if (spool_unsynced(i->o.spool) > 0 && due) {
        return sync_and_confirm(i, false, err);
    }
    return source_confirm(i->source, spool_durable(i->o.spool), false, err) && retire(i, err);
}

static bool
when_busy(struct intake *i, enum intake_next *next, struct err *err)
{
    if (spool_unsynced(i->o.spool) < SYNC_BYTES &&
        now_us(i) - i->synced_us < i->o.sync_interval_us * 4) {
        return true;
    }
    *next = INTAKE_SETTLED;
    return sync_and_confirm(i, false, err) && retire(i, err);
}

static bool
append_held(struct intake *i, enum intake_next *next, struct err *err)
{
    if (!spool_append(i->o.spool, &i->held, err)) {
        return err->class == ERR_RETRY && make_room(i, next, err);
    }
    i->holding = false;
    if (i->held.kind == RECORD_BEGIN) {
        i->in_transaction = true;
    } else if (i->held.kind == RECORD_COMMIT || i->held.kind == RECORD_DISCARD) {
        i->in_transaction = false;
    }
    i->timeout_ms = 0;
    *next = INTAKE_MORE;
    if (++i->since_check < CHECK_EVERY) {
        return true;
    }
    i->since_check = 0;
    return when_busy(i, next, err);
}

bool
intake_step(struct intake *i, enum intake_next *next, struct err *err)
{
    if (!i->holding && !source_read(i->source, i->timeout_ms, &i->held, &i->holding, err)) {
        i->holding = false;
        return false;
    }
    if (i->holding) {
        return append_held(i, next, err);
    }
    if (!when_idle(i, next, err)) {
        return false;
    }
    i->timeout_ms = wait_ms(i);
    return true;
}

/* A transaction that the last connection left open comes again from its begin; readers must know at
 * once, because sinks hold their side of it open. */
static bool
discard_open_transaction(struct intake *i, struct err *err)
{
    if (!i->in_transaction) {
        return true;
    }
    struct record rec = {.kind = RECORD_DISCARD, .received_us = clock_wall_us(i->o.clock)};
    if (!spool_append(i->o.spool, &rec, err)) {
        return false;
    }
    i->in_transaction = false;
    return spool_flush(i->o.spool, err);
}

bool
intake_open(struct intake *i, uint64_t *from, struct err *err)
{
    i->opened_us = now_us(i);
    if (!discard_open_transaction(i, err)) {
        return false;
    }
    *from = spool_appended(i->o.spool);
    if (!source_start(i->source, *from, err)) {
        return false;
    }
    i->holding = false;
    i->timeout_ms = 0;
    i->since_check = 0;
    i->synced_us = now_us(i);
    return true;
}

bool
intake_finish(struct intake *i, struct err *err)
{
    return sync_and_confirm(i, true, err);
}

void
intake_close(struct intake *i)
{
    source_stop(i->source);
}

static bool
worth_retrying(const struct err *err)
{
    return err->class == ERR_RECONNECT || err->class == ERR_RETRY;
}

bool
intake_failed(struct intake *i, struct err *err, int64_t *pause_us, int *attempts)
{
    if (now_us(i) - i->opened_us > i->o.retry_max_us) {
        retry_success(&i->retry);
    }
    struct err discard = ERR_INIT;
    if (worth_retrying(err) && !discard_open_transaction(i, &discard)) {
        *err = discard;
    }
    struct retry_policy policy = {
        .first_us = FIRST_RETRY_US, .max_us = i->o.retry_max_us, .deadline_us = i->o.give_up_us};
    uint32_t random = (uint32_t)clock_wall_us(i->o.clock);
    if (!worth_retrying(err) || !retry_next(&i->retry, &policy, now_us(i), random, pause_us)) {
        return false;
    }
    *attempts = i->retry.attempts;
    return true;
}

const struct err *
intake_blocked_by(const struct intake *i)
{
    return &i->blocked_by;
}

bool
intake_new(const struct intake_options *o, struct intake **out, struct err *err)
{
    struct intake *i = x_zalloc(sizeof(*i));
    i->o = *o;
    if (!o->source->open(&o->params, &i->source, err)) {
        intake_free(i);
        return false;
    }
    *out = i;
    return true;
}

void
intake_free(struct intake *i)
{
    if (!i) {
        return;
    }
    source_free(i->source);
    x_free(i);
}
