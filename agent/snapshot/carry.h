/* SPDX-License-Identifier: Apache-2.0
 *
 * Statements that the source's catalogs spell out (format() with %I and %L there), executed on the
 * target one by one. What the target refuses is left out with a warning that says what: it is
 * nothing that the rows need.
 */
#ifndef TG_SNAPSHOT_CARRY_H
#define TG_SNAPSHOT_CARRY_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"

/* Rows (what, statement, second choice or NULL), in order, inside of the transaction that is open
 * on the target. A row without a statement is left out by itself. With `secret` neither statement
 * nor the server's words are shown. False only when the connection, or a stop, ends it. */
struct carry_counts {
    uint32_t done, left_out;
};
bool carry_statements(PGconn *target, const PGresult *rows, bool secret, struct carry_counts *out,
    struct err *err) must_use;

/* SQL expression for the right side of SET, from an entry "name=value" of setconfig named `c`:
 * lists of names are stored quoted, everything else is one string. */
#define CARRY_SETTING                                                                              \
    "format('%I', split_part(c, '=', 1)) || ' TO ' || CASE"                                        \
    " WHEN lower(split_part(c, '=', 1)) NOT IN ('search_path', 'temp_tablespaces',"                \
    "  'local_preload_libraries', 'session_preload_libraries', 'shared_preload_libraries',"        \
    "  'unix_socket_directories') THEN quote_literal(substr(c, strpos(c, '=') + 1))"               \
    " WHEN substr(c, strpos(c, '=') + 1) IN ('', '\"\"') THEN ''''''"                              \
    " ELSE substr(c, strpos(c, '=') + 1) END"

#endif
