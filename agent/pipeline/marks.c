/* SPDX-License-Identifier: Apache-2.0
 *
 * Apply commits asynchronously; one synchronous commit behind it makes everything before it
 * durable.
 */
#include "agent/pipeline/marks.h"

#include <string.h>

#include "agent/pg/conn.h"
#include "agent/pg/slot.h"

#define SOURCE_NAME "tidegate barrier"
#define TARGET_NAME "tidegate cutover"

static bool
open_new(const struct marks *m, const char *dsn, const char *name, PGconn **out, struct err *err)
{
    struct pg_options o = {.application_name = name, .timeout_us = m->config->network.timeout_us};
    return pg_connect(dsn, &o, out, err);
}

static bool
open_session(
    const struct marks *m, const char *dsn, const char *name, PGconn **out, struct err *err)
{
    *out = pg_spares_take(m->spares, dsn, name);
    return *out || open_new(m, dsn, name, out, err);
}

bool
mark_source(const struct marks *m, uint64_t *lsn, struct err *err)
{
    PGconn *conn = NULL;
    bool ok = open_session(m, m->config->source.dsn, SOURCE_NAME, &conn, err) &&
              pg_write_mark(conn, "barrier", lsn, err);
    PQfinish(conn);
    return ok;
}

bool
mark_target(const struct marks *m, const struct sink_config *sink, struct err *err)
{
    PGconn *conn = NULL;
    uint64_t lsn;
    bool ok = open_session(m, sink->dsn, TARGET_NAME, &conn, err) &&
              pg_write_mark(conn, "cutover", &lsn, err);
    PQfinish(conn);
    return ok;
}

static bool
ahead(const struct marks *m, const char *dsn, const char *name, struct err *err)
{
    PGconn *conn = NULL;
    if (!open_new(m, dsn, name, &conn, err)) {
        return false;
    }
    pg_spares_put(m->spares, dsn, name, conn);
    return true;
}

bool
marks_open_ahead(const struct marks *m, struct err *err)
{
    const struct config *config = m->config;
    bool ok = ahead(m, config->source.dsn, SOURCE_NAME, err);
    for (size_t i = 0; ok && i < config->sinks_len; i++) {
        ok = strcmp(config->sinks[i].type, "postgresql") != 0 ||
             ahead(m, config->sinks[i].dsn, TARGET_NAME, err);
    }
    return ok;
}
