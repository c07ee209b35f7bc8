/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections to PostgreSQL through libpq, and what its errors mean for us. PGconn and PGresult are
 * the currency of everything above; this header makes, classifies and interrupts.
 *
 * libpq's environment, service files, .pgpass and TLS parameters work as everywhere. A password
 * given in a DSN is registered with the log's redactor, and never part of a text made here.
 */
#ifndef TG_PG_CONN_H
#define TG_PG_CONN_H

#include <libpq-fe.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/stop.h"

struct pg_options {
    const char *application_name; /* "tidegate orders copy" ... */
    const char *encoding;         /* client_encoding; NULL: UTF8 */
    bool replication;             /* replication=database: a walsender of that database */
    bool bytes;         /* text of a database without an encoding (SQL_ASCII) passes as it is */
    int64_t timeout_us; /* to connect, and silence of the network afterwards; 0: 30 s */
};

/* Opens a session with settings that make values exact and long work possible: ISO dates,
 * extra_float_digits, empty search_path, no statement/lock/idle timeouts, row_security off,
 * default_transaction_read_only off, standard strings. Errors: unreachable ERR_RECONNECT; wrong
 * password, unknown database, role or TLS ERR_CONFIG, with host, port, user and database in the
 * text and a hint. */
bool pg_connect(
    const char *dsn, const struct pg_options *o, PGconn **out, struct err *err) must_use;

/* "host=db1 port=5432 user=u dbname=d": what may be shown. `out` always gets a string. */
void pg_describe_dsn(const char *dsn, char *out, size_t cap);
/* Takes a DSN apart for a child program: *safe is a conninfo string without password, *passfile the
 * content of a password file (NULL without password). Both are new strings, x_free. */
bool pg_split_dsn(const char *dsn, char **safe, char **passfile, struct err *err) must_use;

/* What may be done about an error of this SQLSTATE; pure. Class 08, 57P0x: RECONNECT; 40xxx, 55P03,
 * 53xxx: RETRY; 28xxx, 42501, 3D000: CONFIG; the rest DATA. */
enum err_class pg_class_of(const char *sqlstate);
/* Fill err from a failed result / connection: "<fmt>: <server's message>; <detail>", sqlstate,
 * class. A dead connection is ERR_RECONNECT whatever the result says. Return false. */
bool pg_result_error(struct err *err, PGconn *conn, const PGresult *res, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
bool pg_conn_error(struct err *err, PGconn *conn, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* poll(2) for sockets of libpq: fds[i] is that of conns[i], or of something else where that is
 * NULL. Bytes that TLS has decrypted and libpq has not read are input, too, which the socket does
 * not show: a record is left in part when it is larger than libpq's room. Result and errno as poll.
 */
int pg_poll(PGconn *const *conns, struct pollfd *fds, size_t n, int timeout_ms);

/* Makes a query of another thread's connection end with 57014; best effort. */
void pg_cancel(PGconn *conn);

#endif
