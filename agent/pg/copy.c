/* SPDX-License-Identifier: Apache-2.0
 *
 * One loop: take the rows that have arrived from the source, gather them into chunks, push a chunk
 * to the target until libpq holds nothing of it any more, and only then read on. So at most one
 * chunk (or one larger row) is under way, whatever the speeds of the two sides.
 *
 * libpq does not look at the answers of a server in the middle of COPY FROM. An error there would
 * be noticed at the end of the data only, hours later. But a server that copies in says nothing
 * unless something is wrong: what makes the target's socket readable and is no notice ends the copy
 * at once.
 */
#include "agent/pg/copy.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/parse.h"
#include "agent/pg/conn.h"

#define CHUNK       (128 * 1024)
#define SEND_AT     (64 * 1024)
#define POLL_MS     1000
#define NO_MORE     (-1)
#define WOULD_BLOCK 0

static const char probe[] = "tidegate ends the copy";

struct pump {
    const struct pg_copy *c;
    char *chunk;
    size_t len;
    uint64_t chunk_rows;
    uint64_t source_rows;
    bool noticed; /* the target sent a notice since this was reset */
};

static void
on_notice(void *arg, const PGresult *res)
{
    (void)res;
    struct pump *p = arg;
    p->noticed = true;
}

static bool
stopped(const struct pump *p, struct err *err)
{
    if (p->c->stop && stop_requested(p->c->stop)) {
        err_set(err, ERR_CANCELLED, "copy stopped");
        return true;
    }
    return false;
}

/* Waits for events on one or both connections and the stop. False: stopped or poll failed. */
static bool
wait_for(
    struct pump *p, short source_events, short target_events, short *target_got, struct err *err)
{
    struct pollfd fds[3] = {
        {.fd = source_events ? PQsocket(p->c->source) : -1, .events = source_events},
        {.fd = target_events ? PQsocket(p->c->target) : -1, .events = target_events},
        {.fd = p->c->stop ? p->c->stop->event_fd : -1, .events = POLLIN},
    };
    PGconn *const conns[] = {p->c->source, p->c->target, NULL};
    if (pg_poll(conns, fds, 3, POLL_MS) < 0 && errno != EINTR) {
        return err_sys(err, ERR_FATAL, errno, "copy: poll");
    }
    *target_got = target_events ? fds[1].revents : 0;
    return !stopped(p, err);
}

/* Next result of a command that was sent. */
static bool
next_result(struct pump *p, PGconn *conn, const char *side, PGresult **out, struct err *err)
{
    bool is_source = conn == p->c->source;
    while (PQflush(conn) == 1 || PQisBusy(conn)) {
        short ignored;
        short events = PQflush(conn) == 1 ? POLLIN | POLLOUT : POLLIN;
        if (!wait_for(p, is_source ? events : 0, is_source ? 0 : events, &ignored, err)) {
            return false;
        }
        if (!PQconsumeInput(conn)) {
            return pg_conn_error(err, conn, "%s", side);
        }
    }
    *out = PQgetResult(conn);
    return true;
}

static bool
begun(struct pump *p, PGconn *conn, const char *side, ExecStatusType want, struct err *err)
{
    PGresult *res = NULL;
    if (!next_result(p, conn, side, &res, err)) {
        return false;
    }
    bool ok = PQresultStatus(res) == want;
    if (!ok) {
        pg_result_error(err, conn, res, "%s", side);
    }
    PQclear(res);
    return ok;
}

/* Both are asked before either is waited for. */
static bool
begin(struct pump *p, struct err *err)
{
    if (p->c->target_sql && !PQsendQuery(p->c->target, p->c->target_sql)) {
        return pg_conn_error(err, p->c->target, "target");
    }
    if (p->c->source_sql && !PQsendQuery(p->c->source, p->c->source_sql)) {
        return pg_conn_error(err, p->c->source, "source");
    }
    return begun(p, p->c->target, "target", PGRES_COPY_IN, err) &&
           begun(p, p->c->source, "source", PGRES_COPY_OUT, err);
}

/* The end of one side: its row count, and nothing behind it but another copy. */
static bool
end_side(struct pump *p, PGconn *conn, const char *side, uint64_t *rows, struct err *err)
{
    bool ok = true;
    for (;;) {
        PGresult *res = NULL;
        if (!next_result(p, conn, side, &res, err)) {
            return false;
        }
        if (!res) {
            return ok;
        }
        if (ok && PQresultStatus(res) != PGRES_COMMAND_OK) {
            ok = pg_result_error(err, conn, res, "%s", side);
        } else if (ok && !parse_u64(PQcmdTuples(res), 0, UINT64_MAX, rows)) {
            ok = err_set(err, ERR_FATAL, "%s: COPY told no row count", side);
        }
        PQclear(res);
        if (ok && p->c->more) {
            return true;
        }
    }
}

