/* SPDX-License-Identifier: Apache-2.0
 *
 * A replay that is under way may hold a letter in its hands. It holds a lock on the target, too,
 * and reads its letters behind it: so the lock is waited for first.
 */
#include "agent/pipeline/resync_letters.h"

#include <inttypes.h>

#include "agent/base/arena.h"
#include "agent/pg/conn.h"
#include "agent/pg/query.h"
#include "agent/pipeline/letter.h"
#include "agent/store/letters.h"

#define LOCK_EVERY_US 200000

struct search {
    const struct key_ring *keys;
    uint32_t oid;
    uint64_t *ids; /* of letters about the table */
    size_t len;
    struct buf plain;
};

static bool
look_at(const struct letter *l, void *arg, struct err *err)
{
    struct search *s = arg;
    struct letter_head head;
    bool about = false;
    buf_reset(&s->plain);
    if (!letter_unseal(s->keys, l->head, &s->plain, err) ||
        !letter_read_head(slice_of(s->plain.data, s->plain.len), &head, err)) {
        return err_wrap(err, "dead letter %" PRIu64, l->id);
    }
    for (uint16_t i = 0; i < head.rows.relations_len; i++) {
        about = about || head.rows.relations[i] == s->oid;
    }
    if (!about) {
        return true;
    }
    if (head.rows.relations_len > 1) {
        err_set(err, ERR_CONFIG, "dead letter %" PRIu64 " is about several tables, this one too",
            l->id);
        return err_hint(err, "replay or drop it, then ask for the copy again");
    }
    s->ids = x_realloc(s->ids, (s->len + 1) * sizeof(*s->ids));
    s->ids[s->len++] = l->id;
    return true;
}

static bool
lock_out_replays(PGconn *conn, const char *origin, const struct stop *stop, struct err *err)
{
    const char *params[] = {origin};
    for (;;) {
        PGresult *res = NULL;
        bool ok = pg_query(conn, "lock out replays of dead letters",
            "SELECT pg_catalog.pg_try_advisory_lock("
            "pg_catalog.hashtextextended('tidegate replay ' || $1, 0))",
            1, params, &res, err);
        bool locked = ok && pg_bool(res, 0, 0);
        PQclear(res);
        if (!ok || locked) {
            return ok;
        }
        if (stop_sleep(stop, LOCK_EVERY_US)) {
            return err_set(err, ERR_CANCELLED, "stopped");
        }
    }
}

static bool
drop(
    struct store *store, const struct key_ring *keys, const struct resync_row *row, struct err *err)
{
    struct search s = {.keys = keys, .oid = row->oid};
    buf_init(&s.plain, LETTER_MAX);
    bool ok = letters_each(store, row->sink, look_at, &s, err);
    for (size_t i = 0; ok && i < s.len; i++) {
        bool removed = false;
        ok = letters_remove(store, s.ids[i], &removed, err);
    }
    buf_done(&s.plain);
    x_free(s.ids);
    return ok;
}

bool
resync_letters_drop(struct store *store, const struct key_ring *keys,
    const struct delivery_options *steps, const struct resync_row *row, const struct stop *stop,
    struct err *err)
{
    uint64_t n = 0;
    if (!letters_count(store, row->sink, &n, err) || n == 0) {
        return err->class == ERR_NONE;
    }
    struct pg_options o = {
        .application_name = "tidegate resync", .timeout_us = steps->params.timeout_us};
    PGconn *conn = NULL;
    bool ok = pg_connect(steps->params.dsn, &o, &conn, err) &&
              lock_out_replays(conn, steps->params.origin, stop, err) &&
              drop(store, keys, row, err);
    PQfinish(conn);
    return ok;
}
