/* SPDX-License-Identifier: Apache-2.0
 *
 * The column is a table pattern without a dot, so that wildcards and quotes mean the same in both
 * places. All masks are tried, also behind one that hides, because each shall be known as used.
 */
#include "agent/cli/column_mask.h"

#include <string.h>

#include "agent/change/table_filter.h"

/* What table patterns without a dot stand for: it is never shown. */
#define ANY_SCHEMA "public"

static bool
bad_form(const char *text, struct err *err)
{
    (void)err_set(err, ERR_CONFIG, "mask '%s' is not a column", text);
    return err_hint(err, "write schema.table.column, or column for every table; a name with a dot "
                         "in double quotes");
}

/* Dots outside of quotes; *last is behind the last one. */
static int
count_dots(const char *text, const char **last)
{
    bool quoted = false;
    int dots = 0;
    *last = text;
    for (const char *p = text; *p != '\0'; p++) {
        quoted ^= *p == '"';
        if (*p == '.' && !quoted) {
            dots++;
            *last = p + 1;
        }
    }
    return dots;
}

bool
column_mask_add(struct column_mask *m, const char *text, struct err *err)
{
    const char *column;
    int dots = count_dots(text, &column);
    if (m->len == COLUMN_MASK_MAX) {
        return err_set(err, ERR_CONFIG, "more than %d masks", COLUMN_MASK_MAX);
    }
    if ((dots != 0 && dots != 2) || strlen(text) >= COLUMN_MASK_TEXT) {
        return bad_form(text, err);
    }
    struct column_mask_entry *e = &m->entries[m->len];
    *e = (struct column_mask_entry){.used = false};
    if (dots > 0) {
        memcpy(e->table, text, (size_t)(column - 1 - text));
    }
    memcpy(e->column, column, strlen(column));
    if (!table_pattern_valid(e->column) || (dots > 0 && !table_pattern_valid(e->table))) {
        return bad_form(text, err);
    }
    m->len++;
    return true;
}

bool
column_mask_hides(
    struct column_mask *m, const struct relation *relation, const struct column *column)
{
    bool hides = false;
    for (size_t i = 0; i < m->len; i++) {
        struct column_mask_entry *e = &m->entries[i];
        if ((e->table[0] == '\0' ||
                table_pattern_match(e->table, relation->schema, relation->name)) &&
            table_pattern_match(e->column, ANY_SCHEMA, column->name)) {
            e->used = true;
            hides = true;
        }
    }
    return hides;
}
