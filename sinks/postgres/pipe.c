/* SPDX-License-Identifier: Apache-2.0
 *
 * libpq keeps what the network does not take in one buffer and moves all of it at every partial
 * send, so that a buffer which grows makes sending quadratic. Two rules prevent it: after at most
 * PUSH_STEP bytes (fewer while the server has nothing to do) the buffer is emptied before more is
 * put in, and a message of BIG_MESSAGE bytes or more goes out in libpq's blocking mode, which moves
 * nothing (and also reads while it waits).
 *
 * A server that waits for its client does nothing, so the time between the last row of a
 * transaction and its COMMIT, which must wait for the answers, is not spent waiting: the COMMIT is
 * owed, and the caller goes on collecting rows in memory until there is something to send or
 * nothing unanswered.
 *
 * The server answers in blocks of 8 KiB by itself; it is asked to empty its buffer only when we are
 * going to wait and something after the last request is unanswered.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "agent/base/failpoint.h"
#include "agent/pg/conn.h"
#include "sinks/postgres/pipe.intern.h"

#define FLIGHT_ENTRIES 4096
#define PUSH_STEP      ((size_t)16384)
#define PUSH_FIRST     ((size_t)512)
#define BIG_MESSAGE    ((size_t)131072)
#define WAIT_SLICE_MS  1000
#define OWED_BYTES     64

bool
pipe_lost(struct pipe *p, struct err *err)
{
    p->broken = true;
    return pg_conn_error(err, p->conn, "connection to the target");
}

bool
pipe_init(struct pipe *p, PGconn *conn, uint64_t bound, struct err *err)
{
    *p = (struct pipe){.conn = conn, .bound = bound, .step = PUSH_FIRST};
    if (PQsetnonblocking(conn, 1) != 0 || PQenterPipelineMode(conn) != 1) {
        return pg_conn_error(err, conn, "enter pipeline mode on the target");
    }
    flight_init(&p->flight, FLIGHT_ENTRIES);
    return true;
}

void
pipe_done(struct pipe *p)
{
    PQclear(p->rows);
    buf_done(&p->copy.chunk);
    flight_done(&p->flight);
    *p = (struct pipe){0};
}

static bool
take_answers(struct pipe *p, struct err *err)
{
    while (p->flight.len > 0 && !PQisBusy(p->conn)) {
        PGresult *res = PQgetResult(p->conn);
        if (!res) {
            return pipe_lost(p, err);
        }
        bool keep = flight_head(&p->flight)->kind == FLIGHT_QUERY;
        bool ok = pipe_take_answer(p, res, err);
        if (keep && ok) {
            PQclear(p->rows);
            p->rows = res;
        } else {
            PQclear(res);
        }
        if (!ok) {
            return false;
        }
    }
    return true;
}

/* One look at the socket; also for writing when libpq holds unsent bytes. */
static bool
look(struct pipe *p, bool unsent, int timeout_ms, struct err *err)
{
    struct pollfd fd = {.fd = PQsocket(p->conn), .events = POLLIN};
    if (unsent) {
        fd.events |= POLLOUT;
    }
    int n = pg_poll(&p->conn, &fd, 1, timeout_ms);
    if (n < 0 && errno != EINTR) {
        return err_sys(err, ERR_RECONNECT, errno, "wait for the target");
    }
    if (n > 0 && (fd.revents & ~POLLOUT) && !PQconsumeInput(p->conn)) {
        /* What the server said before it went away tells more than the broken connection. */
        return take_answers(p, err) && pipe_lost(p, err);
    }
    return true;
}

static bool
turn(struct pipe *p, int timeout_ms, struct err *err)
{
    uint32_t before = p->flight.len;
    if (!take_answers(p, err)) {
        return false;
    }
    int unsent = PQflush(p->conn);
    if (unsent < 0 && PQstatus(p->conn) == CONNECTION_BAD) {
        return pipe_lost(p, err);
    }
    if (unsent == 0) {
        p->unsent = 0;
    }
    bool answered = p->flight.len < before;
    return look(p, unsent == 1, answered ? 0 : timeout_ms, err) && take_answers(p, err);
}

/* Empties libpq's output buffer. */
static bool
empty_output(struct pipe *p, struct err *err)
{
    do {
        int unsent = PQflush(p->conn);
        if (unsent < 0 && PQstatus(p->conn) == CONNECTION_BAD) {
            return pipe_lost(p, err);
        }
        bool wait = unsent == 1;
        if (!look(p, wait, wait ? WAIT_SLICE_MS : 0, err) || !take_answers(p, err)) {
            return false;
        }
        p->unsent = wait ? 1 : 0;
    } while (p->unsent > 0);
    return true;
}

