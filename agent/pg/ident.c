/* SPDX-License-Identifier: Apache-2.0
 *
 * Quoting by doubling, so that no name and no value can end its own quotes. Literals with a
 * backslash use the E'' form, which means the same whatever standard_conforming_strings says.
 */
#include "agent/pg/ident.h"

static void
append_doubled(struct buf *b, const char *text, char quote, bool backslashes)
{
    for (const char *p = text; *p; p++) {
        if (*p == quote || (backslashes && *p == '\\')) {
            buf_u8(b, (uint8_t)*p);
        }
        buf_u8(b, (uint8_t)*p);
    }
}

void
sql_ident(struct buf *b, const char *name)
{
    buf_u8(b, '"');
    append_doubled(b, name, '"', false);
    buf_u8(b, '"');
}

void
sql_qualified(struct buf *b, const char *schema, const char *name)
{
    sql_ident(b, schema);
    buf_u8(b, '.');
    sql_ident(b, name);
}

void
sql_literal(struct buf *b, const char *text)
{
    bool backslashes = strchr(text, '\\') != NULL;
    buf_str(b, backslashes ? "E'" : "'");
    append_doubled(b, text, '\'', backslashes);
    buf_u8(b, '\'');
}
