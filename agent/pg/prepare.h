/* SPDX-License-Identifier: Apache-2.0
 *
 * Several statements prepared in one go: each alone costs a trip to the server.
 */
#ifndef TG_PG_PREPARE_H
#define TG_PG_PREPARE_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"

struct pg_statement {
    const char *name, *sql;
    int parameters;
    const uint32_t *types; /* oids, one for each parameter; NULL: the server finds them out */
};

/* Waits for all answers; outside of pipeline mode, before and behind it. `what` begins the error
 * text, which is of the first one that was refused. */
bool pg_prepare(PGconn *conn, const char *what, const struct pg_statement *statements, size_t n,
    struct err *err) must_use;

#endif