static bool
ask(struct pipe *p, struct err *err)
{
    if (p->asked) {
        return true;
    }
    if (PQsendFlushRequest(p->conn) != 1) {
        return pipe_lost(p, err);
    }
    p->asked = true;
    p->unsent++;
    return true;
}

static bool
push(struct pipe *p, struct err *err)
{
    return (p->flight.len == 0 || ask(p, err)) && empty_output(p, err);
}

static bool
drain(struct pipe *p, struct err *err)
{
    if (!push(p, err)) {
        return false;
    }
    while (p->flight.len > 0) {
        if (!turn(p, WAIT_SLICE_MS, err)) {
            return false;
        }
    }
    p->step = PUSH_FIRST; /* the server waits for us: the next statements go out soon */
    return true;
}

/* Syncs that were sent and not answered. */
static uint32_t
syncs_in_flight(const struct flight *f)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < f->len; i++) {
        n += f->entries[(f->head + i) % f->cap].kind == FLIGHT_SYNC;
    }
    return n;
}

/* Takes in one result, or waits a little for it; `syncs` counts down at the end of a sequence. */
static bool
pass_over(struct pipe *p, uint32_t *syncs, struct err *err)
{
    int unsent = PQflush(p->conn);
    if (PQstatus(p->conn) == CONNECTION_BAD) {
        return pipe_lost(p, err);
    }
    if (PQisBusy(p->conn)) {
        struct pollfd fd = {.fd = PQsocket(p->conn), .events = POLLIN};
        fd.events |= unsent == 1 ? POLLOUT : 0;
        if (pg_poll(&p->conn, &fd, 1, WAIT_SLICE_MS) < 0 && errno != EINTR) {
            return err_sys(err, ERR_RECONNECT, errno, "wait for the target");
        }
        return !(fd.revents & ~POLLOUT) || PQconsumeInput(p->conn) == 1 || pipe_lost(p, err);
    }
    PGresult *res = PQgetResult(p->conn);
    *syncs -= PQresultStatus(res) == PGRES_PIPELINE_SYNC;
    PQclear(res);
    return true;
}

bool
pipe_recover(struct pipe *p, struct err *err)
{
    uint32_t syncs = syncs_in_flight(&p->flight);
    if (PQstatus(p->conn) == CONNECTION_BAD) {
        return pipe_lost(p, err);
    }
    if (syncs == 0) {
        if (PQpipelineSync(p->conn) != 1) {
            return pipe_lost(p, err);
        }
        syncs = 1;
    }
    while (syncs > 0) {
        if (!pass_over(p, &syncs, err)) {
            return false;
        }
    }
    while (p->flight.len > 0) {
        flight_pop(&p->flight);
    }
    p->broken = p->asked = false;
    p->owed_len = 0;
    p->unsent = 0;
    return true;
}

/* The entry for a statement of that size, when there is room for it. */
static struct flight_entry *
next_entry(struct pipe *p, size_t bytes, struct err *err)
{
    struct flight *f = &p->flight;
    while (flight_full(f) || (f->len > 0 && f->bytes + bytes > p->bound)) {
        if (!ask(p, err) || !turn(p, WAIT_SLICE_MS, err)) {
            return NULL;
        }
    }
    if (bytes >= BIG_MESSAGE) {
        if (!empty_output(p, err)) {
            return NULL;
        }
        if (PQsetnonblocking(p->conn, 0) != 0) {
            pipe_lost(p, err);
            return NULL;
        }
    }
    struct flight_entry *e = flight_next(f);
    e->bytes = bytes;
    return e;
}

/* After a statement was put into libpq's buffer. */
static bool
sent(struct pipe *p, int ok, struct err *err)
{
    size_t bytes = flight_next_bytes(&p->flight);
    if (ok != 1) {
        return pipe_lost(p, err);
    }
    flight_push(&p->flight);
    p->asked = false;
    p->unsent += bytes;
    if (bytes >= BIG_MESSAGE && (PQflush(p->conn) < 0 || PQsetnonblocking(p->conn, 1) != 0)) {
        return pipe_lost(p, err);
    }
    if (p->unsent < p->step) {
        return true;
    }
    p->step = p->step < PUSH_STEP / 2 ? p->step * 2 : PUSH_STEP;
    return empty_output(p, err);
}

static bool
execute(struct pipe *p, const struct pipe_statement *s, struct err *err)
{
    return sent(
        p, PQsendQueryPrepared(p->conn, s->name, s->n, s->values, s->lengths, s->formats, 0), err);
}

static bool
put_sync(struct pipe *p, struct err *err)
{
    if (!sent(p, PQpipelineSync(p->conn), err)) {
        return false;
    }
    p->asked = true; /* a Sync asks for all answers, too */
    return true;
}

struct flight_entry *
pipe_owe(struct pipe *p, const char *name)
{
    assert(p->owed_len < PIPE_OWED);
    struct pipe_owed *o = &p->owed[p->owed_len++];
    o->name = name;
    memset(&o->entry, 0, sizeof o->entry);
    return &o->entry;
}

