/* SPDX-License-Identifier: Apache-2.0
 *
 * The order of pending_make is that of the script, stage by stage, which satisfies every
 * dependency.
 */
#include "agent/snapshot/pending.h"

#include <string.h>

#include "agent/base/arena.h"
#include "agent/snapshot/facts.h"

#define FK_VIOLATION   "23503"
#define PARTITIONED_FK 180000

static bool
is_carried(const struct pg_tables *tables, uint32_t oid)
{
    for (size_t i = 0; i < tables->len; i++) {
        if (tables->items[i].oid == oid) {
            return true;
        }
    }
    return false;
}

static void
mark(struct post *p, const struct snapshot_options *o, const struct pg_tables *tables,
    const struct ledger *done)
{
    bool everything = table_filter_is_all(&o->filter);
    for (size_t i = 0; i < p->len; i++) {
        struct post_item *it = &p->items[i];
        if (!it->entry) {
            continue;
        }
        if (ledger_has(done, it->key)) {
            it->state = POST_DONE;
        } else if (!everything && strcmp(it->entry->type, "FK CONSTRAINT") == 0 &&
                   it->facts.relid2 && !is_carried(tables, it->facts.relid2)) {
            post_skip(p, it); /* refers to a table that stays behind */
        }
    }
}

static struct post_table *
post_tables(const struct pg_tables *tables)
{
    struct post_table *out = x_zalloc((tables->len + 1) * sizeof(*out));
    for (size_t i = 0; i < tables->len; i++) {
        const struct pg_table *t = &tables->items[i];
        out[i] = (struct post_table){
            t->oid, t->root, t->schema, t->name, t->kind, t->partition, t->bytes};
    }
    return out;
}

bool
pending_build(const struct pending_input *in, PGconn *source, struct post *out, struct err *err)
{
    struct post_facts *facts = NULL;
    if (!facts_read(source, &in->schema->behind, &facts, err)) {
        return false;
    }
    struct post_table *list = post_tables(in->tables);
    struct post_input input = {.before = &in->schema->before,
        .behind = &in->schema->behind,
        .facts = facts,
        .tables = list,
        .tables_len = in->ends ? in->tables->len : 0,
        .analyze = in->o->analyze,
        .defer_firing = in->o->defer_firing};
    post_build(out, &input);
    mark(out, in->o, in->tables, in->done);
    x_free(list);
    x_free(facts);
    return true;
}

static bool
is_fk(const struct post_item *it)
{
    return strcmp(it->entry->type, "FK CONSTRAINT") == 0;
}

static bool
is_subscription(const struct post_item *it)
{
    return strcmp(it->entry->type, "SUBSCRIPTION") == 0;
}

static bool
make_one(struct post *p, struct post_item *it, struct create *c, struct reporter *report,
    struct err *err)
{
    bool tolerated = false;
    char *sql = NULL;
    if (is_fk(it) && it->facts.validated &&
        (!it->facts.on_partitioned || PQserverVersion(c->target) >= PARTITIONED_FK)) {
        sql = entry_not_valid(it->entry->sql);
    }
    if (is_subscription(it)) {
        sql = entry_without_slot(it->entry->sql);
    }
    struct create_item one = {it->entry, it->key, sql};
    bool ok = create_entry(c, &one, &tolerated, err);
    x_free(sql);
    if (!ok && is_fk(it) && strcmp(err->sqlstate, FK_VIOLATION) == 0) {
        reporter_take(report, err);
        ok = tolerated = true;
    }
    if (ok && tolerated) {
        post_skip(p, it);
    } else if (ok) {
        it->state = POST_DONE;
    }
    return ok;
}

/* The next items of the stage from *at on, which may be made in one transaction. */
static size_t
gather(struct post *p, int stage, bool together, size_t *at, struct post_item **out)
{
    size_t n = 0, most = together ? CREATE_TOGETHER_MAX : 1;
    for (; *at < p->len && n < most; ++*at) {
        struct post_item *it = &p->items[*at];
        if ((int)it->stage != stage || it->state != POST_WAITING || !it->entry) {
            continue;
        }
        bool alone = is_fk(it) || entry_holds_secret(it->entry);
        if (alone && n) {
            break;
        }
        out[n++] = it;
        if (alone) {
            ++*at;
            break;
        }
    }
    return n;
}

static bool
make_several(struct post *p, struct post_item *const *items, size_t n, struct create *c,
    struct reporter *report, struct err *err)
{
    struct create_item list[CREATE_TOGETHER_MAX];
    bool made = false;
    for (size_t i = 0; i < n; i++) {
        list[i] = (struct create_item){items[i]->entry, items[i]->key, NULL};
    }
    if (n > 1 && !create_together(c, list, n, &made, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (made) {
            items[i]->state = POST_DONE;
        } else if (items[i]->state == POST_WAITING && !make_one(p, items[i], c, report, err)) {
            return false;
        }
    }
    return true;
}

bool
pending_make(struct post *p, enum post_stage last, struct create *c, struct reporter *report,
    struct err *err)
{
    struct post_item *items[CREATE_TOGETHER_MAX];
    for (int stage = POST_TABLE; stage <= (int)last; stage++) {
        size_t at = 0, n;
        while ((n = gather(p, stage, c->together, &at, items)) > 0) {
            if (!make_several(p, items, n, c, report, err)) {
                return false;
            }
        }
    }
    return true;
}
