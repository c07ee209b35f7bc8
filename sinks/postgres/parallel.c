/* SPDX-License-Identifier: Apache-2.0
 *
 * A group stays where the one before went when nothing is gained by going on: its COMMIT is sent
 * already, since it was small and the target keeps up, or groups touch each other's rows (pace.h).
 * On one connection neither must wait for an answer.
 *
 * A group that is complete has its rows sent; position and COMMIT follow when it is its turn. So
 * only one connection at a time holds the lock of the position's row.
 *
 * A group is no larger than what may be in flight, or the feed would wait for one job while the
 * others have nothing to do.
 */
#include "sinks/postgres/parallel.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "agent/pg/conn.h"
#include "sinks/postgres/ddl.h"

#define WAIT_MS    1000
#define LOOK_EVERY 64u /* rows between two looks at the other jobs */

static struct apply *
job(const struct parallel *p, uint32_t i)
{
    return &p->jobs[i].apply;
}

/* The one that has the group begun last. */
static struct apply *
current(const struct parallel *p)
{
    return job(p, p->turns.current);
}

bool
parallel_init(struct parallel *p, struct parallel_job *jobs, uint32_t len,
    struct apply_course *course, struct err *err)
{
    *p = (struct parallel){.jobs = jobs, .len = len, .course = course};
    turns_init(&p->turns, len);
    conflicts_init(&p->conflicts);
    uint64_t bound = job(p, 0)->pipe.bound;
    p->fd = epoll_create1(EPOLL_CLOEXEC);
    for (uint32_t i = 0; i < len; i++) {
        struct epoll_event e = {.events = EPOLLIN};
        if (p->fd < 0 || epoll_ctl(p->fd, EPOLL_CTL_ADD, PQsocket(jobs[i].conn), &e) != 0) {
            return err_sys(err, ERR_RETRY, errno, "watch the connections of the target");
        }
        job(p, i)->waits = true;
    }
    course->group_bytes = course->group_bytes < bound ? course->group_bytes : bound;
    pace_init(&p->pace, CONFLICTS_KEYS / 2 / len);
    return true;
}

void
parallel_done(struct parallel *p)
{
    if (p->jobs && p->fd >= 0) {
        close(p->fd);
    }
    conflicts_done(&p->conflicts);
    *p = (struct parallel){0};
}

/* --- turns --------------------------------------------------------------------------------------
 */

static void
note_answers(struct parallel *p)
{
    turns_unanswered(&p->turns, pipe_commits(&job(p, p->turns.last)->pipe));
    conflicts_committed(&p->conflicts, p->turns.committed);
}

/* On its way, as far as nothing must be waited for. */
static bool
hand_over(struct apply *a, struct err *err)
{
    return a->pipe.flight.awaited == 0 ? pipe_push(&a->pipe, err) : pipe_ask(&a->pipe, err);
}

/* Sends the COMMITs whose turn it is. The last one goes on its way when somebody waits for it, or
 * with what comes behind it: many small groups that stay on one connection share their packets. */
static bool
commit_in_turn(struct parallel *p, struct err *err)
{
    for (;;) {
        note_answers(p);
        uint32_t next = turns_next(&p->turns);
        if (next == TURNS_NONE) {
            return true;
        }
        struct apply *a = job(p, next);
        if (!apply_commit_group(a, false, err)) {
            return false;
        }
        turns_sent(&p->turns);
        if (!turns_all_sent(&p->turns) && !hand_over(a, err)) {
            return false;
        }
    }
}

/* Takes in what is there on all connections; what can go on goes on. */
static bool
take_answers(struct parallel *p, struct err *err)
{
    for (uint32_t i = 0; i < p->len; i++) {
        if (!pipe_turn(&job(p, i)->pipe, 0, err)) {
            return false;
        }
    }
    return commit_in_turn(p, err);
}

/* Until one of the connections has something to say, or takes what could not be sent. Everything
 * read was looked at before, or the wait could be for nothing. */
static bool
wait_for_any(struct parallel *p, int timeout_ms, struct err *err)
{
    PGconn *conns[TURNS_JOBS_MAX];
    struct pollfd fds[TURNS_JOBS_MAX];
    for (uint32_t i = 0; i < p->len; i++) {
        struct pipe *pipe = &job(p, i)->pipe;
        if (!pipe->copy.open && !pipe_ask(pipe, err)) {
            return false;
        }
        conns[i] = pipe->conn;
        fds[i] = (struct pollfd){.fd = PQsocket(pipe->conn), .events = POLLIN};
        fds[i].events |= pipe->unsent > 0 ? POLLOUT : 0;
    }
    if (pg_poll(conns, fds, p->len, timeout_ms) < 0 && errno != EINTR) {
        return err_sys(err, ERR_RECONNECT, errno, "wait for the target");
    }
    return true;
}

