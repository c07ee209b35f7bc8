/* SPDX-License-Identifier: Apache-2.0
 *
 * The source: fence, slot, publication, replica identities. What the store says was changed is
 * compared with what is there, so that a table whose identity somebody else has set meanwhile is
 * left alone.
 */
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/cleanup/cleanup.intern.h"
#include "agent/pg/conn.h"
#include "agent/pg/ident.h"
#include "agent/pg/query.h"
#include "agent/pg/slot.h"
#include "agent/pipeline/ddl_capture.h"
#include "agent/pipeline/fence.h"

#define SETTING       "default_transaction_read_only"
#define LOCK_ATTEMPTS 20
#define LOCK_PAUSE_US 500000

/* --- fence ---------------------------------------------------------------------------------------
 */

static bool
lift_fence(struct cleanup *c, const struct cleanup_work *w, struct err *err)
{
    (void)w;
    return fence_lift(c->options.config, c->store, err);
}

/* Without the state nobody knows what the setting was before: it is taken away. */
static bool
reset_setting(struct cleanup *c, const struct cleanup_work *w, struct err *err)
{
    (void)w;
    struct buf sql;
    buf_init(&sql, 4096);
    buf_str(&sql, "ALTER DATABASE ");
    sql_ident(&sql, PQdb(c->source));
    buf_str(&sql, " RESET " SETTING);
    bool ok = pg_exec(c->source, "lift the fence", buf_cstr(&sql), err);
    buf_done(&sql);
    return ok;
}

static bool
setting_is_there(struct cleanup *c, bool *there, struct err *err)
{
    PGresult *res = NULL;
    if (!pg_query(c->source, "read the database's settings",
            "SELECT 1 FROM pg_catalog.pg_db_role_setting s"
            " JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase,"
            " pg_catalog.unnest(s.setconfig) v"
            " WHERE s.setrole = 0 AND d.datname = pg_catalog.current_database()"
            " AND v = '" SETTING "=on'",
            0, NULL, &res, err)) {
        return false;
    }
    *there = PQntuples(res) > 0;
    PQclear(res);
    return true;
}

static bool
look_fence(struct cleanup *c, struct err *err)
{
    char *state = NULL;
    bool set = false;
    if (!setting_is_there(c, &set, err) ||
        (c->store && !store_get(c->store, "fence", &state, err))) {
        return false;
    }
    bool raised = state && strcmp(state, "raised") == 0;
    x_free(state);
    const char *database = PQdb(c->source);
    if (raised && (!c->finished || c->options.lift_fence)) {
        cleanup_add(c, CLEANUP_SOURCE, lift_fence,
            "fence: database '%s' takes writes again, sessions opened behind the fence are ended",
            database);
    } else if (raised) {
        cleanup_add(c, CLEANUP_SOURCE, NULL,
            "fence: database '%s' was left for another and stays read-only; --lift-fence opens it",
            database);
    } else if (set && c->options.lift_fence) {
        cleanup_add(
            c, CLEANUP_SOURCE, reset_setting, "fence: " SETTING " of database '%s'", database);
    } else if (set && !c->store) {
        cleanup_add(c, CLEANUP_SOURCE, NULL,
            "fence: database '%s' has " SETTING
            " = on, and without the state nobody knows whose it "
            "is; --lift-fence removes it",
            database);
    }
    return true;
}

/* --- slot and publication ------------------------------------------------------------------------
 */

static bool
drop_slot(struct cleanup *c, const struct cleanup_work *w, struct err *err)
{
    (void)w;
    return pg_slot_drop(c->source, c->options.config->source.slot, err);
}

static bool
drop_publication(struct cleanup *c, const struct cleanup_work *w, struct err *err)
{
    (void)w;
    return pg_publication_drop(c->source, c->options.config->source.publication, err);
}

static bool
look_feed(struct cleanup *c, struct err *err)
{
    const char *slot = c->options.config->source.slot;
    const char *publication = c->options.config->source.publication;
    struct pg_slot s;
    bool published = false;
    if (!pg_slot_read(c->source, slot, &s, err) ||
        !pg_publication_exists(c->source, publication, &published, err)) {
        return false;
    }
    if (s.exists) {
        cleanup_add(c, CLEANUP_SOURCE, drop_slot, "replication slot '%s'%s", slot,
            s.active ? " and the session that holds it" : "");
    }
    if (published) {
        cleanup_add(c, CLEANUP_SOURCE, drop_publication, "publication '%s'", publication);
    }
    return true;
}

/* --- event triggers ------------------------------------------------------------------------------
 */

static bool
remove_capture(struct cleanup *c, const struct cleanup_work *w, struct err *err)
{
    (void)w;
    return ddl_capture_remove(c->options.config, c->source, err);
}

