/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything here waits for its answers: these are rare, and each step must be durable before the
 * next. PREPARE TRANSACTION and its outcomes are flushed by the server whatever synchronous_commit
 * says. They may not stand behind other statements of a pipeline, hence the syncs.
 *
 * Another session of ours cannot have such a statement under way: it would hold the position.
 */
#include "sinks/postgres/prepared.h"

#include <string.h>

#include "agent/base/failpoint.h"
#include "agent/pg/ident.h"

#define SQL_MAX     8192
#define NAME_IN_USE "42710" /* SQLSTATE */

static const char create_sql[] =
    "DO $$ BEGIN IF pg_catalog.to_regclass('tidegate.prepared') IS NULL THEN"
    " CREATE SCHEMA IF NOT EXISTS tidegate;"
    " CREATE TABLE IF NOT EXISTS tidegate.prepared (origin text, gid text, position pg_lsn NOT "
    "NULL,"
    " PRIMARY KEY (origin, gid)); END IF; END $$";

/* Ends with a sync and waits; *tag: how the server calls what it did, NULL when it does not
 * matter. */
static bool
run(struct apply *a, const char *sql, const char *label, const char *tag, struct err *err)
{
    struct flight_entry *e = pipe_next(&a->pipe, strlen(sql) + 64, err);
    if (!e) {
        return false;
    }
    e->kind = FLIGHT_QUERY;
    e->label = label;
    if (!pipe_sql(&a->pipe, sql, err) || !pipe_sync(&a->pipe, err) || !pipe_drain(&a->pipe, err)) {
        return false;
    }
    const char *did = PQcmdStatus(a->pipe.rows);
    if (tag && strcmp(did, tag) != 0) {
        return err_set(err, ERR_FATAL, "%s: it answered '%s'", label, did);
    }
    return true;
}

/* One statement about the gid: "<before>'gid'<after>". */
static bool
run_about(struct apply *a, const char *verb, const char *gid, const char *label, struct err *err)
{
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    buf_printf(&sql, "%s ", verb);
    sql_literal(&sql, gid);
    bool ok = buf_ok(&sql, label, err) && run(a, buf_cstr(&sql), label, verb, err);
    buf_done(&sql);
    return ok;
}

static bool
make_table(struct apply *a, struct err *err)
{
    if (a->prepared.ready) {
        return true;
    }
    if (!run(a, create_sql, "create table 'tidegate.prepared'", NULL, err)) {
        return err->hint[0] ? false
                            : err_hint(err, "grant the role CREATE on the target's database");
    }
    a->prepared.ready = true;
    return true;
}

static bool
look_up(struct apply *a, const char *gid, struct err *err)
{
    static const char label[] = "look for a prepared transaction on the target";
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    buf_str(&sql, "SELECT p.gid IS NOT NULL, coalesce(p.owner = CURRENT_USER, false), n.gid IS NOT"
                  " NULL FROM (SELECT ");
    sql_literal(&sql, gid);
    buf_str(&sql, "::text AS gid) g LEFT JOIN pg_catalog.pg_prepared_xacts p ON p.gid = g.gid"
                  " AND p.database = pg_catalog.current_database()"
                  " LEFT JOIN tidegate.prepared n ON n.gid = g.gid AND n.origin = ");
    sql_literal(&sql, a->origin);
    bool ok = buf_ok(&sql, label, err) && run(a, buf_cstr(&sql), label, NULL, err);
    buf_done(&sql);
    if (ok) {
        a->prepared.there = PQgetvalue(a->pipe.rows, 0, 0)[0] == 't';
        a->prepared.own = PQgetvalue(a->pipe.rows, 0, 1)[0] == 't';
        a->prepared.noted = PQgetvalue(a->pipe.rows, 0, 2)[0] == 't';
    }
    return ok;
}

bool
prepared_begin(struct apply *a, const struct change *c, struct err *err)
{
    if (a->group.open && !apply_commit_group(a, true, err)) {
        return false;
    }
    /* What stands outside of transactions up to here must not become part of ours. */
    return pipe_sync(&a->pipe, err) && pipe_drain(&a->pipe, err) && make_table(a, err) &&
           look_up(a, c->gid, err);
}

