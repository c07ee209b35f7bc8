/* SPDX-License-Identifier: Apache-2.0
 *
 * The dump's own dependencies are the graph: pg_dump writes into each entry which others it needs,
 * for pg_restore's parallel mode. An entry is never in an earlier stage than one it depends on.
 *
 * What may run at the same time is a matter of locks: index builds of one table get along with each
 * other, everything else wants its table for itself. Nothing is started that would only wait for a
 * lock.
 */
#include "agent/snapshot/post.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/buf.h"
#include "agent/pg/ident.h"
#include "agent/snapshot/entry.h"

#define SQL_MAX 4096

static bool
type_is(const struct toc_entry *e, const char *type)
{
    return strcmp(e->type, type) == 0;
}

static bool
ends_with(const char *s, const char *tail)
{
    size_t n = strlen(s), m = strlen(tail);
    return n >= m && strcmp(s + n - m, tail) == 0;
}

static enum post_stage
own_stage(const struct toc_entry *e, const struct post_facts *f, bool defer_firing)
{
    static const char *const with_table[] = {"INDEX", "CONSTRAINT", "CHECK CONSTRAINT",
        "STATISTICS", "INDEX ATTACH", "TABLE ATTACH", "COMMENT", "SECURITY LABEL"};
    for (size_t i = 0; i < sizeof(with_table) / sizeof(with_table[0]); i++) {
        if (type_is(e, with_table[i])) {
            return POST_TABLE;
        }
    }
    if (type_is(e, "FK CONSTRAINT")) {
        return defer_firing ? POST_FINISH : POST_FK;
    }
    if (type_is(e, "RULE") && ends_with(e->name, " _RETURN")) {
        return POST_TABLE; /* a view that needs a primary key */
    }
    if (type_is(e, "TRIGGER") || type_is(e, "RULE")) {
        return defer_firing || f->fires_always ? POST_FINISH : POST_LATE;
    }
    /* A publication makes the server refuse updates of tables without an identity: ours, too. */
    if (type_is(e, "EVENT TRIGGER") || strncmp(e->type, "PUBLICATION", 11) == 0 ||
        type_is(e, "SUBSCRIPTION")) {
        return POST_FINISH;
    }
    return type_is(e, "ROW SECURITY") && f->forces_rls ? POST_FINISH : POST_LATE;
}

/* --- building ------------------------------------------------------------------------------- */

struct by_id {
    uint32_t id;
    size_t item;
};

static int
compare_id(const void *a, const void *b)
{
    const struct by_id *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static void
resolve_deps(struct post_item *it, const struct by_id *ids, size_t n)
{
    it->deps = x_zalloc((it->entry->deps_len + 1) * sizeof(*it->deps));
    for (size_t i = 0; i < it->entry->deps_len; i++) {
        struct by_id key = {.id = it->entry->deps[i]};
        const struct by_id *found = bsearch(&key, ids, n, sizeof(*ids), compare_id);
        if (found) {
            it->deps[it->deps_len++] = found->item;
        }
    }
}

static bool
is_plain_index(const struct toc_entry *e)
{
    return type_is(e, "INDEX") && !strstr(e->sql, ";\n");
}

/* Comments and attachments of indexes have no facts of their own: they belong where their parts do.
 */
static void
inherit_facts(struct post *p, struct post_item *it)
{
    if (it->facts.relid || !(type_is(it->entry, "COMMENT") || type_is(it->entry, "INDEX ATTACH") ||
                               type_is(it->entry, "SECURITY LABEL"))) {
        return;
    }
    for (size_t i = 0; i < it->deps_len; i++) {
        uint32_t relid = p->items[it->deps[i]].facts.relid;
        if (!it->facts.relid) {
            it->facts.relid = relid;
        } else if (relid != it->facts.relid) {
            it->facts.relid2 = relid;
        }
    }
}

/* To a fixed point: chains are short, and two rounds nearly always do. */
static void
raise_stages(struct post *p)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = 0; i < p->len; i++) {
            struct post_item *it = &p->items[i];
            for (size_t d = 0; d < it->deps_len; d++) {
                if (p->items[it->deps[d]].stage > it->stage) {
                    it->stage = p->items[it->deps[d]].stage;
                    changed = true;
                }
            }
        }
    }
}

static void
add_entry(struct post *p, const struct toc_entry *e, const struct post_facts *f, bool defer_firing)
{
    static const struct post_facts nothing;
    struct post_item *it = &p->items[p->len++];
    it->entry = e;
    it->facts = f ? *f : nothing;
    it->stage = own_stage(e, &it->facts, defer_firing);
    it->alone = !is_plain_index(e);
    char *key = entry_key(e);
    it->key = x_printf("post %s", key);
    x_free(key);
}

