/* SPDX-License-Identifier: Apache-2.0
 *
 * Invariant of a lane: a table that is in the stream is there from exactly the position at which
 * its join ended. So a table that is in the store's list is taken out at once, and one that is gone
 * from it is taken back at a border alone, with the sync position that the store has by then.
 *
 * Rows of a prepared transaction are handed over with the prepare, under a name that the target
 * knows once. A join could not bring its share of them. It does not have to, as long as none is
 * about its table: then everything about the transaction is left to the lane. Else, or when only
 * the outcome comes by, the copy is made again, later than that.
 */
#include "agent/pipeline/resync_view.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/failpoint.h"
#include "agent/pipeline/park.h"

struct item {
    uint32_t oid;
    uint64_t sync; /* of a table that came back: from which transaction on */
};

struct gid {
    struct gid *next;
    char *name;
};

struct resync_view {
    struct resync_view_options o;
    struct resync_row join; /* of a join */
    struct item *out;       /* tables that are left out */
    size_t out_len;
    struct item *back; /* tables that came back since this process began */
    size_t back_len;
    uint64_t seen; /* generation of `out` */
    uint64_t stopped;
    char last[240];
    struct gid *gids; /* of a join: prepared without rows of its table */
    bool prepared;    /* ... inside of such a transaction */
    char doubt[200];

    atomic_bool running, hold, held;
    atomic_uint_fast64_t adopted; /* generation; UINT64_MAX is none */
    atomic_uint_fast64_t at, settled, kept;
};

struct resync_view *
resync_view_new(const struct resync_view_options *o)
{
    struct resync_view *v = x_zalloc(sizeof(*v));
    v->o = *o;
    v->o.join = NULL;
    if (o->join) {
        v->join = *o->join;
        v->o.join = &v->join;
    }
    atomic_store(&v->kept, UINT64_MAX);
    return v;
}

static void
forget_gid(struct resync_view *v, struct gid **at)
{
    (void)v;
    struct gid *g = *at;
    *at = g->next;
    x_free(g->name);
    x_free(g);
}

void
resync_view_free(struct resync_view *v)
{
    if (!v) {
        return;
    }
    while (v->gids) {
        forget_gid(v, &v->gids);
    }
    x_free(v->out);
    x_free(v->back);
    x_free(v);
}

/* --- which tables are out ------------------------------------------------------------------- */

static const struct item *
find(const struct item *items, size_t n, uint32_t oid)
{
    for (size_t i = 0; i < n; i++) {
        if (items[i].oid == oid) {
            return &items[i];
        }
    }
    return NULL;
}

static void
add(struct item **items, size_t *n, struct item it)
{
    for (size_t i = 0; i < *n; i++) {
        if ((*items)[i].oid == it.oid) {
            (*items)[i] = it;
            return;
        }
    }
    *items = x_realloc(*items, (*n + 1) * sizeof(**items));
    (*items)[(*n)++] = it;
}

/* The store's list, with its generation: asked for first, so that it is never newer than the list.
 */
static bool
read_out(struct resync_view *v, struct item **out, size_t *n, uint64_t *generation, struct err *err)
{
    struct resync_row *rows = NULL;
    size_t len = 0;
    *generation = store_resyncs_generation(v->o.store);
    *out = NULL;
    *n = 0;
    if (!store_resyncs(v->o.store, v->o.sink, &rows, &len, err)) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        add(out, n, (struct item){.oid = rows[i].oid});
    }
    x_free(rows);
    return true;
}

/* Those that are gone from the list came back with what the store has of them now. */
static bool
take_back(struct resync_view *v, const struct item *out, size_t n, struct err *err)
{
    bool any = false;
    for (size_t i = 0; !any && i < v->out_len; i++) {
        any = !find(out, n, v->out[i].oid);
    }
    struct table_row *rows = NULL;
    size_t len = 0;
    if (!any) {
        return true;
    }
    if (!store_sink_tables(v->o.store, v->o.sink, &rows, &len, err)) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (find(v->out, v->out_len, rows[i].oid) && !find(out, n, rows[i].oid)) {
            add(&v->back, &v->back_len, (struct item){rows[i].oid, rows[i].sync});
        }
    }
    x_free(rows);
    return true;
}

/* At a border: the list as it is now. */
static bool
adopt(struct resync_view *v, struct err *err)
{
    struct item *out = NULL;
    size_t n = 0;
    uint64_t generation = 0;
    bool ok = read_out(v, &out, &n, &generation, err) && take_back(v, out, n, err);
    if (!ok) {
        x_free(out);
        return false;
    }
    x_free(v->out);
    v->out = out;
    v->out_len = n;
    v->seen = generation;
    atomic_store(&v->adopted, generation);
    return true;
}