static bool
turn(struct parallel *p, int timeout_ms, struct err *err)
{
    uint64_t committed = p->turns.committed;
    if (!take_answers(p, err)) {
        return false;
    }
    if (timeout_ms == 0 || p->turns.committed != committed) {
        return true;
    }
    return wait_for_any(p, timeout_ms, err) && take_answers(p, err);
}

/* Waits until a group and all in front of it are committed. */
static bool
await_committed(struct parallel *p, uint64_t group, struct err *err)
{
    note_answers(p);
    while (p->turns.committed < group) {
        if (!turn(p, WAIT_MS, err)) {
            return false;
        }
    }
    return true;
}

/* Nothing is under way that the next group could run beside. */
static bool
keeps_up(const struct parallel *p)
{
    return turns_all_sent(&p->turns) && current(p)->pipe.owed_len == 0;
}

/* A group for what comes now, unless one is open. */
static bool
begin(struct parallel *p, struct err *err)
{
    if (p->turns.open) {
        return true;
    }
    uint32_t before = p->turns.current;
    bool follows = pace_next(&p->pace);
    while (turns_begin(&p->turns, follows || keeps_up(p)) == TURNS_NONE) {
        if (!turn(p, WAIT_MS, err)) {
            return false;
        }
    }
    if (p->turns.current != before && p->turns.committed + 1 < p->turns.begun) {
        pace_beside(&p->pace);
    }
    p->course->group_rows = pace_rows(&p->pace);
    return p->turns.current == before || hand_over(job(p, before), err);
}

/* The open group takes no more: its rows go out, its COMMIT at its turn. */
static bool
complete(struct parallel *p, struct err *err)
{
    struct apply *a = current(p);
    apply_end_group(a);
    turns_complete(&p->turns);
    note_answers(p);
    if (turns_next(&p->turns) != p->turns.current &&
        (!rows_flush(&a->rows, err) || !pipe_ask(&a->pipe, err))) {
        return false;
    }
    return commit_in_turn(p, err);
}

/* --- what must wait -----------------------------------------------------------------------------
 */

/* What is done now must come behind that group. */
static bool
come_behind(struct parallel *p, uint64_t group, struct err *err)
{
    if (turns_behind(&p->turns, group)) {
        return true;
    }
    note_answers(p);
    if (turns_behind(&p->turns, group)) {
        return true;
    }
    pace_waited(&p->pace);
    return await_committed(p, group, err);
}

/* Everything before the open group is committed, and nothing runs beside it. */
static bool
stand_alone(struct parallel *p, struct err *err)
{
    return await_committed(p, conflicts_alone(&p->conflicts, p->turns.begun), err);
}

static bool
put_row(struct parallel *p, const struct change *c, struct err *err)
{
    struct apply *a = current(p);
    if (a->prepared.active) {
        return apply_change(a, c, err); /* it stands alone */
    }
    /* A group that stands alone may change what the catalog says. */
    if (!come_behind(p, p->conflicts.alone, err) || !apply_open_group(a, err)) {
        return false;
    }
    const struct target *t = rows_target(&a->rows, c, err);
    if (!t || !come_behind(p, conflicts_row(&p->conflicts, p->turns.begun, t, c), err)) {
        return false;
    }
    if (++p->taken >= LOOK_EVERY) {
        p->taken = 0;
        if (!turn(p, 0, err)) {
            return false;
        }
    }
    return apply_change(a, c, err);
}

/* --- changes ------------------------------------------------------------------------------------
 */

static bool
begin_transaction(struct parallel *p, const struct change *c, struct err *err)
{
    /* Of a prepared one the group is its own. */
    if (c->gid && p->turns.open && current(p)->group.open && !complete(p, err)) {
        return false;
    }
    return begin(p, err) && (!c->gid || stand_alone(p, err)) && apply_change(current(p), c, err);
}

static bool
end_transaction(struct parallel *p, const struct change *c, struct err *err)
{
    struct apply *a = current(p);
    return apply_change(a, c, err) && (!a->group.full || complete(p, err));
}

/* It has committed its group by itself. */
static bool
end_prepared(struct parallel *p, const struct change *c, struct err *err)
{
    if (!apply_change(current(p), c, err)) {
        return false;
    }
    turns_complete(&p->turns);
    turns_sent(&p->turns);
    note_answers(p);
    return true;
}

/* Behind its failure another session begins: it must find everything before this group. */
static bool
discard(struct parallel *p, const struct change *c, struct err *err)
{
    return (!current(p)->in_source || await_committed(p, p->turns.begun - 1, err)) &&
           apply_change(current(p), c, err);
}

