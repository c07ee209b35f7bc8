/* SPDX-License-Identifier: Apache-2.0
 *
 * The targets: the sink's replication origin, and schema `tidegate` with the tables `ledger` (keyed
 * by migration), `progress` and `replayed` (keyed by origin). Several migrations may share a
 * target: only our rows go, a table goes when it is empty then, and the schema when nothing is left
 * in it.
 */
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/cleanup/cleanup.intern.h"
#include "agent/pg/conn.h"
#include "agent/pg/query.h"
#include "config/names.h"

#define ORIGIN_ATTEMPTS 50
#define ORIGIN_PAUSE_US 100000

static bool
yes(PGconn *conn, const char *what, const char *sql, const char *param, bool *out, struct err *err)
{
    PGresult *res = NULL;
    if (!pg_query(conn, what, sql, param ? 1 : 0, param ? &param : NULL, &res, err)) {
        return false;
    }
    *out = PQntuples(res) > 0 && pg_bool(res, 0, 0);
    PQclear(res);
    return true;
}

/* As it was given when the sink came; without a state to know it from, by the configuration. */
static void
origin_of(const struct cleanup *c, size_t sink, char out[ORIGIN_NAME_SIZE])
{
    const char *name = c->options.config->sinks[sink].name;
    for (size_t i = 0; i < c->sinks_len; i++) {
        if (strcmp(c->sinks[i].name, name) == 0) {
            snprintf(out, ORIGIN_NAME_SIZE, "%s", c->sinks[i].origin);
            return;
        }
    }
    if (c->sinks_len > 0) {
        origin_name_later(c->options.config, sink, out, ORIGIN_NAME_SIZE);
    } else {
        origin_name(c->options.config, sink, out, ORIGIN_NAME_SIZE);
    }
}

/* --- origin --------------------------------------------------------------------------------------
 */

/* A sink's own, and what an agent that was killed may have left of a table's way back. */
#define BOTH_ORIGINS "($1::text, $1::text || '" ORIGIN_RESYNC_SUFFIX "')"
/* ... and those of its further connections. */
#define ALL_ORIGINS                                                                                \
    BOTH_ORIGINS " OR roname IN (SELECT $1::text || '" ORIGIN_JOB_SUFFIX "' || n"                  \
                 " FROM pg_catalog.generate_series(2, 16) n)"
#define ORIGIN_EXISTS                                                                              \
    "SELECT EXISTS (SELECT FROM pg_catalog.pg_replication_origin WHERE roname IN " ALL_ORIGINS ")"

static bool
drop_origin_once(PGconn *conn, const char *name, struct err *err)
{
    bool there = false;
    if (!yes(conn, "look for the replication origin", ORIGIN_EXISTS, name, &there, err)) {
        return false;
    }
    PGresult *res = NULL;
    bool ok = !there || pg_query(conn, "drop replication origin",
                            "SELECT pg_catalog.pg_replication_origin_drop(roname)"
                            " FROM pg_catalog.pg_replication_origin WHERE roname IN " ALL_ORIGINS,
                            1, &name, &res, err);
    PQclear(res);
    return ok;
}

/* A session of an agent that was killed may hold the origin until the server notices. */
static bool
drop_origin(struct cleanup *c, const struct cleanup_work *w, struct err *err)
{
    char name[ORIGIN_NAME_SIZE];
    origin_of(c, w->sink, name);
    PGconn *conn = c->targets[w->sink];
    bool ok = drop_origin_once(conn, name, err);
    for (int i = 1; !ok && err->class == ERR_RETRY && i < ORIGIN_ATTEMPTS; i++) {
        clock_system.sleep_us(&clock_system, ORIGIN_PAUSE_US);
        err_clear(err);
        ok = drop_origin_once(conn, name, err);
    }
    return ok;
}

/* --- schema --------------------------------------------------------------------------------------
 */

