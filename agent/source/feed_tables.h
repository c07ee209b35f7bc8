/* SPDX-License-Identifier: Apache-2.0
 *
 * Which tables a plugin's feed is to keep, and how they are described to the decoder: plugins
 * besides pgoutput have no publication, name tables in every message, and send no descriptions.
 *
 * A table is carried when the migration lists it, or when it is a partition of a root that the
 * migration lists, whenever it was attached. What the catalog says is from a moment after the
 * message was written (decoders/named.h tells what follows from that).
 *
 * Owner: the source's thread, for one session.
 */
#ifndef TG_SOURCE_FEED_TABLES_H
#define TG_SOURCE_FEED_TABLES_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/change/table_filter.h"
#include "agent/store/store.h"

struct feed_tables;

struct feed_table {
    uint32_t oid;
    bool described;           /* in this session, with this name */
    struct slice description; /* SCHEMA record for it; borrowed until the next find */
};

/* Takes conn, also when it fails; it stays open for later questions. `store` and what `filter`
 * points to are borrowed. */
bool feed_tables_open(PGconn *conn, struct store *store, const struct table_filter *filter,
    struct feed_tables **out, struct err *err) must_use;
void feed_tables_close(struct feed_tables *t); /* accepts NULL */
/* *out NULL: not carried. `position` is where the message stands: what the catalog said about a
 * name holds for everything written before it was asked. ERR_RECONNECT: the catalog cannot be
 * asked. */
bool feed_tables_find(struct feed_tables *t, struct slice schema, struct slice name,
    uint64_t position, struct feed_table **out, struct err *err) must_use;
/* Whether a carried table has this text in it: "schema"."name", as wal2json quotes (not at all). */
bool feed_tables_mentioned(const struct feed_tables *t, const char *text);

#endif
