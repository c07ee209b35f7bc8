/* SPDX-License-Identifier: Apache-2.0
 *
 * What tables have to be known of before they are copied: their columns on both sides, and what
 * would change the rows on their way in.
 */
#ifndef TG_SNAPSHOT_TABLES_DESCRIBE_H
#define TG_SNAPSHOT_TABLES_DESCRIBE_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/err.h"
#include "agent/snapshot/table_copy.h"

#define TABLES_DESCRIBE_MAX 20

/* At most TABLES_DESCRIBE_MAX of them, with one question to each side. An error is about the first
 * one that cannot be copied; all are to be given to table_copy_done then. */
bool tables_describe(
    struct table_copy *tables, size_t n, const struct copier *c, struct err *err) must_use;

#endif
