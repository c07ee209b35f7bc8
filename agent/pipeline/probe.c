/* SPDX-License-Identifier: Apache-2.0
 *
 * A failed look is not an error of its own: capture notices the same and says so. The probe drops
 * its connection and looks again later.
 */
#include "agent/pipeline/probe.h"

#include <stdatomic.h>

#include "agent/base/arena.h"
#include "agent/base/thread.h"
#include "agent/pg/conn.h"
#include "agent/pg/query.h"

#define INTERVAL_US      1000000
#define AFTER_FAILURE_US 3000000

struct probe {
    const char *dsn;
    int64_t timeout_us;
    const struct stop *stop;
    struct thread thread;
    PGconn *conn;
    atomic_uint_fast64_t head;
};

static bool
look(struct probe *p, struct err *err)
{
    struct pg_options o = {.application_name = "tidegate probe", .timeout_us = p->timeout_us};
    if (!p->conn && !pg_connect(p->dsn, &o, &p->conn, err)) {
        return false;
    }
    PGresult *res = NULL;
    if (!pg_query_long(p->conn, "read the source's position",
            "SELECT pg_catalog.pg_current_wal_lsn()", 0, NULL, p->stop, &res, err)) {
        return false;
    }
    atomic_store(&p->head, pg_lsn(res, 0, 0));
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
probe_start(const char *dsn, int64_t timeout_us, const struct stop *stop, struct probe **out,
    struct err *err)
{
    struct probe *p = x_zalloc(sizeof(*p));
    p->dsn = dsn;
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
probe_free(struct probe *p)
{
    if (p) {
        thread_join(&p->thread);
        PQfinish(p->conn);
        x_free(p);
    }
}
