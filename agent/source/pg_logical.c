/* SPDX-License-Identifier: Apache-2.0
 *
 * Source "postgresql": a logical replication slot with pgoutput, wal2json or test_decoding.
 * pg_feed.c makes records of the messages of the first, plugin_feed.c of the others; this file has
 * the connection, the positions and what is confirmed.
 *
 * Positions: a transaction's is the end of its commit record. Between transactions a keepalive
 * tells that nothing else was committed below the LSN it carries; such an LSN becomes a MARK, at
 * most one a second, so that an idle database does not look like a lagging one and its WAL can be
 * released. Transactions that are streamed while they are open do not hinder that: they commit
 * above it, and the slot keeps the WAL from the begin of the oldest open one on (restart_lsn) and
 * sends them from there after a reconnect, whatever was confirmed.
 *
 * wal2json leaves out changes of a table without replica identity and says so by a warning alone:
 * for a table that is carried that ends the feed, before anything behind it is confirmed.
 *
 * Liveness: TCP notices a dead peer by itself; a peer that is alive but stuck is asked for a
 * keepalive after a third of the time-out and given up after the whole of it.
 */
#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/pg/conn.h"
#include "agent/pg/query.h"
#include "agent/pg/references.h"
#include "agent/pg/repl.h"
#include "agent/pg/slot.h"
#include "agent/source/pg_feed.h"
#include "agent/source/plugin_feed.h"
#include "agent/source/source.h"

#define MARK_INTERVAL_US     1000000
#define FEEDBACK_INTERVAL_US 1000000
#define DEFAULT_TIMEOUT_US   30000000

struct pg_logical {
    struct source base;
    struct source_params params;
    struct pg_stream stream;
    struct pg_feed feed;
    bool has_plugin; /* another one than pgoutput: then `plugin` is the feed, but for feed.last */
    struct plugin_feed plugin;
    struct feed_tables *tables; /* of this session */
    char warning[256];          /* of the plugin, about a row that it left out; "" none */
    bool two_phase;             /* this session has it */
    bool text;                  /* this session has values as text */
    uint64_t received;          /* end of the last message or keepalive */
    uint64_t pending_mark;      /* LSN of a keepalive not handed out yet; 0 none */
    uint64_t confirmed;
    int64_t marked_us, feedback_us; /* monotonic */
    int64_t pinged_us;              /* 0: no answer is outstanding */
};

extern const struct source_ops source_pg_logical;

static struct pg_logical *
self(struct source *s)
{
    return (struct pg_logical *)s;
}

static int64_t
now_mono(void)
{
    return clock_mono_us(&clock_system);
}

static bool
in_transaction(const struct pg_logical *s)
{
    return s->has_plugin ? s->plugin.in_transaction : s->feed.in_transaction;
}

static bool
find_table(void *arg, struct slice schema, struct slice name, uint64_t position,
    struct feed_table **out, struct err *err)
{
    const struct pg_logical *s = arg;
    return feed_tables_find(s->tables, schema, name, position, out, err);
}

/* "no tuple identifier for UPDATE in table "public"."t"": whether the table is ours is seen later.
 */
static void
take_notice(void *arg, const PGresult *res)
{
    struct pg_logical *s = arg;
    const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    if (text && strstr(text, "no tuple identifier") && s->tables &&
        feed_tables_mentioned(s->tables, text)) {
        snprintf(s->warning, sizeof(s->warning), "%s", text);
    }
}

static bool
pg_logical_open(const struct source_params *p, struct source **out, struct err *err)
{
    (void)err;
    struct pg_logical *s = x_zalloc(sizeof(*s));
    s->base.ops = &source_pg_logical;
    s->params = *p;
    if (s->params.timeout_us <= 0) {
        s->params.timeout_us = DEFAULT_TIMEOUT_US;
    }
    const struct plugin_feed_ops *plugin = plugin_feed_find(p->plugin);
    s->has_plugin = plugin != NULL;
    if (s->has_plugin) {
        plugin_feed_init(&s->plugin, plugin, find_table, s);
    }
    *out = &s->base;
    return true;
}

/* Whether the slot can still serve everything behind `position`: a slot that is gone, invalidated,
 * or confirmed beyond what the spool holds would leave a gap that nothing ever reports. */
static bool
slot_serves(
    const struct pg_logical *s, const struct pg_slot *slot, uint64_t position, struct err *err)
{
    const char *again =
        "changes since then cannot be read any more; remove what is left with `tidegate "
        "cleanup` and start the migration anew with `tidegate run`";
    if (!slot->exists) {
        err_set(err, ERR_FATAL,
            "replication slot '%s' does not exist any more: it was dropped at the "
            "source after %X/%X",
            s->params.slot, (unsigned)(position >> 32), (unsigned)position);
        err_hint(err, "%s", again);
        return false;
    }
    if (slot->lost) {
        err_set(err, ERR_FATAL,
            "replication slot '%s' was invalidated by the source: its WAL is gone", s->params.slot);
        err_hint(err, "%s; a larger max_slot_wal_keep_size prevents it", again);
        return false;
    }
    if (slot->confirmed > position) {
        err_set(err, ERR_FATAL,
            "replication slot '%s' is confirmed up to %X/%X, but the spool ends at %X/%X: somebody "
            "else "
            "has read from it",
            s->params.slot, (unsigned)(slot->confirmed >> 32), (unsigned)slot->confirmed,
            (unsigned)(position >> 32), (unsigned)position);
        err_hint(err, "%s", again);
        return false;
    }
    return true;
}

