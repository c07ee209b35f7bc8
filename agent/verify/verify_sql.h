/* SPDX-License-Identifier: Apache-2.0
 *
 * The statement that boils a table down to a row count and a checksum that does not depend on the
 * order of rows. Pure.
 */
#ifndef TG_VERIFY_VERIFY_SQL_H
#define TG_VERIFY_VERIFY_SQL_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/buf.h"

enum verify_method {
    VERIFY_COUNT, /* rows only */
    VERIFY_HASH,  /* both servers hash the same bytes: same encoding */
    VERIFY_MD5,   /* the bytes are made the same first: UTF8 */
};

/* Strings are borrowed. Columns are named, so that another order, or more of them on the target,
 * makes no difference. */
struct verify_sql {
    const char *schema, *name;
    const char *const *columns;
    size_t columns_len;
    enum verify_method method;
    bool partitions; /* with what hangs below; else the table's own rows ONLY */
};

/* One row with two columns: count, checksum as text ("" with VERIFY_COUNT). */
void verify_sql_write(struct buf *out, const struct verify_sql *v);

/* Settings under which equal values are equal text on every server and for every version. */
#define VERIFY_SQL_SETTINGS                                                                        \
    "SET timezone = 'UTC'; SET lc_monetary = 'C'; SET datestyle = 'ISO, MDY';"                     \
    "SET intervalstyle = 'postgres'; SET extra_float_digits = 3; SET bytea_output = 'hex'"

#endif