static const struct helper {
    const char *table, *exists, *lock, *ours, *forget, *used, *drop;
    bool by_origin; /* key: the origin's name; else the migration's */
} helpers[] = {
    {"ledger", "SELECT pg_catalog.to_regclass('tidegate.ledger') IS NOT NULL",
        "LOCK TABLE tidegate.ledger",
        "SELECT EXISTS (SELECT FROM tidegate.ledger WHERE migration = $1)",
        "DELETE FROM tidegate.ledger WHERE migration = $1",
        "SELECT EXISTS (SELECT FROM tidegate.ledger)", "DROP TABLE tidegate.ledger", false},
    {"progress", "SELECT pg_catalog.to_regclass('tidegate.progress') IS NOT NULL",
        "LOCK TABLE tidegate.progress",
        "SELECT EXISTS (SELECT FROM tidegate.progress WHERE origin IN " BOTH_ORIGINS ")",
        "DELETE FROM tidegate.progress WHERE origin IN " BOTH_ORIGINS,
        "SELECT EXISTS (SELECT FROM tidegate.progress)", "DROP TABLE tidegate.progress", true},
    {"replayed", "SELECT pg_catalog.to_regclass('tidegate.replayed') IS NOT NULL",
        "LOCK TABLE tidegate.replayed",
        "SELECT EXISTS (SELECT FROM tidegate.replayed WHERE origin = $1)",
        "DELETE FROM tidegate.replayed WHERE origin = $1",
        "SELECT EXISTS (SELECT FROM tidegate.replayed)", "DROP TABLE tidegate.replayed", true},
    {"prepared", "SELECT pg_catalog.to_regclass('tidegate.prepared') IS NOT NULL",
        "LOCK TABLE tidegate.prepared",
        "SELECT EXISTS (SELECT FROM tidegate.prepared WHERE origin = $1)",
        "DELETE FROM tidegate.prepared WHERE origin = $1",
        "SELECT EXISTS (SELECT FROM tidegate.prepared)", "DROP TABLE tidegate.prepared", true},
};

enum { HELPERS_LEN = sizeof helpers / sizeof *helpers };

#define SCHEMA_EXISTS "SELECT pg_catalog.to_regnamespace('tidegate') IS NOT NULL"
/* Anything that is not one of our tables or part of one. */
#define SCHEMA_IN_USE                                                                              \
    "SELECT EXISTS (SELECT FROM pg_catalog.pg_depend d"                                            \
    " WHERE d.refclassid = 'pg_catalog.pg_namespace'::regclass AND d.deptype = 'n'"                \
    " AND d.refobjid = pg_catalog.to_regnamespace('tidegate'))"

static const char *
key_of(struct cleanup *c, const struct helper *h, size_t sink, char origin[ORIGIN_NAME_SIZE])
{
    origin_of(c, sink, origin);
    return h->by_origin ? origin : c->options.config->name;
}

static bool
forget_rows(PGconn *conn, const struct helper *h, const char *key, struct err *err)
{
    bool there = false, used = true;
    PGresult *res = NULL;
    if (!yes(conn, "look for tidegate's tables", h->exists, NULL, &there, err) || !there) {
        return err->class == ERR_NONE;
    }
    bool ok = pg_exec(conn, "lock tidegate's table", h->lock, err) &&
              pg_query(conn, "remove rows from tidegate's table", h->forget, 1, &key, &res, err) &&
              yes(conn, "look into tidegate's table", h->used, NULL, &used, err) &&
              (used || pg_exec(conn, "drop tidegate's table", h->drop, err));
    PQclear(res);
    return ok;
}

static bool
forget_all(struct cleanup *c, size_t sink, struct err *err)
{
    PGconn *conn = c->targets[sink];
    char origin[ORIGIN_NAME_SIZE];
    for (size_t i = 0; i < HELPERS_LEN; i++) {
        if (!forget_rows(conn, &helpers[i], key_of(c, &helpers[i], sink, origin), err)) {
            return false;
        }
    }
    bool there = false, used = true;
    if (!yes(conn, "look for tidegate's schema", SCHEMA_EXISTS, NULL, &there, err) || !there) {
        return err->class == ERR_NONE;
    }
    return yes(conn, "look into tidegate's schema", SCHEMA_IN_USE, NULL, &used, err) &&
           (used || pg_exec(conn, "drop tidegate's schema", "DROP SCHEMA tidegate", err));
}

static bool
remove_schema(struct cleanup *c, const struct cleanup_work *w, struct err *err)
{
    PGconn *conn = c->targets[w->sink];
    if (!pg_exec(conn, "begin", "BEGIN", err)) {
        return false;
    }
    if (forget_all(c, w->sink, err)) {
        return pg_exec(conn, "commit", "COMMIT", err);
    }
    struct err ignored = ERR_INIT;
    (void)!pg_exec(conn, "roll back", "ROLLBACK", &ignored);
    return false;
}

