/* SPDX-License-Identifier: Apache-2.0
 *
 * COPY from one server straight into another: bytes are passed on as they come, memory stays at a
 * chunk and the largest single row, a stop request acts within a second.
 */
#ifndef TG_PG_COPY_H
#define TG_PG_COPY_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/stop.h"

struct pg_copy {
    PGconn *source, *target;
    /* COPY ... TO STDOUT, and COPY ... FROM STDIN of the same format. Several copies may be asked
     * for in one go: the first one's texts are those of all, separated by semicolons, the texts of
     * the others are NULL, and all but the last one say `more`. */
    const char *source_sql, *target_sql;
    bool more;
    const struct stop *stop; /* may be NULL */
    /* What was passed on since the last call; may be NULL. Rows are those the source sent. */
    void (*progress)(uint64_t rows, uint64_t bytes, void *arg);
    void *arg;
};

/* *rows as the target counted them; that both sides counted the same is checked (ERR_FATAL). The
 * error's text begins with "source" or "target". After an error both connections serve for PQfinish
 * only. */
bool pg_copy_run(const struct pg_copy *c, uint64_t *rows, struct err *err) must_use;

#endif
