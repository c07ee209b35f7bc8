/* SPDX-License-Identifier: Apache-2.0
 *
 * libpq's pipeline mode with a bound: statements go out without waiting for answers until the bytes
 * sent and not yet answered reach it; then answers are taken in until there is room. Every wait
 * looks in both directions, so neither side can block the other.
 *
 * A failed call ends the pipe: what came before is answered or lost with the connection, and only
 * pipe_done is allowed. The first failing statement is the one reported, with its own words.
 *
 *   e = pipe_next(p, bytes, err);    waits for room; fill the entry ...
 *   pipe_execute(p, &statement, err) ... and send the statement that it stands for
 */
#ifndef TG_SINKS_POSTGRES_PIPE_H
#define TG_SINKS_POSTGRES_PIPE_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "sinks/postgres/flight.h"

/* A statement that is sent in front of the next one (pipe_owe). */
struct pipe_owed {
    const char *name; /* prepared, without parameters; NULL: a sync */
    struct flight_entry entry;
};
#define PIPE_OWED 4u

struct pipe_copy {
    bool open;
    struct flight_entry entry; /* of it, with the rows so far */
    size_t sent;
    struct buf chunk;
    int64_t trip_us; /* the shortest time from a COPY to the server's being ready; 0: none yet */
};

struct pipe {
    PGconn *conn; /* borrowed */
    struct flight flight;
    uint64_t bound; /* bytes in flight */
    size_t unsent;  /* at most so much lies in libpq's output buffer */
    size_t step;    /* ... when it is handed to the network */
    bool asked;     /* the server was asked to answer everything sent so far */
    struct pipe_owed owed[PIPE_OWED];
    uint32_t owed_len;
    struct pipe_copy copy;
    struct flight_commit commit; /* last one answered; transactions and rows are sums since open */
    uint64_t durable;            /* position of the last durable one answered */
    PGresult *rows;              /* of the last FLIGHT_QUERY answered */
    bool broken;                 /* the failure is that of an answer or of the connection */
    uint8_t refused; /* enum flight_kind of the statement whose answer failed; 0: none */
    bool missing;    /* ... because the row to change is not there */
};

/* A prepared statement with its parameters; arrays of n. Text values end with a NUL byte. */
struct pipe_statement {
    const char *name;
    int n;
    const char *const *values;
    const int *lengths;
    const int *formats;
};

/* The connection must be idle; it is put into pipeline mode. */
bool pipe_init(struct pipe *p, PGconn *conn, uint64_t bound, struct err *err) must_use;
void pipe_done(struct pipe *p); /* accepts an all-zero one; leaves the connection */

/* Notes a prepared statement (NULL: a sync) to be sent in front of whatever comes next, or when all
 * is answered, and does not wait. Of those owed only the first may be a COMMIT; it is sent when
 * everything in front of it up to the last entry that is to be awaited (flight.h) was answered
 * well; what fails behind that makes the server pass over the COMMIT. The entry, emptied, is to be
 * filled at once; its label is static. At most PIPE_OWED between two statements. */
struct flight_entry *pipe_owe(struct pipe *p, const char *name);
/* When a COMMIT was owed last, sends this one in its place, which begins a transaction, too. */
bool pipe_chain(struct pipe *p, const char *name);
/* Whether a COMMIT behind what is sent next would have to wait for answers anyhow. */
bool pipe_must_wait(const struct pipe *p);
/* COMMITs that are owed, or sent and not answered. */
uint32_t pipe_commits(const struct pipe *p);

/* NULL when the pipe failed. The entry is valid until the next call. */
struct flight_entry *pipe_next(struct pipe *p, size_t bytes, struct err *err) must_use;
bool pipe_execute(struct pipe *p, const struct pipe_statement *s, struct err *err) must_use;
bool pipe_prepare(struct pipe *p, const char *name, const char *sql, int n, const uint32_t *types,
    struct err *err) must_use;
bool pipe_sql(struct pipe *p, const char *sql, struct err *err) must_use;
/* A prepared statement without parameters as FLIGHT_CONTROL; label is static. */
bool pipe_control(struct pipe *p, const char *name, const char *label, struct err *err) must_use;
/* Ends a protocol sequence: the server answers everything and does its housekeeping. */
bool pipe_sync(struct pipe *p, struct err *err) must_use;

/* COPY ... FROM STDIN in binary. Waits for all answers, then takes rows without a bound but the
 * network's, until the next statement or pipe_drain ends it, or by itself when it has become long
 * (`copy.open` tells). A row that is refused is an error at the end at the latest. */
bool pipe_copy_open(
    struct pipe *p, const char *sql, const struct flight_entry *about, struct err *err) must_use;
/* Its fields, each as length, or -1 for NULL, and bytes. */
bool pipe_copy_row(
    struct pipe *p, uint32_t fields, const uint8_t *bytes, size_t len, struct err *err) must_use;
bool pipe_copy_close(struct pipe *p, struct err *err) must_use;

/* Sends what is owed, hands everything to the network and asks for the answers. */
bool pipe_push(struct pipe *p, struct err *err) must_use;
/* Asks for the answers and hands to the network what it takes at once. It reads nothing: pipe_turn
 * does, and the rest, also what is owed. */
bool pipe_ask(struct pipe *p, struct err *err) must_use;
/* Takes in what is there; waits up to timeout_ms for something to come. Sends what is owed once
 * nothing is unanswered. */
bool pipe_turn(struct pipe *p, int timeout_ms, struct err *err) must_use;
/* The one call after a failure: goes on behind the next sync, what was sent before it is answered
 * or was skipped by the server. `refused` and `missing` stay until the next failure. */
bool pipe_recover(struct pipe *p, struct err *err) must_use;
/* Sends what is owed and waits until all is answered. */
bool pipe_drain(struct pipe *p, struct err *err) must_use;

#endif
