/* SPDX-License-Identifier: Apache-2.0
 *
 * The source's schema as text: dumped by pg_dump under the shared snapshot into DIR/schema.dump,
 * and taken apart. The file is written once and kept as long as the target's ledger names entries
 * of it, so that a restart goes on with the same text.
 */
#ifndef TG_SNAPSHOT_SCHEMA_H
#define TG_SNAPSHOT_SCHEMA_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "agent/base/err.h"
#include "agent/snapshot/snapshot.h"
#include "agent/snapshot/toc.h"

struct schema {
    struct toc before, behind; /* of the data */
    bool loaded;
};

/* Writes the dump; with `keep` only when there is none. `keeper` is a session under `snapshot`.
 * What the filter leaves out is not in it, nor are the views that need a table left out, nor
 * tidegate's own. */
bool schema_dump(const struct snapshot_options *o, PGconn *keeper, const char *snapshot, bool keep,
    struct err *err) must_use;
/* Reads the dump of a source of that version; does nothing when it is loaded already. */
bool schema_load(const struct snapshot_options *o, int source_version, struct schema *out,
    struct err *err) must_use;
void schema_free(struct schema *s); /* accepts an all-zero one */

#endif
