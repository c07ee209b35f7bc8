/* SPDX-License-Identifier: Apache-2.0
 *
 * One entry of the schema on its way to the target: settings around it, what a failure means, and
 * the variants in which it is executed.
 */
#ifndef TG_SNAPSHOT_ENTRY_H
#define TG_SNAPSHOT_ENTRY_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/snapshot/ledger.h"
#include "agent/snapshot/toc.h"

/* Tablespaces of the target: an entry that names another is put into the default one. */
struct tablespaces {
    char **names;
    size_t len;
};
bool tablespaces_read(PGconn *target, struct tablespaces *out, struct err *err) must_use;
void tablespaces_free(struct tablespaces *t); /* accepts an all-zero one */

/* Name in the ledger behind "pre " or "post ", the same for every dump of the same schema: type,
 * schema, name and oid on the source; a long one is cut and ends in a checksum. New string. */
char *entry_key(const struct toc_entry *e);

/* The SET LOCALs that the entry is to be executed under. */
void entry_settings(
    struct buf *sql, const struct toc_entry *e, const struct tablespaces *t, int target_version);

/* An error of such an entry that leaves the target as usable as it was: the object is there
 * already, or belongs to the server's owner. Pure. */
bool entry_tolerates(const struct toc_entry *e, const char *sqlstate);

/* Its text may have a password in it. It goes alone: a server writes the text of what it refuses
 * into its log, with all that came along. Pure. */
bool entry_holds_secret(const struct toc_entry *e);

/* The foreign key's statement with NOT VALID in it: new string. NULL when the text is not that of
 * an ALTER TABLE ... ADD CONSTRAINT that can be extended. Pure. */
char *entry_not_valid(const char *sql);

/* A subscription's statement without the slot that the source's one uses: new string. Pure. */
char *entry_without_slot(const char *sql);

/* Prefixes the error with what was tried, and adds a hint when the SQLSTATE tells what to do.
 * False. */
bool entry_error(const struct toc_entry *e, struct err *err);

#endif