bool
pipe_chain(struct pipe *p, const char *name)
{
    bool last = p->owed_len > 0 && p->owed[p->owed_len - 1].entry.kind == FLIGHT_COMMIT;
    if (last) {
        p->owed[p->owed_len - 1].name = name;
    }
    return last;
}

uint32_t
pipe_commits(const struct pipe *p)
{
    uint32_t owed = 0;
    for (uint32_t i = 0; i < p->owed_len; i++) {
        owed += p->owed[i].entry.kind == FLIGHT_COMMIT;
    }
    return p->flight.commits + owed;
}

/* An owed COMMIT is sent first, and then nothing in front of it is awaited any more. */
bool
pipe_must_wait(const struct pipe *p)
{
    bool commit = p->owed_len > 0 && p->owed[0].entry.kind == FLIGHT_COMMIT, sync = false;
    for (uint32_t i = 0; i < p->owed_len; i++) {
        sync = sync || p->owed[i].entry.kind == FLIGHT_SYNC;
    }
    return sync || (p->flight.awaited > 0 && !commit);
}

static bool
send_owed(struct pipe *p, const struct pipe_owed *o, struct err *err)
{
    struct flight_entry *e = next_entry(p, OWED_BYTES, err);
    if (!e) {
        return false;
    }
    size_t bytes = e->bytes;
    *e = o->entry;
    e->bytes = bytes;
    bool ok =
        o->name ? execute(p, &(struct pipe_statement){.name = o->name}, err) : put_sync(p, err);
    if (ok && o->entry.kind == FLIGHT_COMMIT) {
        FAILPOINT("sink.committed");
    }
    return ok;
}

/* Ends what is open, sends what is owed. */
static bool
settle(struct pipe *p, struct err *err)
{
    if (p->copy.open && !pipe_copy_close(p, err)) {
        return false;
    }
    if (p->owed_len == 0) {
        return true;
    }
    if (p->owed[0].entry.kind == FLIGHT_COMMIT) {
        if (p->flight.awaited > 0 && !drain(p, err)) {
            return false;
        }
        FAILPOINT("sink.commit");
    }
    for (uint32_t i = 0; i < p->owed_len; i++) {
        if (!send_owed(p, &p->owed[i], err)) {
            return false;
        }
    }
    p->owed_len = 0;
    return true;
}

bool
pipe_push(struct pipe *p, struct err *err)
{
    return p->copy.open ? pipe_copy_push(p, err) : settle(p, err) && push(p, err);
}

bool
pipe_ask(struct pipe *p, struct err *err)
{
    if (p->copy.open) {
        return pipe_copy_push(p, err);
    }
    return (p->flight.len == 0 || ask(p, err)) &&
           (PQflush(p->conn) >= 0 || PQstatus(p->conn) != CONNECTION_BAD || pipe_lost(p, err));
}

bool
pipe_drain(struct pipe *p, struct err *err)
{
    return settle(p, err) && drain(p, err);
}

bool
pipe_turn(struct pipe *p, int timeout_ms, struct err *err)
{
    if (p->copy.open) {
        return pipe_copy_turn(p, timeout_ms, err);
    }
    if (!turn(p, timeout_ms, err)) {
        return false;
    }
    return p->owed_len == 0 || p->flight.len > 0 || pipe_push(p, err);
}

struct flight_entry *
pipe_next(struct pipe *p, size_t bytes, struct err *err)
{
    return settle(p, err) ? next_entry(p, bytes, err) : NULL;
}

bool
pipe_execute(struct pipe *p, const struct pipe_statement *s, struct err *err)
{
    return execute(p, s, err);
}

bool
pipe_prepare(struct pipe *p, const char *name, const char *sql, int n, const uint32_t *types,
    struct err *err)
{
    return sent(p, PQsendPrepare(p->conn, name, sql, n, types), err);
}

bool
pipe_sql(struct pipe *p, const char *sql, struct err *err)
{
    return sent(p, PQsendQueryParams(p->conn, sql, 0, NULL, NULL, NULL, NULL, 0), err);
}

bool
pipe_control(struct pipe *p, const char *name, const char *label, struct err *err)
{
    struct flight_entry *e = pipe_next(p, 64, err);
    if (!e) {
        return false;
    }
    e->kind = FLIGHT_CONTROL;
    e->label = label;
    return pipe_execute(p, &(struct pipe_statement){.name = name}, err);
}

bool
pipe_sync(struct pipe *p, struct err *err)
{
    struct flight_entry *e = pipe_next(p, 16, err);
    if (!e) {
        return false;
    }
    e->kind = FLIGHT_SYNC;
    e->label = "answer of the target";
    return put_sync(p, err);
}
