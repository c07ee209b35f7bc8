/* SPDX-License-Identifier: Apache-2.0
 *
 * CopyBoth frames, as the PostgreSQL manual draws them ("Streaming Replication Protocol"):
 *
 *   'w' XLogData     start u64 | end of WAL u64 | server clock i64 | plugin's message ...
 *   'k' keepalive    sent up to u64 | server clock i64 | reply now u8
 *   'r' our status   received + 1 u64 | flushed + 1 u64 | applied + 1 u64 | clock i64 | reply now
 * u8
 */
#include "agent/pg/repl.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/base/clock.h"
#include "agent/base/parse.h"
#include "agent/pg/conn.h"
#include "agent/pg/ident.h"
#include "agent/pg/nap_way.h"
#include "agent/pg/query.h"

bool
pg_create_slot(PGconn *conn, const char *slot, const char *plugin, bool temporary,
    struct pg_new_slot *out, struct err *err)
{
    struct buf sql;
    buf_init(&sql, 1024);
    buf_str(&sql, "CREATE_REPLICATION_SLOT ");
    sql_ident(&sql, slot);
    /* The form with a bare option list is understood by every version from 10 on. */
    buf_str(&sql, temporary ? " TEMPORARY LOGICAL " : " LOGICAL ");
    sql_ident(&sql, plugin);
    buf_str(&sql, " EXPORT_SNAPSHOT");
    char what[160];
    snprintf(what, sizeof(what), "create replication slot '%s'", slot);
    PGresult *res = NULL;
    bool ok = pg_query(conn, what, buf_cstr(&sql), 0, NULL, &res, err);
    buf_done(&sql);
    if (!ok) {
        return false;
    }
    ok = PQntuples(res) == 1 && PQnfields(res) >= 3 &&
         parse_lsn(pg_str(res, 0, 1), &out->consistent_point);
    if (ok) {
        snprintf(out->snapshot, sizeof(out->snapshot), "%s", pg_str(res, 0, 2));
    } else {
        err_set(err, ERR_FATAL, "%s: unexpected answer", what);
    }
    PQclear(res);
    return ok;
}

/* Each protocol version adds messages: 2 (14) transactions still open, 3 (15) prepared ones, 4 (16)
 * what parallel appliers want. Without streaming 1 says the same to every server. */
static int
protocol_version(int server, const struct pg_stream_options *o)
{
    if (o->two_phase && !o->streaming) {
        return 3;
    }
    if (!o->streaming || server < 140000) {
        return 1;
    }
    return server >= 160000 ? 4 : server >= 150000 ? 3 : 2;
}

static void
put_pgoutput_options(struct buf *sql, const struct pg_stream_options *o, int server)
{
    struct buf names;
    buf_init(&names, 1024);
    sql_ident(&names, o->publication);
    int version = protocol_version(server, o);
    buf_printf(sql, "(proto_version '%d', publication_names ", version);
    sql_literal(sql, buf_cstr(&names));
    if (server >= 140000) {
        buf_str(sql, o->text ? "" : ", binary 'true'");
        buf_str(sql, ", messages 'true'");
    }
    /* Not 'parallel': its aborts tell positions that nobody here needs. */
    buf_str(sql, o->streaming && version > 1 ? ", streaming 'on'" : "");
    buf_str(sql, o->two_phase ? ", two_phase 'on')" : ")");
    buf_done(&names);
}

/* wal2json writes what is no number (NaN, the infinities) as null, unless numbers may be strings;
 * versions before 2.6 do not know that option. */
static void
put_options(struct buf *sql, const struct pg_stream_options *o, int server, bool strings)
{
    if (!o->plugin || strcmp(o->plugin, "pgoutput") == 0) {
        put_pgoutput_options(sql, o, server);
    } else if (strcmp(o->plugin, "wal2json") == 0) {
        buf_printf(sql,
            "(\"format-version\" '2', \"include-lsn\" 'true', \"include-xids\" 'true',"
            " \"include-timestamp\" 'true', \"include-types\" 'false',"
            " \"include-type-oids\" 'true'%s)",
            strings ? ", \"" PG_WAL2JSON_STRINGS "\" 'true'" : "");
    } else {
        buf_str(sql, "(\"include-timestamp\" 'true')");
    }
}