/* The target spoke in the middle of the data. Ending the copy makes libpq read what it said. */
static bool
target_spoke(struct pump *p, struct err *err)
{
    p->noticed = false;
    if (!PQconsumeInput(p->c->target)) {
        return pg_conn_error(err, p->c->target, "target");
    }
    (void)PQisBusy(p->c->target); /* parses: notices reach on_notice */
    if (p->noticed) {
        return true;
    }
    uint64_t rows;
    while (PQputCopyEnd(p->c->target, probe) == 0) {
        short ignored;
        if (!wait_for(p, 0, POLLIN | POLLOUT, &ignored, err) || !PQconsumeInput(p->c->target)) {
            return false;
        }
    }
    if (!end_side(p, p->c->target, "target", &rows, err)) {
        if (strstr(err->text, probe)) {
            /* It was no error, but part of another message: this copy is lost, the next will do. */
            err_set(err, ERR_RETRY, "target: the copy was interrupted");
        }
        return false;
    }
    return err_set(err, ERR_RETRY, "target: the copy ended too early");
}

/* Until libpq holds nothing unsent. */
static bool
flush_target(struct pump *p, struct err *err)
{
    int rc;
    while ((rc = PQflush(p->c->target)) == 1) {
        short got = 0;
        if (!wait_for(p, 0, POLLIN | POLLOUT, &got, err)) {
            return false;
        }
        if ((got & (POLLIN | POLLERR | POLLHUP)) && !target_spoke(p, err)) {
            return false;
        }
    }
    return rc == 0 ? true : pg_conn_error(err, p->c->target, "target");
}

static bool
put(struct pump *p, const char *data, size_t len, struct err *err)
{
    int rc;
    while ((rc = PQputCopyData(p->c->target, data, (int)len)) == 0) {
        if (!flush_target(p, err)) {
            return false;
        }
    }
    return rc > 0 ? flush_target(p, err) : pg_conn_error(err, p->c->target, "target");
}

static bool
send_chunk(struct pump *p, struct err *err)
{
    if (p->len && !put(p, p->chunk, p->len, err)) {
        return false;
    }
    if (p->c->progress && (p->len || p->chunk_rows)) {
        p->c->progress(p->chunk_rows, p->len, p->c->arg);
    }
    p->len = 0;
    p->chunk_rows = 0;
    return !stopped(p, err);
}

static bool
take_row(struct pump *p, const char *row, size_t len, struct err *err)
{
    if (p->len + len > CHUNK && !send_chunk(p, err)) {
        return false;
    }
    p->chunk_rows++;
    if (len > CHUNK) {
        /* Large rows go as they are: no third copy of them in memory. */
        if (!put(p, row, len, err)) {
            return false;
        }
        if (p->c->progress) {
            p->c->progress(p->chunk_rows, len, p->c->arg);
        }
        p->chunk_rows = 0;
        return !stopped(p, err);
    }
    memcpy(p->chunk + p->len, row, len);
    p->len += len;
    return p->len < SEND_AT || send_chunk(p, err);
}

static bool
wait_for_rows(struct pump *p, struct err *err)
{
    short got;
    if (!wait_for(p, POLLIN, POLLIN, &got, err)) {
        return false;
    }
    if (got && !target_spoke(p, err)) {
        return false;
    }
    if (!PQconsumeInput(p->c->source)) {
        return pg_conn_error(err, p->c->source, "source");
    }
    return true;
}

static bool
pump_rows(struct pump *p, struct err *err)
{
    for (;;) {
        char *row = NULL;
        int n = PQgetCopyData(p->c->source, &row, 1);
        if (n > 0) {
            bool ok = take_row(p, row, (size_t)n, err);
            PQfreemem(row);
            if (!ok) {
                return false;
            }
        } else if (n == WOULD_BLOCK) {
            if (!wait_for_rows(p, err)) {
                return false;
            }
        } else if (n == NO_MORE) {
            return send_chunk(p, err);
        } else {
            return pg_conn_error(err, p->c->source, "source");
        }
    }
}

static bool
run(struct pump *p, uint64_t *rows, struct err *err)
{
    PGconn *source = p->c->source, *target = p->c->target;
    if (!begin(p, err) || !pump_rows(p, err) ||
        !end_side(p, source, "source", &p->source_rows, err)) {
        return false;
    }
    int rc;
    while ((rc = PQputCopyEnd(target, NULL)) == 0) {
        if (!flush_target(p, err)) {
            return false;
        }
    }
    if (rc < 0) {
        return pg_conn_error(err, target, "target");
    }
    if (!end_side(p, target, "target", rows, err)) {
        return false;
    }
    if (*rows != p->source_rows) {
        err_set(err, ERR_FATAL, "target: took %llu rows of the %llu that the source sent",
            (unsigned long long)*rows, (unsigned long long)p->source_rows);
        return err_hint(err, "a trigger or rule of the table on the target swallows rows");
    }
    return true;
}

bool
pg_copy_run(const struct pg_copy *c, uint64_t *rows, struct err *err)
{
    struct pump p = {.c = c, .chunk = x_malloc(CHUNK)};
    *rows = 0;
    PQnoticeReceiver before = PQsetNoticeReceiver(c->target, on_notice, &p);
    bool ok = PQsetnonblocking(c->target, 1) == 0;
    if (!ok) {
        pg_conn_error(err, c->target, "target");
    } else {
        ok = run(&p, rows, err);
    }
    PQsetNoticeReceiver(c->target, before, NULL);
    if (ok && PQsetnonblocking(c->target, 0) != 0) {
        ok = pg_conn_error(err, c->target, "target");
    }
    x_free(p.chunk);
    return ok;
}
