/* SPDX-License-Identifier: Apache-2.0
 *
 * Large objects: copied with their oids, owners, privileges and comments. The change feed does not
 * carry them; what happens to them later is brought over at the cutover (large_object_sync.h).
 */
#ifndef TG_SNAPSHOT_LARGE_OBJECTS_H
#define TG_SNAPSHOT_LARGE_OBJECTS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/snapshot/table_copy.h"

bool large_objects_exist(PGconn *source, bool *exist, struct err *err) must_use;
/* Notes once, before the first of ours comes, which objects are on the target already: these are
 * not ours to remove. */
bool large_objects_begin(PGconn *target, const char *migration, struct err *err) must_use;
/* Copies all in order of oid, in batches; the ledger holds the last oid of each, and a new call
 * goes on behind it. */
bool large_objects_copy(const struct copier *c, bool owner, bool grants, struct err *err) must_use;

#endif