/* *unknown: the plugin does not know one of the options. */
static bool
start_with(struct pg_stream *s, const struct pg_stream_options *o, bool strings, bool *unknown,
    struct err *err)
{
    struct buf sql;
    buf_init(&sql, 4096);
    buf_str(&sql, "START_REPLICATION SLOT ");
    sql_ident(&sql, o->slot);
    buf_printf(&sql, " LOGICAL %X/%X ", (unsigned)(o->position >> 32), (unsigned)o->position);
    put_options(&sql, o, PQserverVersion(s->conn), strings);
    PGresult *res = PQexec(s->conn, buf_cstr(&sql));
    bool ok = PQresultStatus(res) == PGRES_COPY_BOTH;
    if (!ok) {
        pg_result_error(err, s->conn, res, "start replication from slot '%s'", o->slot);
        *unknown = strcmp(err->sqlstate, "22023") == 0;
    }
    PQclear(res);
    buf_done(&sql);
    return ok;
}

/* The clock is asked when bytes are read, not for each of the many messages in them. */
static void
note_heard(struct pg_stream *s)
{
    s->heard_us = clock_mono_us(&clock_system);
    s->heard_wall_us = clock_wall_us(&clock_system);
}

/* The way from the server, with as much room at this end of it as naps want. */
static enum nap_way
way_from(PGconn *conn)
{
    struct sockaddr_storage own = {0}, peer = {0};
    socklen_t own_len = sizeof(own), peer_len = sizeof(peer);
    int fd = PQsocket(conn), room = NAP_LOOPBACK_ROOM;
    if (getsockname(fd, (struct sockaddr *)&own, &own_len) != 0 ||
        getpeername(fd, (struct sockaddr *)&peer, &peer_len) != 0) {
        return NAP_NETWORK;
    }
    enum nap_way way = nap_way(&own, &peer);
    if (way == NAP_LOOPBACK && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room) != 0) {
        return NAP_NETWORK;
    }
    return way;
}

bool
pg_stream_start(
    struct pg_stream *s, PGconn *conn, const struct pg_stream_options *o, struct err *err)
{
    *s = (struct pg_stream){.conn = conn, .stop = o->stop};
    nap_init(&s->nap, way_from(conn));
    note_heard(s);
    bool strings = o->plugin && strcmp(o->plugin, "wal2json") == 0, unknown = false;
    /* Times are printed in the session's zone; what a plugin leaves out it says by a warning. */
    if (o->plugin && !pg_exec(conn, "prepare the stream",
                         "SET timezone = 'UTC'; SET client_min_messages = 'warning'", err)) {
        return false;
    }
    if (start_with(s, o, strings, &unknown, err)) {
        return true;
    }
    if (!strings || !unknown) {
        return false;
    }
    err_clear(err);
    return start_with(s, o, false, &unknown, err);
}

static int64_t
server_time_us(uint64_t raw)
{
    return (int64_t)raw + PG_EPOCH_OFFSET_US;
}

static bool
parse_frame(uint8_t *data, size_t len, struct pg_frame *out, struct err *err)
{
    struct reader r;
    reader_init(&r, slice_of(data, len));
    uint8_t kind = reader_u8(&r);
    if (kind == 'w') {
        out->is_data = true;
        out->wal_start = reader_u64(&r);
        out->wal_end = reader_u64(&r);
        out->sent_us = server_time_us(reader_u64(&r));
        out->bytes = data + (len - reader_left(&r));
        out->payload = reader_bytes(&r, reader_left(&r));
    } else if (kind == 'k') {
        out->wal_end = reader_u64(&r);
        out->sent_us = server_time_us(reader_u64(&r));
        out->reply_requested = reader_u8(&r) != 0;
    } else {
        return err_set(err, ERR_FATAL, "replication stream: unknown frame 0x%02x", kind);
    }
    if (!reader_ok(&r)) {
        return err_set(
            err, ERR_FATAL, "replication stream: frame '%c' is cut short (%zu bytes)", kind, len);
    }
    return true;
}