/* Inside of a transaction: what is new in the list goes out at once. */
static bool
look_again(struct resync_view *v, struct err *err)
{
    struct item *out = NULL;
    size_t n = 0;
    uint64_t generation = 0;
    if (v->seen == store_resyncs_generation(v->o.store)) {
        return true;
    }
    if (!read_out(v, &out, &n, &generation, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        add(&v->out, &v->out_len, out[i]);
    }
    v->seen = generation;
    x_free(out);
    return true;
}

bool
resync_view_begin(struct resync_view *v, uint64_t at, struct err *err)
{
    v->prepared = false;
    if (!v->o.join && !adopt(v, err)) {
        return false;
    }
    atomic_store(&v->held, false);
    atomic_store(&v->at, at);
    atomic_store(&v->settled, at);
    atomic_store(&v->running, true);
    return true;
}

void
resync_view_end(struct resync_view *v)
{
    atomic_store(&v->held, false);
    atomic_store(&v->running, false);
}

void
resync_view_passed(struct resync_view *v, uint64_t at)
{
    atomic_store(&v->at, at);
}

bool
resync_view_due(const struct resync_view *v)
{
    return !v->o.join && (atomic_load(&v->hold) || atomic_load(&v->held) ||
                             atomic_load(&v->adopted) != store_resyncs_generation(v->o.store));
}

bool
resync_view_border(struct resync_view *v, uint64_t at, bool *hold, struct err *err)
{
    /* Asked first: who lets go has noted before that the table is back. */
    *hold = atomic_load(&v->hold);
    /* Before the list: who sees that it was adopted asks how far everything is durable. */
    atomic_store(&v->settled, at);
    if (!adopt(v, err)) {
        return false;
    }
    atomic_store(&v->at, at);
    atomic_store(&v->held, *hold);
    return true;
}

/* --- changes -------------------------------------------------------------------------------- */

static bool
wants(const struct resync_view *v, uint32_t oid, uint64_t commit_record)
{
    if (v->o.join) {
        return oid == v->join.oid && commit_record >= v->join.sync &&
               !find(v->out, v->out_len, oid);
    }
    if (v->out_len > 0 && find(v->out, v->out_len, oid)) {
        return false;
    }
    const struct item *back = v->back_len > 0 ? find(v->back, v->back_len, oid) : NULL;
    return !back || commit_record >= back->sync;
}

static bool
shorten(const struct resync_view *v, uint64_t commit_record, struct change *c, struct arena *arena,
    bool *keep, struct err *err)
{
    const struct relation **kept = arena_alloc(arena, (c->truncated_len + 1u) * sizeof(*kept));
    uint32_t n = 0;
    if (!kept) {
        return err_set(err, ERR_RETRY, "out of memory at a TRUNCATE");
    }
    for (uint32_t i = 0; i < c->truncated_len; i++) {
        if (wants(v, c->truncated[i]->id, commit_record)) {
            kept[n++] = c->truncated[i];
        }
    }
    c->partial = c->partial || n < c->truncated_len;
    c->truncated = kept;
    c->truncated_len = n;
    *keep = n > 0;
    return true;
}

static bool
about(const struct change *c, uint32_t oid)
{
    if (c->kind == CHANGE_TRUNCATE) {
        for (uint32_t i = 0; i < c->truncated_len; i++) {
            if (c->truncated[i]->id == oid) {
                return true;
            }
        }
        return false;
    }
    return (c->kind == CHANGE_INSERT || c->kind == CHANGE_UPDATE || c->kind == CHANGE_DELETE) &&
           c->relation->id == oid;
}

static void
doubt(struct resync_view *v, const char *gid)
{
    if (!v->doubt[0]) {
        snprintf(v->doubt, sizeof(v->doubt),
            "prepared transaction '%.60s' may have changed the table while it was copied", gid);
    }
}

static struct gid **
find_gid(struct resync_view *v, const char *name)
{
    struct gid **at = &v->gids;
    while (*at && strcmp((*at)->name, name) != 0) {
        at = &(*at)->next;
    }
    return at;
}

/* True: the change belongs to a prepared transaction, which is not the join's business. */
static bool
is_prepared(struct resync_view *v, const struct change *c)
{
    if (c->kind == CHANGE_BEGIN) {
        v->prepared = c->gid != NULL;
    } else if (c->kind == CHANGE_PREPARE) {
        struct gid *g = x_zalloc(sizeof(*g));
        g->name = x_strdup(c->gid);
        g->next = v->gids;
        v->gids = g;
    } else if (c->kind == CHANGE_COMMIT_PREPARED || c->kind == CHANGE_ROLLBACK_PREPARED) {
        struct gid **known = find_gid(v, c->gid);
        if (*known) {
            forget_gid(v, known);
        } else if (c->kind == CHANGE_COMMIT_PREPARED) {
            doubt(v, c->gid);
        }
    } else if (v->prepared && about(c, v->join.oid)) {
        doubt(v, "");
    }
    return v->prepared;
}

bool
resync_view_filter(struct resync_view *v, uint64_t commit_record, struct change *c,
    struct arena *arena, bool *keep, struct err *err)
{
    *keep = true;
    if (!v->o.join && !look_again(v, err)) {
        return false;
    }
    if (v->o.join && is_prepared(v, c)) {
        *keep = c->kind == CHANGE_DISCARD || c->kind == CHANGE_MARK;
        return true;
    }
    switch (c->kind) {
    case CHANGE_INSERT:
    case CHANGE_UPDATE:
    case CHANGE_DELETE:
        *keep = wants(v, c->relation->id, commit_record);
        break;
    case CHANGE_TRUNCATE:
        return (!v->o.join && v->out_len + v->back_len == 0) ||
               shorten(v, commit_record, c, arena, keep, err);
    case CHANGE_MESSAGE:
        *keep = !v->o.join;
        break;
    case CHANGE_BEGIN:
    case CHANGE_COMMIT:
    case CHANGE_PREPARE:
    case CHANGE_COMMIT_PREPARED:
    case CHANGE_ROLLBACK_PREPARED:
    case CHANGE_DISCARD:
    case CHANGE_MARK:
        break;
    }
    return true;
}

static bool
stop_one(struct resync_view *v, const struct relation *r, const struct change *c,
    const struct err *why, struct err *err)
{
    const struct resync_table t = {
        .oid = r->id, .schema = r->schema, .name = r->name, .position = c->position.commit};
    if (!resync_stop(v->o.store, v->o.sink, v->o.keys, &t, why, err)) {
        return false;
    }
    add(&v->out, &v->out_len, (struct item){.oid = r->id});
    v->stopped++;
    snprintf(v->last, sizeof(v->last), "'%.64s.%.64s' is stopped at %s%s%s", r->schema, r->name,
        change_kind_name(c->kind), why->sqlstate[0] ? ", SQLSTATE " : "", why->sqlstate);
    return true;
}

bool
resync_view_stops(const struct resync_view *v)
{
    return v->o.stops;
}

bool
resync_view_refused(struct resync_view *v, const struct change *c, struct err *err)
{
    if (!v->o.stops || !park_is_about_data(err)) {
        return false;
    }
    struct err why = *err;
    err_clear(err);
    if (why.sqlstate[0] && !strstr(why.text, why.sqlstate)) {
        err_wrap(&why, "SQLSTATE %s", why.sqlstate);
    }
    if (c->kind != CHANGE_TRUNCATE) {
        return stop_one(v, c->relation, c, &why, err);
    }
    /* Which of them was in the way is not known. */
    for (uint32_t i = 0; i < c->truncated_len; i++) {
        if (!stop_one(v, c->truncated[i], c, &why, err)) {
            return false;
        }
    }
    return true;
}

const char *
resync_view_stopped(const struct resync_view *v, uint64_t *n)
{
    *n = v->stopped;
    return v->last;
}

/* --- other threads -------------------------------------------------------------------------- */

bool
resync_view_left_out(const struct resync_view *v, uint64_t generation)
{
    return atomic_load(&v->running) && atomic_load(&v->adopted) >= generation;
}

uint64_t
resync_view_at(const struct resync_view *v)
{
    return atomic_load(&v->running) ? atomic_load(&v->at) : 0;
}

uint64_t
resync_view_settled(const struct resync_view *v)
{
    return atomic_load(&v->running) ? atomic_load(&v->settled) : 0;
}

void
resync_view_hold(struct resync_view *v, bool hold)
{
    atomic_store(&v->hold, hold);
}

bool
resync_view_held(const struct resync_view *v, uint64_t *at)
{
    *at = atomic_load(&v->at);
    return atomic_load(&v->running) && atomic_load(&v->held);
}

void
resync_view_keep(struct resync_view *v, uint64_t position)
{
    atomic_store(&v->kept, position);
}

uint64_t
resync_view_kept(const struct resync_view *v)
{
    return atomic_load(&v->kept);
}

const char *
resync_view_doubt(const struct resync_view *v)
{
    return v->doubt;
}
