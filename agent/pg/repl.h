/* SPDX-License-Identifier: Apache-2.0
 *
 * The streaming replication protocol on a walsender connection: slots with an exported snapshot,
 * the CopyBoth frames, keepalives and feedback. Source: PostgreSQL manual, "Streaming Replication
 * Protocol" and "Logical Streaming Replication Protocol".
 */
#ifndef TG_PG_REPL_H
#define TG_PG_REPL_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/base/stop.h"
#include "agent/pg/nap.h"

#define PG_SNAPSHOT_NAME_SIZE 64

/* Option of wal2json from 2.6 on: numbers come as strings, which alone can say NaN and infinity. */
#define PG_WAL2JSON_STRINGS   "numeric-data-types-as-string"

/* A logical slot made on `conn` (replication connection) with its snapshot exported; the snapshot
 * can be imported by other sessions until the next command on conn or its end. */
struct pg_new_slot {
    uint64_t consistent_point; /* commits at or above it are in the stream, those below in the
                                  snapshot */
    char snapshot[PG_SNAPSHOT_NAME_SIZE];
};
bool pg_create_slot(PGconn *conn, const char *slot, const char *plugin, bool temporary,
    struct pg_new_slot *out, struct err *err) must_use;

struct pg_frame {
    bool is_data;         /* else a keepalive */
    uint64_t wal_start;   /* data: LSN of this message */
    uint64_t wal_end;     /* end of WAL at the server, or what it has sent up to (keepalive) */
    int64_t sent_us;      /* server's clock, Unix microseconds */
    bool reply_requested; /* keepalive */
    struct slice payload; /* data: the plugin's message; borrowed until the next read */
    uint8_t *bytes;       /* the same, for a reader that puts the message right in place */
};

struct pg_stream {
    PGconn *conn;  /* owned */
    char *current; /* libpq's buffer of the frame handed out */
    struct nap nap;
    const struct stop *stop;
    int64_t heard_us, heard_wall_us; /* when bytes were read last; monotonic, wall clock */
};

struct pg_stream_options {
    const char *slot, *publication;
    const char *plugin; /* NULL: pgoutput */
    uint64_t position;  /* what was committed at or below it is not sent */
    bool text;          /* values as text instead of binary */
    bool streaming;     /* large transactions while they are still open at the server */
    bool two_phase; /* prepared transactions when they are prepared, from now on for good (15) */
    const struct stop *stop; /* no read waits once it is requested; NULL: none */
};

/* START_REPLICATION. With pgoutput: binary (unless `text`) and with logical messages when the
 * server is 14 or newer, in the newest protocol that it speaks. With another plugin: publication,
 * text, streaming and two_phase say nothing. Takes conn, also when it fails. */
bool pg_stream_start(
    struct pg_stream *s, PGconn *conn, const struct pg_stream_options *o, struct err *err) must_use;
/* Next frame; *got = false when none came within timeout_ms. */
bool pg_stream_read(
    struct pg_stream *s, int timeout_ms, struct pg_frame *out, bool *got, struct err *err) must_use;
struct pg_feedback {
    uint64_t received, durable; /* LSNs */
    int64_t now_us;             /* wall clock */
    bool ping;                  /* ask for a keepalive in return */
};
bool pg_stream_feedback(struct pg_stream *s, const struct pg_feedback *f, struct err *err) must_use;
void pg_stream_stop(struct pg_stream *s); /* closes the connection; accepts a stopped one */

#endif