/* PQgetCopyData returned -1 or -2: the server ended the stream, or the connection broke. */
static bool
stream_ended(struct pg_stream *s, int code, struct err *err)
{
    if (code == -2) {
        return pg_conn_error(err, s->conn, "replication stream");
    }
    PGresult *res = PQgetResult(s->conn);
    if (PQresultStatus(res) == PGRES_FATAL_ERROR) {
        pg_result_error(err, s->conn, res, "replication stream");
        if (strcmp(err->sqlstate, "XX000") == 0) {
            /* A transaction that is rolled back while it is decoded leaves the server with a
             * catalog of which parts are missing. Decoding it anew it knows of the rollback. */
            err->class = ERR_RECONNECT;
            err_hint(err, "the source could not decode its own log and is asked again; if that "
                          "does not end, its log has more to say");
        }
        if (strcmp(err->sqlstate, "22P05") == 0 || strcmp(err->sqlstate, "22021") == 0) {
            err_hint(err, "a change holds text that has no form in UTF8, and the feed cannot pass "
                          "it: correct that text at the source and begin anew, or begin anew "
                          "without its table (tables.exclude)");
        }
    } else {
        err_set(err, ERR_RECONNECT, "replication stream: ended by the server");
    }
    PQclear(res);
    return false;
}

static bool
wait_for_input(struct pg_stream *s, int timeout_ms, bool *ready, struct err *err)
{
    struct pollfd p[] = {{.fd = PQsocket(s->conn), .events = POLLIN},
        {.fd = s->stop ? s->stop->event_fd : -1, .events = POLLIN}};
    PGconn *const conns[] = {s->conn, NULL};
    int n = pg_poll(conns, p, 1, 0);
    if (n == 0) {
        int64_t pause_us = nap_us(&s->nap, clock_mono_us(&clock_system));
        if (pause_us > 0) {
            clock_system.sleep_us(&clock_system, pause_us);
        }
        n = pause_us > 0 || timeout_ms > 0 ? pg_poll(conns, p, 2, timeout_ms) : 0;
    }
    if (n < 0 && errno != EINTR) {
        return err_sys(err, ERR_FATAL, errno, "replication stream: poll");
    }
    *ready = n > 0 && p[0].revents != 0;
    if (!*ready) {
        return true;
    }
    if (!PQconsumeInput(s->conn)) {
        return pg_conn_error(err, s->conn, "replication stream");
    }
    note_heard(s);
    return true;
}

bool
pg_stream_read(
    struct pg_stream *s, int timeout_ms, struct pg_frame *out, bool *got, struct err *err)
{
    *got = false;
    *out = (struct pg_frame){0};
    PQfreemem(s->current);
    s->current = NULL;
    int n = PQgetCopyData(s->conn, &s->current, 1);
    if (n == 0) {
        bool ready = false;
        if (!wait_for_input(s, timeout_ms, &ready, err)) {
            return false;
        }
        if (!ready) {
            return true;
        }
        n = PQgetCopyData(s->conn, &s->current, 1);
    }
    if (n < 0) {
        return stream_ended(s, n, err);
    }
    if (n == 0) {
        return true;
    }
    *got = true;
    nap_count(&s->nap, (size_t)n);
    return parse_frame((uint8_t *)s->current, (size_t)n, out, err);
}

bool
pg_stream_feedback(struct pg_stream *s, const struct pg_feedback *f, struct err *err)
{
    struct buf b;
    buf_init(&b, 64);
    buf_u8(&b, 'r');
    buf_u64(&b, f->received);
    buf_u64(&b, f->durable);
    buf_u64(&b, f->durable);
    buf_u64(&b, (uint64_t)(f->now_us - PG_EPOCH_OFFSET_US));
    buf_u8(&b, f->ping ? 1 : 0);
    bool ok =
        PQputCopyData(s->conn, (const char *)b.data, (int)b.len) == 1 && PQflush(s->conn) >= 0;
    buf_done(&b);
    return ok ? true : pg_conn_error(err, s->conn, "replication feedback");
}

void
pg_stream_stop(struct pg_stream *s)
{
    PQfreemem(s->current);
    PQfinish(s->conn);
    *s = (struct pg_stream){0};
}