static bool
check_slot(struct pg_logical *s, uint64_t position, struct err *err)
{
    struct pg_options o = {
        .application_name = "tidegate capture", .timeout_us = s->params.timeout_us};
    PGconn *conn = NULL;
    if (!pg_connect(s->params.dsn, &o, &conn, err)) {
        return false;
    }
    struct pg_slot slot;
    bool ok = pg_slot_read(conn, s->params.slot, &slot, err) &&
              slot_serves(s, &slot, position, err) &&
              pg_references_published(conn, s->params.publication, &s->text, err);
    PQfinish(conn);
    return ok;
}

/* The connection stays for the questions about tables that come up. */
static bool
open_tables(struct pg_logical *s, struct err *err)
{
    struct pg_options o = {
        .application_name = "tidegate capture tables", .timeout_us = s->params.timeout_us};
    PGconn *conn = NULL;
    if (!s->has_plugin) {
        return true;
    }
    feed_tables_close(s->tables);
    s->tables = NULL;
    plugin_feed_restart(&s->plugin);
    s->warning[0] = '\0';
    return pg_connect(s->params.dsn, &o, &conn, err) &&
           feed_tables_open(conn, s->params.store, &s->params.tables, &s->tables, err);
}

static bool
may_take_prepared(const struct pg_logical *s, uint64_t position)
{
    uint64_t from = s->params.two_phase_from ? *s->params.two_phase_from : 0;
    return from != 0 && position >= from;
}

static bool
pg_logical_start(struct source *base, uint64_t position, struct err *err)
{
    struct pg_logical *s = self(base);
    if (!check_slot(s, position, err) || !open_tables(s, err)) {
        return false;
    }
    struct pg_options o = {.application_name = "tidegate capture",
        .replication = true,
        .bytes = true,
        .timeout_us = s->params.timeout_us};
    PGconn *conn = NULL;
    if (!pg_connect(s->params.dsn, &o, &conn, err)) {
        return false;
    }
    s->feed = (struct pg_feed){.last = position};
    s->received = position;
    /* Where reading begins need not be durable yet: nothing is confirmed before confirm() says so.
     */
    s->confirmed = 0;
    s->pending_mark = 0;
    s->pinged_us = 0;
    s->marked_us = s->feedback_us = now_mono();
    struct pg_stream_options so = {.slot = s->params.slot,
        .publication = s->params.publication,
        .plugin = s->has_plugin ? s->plugin.ops->name : NULL,
        .position = position,
        .text = s->text,
        .streaming = s->params.streaming,
        .two_phase = !s->has_plugin && may_take_prepared(s, position),
        .stop = s->params.stop};
    s->two_phase = so.two_phase;
    if (s->has_plugin) {
        PQsetNoticeReceiver(conn, take_notice, s);
    }
    if (!pg_stream_start(&s->stream, conn, &so, err)) {
        /* Another walsender, most likely our own of before a cut, still holds the slot. */
        if (err->class == ERR_RETRY) {
            err->class = ERR_RECONNECT;
        }
        pg_stream_stop(&s->stream);
        return false;
    }
    return true;
}

static bool
send_feedback(struct pg_logical *s, bool ping, struct err *err)
{
    int64_t now = now_mono();
    s->feedback_us = now;
    if (ping) {
        s->pinged_us = now;
    }
    struct pg_feedback f = {.received = s->received > s->confirmed ? s->received : s->confirmed,
        .durable = s->confirmed,
        .now_us = clock_wall_us(&clock_system),
        .ping = ping};
    return pg_stream_feedback(&s->stream, &f, err);
}

static bool
check_alive(struct pg_logical *s, struct err *err)
{
    int64_t now = now_mono();
    if (s->pinged_us && now - s->pinged_us > s->params.timeout_us) {
        return err_set(err, ERR_RECONNECT, "replication stream: no sign of life for %lld s",
            (long long)((now - s->stream.heard_us) / 1000000));
    }
    if (!s->pinged_us && now - s->stream.heard_us > s->params.timeout_us / 3) {
        return send_feedback(s, true, err);
    }
    return true;
}

static bool
take_keepalive(struct pg_logical *s, const struct pg_frame *f, struct err *err)
{
    if (!in_transaction(s) && f->wal_end > s->feed.last) {
        s->pending_mark = f->wal_end;
        if (f->wal_end > s->received) {
            s->received = f->wal_end;
        }
    }
    return f->reply_requested ? send_feedback(s, false, err) : true;
}