bool
parallel_change(struct parallel *p, const struct change *c, struct err *err)
{
    bool inside = current(p)->in_source; /* of the group that is open */
    switch (c->kind) {
    case CHANGE_BEGIN:
        return inside ? apply_change(current(p), c, err) : begin_transaction(p, c, err);
    case CHANGE_INSERT:
    case CHANGE_UPDATE:
    case CHANGE_DELETE:
        return inside ? put_row(p, c, err) : apply_change(current(p), c, err);
    case CHANGE_TRUNCATE:
        return (!inside || stand_alone(p, err)) && apply_change(current(p), c, err);
    case CHANGE_COMMIT:
        return end_transaction(p, c, err);
    case CHANGE_PREPARE:
    case CHANGE_COMMIT_PREPARED:
    case CHANGE_ROLLBACK_PREPARED:
        return end_prepared(p, c, err);
    case CHANGE_DISCARD:
        return discard(p, c, err);
    case CHANGE_MARK:
    case CHANGE_MESSAGE:
        break;
    }
    return apply_change(current(p), c, err);
}

bool
parallel_ddl(struct parallel *p, const struct sink_ddl *d, struct err *err)
{
    if (current(p)->in_source && !stand_alone(p, err)) {
        return false;
    }
    if (!ddl_execute(current(p), d, err)) {
        return false;
    }
    /* What the others know of the catalog is of yesterday. They have nothing to do now. */
    for (uint32_t i = 0; i < p->len; i++) {
        struct apply *a = job(p, i);
        if (i != p->turns.current && !cache_forget(&a->rows.cache, &a->pipe, err)) {
            return false;
        }
    }
    return true;
}

bool
parallel_table(struct parallel *p, const struct relation *r, struct arena *arena,
    struct sink_table *out, struct err *err)
{
    return come_behind(p, p->conflicts.alone, err) && ddl_table(current(p), r, arena, out, err);
}

/* --- when nothing comes -------------------------------------------------------------------------
 */

bool
parallel_flush(struct parallel *p, struct err *err)
{
    struct apply *a = current(p);
    if (p->turns.open && !a->in_source && a->group.open) {
        a->sync_us = 0; /* nothing more is coming: a good time for it */
        if (!complete(p, err)) {
            return false;
        }
    }
    if (p->turns.open && a->in_source && !rows_flush(&a->rows, err)) {
        return false;
    }
    return commit_in_turn(p, err) && hand_over(a, err);
}

/* As apply_idle, in a group of its own unless one is there. */
static bool
idle(struct parallel *p, bool now, struct err *err)
{
    if (!apply_idle_due(current(p), now)) {
        return true;
    }
    if (!p->turns.open && !turns_all_sent(&p->turns)) {
        current(p)->group.durable |= now; /* it waits for its turn */
        return true;
    }
    if (!begin(p, err) || !apply_open_group(current(p), err)) {
        return false;
    }
    current(p)->group.durable = true;
    return complete(p, err);
}

static void
progress(struct parallel *p, struct sink_progress *out)
{
    note_answers(p);
    const struct apply *a = current(p);
    uint64_t complete = p->turns.begun - (p->turns.open ? 1 : 0);
    const struct flight_commit *last = &job(p, 0)->pipe.commit;
    *out = (struct sink_progress){.transactions = p->course->empty};
    for (uint32_t i = 0; i < p->len; i++) {
        const struct pipe *pipe = &job(p, i)->pipe;
        last = pipe->commit.position > last->position ? &pipe->commit : last;
        out->durable = pipe->durable > out->durable ? pipe->durable : out->durable;
        out->transactions += pipe->commit.transactions;
        out->rows += pipe->commit.rows;
    }
    /* With nothing held back, positions passed without work count as applied, too. */
    bool all = p->turns.committed == complete && a->group.transactions == 0;
    out->applied = all ? p->course->seen : last->position;
    out->applied_commit_us =
        all && p->course->seen_commit_us ? p->course->seen_commit_us : last->commit_us;
}

bool
parallel_poll(struct parallel *p, int timeout_ms, struct sink_progress *out, struct err *err)
{
    if (!idle(p, false, err) || !turn(p, timeout_ms, err)) {
        return false;
    }
    progress(p, out);
    return true;
}

bool
parallel_sync(struct parallel *p, struct sink_progress *out, struct err *err)
{
    if (!idle(p, true, err) || !await_committed(p, p->turns.begun - (p->turns.open ? 1 : 0), err)) {
        return false;
    }
    for (uint32_t i = 0; i < p->len; i++) {
        if (!pipe_drain(&job(p, i)->pipe, err)) {
            return false;
        }
    }
    progress(p, out);
    return true;
}
