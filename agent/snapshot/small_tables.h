/* SPDX-License-Identifier: Apache-2.0
 *
 * Small tables, many at a time: to each alone belong five trips to the target and a flush of its
 * log, which take longer than its rows.
 */
#ifndef TG_SNAPSHOT_SMALL_TABLES_H
#define TG_SNAPSHOT_SMALL_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/snapshot/table_copy.h"
#include "agent/snapshot/tables_describe.h"

#define SMALL_TABLES_MAX   TABLES_DESCRIBE_MAX
#define SMALL_TABLES_BYTES (256U << 10) /* of one */

/* Whole tables, which tables_describe has filled, in one transaction on the target; each is
 * recorded as copied. Not *copied: nothing was changed, and nothing is held any more. One of them
 * has rows on the target, is locked, was truncated since the snapshot, has no columns, or is
 * partitioned there: they are to be copied one by one. rows[i] as the target counted them. After an
 * error the connections are good for PQfinish only. */
bool small_tables_copy(const struct table_copy *tables, size_t n, const struct copier *c,
    uint64_t *rows, bool *copied, struct err *err) must_use;

#endif