static bool
mark_due(struct pg_logical *s, struct record *out)
{
    int64_t now = now_mono();
    if (!s->pending_mark || in_transaction(s) || now - s->marked_us < MARK_INTERVAL_US) {
        return false;
    }
    *out = (struct record){.kind = RECORD_MARK,
        .position = s->pending_mark,
        .received_us = clock_wall_us(&clock_system)};
    s->feed.last = s->pending_mark;
    s->pending_mark = 0;
    s->marked_us = now;
    return true;
}

static void
note_position(struct pg_logical *s, const struct record *rec)
{
    if (rec->kind == RECORD_BEGIN) {
        s->pending_mark = 0;
    } else if (rec->kind == RECORD_COMMIT) {
        s->feed.last = rec->position;
    }
    if (rec->kind != RECORD_BEGIN && rec->position > s->received) {
        s->received = rec->position;
    }
}

static bool
next_record(struct pg_logical *s, struct record *out)
{
    bool got = s->has_plugin ? plugin_feed_next(&s->plugin, out) : pg_feed_pending(&s->feed, out);
    if (got) {
        note_position(s, out);
    }
    return got;
}

static bool
check_warning(const struct pg_logical *s, struct err *err)
{
    if (!s->warning[0]) {
        return true;
    }
    err_set(err, ERR_FATAL, "replication stream: the source left out a change: %s", s->warning);
    return err_hint(err,
        "give the table a primary key or ALTER TABLE ... REPLICA IDENTITY FULL; its target lacks "
        "the change, so begin the migration anew");
}

/* A transaction of which nothing is kept is as good as a keepalive. */
static bool
take_plugin_data(struct pg_logical *s, struct pg_message *m, struct err *err)
{
    if (!check_warning(s, err) || !plugin_feed_take(&s->plugin, m, err)) {
        return false;
    }
    if (s->plugin.skipped > s->feed.last) {
        s->pending_mark = s->plugin.skipped;
        s->received = s->plugin.skipped > s->received ? s->plugin.skipped : s->received;
    }
    s->plugin.skipped = 0;
    return true;
}

static bool
take_data(
    struct pg_logical *s, const struct pg_frame *f, struct record *out, bool *keep, struct err *err)
{
    struct pg_message m = {.data = f->bytes,
        .len = f->payload.len,
        .wal_start = f->wal_start,
        .received_us = s->stream.heard_wall_us};
    if (s->has_plugin) {
        bool ok = take_plugin_data(s, &m, err);
        *keep = ok && next_record(s, out);
        return ok;
    }
    if (!pg_feed_take(&s->feed, &m, out, keep, err)) {
        return false;
    }
    if (*keep) {
        note_position(s, out);
    }
    return true;
}

static bool
pg_logical_read(struct source *base, int timeout_ms, struct record *out, bool *got, struct err *err)
{
    struct pg_logical *s = self(base);
    *got = next_record(s, out);
    if (*got) {
        return true;
    }
    if (!s->has_plugin && !s->two_phase && !s->feed.in_transaction &&
        may_take_prepared(s, s->feed.last)) {
        return err_set(err, ERR_RECONNECT,
            "replication stream: begins anew to take prepared transactions from here on");
    }
    for (;;) {
        struct pg_frame frame;
        bool have = false;
        if (!pg_stream_read(&s->stream, timeout_ms, &frame, &have, err)) {
            return false;
        }
        if (!have) {
            *got = mark_due(s, out);
            return check_warning(s, err) && check_alive(s, err);
        }
        s->pinged_us = 0;
        if (frame.is_data) {
            if (!take_data(s, &frame, out, got, err)) {
                return false;
            }
            *got = *got || mark_due(s, out);
            if (*got) {
                return true;
            }
        } else if (!take_keepalive(s, &frame, err)) {
            return false;
        } else if (mark_due(s, out)) {
            *got = true;
            return true;
        }
        timeout_ms = 0;
    }
}

static bool
pg_logical_confirm(struct source *base, uint64_t position, bool now, struct err *err)
{
    struct pg_logical *s = self(base);
    if (position > s->confirmed) {
        s->confirmed = position;
    }
    if (!now && now_mono() - s->feedback_us < FEEDBACK_INTERVAL_US) {
        return true;
    }
    return send_feedback(s, false, err);
}

static uint64_t
pg_logical_head(const struct source *base)
{
    return ((const struct pg_logical *)base)->received;
}

static void
pg_logical_stop(struct source *base)
{
    pg_stream_stop(&self(base)->stream);
}

static void
pg_logical_free(struct source *base)
{
    if (base) {
        pg_logical_stop(base);
        feed_tables_close(self(base)->tables);
        if (self(base)->has_plugin) {
            plugin_feed_done(&self(base)->plugin);
        }
        x_free(base);
    }
}

const struct source_ops source_pg_logical = {
    .name = "postgresql",
    .summary = "PostgreSQL 14 or newer by logical replication",
    .open = pg_logical_open,
    .start = pg_logical_start,
    .read = pg_logical_read,
    .confirm = pg_logical_confirm,
    .head = pg_logical_head,
    .stop = pg_logical_stop,
    .free = pg_logical_free,
};
