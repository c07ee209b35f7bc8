/* SPDX-License-Identifier: Apache-2.0
 *
 * What a migration needs on the source before its first byte moves: the list of tables, replica
 * identities, the publication and the slot. Everything is noted in the store before it is done, so
 * that a process that dies in the middle can do it again, and `tidegate cleanup` can undo it.
 */
#ifndef TG_PIPELINE_SETUP_H
#define TG_PIPELINE_SETUP_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/pg/catalog.h"
#include "agent/pipeline/anchor.h"
#include "agent/store/store.h"
#include "config/config.h"

/* From phase PREFLIGHT: prepares the source and stores phase SNAPSHOT. *anchor holds the first
 * snapshot. */
bool setup_source(const struct config *config, struct store *store, struct anchor *anchor,
    struct err *err) must_use;

/* At any later start: the source must be the server and database of before. ERR_CONFIG if not. */
bool setup_check_source(
    const struct config *config, struct store *store, uint64_t *feed_id, struct err *err) must_use;

/* Tables that exist on the source now, match the filter, and are not carried because they were
 * created after the start: "a.x, b.y" in out ("" when there are none). */
bool setup_uncarried_tables(const struct config *config, struct store *store, char *out, size_t cap,
    struct err *err) must_use;

/* Tables of the source that a person names as schema.name, or by the name alone in schema public:
 * that one, or the partitions of one. */
struct setup_found {
    struct pg_tables all;
    size_t *items; /* indexes in `all` */
    size_t len;
};
/* ERR_CONFIG when there is none, or when the configuration leaves it out. */
bool setup_find_tables(const struct config *config, PGconn *source, const char *text,
    struct setup_found *out, struct err *err) must_use;
void setup_found_done(struct setup_found *f); /* accepts an all-zero one */
/* Makes the changes of a table come by the feed from now on: its replica identity, the publication.
 * Doing it twice does no harm. */
bool setup_publish_table(const struct config *config, struct store *store, PGconn *source,
    const struct pg_table *t, bool *identity_changed, struct err *err) must_use;

#endif
