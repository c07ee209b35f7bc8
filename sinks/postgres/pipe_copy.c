/* SPDX-License-Identifier: Apache-2.0
 *
 * libpq cannot COPY in pipeline mode, so everything is answered first and the mode is left until
 * the end of the COPY. Sending blocks meanwhile: libpq then moves nothing in its buffer, and reads
 * what the server says so that neither side can block the other.
 *
 * A server that refuses a row throws away what follows without a word until the end, so a COPY is
 * ended after COPY_BYTES. Its answer is judged like that of any statement for many rows.
 */
#include <errno.h>
#include <poll.h>

#include "agent/base/clock.h"
#include "agent/base/failpoint.h"
#include "agent/pg/conn.h"
#include "sinks/postgres/pipe.intern.h"

#define CHUNK_BYTES ((size_t)64 << 10)
#define CHUNK_MAX   ((size_t)1 << 20)
#define COPY_BYTES  ((size_t)4 << 20)

static bool
start(struct pipe *p, const char *sql, struct err *err)
{
    int64_t began = clock_mono_us(&clock_system);
    if (PQexitPipelineMode(p->conn) != 1 || PQsetnonblocking(p->conn, 0) != 0 ||
        PQsendQuery(p->conn, sql) != 1) {
        return pipe_lost(p, err);
    }
    PGresult *res = PQgetResult(p->conn);
    bool ok = PQresultStatus(res) == PGRES_COPY_IN ||
              (res ? pipe_answer_failed(p, &p->copy.entry, res, err) : pipe_lost(p, err));
    PQclear(res);
    int64_t took = clock_mono_us(&clock_system) - began;
    p->copy.trip_us = p->copy.trip_us == 0 || took < p->copy.trip_us ? took : p->copy.trip_us;
    return ok;
}

bool
pipe_copy_open(struct pipe *p, const char *sql, const struct flight_entry *about, struct err *err)
{
    static const uint8_t header[] = {
        'P', 'G', 'C', 'O', 'P', 'Y', '\n', 0xff, '\r', '\n', 0, 0, 0, 0, 0, 0, 0, 0, 0};
    struct pipe_copy *c = &p->copy;
    if (!pipe_sync(p, err) || !pipe_drain(p, err)) {
        return false;
    }
    c->entry = *about;
    c->entry.kind = FLIGHT_BATCH;
    c->entry.rows = 0;
    c->entry.bytes = 0;
    c->sent = 0;
    if (!start(p, sql, err)) {
        return false;
    }
    if (!c->chunk.max) {
        buf_init(&c->chunk, CHUNK_MAX);
    }
    buf_reset(&c->chunk);
    buf_bytes(&c->chunk, header, sizeof header);
    c->open = true;
    return true;
}

static bool
send_chunk(struct pipe *p, struct err *err)
{
    struct pipe_copy *c = &p->copy;
    if (c->chunk.failed) {
        return err_set(err, ERR_FATAL, "no memory for rows to copy");
    }
    if (PQputCopyData(p->conn, (const char *)c->chunk.data, (int)c->chunk.len) != 1) {
        return pipe_lost(p, err);
    }
    c->sent += c->chunk.len;
    buf_reset(&c->chunk);
    return true;
}

bool
pipe_copy_row(struct pipe *p, uint32_t fields, const uint8_t *bytes, size_t len, struct err *err)
{
    struct pipe_copy *c = &p->copy;
    buf_u16(&c->chunk, (uint16_t)fields);
    buf_bytes(&c->chunk, bytes, len);
    c->entry.rows++;
    if (c->chunk.len < CHUNK_BYTES) {
        return true;
    }
    return send_chunk(p, err) && (c->sent < COPY_BYTES || pipe_copy_close(p, err));
}

/* The COPY's answer, which is the oldest and only one in flight. */
static bool
take_answer(struct pipe *p, struct err *err)
{
    struct flight_entry *e = flight_next(&p->flight);
    *e = p->copy.entry;
    flight_push(&p->flight);
    PGresult *res = PQgetResult(p->conn);
    bool ok = res ? pipe_take_answer(p, res, err) : pipe_lost(p, err);
    PQclear(res);
    return ok;
}

bool
pipe_copy_close(struct pipe *p, struct err *err)
{
    struct pipe_copy *c = &p->copy;
    c->open = false;
    buf_u16(&c->chunk, UINT16_MAX);
    if (!send_chunk(p, err)) {
        return false;
    }
    if (PQputCopyEnd(p->conn, NULL) != 1) {
        return pipe_lost(p, err);
    }
    FAILPOINT("sink.copied");
    if (!take_answer(p, err)) {
        return false;
    }
    if (PQsetnonblocking(p->conn, 1) != 0 || PQenterPipelineMode(p->conn) != 1) {
        return pipe_lost(p, err);
    }
    return true;
}

bool
pipe_copy_push(struct pipe *p, struct err *err)
{
    return send_chunk(p, err) && (PQflush(p->conn) == 0 || pipe_lost(p, err));
}

bool
pipe_copy_turn(struct pipe *p, int timeout_ms, struct err *err)
{
    struct pollfd fd = {.fd = PQsocket(p->conn), .events = POLLIN};
    int n = pg_poll(&p->conn, &fd, 1, timeout_ms);
    if (n < 0 && errno != EINTR) {
        return err_sys(err, ERR_RECONNECT, errno, "wait for the target");
    }
    return n <= 0 || pipe_copy_close(p, err);
}
