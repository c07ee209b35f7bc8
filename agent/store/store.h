/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent's memory of one migration: a SQLite file `state.db` in the data directory (WAL,
 * synchronous=FULL), small and cold: phase, tables, a few named values. What returns true is
 * durable. Operators may read it; only the agent writes it. A lock file beside it keeps a second
 * agent out.
 *
 * Locking: any thread; one internal mutex.
 */
#ifndef TG_STORE_STORE_H
#define TG_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"

struct store;

/* Creates the directory (0700) and file when missing. ERR_CONFIG when another process holds it. */
bool store_open(const char *dir, struct store **out, struct err *err) must_use;
void store_close(struct store *s); /* accepts NULL */

/* Named values: "phase", "source_system_id", "slot_start", ... *out is new (x_free), NULL when
 * absent. */
bool store_get(struct store *s, const char *key, char **out, struct err *err) must_use;
bool store_set(struct store *s, const char *key, const char *value, struct err *err) must_use;
/* Several at once, all or none. */
bool store_set_many(struct store *s, const char *const *keys, const char *const *values, size_t n,
    struct err *err) must_use;
bool store_get_u64(
    struct store *s, const char *key, uint64_t *out, bool *found, struct err *err) must_use;
bool store_set_u64(struct store *s, const char *key, uint64_t value, struct err *err) must_use;

/* Key of a table's replica identity before tidegate changed it, with the table's oid behind it; the
 * value is the letter of pg_class.relreplident. */
#define STORE_IDENTITY_BEFORE "identity_before_"

/* Logical decoding plugin of slot and spool; absent: pgoutput. */
#define STORE_PLUGIN          "plugin"

/* A position up to which the spool is durable, decimal; it may be well below what is. */
#define STORE_SPOOL_DURABLE   "spool_durable"

/* State of a table; all of them are durable.
 *
 *   PENDING -> COPYING -> COPIED -> READY
 *      ^__________|  the copy was cut: again, from a new snapshot
 */
enum table_state { TABLE_PENDING, TABLE_COPYING, TABLE_COPIED, TABLE_READY };

struct table_row {
    uint32_t oid; /* on the source; the key */
    char schema[64], name[64];
    enum table_state state;
    uint64_t sync;         /* changes of transactions that end at or before it are in the copy */
    uint64_t bytes, rows;  /* bytes: size on the source at planning; rows: copied */
    bool identity_changed; /* tidegate set REPLICA IDENTITY FULL on the source */
};
bool store_table_put(struct store *s, const struct table_row *row, struct err *err) must_use;
/* All or none. */
bool store_table_put_many(
    struct store *s, const struct table_row *rows, size_t n, struct err *err) must_use;
/* New array ordered by schema, name (x_free). */
bool store_tables(struct store *s, struct table_row **out, size_t *n, struct err *err) must_use;

/* The same per sink: schema, name and identity are those of the list above, state, sync, bytes and
 * rows are the sink's own. A table of which nothing was noted for the sink is PENDING. `sink` NULL:
 * the list itself. */
bool store_sink_tables(
    struct store *s, const char *sink, struct table_row **out, size_t *n, struct err *err) must_use;
bool store_sink_tables_put(struct store *s, const char *sink, const struct table_row *rows,
    size_t n, struct err *err) must_use;

/* The sinks of the migration, with what does not change while a sink lives, and whether its
 * copy is complete. */
struct sink_row {
    char name[64]; /* the key */
    char type[32];
    char origin[160]; /* under which its target keeps the position */
    bool copies;      /* its target gets a copy; false: it has the data, or keeps none */
    bool copied;      /* ... and has it */
    uint64_t start;   /* position behind which its feed begins; 0: where the migration's begins */
};
bool store_sink_put(struct store *s, const struct sink_row *row, struct err *err) must_use;
/* New array in the order in which they came (x_free). */
bool store_sinks(struct store *s, struct sink_row **out, size_t *n, struct err *err) must_use;
/* Forgets the sink: its row, its tables, its dead letters and every value whose key ends in _NAME
 * and begins with one of the prefixes below. */
bool store_sink_forget(struct store *s, const char *name, struct err *err) must_use;
#define STORE_CURSOR        "cursor_" /* last durable position of the sink, decimal */
#define STORE_DEFER_FIRING  "defer_firing_"
#define STORE_AFTER_CUTOVER "after_cutover_"
#define STORE_DOUBTS        "prepared_"    /* agent/pipeline/doubts.h */
#define STORE_DDL_WAITING   "ddl_waiting_" /* agent/pipeline/ddl.h, as those below */
#define STORE_DDL_DECISION  "ddl_decision_"
#define STORE_DDL_SCHEMA    "ddl_schema_"
#define STORE_DDL_SHAPE     "ddl_shape_" /* agent/pipeline/ddl_relations.h; OID_NAME behind it */
/* Not of a sink. */
#define STORE_DDL_TABLE     "ddl_table_" /* with the table's oid behind it */
#define STORE_DDL_TOKEN     "ddl_token"

#endif
