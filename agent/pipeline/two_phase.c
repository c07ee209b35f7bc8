/* SPDX-License-Identifier: Apache-2.0
 *
 * A server can prepare as many transactions as max_prepared_transactions says. A target that takes
 * fewer than the source would be full while the outcome that makes room waits behind.
 */
#include "agent/pipeline/two_phase.h"

#include <inttypes.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/log.h"
#include "agent/pg/conn.h"
#include "agent/pg/query.h"
#include "agent/pg/spares.h"
#include "agent/pipeline/doubts.h"

#define STAGE         "setup"
#define KEY           "two_phase"
#define FIRST_VERSION 150000

struct prepares {
    int version;
    int64_t max;
    int64_t started_us; /* by which two databases of one server are known; a clone has its own */
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
                  "SELECT pg_catalog.current_setting('max_prepared_transactions')::bigint,"
                  " (extract(epoch FROM pg_catalog.pg_postmaster_start_time()) * 1000000)::bigint",
                  0, NULL, &res, err);
    if (ok) {
        *out = (struct prepares){PQserverVersion(conn), pg_i64(res, 0, 0), pg_i64(res, 0, 1)};
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

/* The names of prepared transactions are a whole server's, so each database must have a server of
 * its own. *shared: sink `i` is on the one of the source or of a sink in front of it. */
static bool
ask_sink(const struct config *c, size_t i, struct prepares *servers, bool *shared, struct err *err)
{
    *shared = false;
    servers[i + 1] = (struct prepares){0};
    if (!is_postgresql(&c->sinks[i])) {
        return true;
    }
    if (!ask(c, c->sinks[i].dsn, &servers[i + 1], err)) {
        return false;
    }
    for (size_t k = 0; k <= i; k++) {
        *shared = *shared || servers[k].started_us == servers[i + 1].started_us;
    }
    return true;
}

static bool
shares_server(const struct config *c, size_t i, struct err *err)
{
    err_set(err, ERR_CONFIG,
        "the target of sink '%s' is on the same server as the source or another target, and "
        "prepared transactions would have the same name twice there",
        c->sinks[i].name);
    return err_hint(err, "use another server; or begin the migration with source.two_phase: off");
}

static bool
all_can(const struct config *c, bool *can, struct err *err)
{
    struct prepares servers[1 + CONFIG_SINKS_MAX];
    bool on = c->source.two_phase == TWO_PHASE_ON;
    if (!ask(c, c->source.dsn, &servers[0], err)) {
        return false;
    }
    *can = on || (servers[0].version >= FIRST_VERSION && servers[0].max > 0);
    for (size_t i = 0; *can && i < c->sinks_len; i++) {
        bool shared = false;
        if (!ask_sink(c, i, servers, &shared, err)) {
            return false;
        }
        if (on && shared) {
            return shares_server(c, i, err);
        }
        *can =
            on || !is_postgresql(&c->sinks[i]) || (!shared && servers[i + 1].max >= servers[0].max);
    }
    return true;
}

bool
two_phase_ask(const struct config *config, bool *on, struct err *err)
{
    *on = false;
    bool can = config->source.plugin == PLUGIN_PGOUTPUT;
    return !can || config->source.two_phase == TWO_PHASE_OFF || all_can(config, on, err);
}

bool
two_phase_decide(struct store *store, bool on, struct err *err)
{
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

static bool
was_decided_for(struct store *store, bool *on, struct err *err)
{
    char *stored = NULL;
    if (!store_get(store, KEY, &stored, err)) {
        return false;
    }
    *on = stored && strcmp(stored, "yes") == 0;
    x_free(stored);
    return true;
}

bool
two_phase_from(struct store *store, uint64_t *from, struct err *err)
{
    bool on = false, found = false;
    *from = 0;
    return was_decided_for(store, &on, err) &&
           (!on || (store_get_u64(store, "slot_start", from, &found, err) &&
                       highest_sync(store, from, err)));
}

bool
two_phase_admits(const struct config *config, struct store *store, size_t number, struct err *err)
{
    struct prepares mine, other;
    bool on = false;
    if (!was_decided_for(store, &on, err)) {
        return false;
    }
    if (!on || !is_postgresql(&config->sinks[number])) {
        return true;
    }
    if (!ask(config, config->sinks[number].dsn, &mine, err) ||
        !ask(config, config->source.dsn, &other, err)) {
        return false;
    }
    bool shared = mine.started_us == other.started_us;
    for (size_t i = 0; !shared && i < config->sinks_len; i++) {
        struct err away = ERR_INIT; /* one that does not answer holds up nobody */
        shared = i != number && is_postgresql(&config->sinks[i]) &&
                 ask(config, config->sinks[i].dsn, &other, &away) &&
                 mine.started_us == other.started_us;
    }
    if (shared && !shares_server(config, number, err) &&
        config->source.two_phase == TWO_PHASE_AUTO) {
        /* Nobody may ever prepare anything. If it comes to it, the sink stops. */
        log_err(LOG_WARN, STAGE, err);
        err_clear(err);
        return true;
    }
    return !shared;
}

/* --- at the cutover ----------------------------------------------------------------------------
 */

#define NAMES_PURPOSE "tidegate prepared"
#define NAMES                                                                                      \
    "SELECT gid FROM pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database()"  \
    " ORDER BY gid"

static bool
open_new(const struct config *config, const char *dsn, PGconn **out, struct err *err)
{
    struct pg_options o = {
        .application_name = NAMES_PURPOSE, .timeout_us = config->network.timeout_us};
    return pg_connect(dsn, &o, out, err);
}

static bool
read_names(const struct config *config, struct pg_spares *spares, const char *dsn, PGresult **out,
    struct err *err)
{
    PGconn *conn = pg_spares_take(spares, dsn, NAMES_PURPOSE);
    bool ok = (conn || open_new(config, dsn, &conn, err)) &&
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

/* Finished there it would lack what its copy was to have. */
static bool
all_whole(const PGresult *source, struct store *store, const char *sink, struct err *err)
{
    struct doubts doubts;
    doubts_init(&doubts, store, sink);
    bool ok = doubts_load(&doubts, err);
    for (size_t i = 0; ok && i < doubts.len; i++) {
        if (has_name(source, doubts.items[i].gid)) {
            err_set(err, ERR_CONFIG,
                "prepared transaction '%s' is open on the source, and the target of sink '%s' was "
                "copied while it was: not all of its changes are there",
                doubts.items[i].gid, sink);
            ok = err_hint(err,
                "roll it back (ROLLBACK PREPARED), then cut over again; after a COMMIT PREPARED "
                "that sink must be copied to again");
        }
    }
    doubts_done(&doubts);
    return ok;
}

bool
two_phase_at_targets(
    const struct config *config, struct store *store, struct pg_spares *spares, struct err *err)
{
    PGresult *source = NULL;
    bool ok = read_names(config, spares, config->source.dsn, &source, err);
    for (size_t i = 0; ok && PQntuples(source) > 0 && i < config->sinks_len; i++) {
        PGresult *target = NULL;
        if (is_postgresql(&config->sinks[i])) {
            ok = read_names(config, spares, config->sinks[i].dsn, &target, err) &&
                 all_there(source, target, err) &&
                 all_whole(source, store, config->sinks[i].name, err);
        }
        PQclear(target);
    }
    PQclear(source);
    return ok;
}

bool
two_phase_open_ahead(const struct config *config, struct pg_spares *spares, struct err *err)
{
    PGconn *conn = NULL;
    if (!open_new(config, config->source.dsn, &conn, err)) {
        return false;
    }
    pg_spares_put(spares, config->source.dsn, NAMES_PURPOSE, conn);
    return true;
}

/* --- in front of a copy -------------------------------------------------------------------------
 */

#define OPEN_EVERY_US 500000

/* The server's all, whatever their database. */
static const char open_sql[] =
    "SELECT pg_catalog.count(*), pg_catalog.array_agg(transaction)::text,"
    " pg_catalog.array_to_string((pg_catalog.array_agg('''' || gid || '''' ORDER BY "
    "prepared))[1:5],"
    " ', ') FROM pg_catalog.pg_prepared_xacts";

static bool
still_open(PGconn *conn, const char *transactions, bool *out, struct err *err)
{
    const char *params[] = {transactions};
    PGresult *res = NULL;
    bool ok = pg_query(conn, "read prepared transactions",
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_prepared_xacts WHERE transaction = ANY "
        "($1::xid[]))",
        1, params, &res, err);
    *out = ok && pg_bool(res, 0, 0);
    PQclear(res);
    return ok;
}

static bool
wait_for(PGconn *conn, const char *transactions, const struct stop *stop, struct err *err)
{
    bool open = true;
    while (still_open(conn, transactions, &open, err) && open) {
        if (stop_sleep(stop, OPEN_EVERY_US)) {
            return err_set(err, ERR_CANCELLED, "stopped");
        }
    }
    return !open;
}

static void
describe(const PGresult *open, struct err *out)
{
    int64_t n = pg_i64(open, 0, 0);
    err_set(out, ERR_RETRY,
        "a snapshot of the source waits for %" PRId64 " prepared transaction%s: %s%s", n,
        n == 1 ? "" : "s", pg_str(open, 0, 2), n > 5 ? ", ..." : "");
    err_hint(out, "finish them on the source (COMMIT PREPARED / ROLLBACK PREPARED)");
}

bool
two_phase_wait_for_open(const struct config *config, const struct stop *stop,
    void (*waiting)(const struct err *why, void *arg), void *arg, struct err *err)
{
    struct pg_options o = {
        .application_name = "tidegate snapshot", .timeout_us = config->network.timeout_us};
    PGconn *conn = NULL;
    PGresult *open = NULL;
    bool ok = pg_connect(config->source.dsn, &o, &conn, err) &&
              pg_query(conn, "read prepared transactions", open_sql, 0, NULL, &open, err);
    if (ok && pg_i64(open, 0, 0) > 0) {
        struct err why = ERR_INIT;
        describe(open, &why);
        waiting(&why, arg);
        ok = wait_for(conn, pg_str(open, 0, 1), stop, err);
    }
    PQclear(open);
    PQfinish(conn);
    return ok;
}
