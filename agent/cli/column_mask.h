/* SPDX-License-Identifier: Apache-2.0
 *
 * Columns whose values are not to be shown. A mask is "schema.table.column" or "column" alone (of
 * any table), with * and ? and double quotes as in table patterns. Pure.
 */
#ifndef TG_CLI_COLUMN_MASK_H
#define TG_CLI_COLUMN_MASK_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/err.h"
#include "agent/change/relation.h"

#define COLUMN_MASK_MAX  64
#define COLUMN_MASK_TEXT 400

struct column_mask {
    struct column_mask_entry {
        char table[COLUMN_MASK_TEXT]; /* "" : any */
        char column[COLUMN_MASK_TEXT];
        bool used; /* it has hidden something */
    } entries[COLUMN_MASK_MAX];
    size_t len;
};

/* ERR_CONFIG: it does not have that form, or there are too many. */
bool column_mask_add(struct column_mask *m, const char *text, struct err *err) must_use;
/* Notes which masks are used. */
bool column_mask_hides(
    struct column_mask *m, const struct relation *relation, const struct column *column);

#endif
