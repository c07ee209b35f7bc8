/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages of pgoutput become records, by their heads alone; the rest stays as the server sent it.
 * Source of the formats: PostgreSQL manual, "Logical Replication Message Formats", protocol
 * versions 1 to 4.
 *
 * Called by the source's thread for each message, in order; pure state, no connection.
 */
#ifndef TG_SOURCE_PG_FEED_H
#define TG_SOURCE_PG_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/change/record.h"

/* Prefix of a logical message that goes on with the id of the subtransaction that wrote it. */
#define PG_FEED_SUBTRANSACTION "tidegate.ddl."

/* One for each connection: zeroed at its start but for `last`. */
struct pg_feed {
    uint64_t last;         /* position of the last COMMIT or MARK; kept by the caller */
    bool in_transaction;   /* a whole one: begun and not ended */
    bool late;             /* ... which was prepared long ago and is committed now */
    uint32_t stream;       /* between stream start and stream stop: its transaction; else 0 */
    struct record pending; /* second record of the last message; kind 0: none */
};

struct pg_message {
    uint8_t *data; /* may be changed in place */
    size_t len;
    uint64_t wal_start;
    int64_t received_us;
};

/* *keep = false: the message is not for the spool. out->payload lies in the message. */
bool pg_feed_take(struct pg_feed *f, const struct pg_message *m, struct record *out, bool *keep,
    struct err *err) must_use;
/* The second record of the last message, if it has one: it must be taken before the next message,
 * and while its bytes are still there. */
bool pg_feed_pending(struct pg_feed *f, struct record *out) must_use;

#endif