static int
compare_relid(const void *a, const void *b)
{
    const struct by_id *x = a, *y = b;
    if (x->id != y->id) {
        return x->id < y->id ? -1 : 1;
    }
    return x->item < y->item ? -1 : x->item > y->item;
}

/* All pairs (table, item) of the POST_TABLE items, ordered by table. */
static struct by_id *
by_table(const struct post *p, size_t entries, size_t *n)
{
    struct by_id *all = x_zalloc((2 * entries + 1) * sizeof(*all));
    *n = 0;
    for (size_t i = 0; i < entries; i++) {
        const struct post_item *it = &p->items[i];
        if (it->stage == POST_TABLE && it->facts.relid) {
            all[(*n)++] = (struct by_id){it->facts.relid, i};
        }
        if (it->stage == POST_TABLE && it->facts.relid2) {
            all[(*n)++] = (struct by_id){it->facts.relid2, i};
        }
    }
    qsort(all, *n, sizeof(*all), compare_relid);
    return all;
}

static const struct by_id *
first_of(const struct by_id *all, size_t n, uint32_t relid)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (all[mid].id < relid) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return &all[low];
}

/* ANALYZE of a partitioned table reads all partitions, and analyzes each: so only the topmost one
 * is analyzed, and for a partition the item stands for the end of its work alone. */
static void
add_table(
    struct post *p, const struct post_table *t, bool analyze, const struct by_id *items, size_t n)
{
    struct post_item *it = &p->items[p->len++];
    it->facts.relid = t->oid;
    it->stage = POST_TABLE;
    it->alone = true;
    it->weight = t->bytes;
    const struct by_id *first = first_of(items, n, t->oid), *end = items + n;
    size_t count = 0;
    while (first + count < end && first[count].id == t->oid) {
        count++;
    }
    it->deps = x_zalloc((count + 1) * sizeof(*it->deps));
    for (size_t i = 0; i < count; i++) {
        it->deps[it->deps_len++] = first[i].item;
    }
    if (analyze && !t->partition) {
        struct buf sql;
        buf_init(&sql, SQL_MAX);
        buf_str(&sql, "ANALYZE ");
        sql_qualified(&sql, t->schema, t->name);
        it->sql = x_strdup(buf_cstr(&sql));
        buf_done(&sql);
    }
}

/* The topmost table of a tree waits for all of it. */
static void
add_tree_deps(struct post *p, size_t first_table, const struct post_table *tables, size_t n)
{
    for (size_t r = 0; r < n; r++) {
        if (tables[r].kind != 'p' || tables[r].partition) {
            continue;
        }
        struct post_item *root = &p->items[first_table + r];
        root->deps = x_realloc(root->deps, (root->deps_len + n) * sizeof(*root->deps));
        for (size_t i = 0; i < n; i++) {
            if (tables[i].root == tables[r].oid && i != r) {
                root->deps[root->deps_len++] = first_table + i;
            }
        }
    }
}

struct weighed {
    uint64_t weight;
    size_t item;
};

static int
heaviest_first(const void *a, const void *b)
{
    const struct weighed *x = a, *y = b;
    if (x->weight != y->weight) {
        return x->weight > y->weight ? -1 : 1;
    }
    return x->item < y->item ? -1 : x->item > y->item;
}

static void
set_order(struct post *p, const struct post_table *tables, size_t n)
{
    struct by_id *oids = x_zalloc((n + 1) * sizeof(*oids));
    for (size_t i = 0; i < n; i++) {
        oids[i] = (struct by_id){tables[i].oid, i};
    }
    qsort(oids, n, sizeof(*oids), compare_id);
    struct weighed *w = x_zalloc((p->len + 1) * sizeof(*w));
    for (size_t i = 0; i < p->len; i++) {
        struct post_item *it = &p->items[i];
        struct by_id key = {.id = it->facts.relid};
        const struct by_id *found = bsearch(&key, oids, n, sizeof(*oids), compare_id);
        it->weight = found ? tables[found->item].bytes : 0;
        w[i] = (struct weighed){it->weight, i};
    }
    qsort(w, p->len, sizeof(*w), heaviest_first);
    p->order = x_zalloc((p->len + 1) * sizeof(*p->order));
    for (size_t i = 0; i < p->len; i++) {
        p->order[i] = w[i].item;
    }
    x_free(w);
    x_free(oids);
}

static void
add_entries(struct post *p, const struct post_input *in)
{
    const struct toc *before = in->before, *behind = in->behind;
    for (size_t i = 0; i < behind->len; i++) {
        add_entry(p, &behind->items[i], &in->facts[i], in->defer_firing);
    }
    for (size_t i = 0; i < before->len; i++) {
        if (type_is(&before->items[i], "ACL")) {
            add_entry(p, &before->items[i], NULL, in->defer_firing);
        }
    }
    struct by_id *ids = x_zalloc((p->len + 1) * sizeof(*ids));
    for (size_t i = 0; i < p->len; i++) {
        ids[i] = (struct by_id){p->items[i].entry->id, i};
    }
    qsort(ids, p->len, sizeof(*ids), compare_id);
    for (size_t i = 0; i < p->len; i++) {
        resolve_deps(&p->items[i], ids, p->len);
        inherit_facts(p, &p->items[i]);
    }
    x_free(ids);
    raise_stages(p);
}

