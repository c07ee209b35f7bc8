/* SPDX-License-Identifier: Apache-2.0
 *
 * Invariant: while the lane is held at Q it hands nothing over, and whatever ends its session
 * meanwhile, the next one begins at Q, where it is held again.
 */
#include "agent/pipeline/resync_join.h"

#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/failpoint.h"
#include "config/names.h"

#define LOOK_US      20000
#define HELD_WAIT_US 15000000 /* a lane that does not stand still in that time is not there */

struct join {
    const struct resync_join *o;
    struct resync_view *view;
    struct delivery *delivery;
    struct table_sync none;
    char *name, *origin;
};

static bool
set_up(struct join *j, const struct resync_join *o, struct err *err)
{
    *j = (struct join){.o = o};
    struct resync_view_options view = {
        .store = o->store, .sink = o->row->sink, .keys = o->keys, .stops = true, .join = o->row};
    j->view = resync_view_new(&view);
    j->name = x_printf("%s resync", o->row->sink);
    j->origin = x_printf("%s" ORIGIN_RESYNC_SUFFIX, o->steps.params.origin);
    struct delivery_options steps = o->steps;
    steps.params.name = j->name;
    steps.params.origin = j->origin;
    steps.params.copied = 0;
    steps.params.row_by_row = false;
    steps.params.apply_jobs = 1;
    steps.sync = &j->none;
    steps.start = o->row->sync;
    steps.resync = j->view;
    steps.ddl = (struct ddl_options){.store = NULL};
    steps.letters.store = NULL; /* a refusal stops the table */
    if (steps.letters.policy != ON_ERROR_UPSERT) {
        steps.letters.policy = ON_ERROR_STOP;
    }
    return delivery_new(&steps, &j->delivery, err);
}

static void
tear_down(struct join *j)
{
    resync_view_hold(j->o->lane, false);
    delivery_free(j->delivery);
    resync_view_free(j->view);
    x_free(j->name);
    x_free(j->origin);
}

/* Whether it is over before its end. */
static bool
is_over(const struct join *j, enum resync_end *end, struct err *err)
{
    uint64_t n = 0;
    (void)resync_view_stopped(j->view, &n);
    if (n > 0) {
        *end = RESYNC_STOPS;
        return true;
    }
    if (resync_view_doubt(j->view)[0]) {
        *end = RESYNC_AGAIN;
        err_set(err, ERR_RETRY, "%s", resync_view_doubt(j->view));
        return true;
    }
    return false;
}

static bool
stopped(const struct join *j, struct err *err)
{
    return stop_requested(j->o->stop) && !err_set(err, ERR_CANCELLED, "stopped");
}

/* Hands over what lies in front of `goal`, a place between two transactions that the lane has
 * passed. *over as is_over. */
static bool
follow(struct join *j, uint64_t goal, bool *over, enum resync_end *end, struct err *err)
{
    for (;;) {
        bool inside = false;
        enum delivery_next next = DELIVERY_MORE;
        *over = is_over(j, end, err);
        if (*over || (delivery_border(j->delivery, &inside) >= goal && !inside)) {
            return true;
        }
        if (stopped(j, err) || !delivery_step(j->delivery, false, &next, err)) {
            return false;
        }
        resync_view_keep(j->o->lane, delivery_durable(j->delivery));
        if (next == DELIVERY_REOPEN) {
            return err_set(err, ERR_RECONNECT, "the session is opened again");
        }
        (void)delivery_border(j->delivery, &inside);
        if (next == DELIVERY_WAIT && !inside) {
            return true; /* the lane has read no further either */
        }
    }
}

static bool
wait_for_hold(struct join *j, uint64_t *at, struct err *err)
{
    resync_view_hold(j->o->lane, true);
    for (int64_t waited = 0; !resync_view_held(j->o->lane, at); waited += LOOK_US) {
        if (waited > HELD_WAIT_US) {
            return err_set(err, ERR_RETRY, "the sink's own stream does not run");
        }
        if (stop_sleep(j->o->stop, LOOK_US)) {
            return err_set(err, ERR_CANCELLED, "stopped");
        }
    }
    FAILPOINT("resync.held");
    return true;
}

/* Both stand at Q, and all of it is durable. */
static bool
note_joined(struct join *j, uint64_t at, enum resync_end *end, struct err *err)
{
    struct resync_row row = *j->o->row;
    uint64_t held = 0;
    bool inside = false, moved = false;
    uint64_t mine = delivery_border(j->delivery, &inside);
    if (inside || mine > at || !resync_view_held(j->o->lane, &held) || held != at) {
        return err_set(err, ERR_RETRY, "the sink's own stream has moved");
    }
    row.sync = at;
    FAILPOINT("resync.joined");
    if (!store_resync_end(j->o->store, &row, j->o->rows, &moved, err)) {
        return false;
    }
    FAILPOINT("resync.ready");
    *end = moved ? RESYNC_JOINED : RESYNC_AGAIN;
    return true;
}

/* One session: follows until it is near, then both meet. */
static bool
session(struct join *j, enum resync_end *end, struct err *err)
{
    uint64_t resume = 0, at = 0;
    bool over = false;
    if (!delivery_open(j->delivery, &resume, err)) {
        return false;
    }
    for (;;) {
        uint64_t goal = resync_view_at(j->o->lane);
        if (!follow(j, goal, &over, end, err) || over) {
            return over;
        }
        enum delivery_next next;
        bool inside = false;
        if (goal >= j->o->horizon && goal >= j->o->row->sync) {
            break;
        }
        if (stop_sleep(j->o->stop, LOOK_US)) {
            return err_set(err, ERR_CANCELLED, "stopped");
        }
        /* Keeps the session alive, and tells when it is not. */
        (void)delivery_border(j->delivery, &inside);
        if (!inside && !delivery_step(j->delivery, true, &next, err)) {
            return false;
        }
    }
    return wait_for_hold(j, &at, err) && follow(j, at, &over, end, err) &&
           (over || (delivery_finish(j->delivery, err) && note_joined(j, at, end, err)));
}

bool
resync_join_run(const struct resync_join *o, enum resync_end *end, struct err *err)
{
    struct join j;
    bool ok = set_up(&j, o, err);
    while (ok) {
        int64_t pause = 0;
        int attempts = 0;
        ok = session(&j, end, err);
        resync_view_hold(o->lane, false);
        delivery_close(j.delivery);
        if (ok) {
            break;
        }
        if (err->class == ERR_CANCELLED || stop_requested(o->stop)) {
            break;
        }
        switch (delivery_failed(j.delivery, err, &pause, &attempts)) {
        case DELIVERY_ROW_BY_ROW:
            ok = true;
            break;
        case DELIVERY_RETRY:
            ok = !stop_sleep(o->stop, pause);
            break;
        case DELIVERY_UNDECIDED: /* statements are the lane's business */
        case DELIVERY_FAILED:
            break;
        }
        if (ok) {
            err_clear(err);
        }
    }
    tear_down(&j);
    return ok;
}
