/* SPDX-License-Identifier: Apache-2.0
 *
 * The data of one table from source to target, as a whole or by ranges of blocks. Each function is
 * one transaction on the target, with its row in the ledger; after an error the connections are
 * good for PQfinish only.
 */
#ifndef TG_SNAPSHOT_TABLE_COPY_H
#define TG_SNAPSHOT_TABLE_COPY_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/base/stop.h"
#include "agent/pg/catalog.h"

/* One worker's means. */
struct copier {
    PGconn *source, *target; /* source: under the shared snapshot */
    bool replica;            /* the target session has session_replication_role = replica */
    const char *migration;
    uint64_t sync; /* position of the snapshot */
    const struct stop *stop;
    void (*progress)(uint64_t rows, uint64_t bytes, void *arg);
    void *arg;
};

struct table_copy {
    const struct pg_table *table; /* on the source */
    bool ours;                    /* rows that are in it were put there by this migration */
    /* Filled by tables_describe. */
    bool described;
    char *columns; /* "a", "b"; empty when the copy carries none */
    bool binary;
    bool partitioned; /* on the target, where the source has one table */
};

void table_copy_done(struct table_copy *t);
/* Append the COPY of the whole table, of which there are columns. */
void table_copy_source_sql(const struct table_copy *t, struct buf *sql);
void table_copy_target_sql(const struct table_copy *t, bool freeze, struct buf *sql);

/* Everything at once: emptied if need be, filled, recorded as copied. */
bool table_copy_whole(
    const struct table_copy *t, const struct copier *c, uint64_t *rows, struct err *err) must_use;
/* For a table in parts: empties it before the first, records the start. */
bool table_copy_begin(const struct table_copy *t, const struct copier *c, struct err *err) must_use;
/* Blocks [from, to); to == 0: all from there on. */
bool table_copy_part(const struct table_copy *t, const struct copier *c, uint32_t from, uint32_t to,
    uint64_t *rows, struct err *err) must_use;
/* After the last part: records it as copied. */
bool table_copy_end(const struct table_copy *t, const struct copier *c, struct err *err) must_use;

#endif