/* --- list ----------------------------------------------------------------------------------------
 */

/* Our rows, or an empty table of ours. */
static bool
has_rows(struct cleanup *c, size_t sink, bool *ours, struct err *err)
{
    PGconn *conn = c->targets[sink];
    char origin[ORIGIN_NAME_SIZE];
    *ours = false;
    for (size_t i = 0; i < HELPERS_LEN; i++) {
        const struct helper *h = &helpers[i];
        bool there = false, rows = false, used = true;
        if (!yes(conn, "look for tidegate's tables", h->exists, NULL, &there, err)) {
            return false;
        }
        if (there && (!yes(conn, "look into tidegate's table", h->ours, key_of(c, h, sink, origin),
                          &rows, err) ||
                         !yes(conn, "look into tidegate's table", h->used, NULL, &used, err))) {
            return false;
        }
        *ours = *ours || (there && (rows || !used));
    }
    return true;
}

static bool
look_schema(struct cleanup *c, size_t sink, struct err *err)
{
    const char *name = c->options.config->sinks[sink].name;
    bool there = false, ours = false, used = true;
    if (!yes(c->targets[sink], "look for tidegate's schema", SCHEMA_EXISTS, NULL, &there, err) ||
        !there) {
        return err->class == ERR_NONE;
    }
    if (!has_rows(c, sink, &ours, err) ||
        !yes(c->targets[sink], "look into tidegate's schema", SCHEMA_IN_USE, NULL, &used, err)) {
        return false;
    }
    if (ours || !used) {
        cleanup_add(c, CLEANUP_TARGET, remove_schema,
            "schema 'tidegate' at '%s': what belongs to this migration", name)
            ->sink = sink;
    } else {
        cleanup_add(c, CLEANUP_TARGET, NULL,
            "schema 'tidegate' at '%s' holds nothing of this migration and stays", name);
    }
    return true;
}

static bool
look_target(struct cleanup *c, size_t sink, struct err *err)
{
    const struct sink_config *k = &c->options.config->sinks[sink];
    const struct pg_options o = {.application_name = "tidegate cleanup",
        .timeout_us = c->options.config->network.timeout_us};
    if (!pg_connect(k->dsn, &o, &c->targets[sink], err)) {
        err_wrap(err, "target '%s'", k->name);
        if (err->class == ERR_RECONNECT) {
            err_hint(err, "a server that is gone for good is left out with --skip-target");
        }
        return false;
    }
    char name[ORIGIN_NAME_SIZE];
    origin_of(c, sink, name);
    bool there = false;
    if (!yes(c->targets[sink], "look for the replication origin", ORIGIN_EXISTS, name, &there,
            err)) {
        return false;
    }
    if (there) {
        cleanup_add(
            c, CLEANUP_TARGET, drop_origin, "replication origin '%s' at '%s'", name, k->name)
            ->sink = sink;
    }
    return look_schema(c, sink, err);
}

/* Removed from the configuration while no agent ran: how to reach it is not known any more. */
static void
name_unconfigured(struct cleanup *c)
{
    const struct config *config = c->options.config;
    for (size_t i = 0; i < c->sinks_len; i++) {
        bool configured = strcmp(c->sinks[i].type, "postgresql") != 0;
        for (size_t k = 0; k < config->sinks_len && !configured; k++) {
            configured = strcmp(config->sinks[k].name, c->sinks[i].name) == 0;
        }
        if (!configured) {
            cleanup_add(c, CLEANUP_TARGET, NULL,
                "sink '%s' is not configured any more: replication origin '%s' and schema "
                "'tidegate' stay on its target",
                c->sinks[i].name, c->sinks[i].origin);
        }
    }
}

bool
cleanup_look_targets(struct cleanup *c, struct err *err)
{
    name_unconfigured(c);
    for (size_t i = 0; i < c->options.config->sinks_len; i++) {
        if (strcmp(c->options.config->sinks[i].type, "postgresql") == 0 &&
            !look_target(c, i, err)) {
            return false;
        }
    }
    return true;
}
