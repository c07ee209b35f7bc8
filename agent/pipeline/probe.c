/* SPDX-License-Identifier: Apache-2.0
 *
 * A failed look is not an error of its own: capture notices the same and says so. The probe drops
 * its connection and looks again later.
 */
#include "agent/pipeline/probe.h"

#include <stdatomic.h>

#include "agent/base/arena.h"
#include "agent/base/parse.h"
#include "agent/base/thread.h"
#include "agent/pg/conn.h"
#include "agent/pg/query.h"

#define INTERVAL_US      1000000
#define AFTER_FAILURE_US 3000000

struct probe {
    const char *dsn, *slot;
    int64_t timeout_us;
    const struct stop *stop;
    struct thread thread;
    PGconn *conn;
    atomic_uint_fast64_t head, retained, safe;
};

/* NULL, or what is no number, is `none`; less than nothing is nothing. */
static uint64_t
number(const PGresult *res, int column, uint64_t none)
{
    int64_t n = 0;
    if (PQgetisnull(res, 0, column) ||
        !parse_i64(PQgetvalue(res, 0, column), INT64_MIN, INT64_MAX, &n)) {
        return none;
    }
    return n > 0 ? (uint64_t)n : 0;
}

static bool
look(struct probe *p, struct err *err)
{
    struct pg_options o = {.application_name = "tidegate probe", .timeout_us = p->timeout_us};
    if (!p->conn && !pg_connect(p->dsn, &o, &p->conn, err)) {
        return false;
    }
    const char *params[] = {p->slot};
    PGresult *res = NULL;
    if (!pg_query_long(p->conn, "read the source's position",
            "SELECT pg_catalog.pg_current_wal_lsn(), s.kept, s.safe_wal_size FROM (SELECT) one "
            "LEFT JOIN (SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), "
            "restart_lsn) AS kept, safe_wal_size FROM pg_catalog.pg_replication_slots "
            "WHERE slot_name = $1) s ON true",
            1, params, p->stop, &res, err)) {
        return false;
    }
    atomic_store(&p->head, pg_lsn(res, 0, 0));
    atomic_store(&p->retained, number(res, 1, 0));
    atomic_store(&p->safe, number(res, 2, UINT64_MAX));
    PQclear(res);
    return true;
}

static void
run(void *arg)
{
    struct probe *p = arg;
    int64_t pause = 0;
    while (!stop_sleep(p->stop, pause)) {
        struct err err = ERR_INIT;
        pause = INTERVAL_US;
        if (!look(p, &err)) {
            PQfinish(p->conn);
            p->conn = NULL;
            pause = AFTER_FAILURE_US;
        }
    }
}

bool
probe_start(const char *dsn, const char *slot, int64_t timeout_us, const struct stop *stop,
    struct probe **out, struct err *err)
{
    struct probe *p = x_zalloc(sizeof(*p));
    p->dsn = dsn;
    p->slot = slot;
    atomic_init(&p->safe, UINT64_MAX);
    p->timeout_us = timeout_us;
    p->stop = stop;
    *out = p;
    return thread_start(&p->thread, "probe", run, p, err);
}

uint64_t
probe_head(const struct probe *p)
{
    return atomic_load(&p->head);
}

void
probe_retained(const struct probe *p, struct probe_retained *out)
{
    out->bytes = atomic_load(&p->retained);
    out->safe_bytes = atomic_load(&p->safe);
}

void
probe_free(struct probe *p)
{
    if (p) {
        thread_join(&p->thread);
        PQfinish(p->conn);
        x_free(p);
    }
}
