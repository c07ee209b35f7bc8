/* SPDX-License-Identifier: Apache-2.0
 *
 * A list under a lock; sessions are closed outside of it, which may take a moment.
 */
#include "agent/pg/spares.h"

#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "agent/base/arena.h"

struct spare {
    PGconn *conn;
    char *dsn, *purpose;
    int64_t since_us; /* monotonic */
};

struct pg_spares {
    const struct clock *clock;
    pthread_mutex_t lock; /* guards what follows */
    struct spare items[PG_SPARES_MAX];
    size_t len;
};

struct pg_spares *
pg_spares_new(const struct clock *clock)
{
    struct pg_spares *s = x_zalloc(sizeof(*s));
    s->clock = clock;
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

void
pg_spares_free(struct pg_spares *s)
{
    if (s) {
        pg_spares_drop(s);
        pthread_mutex_destroy(&s->lock);
        x_free(s);
    }
}

void
pg_spares_put(struct pg_spares *s, const char *dsn, const char *purpose, PGconn *conn)
{
    pthread_mutex_lock(&s->lock);
    bool room = s->len < PG_SPARES_MAX;
    if (room) {
        s->items[s->len++] = (struct spare){.conn = conn,
            .dsn = x_strdup(dsn),
            .purpose = x_strdup(purpose),
            .since_us = clock_mono_us(s->clock)};
    }
    pthread_mutex_unlock(&s->lock);
    if (!room) {
        PQfinish(conn);
    }
}

/* Nobody asked it anything: what it has to say is that it ends. */
static bool
is_well(PGconn *conn)
{
    struct pollfd p = {.fd = PQsocket(conn), .events = POLLIN};
    return PQstatus(conn) == CONNECTION_OK && p.fd >= 0 && poll(&p, 1, 0) == 0;
}

/* Takes the newest one out of the list; NULL: none. */
static PGconn *
remove_one(struct pg_spares *s, const char *dsn, const char *purpose, bool *fresh)
{
    PGconn *conn = NULL;
    pthread_mutex_lock(&s->lock);
    for (size_t i = s->len; !conn && i-- > 0;) {
        struct spare *item = &s->items[i];
        if (strcmp(item->dsn, dsn) == 0 && strcmp(item->purpose, purpose) == 0) {
            conn = item->conn;
            *fresh = clock_mono_us(s->clock) - item->since_us < PG_SPARES_AGE_US;
            x_free(item->dsn);
            x_free(item->purpose);
            *item = s->items[--s->len];
        }
    }
    pthread_mutex_unlock(&s->lock);
    return conn;
}

PGconn *
pg_spares_take(struct pg_spares *s, const char *dsn, const char *purpose)
{
    bool fresh = false;
    for (PGconn *conn; s && (conn = remove_one(s, dsn, purpose, &fresh)) != NULL;) {
        if (fresh && is_well(conn)) {
            return conn;
        }
        PQfinish(conn);
    }
    return NULL;
}

void
pg_spares_drop(struct pg_spares *s)
{
    while (s) {
        struct spare last = {0};
        pthread_mutex_lock(&s->lock);
        if (s->len > 0) {
            last = s->items[--s->len];
        }
        pthread_mutex_unlock(&s->lock);
        if (!last.conn) {
            return;
        }
        PQfinish(last.conn);
        x_free(last.dsn);
        x_free(last.purpose);
    }
}
