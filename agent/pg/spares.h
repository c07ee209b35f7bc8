/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions that were opened ahead, for a time in which every trip to a server counts: opening one
 * takes four trips, more with TLS and a password, and a cutover needs several of each server while
 * nobody may write. A session is found by where it leads and by what it is for, because that stands
 * in its application name and decides its settings.
 *
 * One that has waited for long is not given away: something on its way may have forgotten it. Any
 * number of threads.
 */
#ifndef TG_PG_SPARES_H
#define TG_PG_SPARES_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "agent/base/clock.h"

#define PG_SPARES_MAX    64
#define PG_SPARES_AGE_US 60000000 /* older ones are closed */

struct pg_spares;

struct pg_spares *pg_spares_new(const struct clock *clock);
void pg_spares_free(struct pg_spares *s); /* accepts NULL */
/* Takes `conn` over, also when there is no room, where it closes it. */
void pg_spares_put(struct pg_spares *s, const char *dsn, const char *purpose, PGconn *conn);
/* The caller's from now on. NULL: there is none; also when `s` is NULL. */
PGconn *pg_spares_take(struct pg_spares *s, const char *dsn, const char *purpose);
/* Closes what is left. Accepts NULL. */
void pg_spares_drop(struct pg_spares *s);

#endif
