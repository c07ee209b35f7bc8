/* SPDX-License-Identifier: Apache-2.0
 *
 * A server can prepare as many transactions as max_prepared_transactions says. A target that takes
 * fewer than the source would be full while the outcome that makes room waits behind.
 */
#include "agent/pipeline/two_phase.h"

#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/log.h"
#include "agent/pg/conn.h"
#include "agent/pg/query.h"

#define STAGE         "setup"
#define KEY           "two_phase"
#define FIRST_VERSION 150000

struct prepares {
    int version;
    int64_t max;
};

static bool
ask(const struct config *config, const char *dsn, struct prepares *out, struct err *err)
{
    struct pg_options o = {
        .application_name = "tidegate setup", .timeout_us = config->network.timeout_us};
    PGconn *conn = NULL;
    PGresult *res = NULL;
    bool ok = pg_connect(dsn, &o, &conn, err) &&
              pg_query(conn, "read max_prepared_transactions",
                  "SELECT pg_catalog.current_setting('max_prepared_transactions')::bigint", 0, NULL,
                  &res, err);
    if (ok) {
        *out = (struct prepares){PQserverVersion(conn), pg_i64(res, 0, 0)};
    }
    PQclear(res);
    PQfinish(conn);
    return ok;
}

static bool
is_postgresql(const struct sink_config *s)
{
    return strcmp(s->type, "postgresql") == 0;
}

static bool
all_can(const struct config *c, bool *can, struct err *err)
{
    struct prepares source, p;
    if (!ask(c, c->source.dsn, &source, err)) {
        return false;
    }
    *can = source.version >= FIRST_VERSION && source.max > 0;
    for (size_t i = 0; *can && i < c->sinks_len; i++) {
        if (!is_postgresql(&c->sinks[i])) {
            continue;
        }
        if (!ask(c, c->sinks[i].dsn, &p, err)) {
            return false;
        }
        *can = p.max >= source.max;
    }
    return true;
}

bool
two_phase_decide(const struct config *config, struct store *store, struct err *err)
{
    bool on = config->source.two_phase == TWO_PHASE_ON;
    if (config->source.two_phase == TWO_PHASE_AUTO && !all_can(config, &on, err)) {
        return false;
    }
    if (on) {
        log_info(STAGE, "prepared transactions will be prepared on the target, too");
    }
    return store_set(store, KEY, on ? "yes" : "no", err);
}

static bool
raise_to_sync(struct store *store, const struct sink_row *sink, uint64_t *out, struct err *err)
{
    struct table_row *rows = NULL;
    size_t n = 0;
    if (!store_sink_tables(store, sink->name, &rows, &n, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        *out = rows[i].sync > *out ? rows[i].sync : *out;
    }
    x_free(rows);
    return true;
}

/* No copy of any sink was made later than *out. */
static bool
highest_sync(struct store *store, uint64_t *out, struct err *err)
{
    struct sink_row *sinks = NULL;
    size_t n = 0;
    bool ok = store_sinks(store, &sinks, &n, err);
    for (size_t i = 0; ok && i < n; i++) {
        ok = !sinks[i].copies || raise_to_sync(store, &sinks[i], out, err);
    }
    x_free(sinks);
    return ok;
}

bool
two_phase_from(struct store *store, uint64_t *from, struct err *err)
{
    char *stored = NULL;
    bool found = false;
    *from = 0;
    if (!store_get(store, KEY, &stored, err)) {
        return false;
    }
    bool on = stored && strcmp(stored, "yes") == 0;
    x_free(stored);
    return !on || (store_get_u64(store, "slot_start", from, &found, err) &&
                      highest_sync(store, from, err));
}

/* --- at the cutover ----------------------------------------------------------------------------
 */

#define NAMES                                                                                      \
    "SELECT gid FROM pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database()"  \
    " ORDER BY gid"

static bool
read_names(const struct config *config, const char *dsn, PGresult **out, struct err *err)
{
    struct pg_options o = {
        .application_name = "tidegate cutover", .timeout_us = config->network.timeout_us};
    PGconn *conn = NULL;
    bool ok = pg_connect(dsn, &o, &conn, err) &&
              pg_query(conn, "read prepared transactions", NAMES, 0, NULL, out, err);
    PQfinish(conn);
    return ok;
}

static bool
has_name(const PGresult *res, const char *gid)
{
    for (int i = 0; i < PQntuples(res); i++) {
        if (strcmp(pg_str(res, i, 0), gid) == 0) {
            return true;
        }
    }
    return false;
}

static bool
all_there(const PGresult *source, const PGresult *target, struct err *err)
{
    for (int i = 0; i < PQntuples(source); i++) {
        const char *gid = pg_str(source, i, 0);
        if (!has_name(target, gid)) {
            err_set(err, ERR_CONFIG,
                "prepared transaction '%s' is open on the source and not on the target", gid);
            return err_hint(err, "commit it or roll it back (COMMIT PREPARED / ROLLBACK PREPARED), "
                                 "then cut over again");
        }
    }
    return true;
}

bool
two_phase_at_targets(const struct config *config, struct err *err)
{
    PGresult *source = NULL;
    bool ok = read_names(config, config->source.dsn, &source, err);
    for (size_t i = 0; ok && PQntuples(source) > 0 && i < config->sinks_len; i++) {
        PGresult *target = NULL;
        if (is_postgresql(&config->sinks[i])) {
            ok = read_names(config, config->sinks[i].dsn, &target, err) &&
                 all_there(source, target, err);
        }
        PQclear(target);
    }
    PQclear(source);
    return ok;
}
