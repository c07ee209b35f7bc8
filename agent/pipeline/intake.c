/* SPDX-License-Identifier: Apache-2.0
 *
 * Read a record, append it; when nothing is at hand, flush so that readers see it; when enough time
 * or bytes have gone by, sync and confirm. A spool that is about to be full pauses the reading
 * between two transactions, so that sinks can have everything that is there; a full one blocks the
 * append. Neither blocks the connection: the source hears from us meanwhile and keeps what we
 * cannot take.
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
#define RECORD_COST     16 /* bytes that a record takes besides its payload, about */

struct intake {
    struct intake_options o;
    struct source *source;
    bool begun;   /* the log has a BEGIN without its COMMIT */
    bool holding; /* `held` was read and found no room; borrowed from the source */
    struct record held;
    bool pausing;   /* the budget says so: no new transaction is begun */
    bool paused;    /* the last step was one of waiting */
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

static void
look_at_room(struct intake *i)
{
    i->pausing = i->o.room && room_look(i->o.room) == BUDGET_PAUSE;
}

/* Removes what can be removed, now. */
static bool
give_way(struct intake *i, bool full, struct err *err)
{
    look_at_room(i);
    if (full && i->o.room) {
        room_full(i->o.room);
    }
    i->retired_us = now_us(i) - RETIRE_EVERY_US;
    return retire(i, err);
}

/* When every sink has every transaction that is complete, waiting for them does not help. */
static void
explain(struct intake *i)
{
    if (i->o.retire_below(i->o.arg) < spool_appended(i->o.spool)) {
        return;
    }
    (void)err_hint(&i->blocked_by,
        "%s: raise spool.max_size, or free space on its disk; the source's WAL grows meanwhile",
        i->begun
            ? "the transaction that is being received does not fit into the spool"
            : "the sinks have all there is; what is left belongs to transactions that are still "
              "open at the source, or to others on the disk");
}

/* No room: keep the connection alive, give way to the sinks, to try again later. */
static bool
make_room(struct intake *i, enum intake_next *next, struct err *err)
{
    i->blocked_by = *err;
    explain(i);
    err_clear(err);
    *next = INTAKE_BLOCKED;
    return give_way(i, true, err) && sync_and_confirm(i, true, err);
}

/* The budget's pause: what is there becomes durable and goes to the sinks. */
static bool
stay_paused(struct intake *i, enum intake_next *next, struct err *err)
{
    *next = INTAKE_BLOCKED;
    i->paused = true;
    if (!sync_and_confirm(i, true, err) || !give_way(i, false, err)) {
        return false;
    }
    room_reason(i->o.room, &i->blocked_by);
    explain(i);
    return true;
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
    look_at_room(i);
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
    i->begun = i->held.kind == RECORD_BEGIN ||
               (i->begun && i->held.kind != RECORD_COMMIT && i->held.kind != RECORD_DISCARD);
    i->timeout_ms = 0;
    if (i->o.room) {
        i->pausing = room_took(i->o.room, i->held.payload.len + RECORD_COST) == BUDGET_PAUSE;
        if (room_crowded(i->o.room)) {
            *next = INTAKE_MORE;
            i->retired_us = now_us(i) - RETIRE_EVERY_US;
            return retire(i, err);
        }
    }
    *next = INTAKE_MORE;
    if (++i->since_check < CHECK_EVERY) {
        return true;
    }
    i->since_check = 0;
    look_at_room(i);
    return when_busy(i, next, err);
}

bool
intake_step(struct intake *i, enum intake_next *next, struct err *err)
{
    i->paused = false;
    if (i->pausing && !i->holding && !i->begun) {
        return stay_paused(i, next, err);
    }
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

/* What the last connection left open, in the log and beside it, comes again from its begin; readers
 * must know at once, because sinks hold their side of it open. The spool knows what that is. */
static bool
void_unfinished(struct intake *i, struct err *err)
{
    struct record rec = {.kind = RECORD_DISCARD, .received_us = clock_wall_us(i->o.clock)};
    if (spool_append(i->o.spool, &rec, err) && spool_flush(i->o.spool, err)) {
        return true;
    }
    /* No session will come to give way to the sinks before this has found room. */
    struct err late = ERR_INIT;
    if (err->class == ERR_RETRY && !give_way(i, true, &late)) {
        *err = late;
    }
    return false;
}

bool
intake_open(struct intake *i, uint64_t *from, struct err *err)
{
    i->opened_us = now_us(i);
    if (!void_unfinished(i, err)) {
        return false;
    }
    /* The slot may be switched at this very position, for good: it must not be lost again. */
    const _Atomic uint64_t *two_phase = i->o.params.two_phase_from;
    if (two_phase && *two_phase != 0 && !spool_sync(i->o.spool, err)) {
        return false;
    }
    *from = spool_appended(i->o.spool);
    if (!source_start(i->source, *from, err)) {
        return false;
    }
    look_at_room(i);
    i->begun = i->holding = false;
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
    if (worth_retrying(err) && !void_unfinished(i, &discard)) {
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
intake_paused(const struct intake *i)
{
    return i->paused;
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
