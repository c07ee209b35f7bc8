/* SPDX-License-Identifier: Apache-2.0
 *
 * Which tables are meant: include and exclude patterns over "schema.name" with * and ?. A table is
 * in when an include pattern matches (an empty list includes everything) and no exclude pattern
 * does. A pattern without a dot matches the name in schema public. A dot inside a name is written
 * "a.b" in double quotes, as in SQL.
 */
#ifndef TG_CHANGE_TABLE_FILTER_H
#define TG_CHANGE_TABLE_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/buf.h"

/* Strings and arrays are borrowed (they live in the configuration). */
struct table_filter {
    const char *const *include;
    size_t include_len;
    const char *const *exclude;
    size_t exclude_len;
};

bool table_filter_match(const struct table_filter *f, const char *schema, const char *name);
/* True when no pattern restricts anything: everything there is is meant. */
bool table_filter_is_all(const struct table_filter *f);
/* One pattern against one table; pure. */
bool table_pattern_match(const char *pattern, const char *schema, const char *name);
/* False for a pattern that matches nothing because of its form: open quote, empty part, two dots.
 */
bool table_pattern_valid(const char *pattern);
/* The same pattern as a regular expression of PostgreSQL over schema, the character U+0001, name;
 * of one that matches nothing, an expression that matches nothing. */
void table_pattern_regex(const char *pattern, struct buf *out);

#endif