/* Position and note, in a transaction of their own. */
static bool
settle(struct apply *a, const struct change *c, uint64_t rows, struct err *err)
{
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    bool note = c->kind == CHANGE_PREPARE;
    buf_str(&sql, note ? "INSERT INTO tidegate.prepared (position, origin, gid) SELECT "
                       : "DELETE FROM tidegate.prepared WHERE (origin, gid) = (");
    if (note) {
        buf_printf(
            &sql, "'%X/%X', ", (unsigned)(c->position.commit >> 32), (unsigned)c->position.commit);
    }
    sql_literal(&sql, a->origin);
    buf_str(&sql, ", ");
    sql_literal(&sql, c->gid);
    buf_str(&sql, note ? " ON CONFLICT DO NOTHING" : ")");
    a->course->seen = c->position.commit;
    a->course->seen_commit_us = c->commit_us;
    bool ok = buf_ok(&sql, "note a prepared transaction", err) && apply_open_group(a, err);
    struct flight_entry *e = ok ? pipe_next(&a->pipe, sql.len + 64, err) : NULL;
    if (e) {
        e->kind = FLIGHT_CONTROL;
        e->label = "note a prepared transaction on the target";
        a->group.transactions = 1;
        a->group.rows = rows;
        ok = pipe_sql(&a->pipe, buf_cstr(&sql), err) && apply_commit_group(a, true, err) &&
             pipe_drain(&a->pipe, err);
    }
    buf_done(&sql);
    return ok && e;
}

static bool
prepare(struct apply *a, const struct change *c, struct err *err)
{
    if (a->prepared.there) {
        if (!a->prepared.own) {
            err_set(err, ERR_DATA,
                "prepare transaction '%s': the target has a prepared transaction of this name",
                c->gid);
            return err_hint(err, "finish it there: somebody else made it");
        }
        return settle(a, c, 0, err);
    }
    /* The server would answer a failed one with a rollback, so all answers come first. */
    if (!apply_open_group(a, err) || !rows_flush(&a->rows, err) || !pipe_drain(&a->pipe, err)) {
        return false;
    }
    FAILPOINT("sink.prepare");
    if (!run_about(a, "PREPARE TRANSACTION", c->gid, "prepare a transaction on the target", err)) {
        return strcmp(err->sqlstate, NAME_IN_USE) != 0
                   ? false
                   : err_hint(err, "the name is a whole server's: another database there, the "
                                   "source or another target, has it; use a server of its own");
    }
    FAILPOINT("sink.prepared");
    uint64_t rows = a->group.rows;
    a->group = (struct apply_group){0};
    return settle(a, c, rows, err);
}

static bool
finish(struct apply *a, const struct change *c, struct err *err)
{
    bool commit = c->kind == CHANGE_COMMIT_PREPARED;
    if (!a->prepared.noted && commit && c->position.commit > a->copied) {
        err_set(err, ERR_FATAL,
            "commit prepared transaction '%s': it was never prepared on the target", c->gid);
        return err_hint(err,
            "it was prepared before this sink began and committed afterwards, so its changes are "
            "missing: take the sink out of the configuration and start, empty its target, and when "
            "pg_prepared_xacts of the source is empty add it again");
    }
    /* Without a note it is one from before, and nothing of it is here. */
    if (a->prepared.there && a->prepared.noted) {
        if (!run_about(a, commit ? "COMMIT PREPARED" : "ROLLBACK PREPARED", c->gid,
                commit ? "commit a prepared transaction on the target"
                       : "roll back a prepared transaction on the target",
                err)) {
            return false;
        }
        FAILPOINT("sink.prepared_ended");
    }
    return settle(a, c, 0, err);
}

bool
prepared_end(struct apply *a, const struct change *c, struct err *err)
{
    return c->kind == CHANGE_PREPARE ? prepare(a, c, err) : finish(a, c, err);
}