void
post_build(struct post *p, const struct post_input *in)
{
    memset(p, 0, sizeof(*p));
    size_t most = in->before->len + in->behind->len + in->tables_len;
    p->items = x_zalloc((most + 1) * sizeof(*p->items));
    add_entries(p, in);
    size_t entries = p->len, pairs;
    struct by_id *items = by_table(p, entries, &pairs);
    for (size_t i = 0; i < in->tables_len; i++) {
        add_table(p, &in->tables[i], in->analyze, items, pairs);
    }
    x_free(items);
    add_tree_deps(p, entries, in->tables, in->tables_len);
    set_order(p, in->tables, in->tables_len);
}

void
post_free(struct post *p)
{
    for (size_t i = 0; i < p->len; i++) {
        x_free(p->items[i].key);
        x_free(p->items[i].sql);
        x_free(p->items[i].deps);
    }
    x_free(p->items);
    x_free(p->order);
    memset(p, 0, sizeof(*p));
}

/* --- taking --------------------------------------------------------------------------------- */

static bool
is_settled(const struct post_item *it)
{
    return it->state == POST_DONE || it->state == POST_SKIPPED;
}

static bool
touches(const struct post_item *it, uint32_t relid)
{
    return relid && (it->facts.relid == relid || it->facts.relid2 == relid);
}

static bool
is_in(const struct post_group *g, const struct post_item *it)
{
    for (size_t i = 0; i < g->len; i++) {
        if (g->items[i] == it) {
            return true;
        }
    }
    return false;
}

static bool
collides(const struct post *p, const struct post_item *it, const struct post_group *g)
{
    for (size_t i = 0; i < p->running_len; i++) {
        const struct post_item *other = p->running[i];
        if ((it->alone || other->alone) &&
            (touches(other, it->facts.relid) || touches(other, it->facts.relid2)) &&
            !is_in(g, other)) {
            return true;
        }
    }
    return false;
}

/* An end of a table's work does not mind how what is in front of it ends; a comment does. */
static bool
deps_settled(const struct post *p, const struct post_item *it, const struct post_group *g)
{
    for (size_t i = 0; i < it->deps_len; i++) {
        const struct post_item *dep = &p->items[it->deps[i]];
        if (!is_settled(dep) && !(!it->entry && is_in(g, dep))) {
            return false;
        }
    }
    return true;
}

struct post_item *
post_take_along(struct post *p, enum post_stage stage, bool (*copied)(uint32_t relid, void *arg),
    void *arg, const struct post_group *g)
{
    while (p->settled < p->len && is_settled(&p->items[p->order[p->settled]])) {
        p->settled++;
    }
    for (size_t i = p->settled; i < p->len && p->running_len < POST_RUNNING_MAX; i++) {
        struct post_item *it = &p->items[p->order[i]];
        if (it->state != POST_WAITING || it->stage != stage || !copied(it->facts.relid, arg) ||
            !deps_settled(p, it, g) || collides(p, it, g)) {
            continue;
        }
        it->state = POST_RUNNING;
        p->running[p->running_len++] = it;
        return it;
    }
    return NULL;
}

struct post_item *
post_take(
    struct post *p, enum post_stage stage, bool (*copied)(uint32_t relid, void *arg), void *arg)
{
    static const struct post_group none;
    return post_take_along(p, stage, copied, arg, &none);
}

void
post_settle(struct post *p, struct post_item *it, enum post_state state)
{
    it->state = state;
    for (size_t i = 0; i < p->running_len; i++) {
        if (p->running[i] == it) {
            p->running[i] = p->running[--p->running_len];
            return;
        }
    }
}

void
post_skip(struct post *p, struct post_item *it)
{
    it->state = POST_SKIPPED;
    for (size_t i = 0; i < p->len; i++) {
        struct post_item *other = &p->items[i];
        bool about = other->entry && other->state == POST_WAITING &&
                     (type_is(other->entry, "COMMENT") || type_is(other->entry, "SECURITY LABEL"));
        for (size_t d = 0; about && d < other->deps_len; d++) {
            if (&p->items[other->deps[d]] == it) {
                other->state = POST_SKIPPED;
            }
        }
    }
}

size_t
post_left(const struct post *p, enum post_stage stage)
{
    size_t n = 0;
    for (size_t i = 0; i < p->len; i++) {
        n += p->items[i].stage == stage && !is_settled(&p->items[i]);
    }
    return n;
}