static bool
look_capture(struct cleanup *c, struct err *err)
{
    bool there = false;
    int others = 0;
    if (!ddl_capture_look(c->options.config, c->source, &there, &others, err)) {
        return false;
    }
    if (there && others > 0) {
        cleanup_add(c, CLEANUP_SOURCE, remove_capture,
            "this migration in schema 'tidegate_ddl' (event triggers stay for %d other%s)", others,
            others == 1 ? "" : "s");
    } else if (there) {
        cleanup_add(c, CLEANUP_SOURCE, remove_capture,
            "event triggers 'tidegate_ddl_*' and schema 'tidegate_ddl'");
    }
    return true;
}

/* --- replica identities --------------------------------------------------------------------------
 */

/* schema and name of a table that is still as we have set it */
static bool
read_full(PGconn *conn, uint32_t oid, PGresult **out, struct err *err)
{
    char text[16];
    snprintf(text, sizeof text, "%u", oid);
    const char *params[] = {text};
    return pg_query(conn, "read a replica identity",
        "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.oid = $1::oid AND c.relreplident = 'f'",
        1, params, out, err);
}

/* Value `identity_before_<oid>` of the store is pg_class.relreplident as it was: 'n' nothing, 'i'
 * an index that is gone, which acts like nothing; else, or when it was not noted, the default. */
static bool
identity_before(struct store *store, uint32_t oid, const char **word, struct err *err)
{
    char key[64], *value = NULL;
    snprintf(key, sizeof key, STORE_IDENTITY_BEFORE "%u", oid);
    if (!store_get(store, key, &value, err)) {
        return false;
    }
    *word = value && (value[0] == 'n' || value[0] == 'i') ? "NOTHING" : "DEFAULT";
    x_free(value);
    return true;
}

/* The lock is asked for in short turns, so that the application's statements do not queue behind
 * us. */
static bool
restore_identity(struct cleanup *c, const struct cleanup_work *w, struct err *err)
{
    PGresult *res = NULL;
    const char *word = NULL;
    if (!identity_before(c->store, w->oid, &word, err) ||
        !read_full(c->source, w->oid, &res, err)) {
        return false;
    }
    if (PQntuples(res) == 0) {
        PQclear(res);
        return true;
    }
    struct buf sql;
    buf_init(&sql, 4096);
    buf_str(&sql, DDL_CAPTURE_OFF "SET lock_timeout = '500ms'; ALTER TABLE ");
    sql_qualified(&sql, pg_str(res, 0, 0), pg_str(res, 0, 1));
    buf_printf(&sql, " REPLICA IDENTITY %s", word);
    PQclear(res);
    bool ok = pg_exec(c->source, w->item.text, buf_cstr(&sql), err);
    for (int i = 1; !ok && err->class == ERR_RETRY && i < LOCK_ATTEMPTS; i++) {
        clock_system.sleep_us(&clock_system, LOCK_PAUSE_US);
        err_clear(err);
        ok = pg_exec(c->source, w->item.text, buf_cstr(&sql), err);
    }
    buf_done(&sql);
    return ok || err_hint(err, "a transaction holds a lock on the table: run it again later");
}

static bool
look_identities(struct cleanup *c, struct err *err)
{
    struct table_row *rows = NULL;
    size_t n = 0;
    if (!c->store || !store_tables(c->store, &rows, &n, err)) {
        return c->store == NULL;
    }
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) {
        PGresult *res = NULL;
        if (!rows[i].identity_changed) {
            continue;
        }
        const char *word = NULL;
        ok = identity_before(c->store, rows[i].oid, &word, err) &&
             read_full(c->source, rows[i].oid, &res, err);
        if (ok && PQntuples(res) > 0) {
            cleanup_add(c, CLEANUP_SOURCE, restore_identity,
                "REPLICA IDENTITY FULL of table '%s.%s' (back to %s)", pg_str(res, 0, 0),
                pg_str(res, 0, 1), word)
                ->oid = rows[i].oid;
        }
        PQclear(res);
    }
    x_free(rows);
    return ok;
}

bool
cleanup_look_source(struct cleanup *c, struct err *err)
{
    const struct pg_options o = {.application_name = "tidegate cleanup",
        .timeout_us = c->options.config->network.timeout_us};
    if (!pg_connect(c->options.config->source.dsn, &o, &c->source, err)) {
        err_wrap(err, "source");
        if (err->class == ERR_RECONNECT) {
            err_hint(err, "a server that is gone for good is left out with --skip-source");
        }
        return false;
    }
    /* The triggers first: without them what follows is nobody's DDL. */
    return look_fence(c, err) && look_capture(c, err) && look_feed(c, err) &&
           look_identities(c, err);
}
