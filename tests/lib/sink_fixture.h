/* SPDX-License-Identifier: Apache-2.0
 *
 * A server with an empty schema "a" for each test of the PostgreSQL sink, and its names. One server
 * for the program; without a server binary the tests are skipped.
 */
#ifndef TG_TESTS_LIB_SINK_FIXTURE_H
#define TG_TESTS_LIB_SINK_FIXTURE_H

#include "tests/lib/pg_server.h"
#include "tests/lib/rows.h"
#include "tests/lib/sink_feed.h"
#include "tests/lib/unit.h"

extern struct pg_server server;
extern PGconn *db;                /* superuser; NULL without a server */
extern struct feed feed;          /* the test's setup sets feed.ops */
extern struct sink_params params; /* as superuser, groups of one transaction; reset for each test */

int fixture_start(void **state); /* of the group */
int fixture_stop(void **state);
/* Of each test: schema "a" is empty, nothing is left of positions; afterwards the feed is closed.
 */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Waits until no sink has a session any more. */
void fixture_wait_for_sessions(void);
/* Closes the feed and opens it again. */
void fixture_reopen(uint64_t start);
/* The first value of the query's first row. */
void expect(const char *sql, const char *value);

#define NEEDS_SERVER()                                                                             \
    do {                                                                                           \
        (void)state;                                                                               \
        if (!db) {                                                                                 \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

#endif
