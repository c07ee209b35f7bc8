/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the sink keeps its position: up to PostgreSQL 15 in a replication origin of the target,
 * whose progress is part of the commit record; from 16 on, when the role may not use origins, or
 * when the sink has several connections, in table tidegate.progress, updated in the same
 * transaction as the data. Either way one sink at a time holds the position, and another one's open
 * is refused until all sessions of that have ended: an agent that was cut off may still have
 * statements under way.
 *
 * From 16 on the server also moves an origin forward when a transaction aborts whose position was
 * set, for instance because its session ended right before the commit. The transaction would be
 * lost. There the origin, where allowed, only marks the transactions as replicated ones.
 */
#ifndef TG_SINKS_POSTGRES_ORIGIN_H
#define TG_SINKS_POSTGRES_ORIGIN_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"

/* Prepared statement that stores a position in the open transaction and gives it a transaction id,
 * so that a commit record is written. Its parameters are an origin_values; it answers one row. */
#define ORIGIN_STORE "tg_position"
/* With an origin: makes the transactions committed so far durable; outside of a transaction. The
 * table's row is made durable by committing it with synchronous_commit on. */
#define ORIGIN_FLUSH "tg_flush"
/* The SQLSTATE of a statement that stores a position, when the table's row is gone. */
#define ORIGIN_GONE  "2201G"

/* Where statements store it. The number is that of their parameters for it. */
enum origin_place {
    ORIGIN_NOWHERE = 0,
    ORIGIN_NATIVE = 2, /* pg_lsn, timestamptz */
    ORIGIN_ROW = 3,    /* and text: the name of the row */
};
#define ORIGIN_VALUES_MAX 3u
extern const uint32_t origin_value_types[ORIGIN_VALUES_MAX];

/* A position as these parameters, in binary. */
struct origin_values {
    enum origin_place place;
    uint8_t lsn[8], stamp[8];
    const char *name; /* borrowed */
};
/* `commit_us`: since 1970, on the source; 0: the server takes its own time. */
struct origin_values origin_values(
    enum origin_place place, const char *name, uint64_t position, int64_t commit_us);
const char *origin_value(const struct origin_values *v, uint32_t i, int *len);

/* For a statement that stores the position along with rows, from parameter `first` on: a CTE "p"
 * that it needs beside its own, or nothing, and an expression of its answer. */
void origin_store_with(enum origin_place place, uint32_t first, struct buf *sql);
void origin_store_select(enum origin_place place, uint32_t first, struct buf *sql);

struct origin {
    bool native;     /* position in a replication origin; else in the table */
    bool marked;     /* an origin marks the transactions as replicated ones */
    uint64_t stored; /* durable in the target; 0: none yet */
};

/* Makes what is missing, takes the position for this session and prepares ORIGIN_STORE; `shared`
 * with further connections, which one origin cannot be. Before pipeline mode, and while commits are
 * synchronous (session_settings). ERR_RETRY, with the
 * pid in the text, when another session holds it; ERR_CONFIG when the role may do neither. */
bool origin_open(
    PGconn *conn, const char *name, bool shared, struct origin *out, struct err *err) must_use;
/* A further connection beside the one that has opened it so, and keeps it: its number is 2, 3, ...
 * Until it has ended, nobody else opens the position. */
bool origin_join(PGconn *conn, const char *name, const struct origin *origin, uint32_t number,
    struct err *err) must_use;

#endif
