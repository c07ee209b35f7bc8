/* SPDX-License-Identifier: Apache-2.0
 *
 * A throw-away PostgreSQL server for one test program: own directory below /tmp, unix socket only,
 * fsync off. It is stopped and removed by pg_server_stop, at the program's exit, and ends with the
 * program whatever happens to that.
 */
#ifndef TG_TESTS_LIB_PG_SERVER_H
#define TG_TESTS_LIB_PG_SERVER_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <sys/types.h>

struct pg_server {
    pid_t pid;
    char dir[64];  /* holds data/ and the socket */
    char dsn[160]; /* superuser postgres, database postgres */
};

/* Settings are "name=value", NULL-terminated; may be NULL. False when no server binary is found
 * (PG_BINDIR, else the newest below /usr/lib/postgresql), or it would not start: says why on
 * stderr. */
bool pg_server_start(struct pg_server *s, const char *const *settings);
void pg_server_stop(struct pg_server *s); /* accepts a stopped one */
/* kill -9 of the whole server, then start again: what was not flushed is lost. */
bool pg_server_crash(struct pg_server *s);

/* A plain connection; fails the program when there is none. `extra` is added to the DSN, may be
 * NULL. */
PGconn *pg_server_connect(const struct pg_server *s, const char *extra);
/* Runs statements; a failure ends the program with the server's words. */
void pg_do(PGconn *conn, const char *sql);
/* First value of the first row as a string in a static buffer; "NULL", or "" without rows. */
const char *pg_get(PGconn *conn, const char *sql);

#endif
