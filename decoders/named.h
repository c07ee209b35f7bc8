/* SPDX-License-Identifier: Apache-2.0
 *
 * Relations by name, for plugins whose messages name tables and columns and send no descriptions.
 * The description (plugin_message.h) was read from the catalog, at some moment after the message
 * was written; so where a message shows other columns or another identity, the message is right,
 * and a new version of the relation comes of it:
 *
 *   insert           shows every column: the relation has exactly these
 *   update           a column that is missing was stored out of line and not touched; unknown
 *                    ones replace the relation, those that are missing then stay out of it
 *   identity         what an old tuple shows is the identity
 *
 * Generated columns are left out, as pgoutput does: the target computes its own.
 */
#ifndef TG_DECODERS_NAMED_H
#define TG_DECODERS_NAMED_H

#include "decoders/plugin_message.h"
#include "decoders/relation_cache.h"

struct named_table;

struct named {
    struct named_table *by_name, *by_id;
    struct relation_cache relations;
};

void named_init(struct named *n);
void named_done(struct named *n);
void named_clear(struct named *n);
/* Takes a description. A table that was described with another name loses that one. */
bool named_describe(struct named *n, struct slice json, struct arena *arena, struct err *err);
/* NULL when no description named it. */
const struct relation *named_find(const struct named *n, const struct plugin_table *t);
/* Relation and tuples of an insert, update or delete; arrays are in the arena. */
bool named_row(struct named *n, const struct plugin_message *m, struct arena *arena,
    struct change *out, struct err *err);

#endif
