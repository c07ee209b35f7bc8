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
make_one(struct post *p, struct post_item *it, struct create *c, struct reporter *report,
    struct err *err)
{
    bool tolerated = false, fk = strcmp(it->entry->type, "FK CONSTRAINT") == 0;
    char *sql = NULL;
    if (fk && it->facts.validated &&
        (!it->facts.on_partitioned || PQserverVersion(c->target) >= PARTITIONED_FK)) {
        sql = entry_not_valid(it->entry->sql);
    }
    if (strcmp(it->entry->type, "SUBSCRIPTION") == 0) {
        sql = entry_without_slot(it->entry->sql);
    }
    bool ok = create_entry(c, it->entry, it->key, sql, &tolerated, err);
    x_free(sql);
    if (!ok && fk && strcmp(err->sqlstate, FK_VIOLATION) == 0) {
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

bool
pending_make(struct post *p, enum post_stage last, struct create *c, struct reporter *report,
    struct err *err)
{
    for (int stage = POST_TABLE; stage <= (int)last; stage++) {
        for (size_t i = 0; i < p->len; i++) {
            struct post_item *it = &p->items[i];
            if ((int)it->stage == stage && it->state == POST_WAITING && it->entry &&
                !make_one(p, it, c, report, err)) {
                return false;
            }
        }
    }
    return true;
}
