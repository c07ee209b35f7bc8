/* SPDX-License-Identifier: Apache-2.0
 *
 * One query per catalog, with the oids of the dump. An object that is gone by now keeps empty
 * facts: it is then made when everything it depends on is there.
 */
#include "agent/snapshot/facts.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/buf.h"
#include "agent/pg/query.h"

#define OIDS_MAX (16U << 20)

/* Columns: oid, relid, relid2, validated, on_partitioned, fires_always, forces_rls */
struct catalog {
    uint32_t class_oid;
    const char *type; /* only entries of this type; NULL: all of the class */
    const char *sql;
};

static const struct catalog catalogs[] = {
    {1259, "INDEX",
        "SELECT indexrelid, indrelid, 0, true, false, false, false FROM pg_index"
        " WHERE indexrelid = ANY ($1::oid[])"},
    {2606, NULL,
        "SELECT k.oid, k.conrelid, k.confrelid, k.convalidated, c.relkind = 'p', false, false"
        " FROM pg_constraint k LEFT JOIN pg_class c ON c.oid = k.conrelid"
        " WHERE k.oid = ANY ($1::oid[])"},
    {2620, NULL,
        "SELECT oid, tgrelid, 0, true, false, tgenabled IN ('A', 'R'), false FROM pg_trigger"
        " WHERE oid = ANY ($1::oid[])"},
    {2618, NULL,
        "SELECT oid, ev_class, 0, true, false, ev_enabled IN ('A', 'R'), false FROM pg_rewrite"
        " WHERE oid = ANY ($1::oid[])"},
    {3381, NULL,
        "SELECT oid, stxrelid, 0, true, false, false, false FROM pg_statistic_ext"
        " WHERE oid = ANY ($1::oid[])"},
    {3256, NULL,
        "SELECT oid, polrelid, 0, true, false, false, false FROM pg_policy"
        " WHERE oid = ANY ($1::oid[])"},
    {0, "ROW SECURITY",
        "SELECT oid, oid, 0, true, false, false, relforcerowsecurity FROM pg_class"
        " WHERE oid = ANY ($1::oid[])"},
};

struct by_oid {
    uint32_t oid;
    size_t entry;
};

static int
compare_oid(const void *a, const void *b)
{
    const struct by_oid *x = a, *y = b;
    return x->oid < y->oid ? -1 : x->oid > y->oid;
}

static bool
belongs(const struct toc_entry *e, const struct catalog *c)
{
    return e->class_oid == c->class_oid && e->object_oid &&
           (!c->type || strcmp(e->type, c->type) == 0);
}

/* The entries of one catalog, and their oids as an array literal. */
static size_t
collect(const struct toc *behind, const struct catalog *c, struct by_oid *out, struct buf *oids)
{
    size_t n = 0;
    for (size_t i = 0; i < behind->len; i++) {
        if (belongs(&behind->items[i], c)) {
            uint32_t oid = behind->items[i].object_oid;
            buf_printf(oids, "%s%u", n ? "," : "{", oid);
            out[n++] = (struct by_oid){oid, i};
        }
    }
    buf_str(oids, "}");
    qsort(out, n, sizeof(*out), compare_oid);
    return n;
}

static void
fill(struct post_facts *facts, const struct by_oid *entries, size_t n, const PGresult *res)
{
    for (int row = 0; row < PQntuples(res); row++) {
        struct by_oid key = {.oid = pg_oid(res, row, 0)};
        const struct by_oid *found = bsearch(&key, entries, n, sizeof(*entries), compare_oid);
        if (found) {
            facts[found->entry] = (struct post_facts){.relid = pg_oid(res, row, 1),
                .relid2 = pg_oid(res, row, 2),
                .validated = pg_bool(res, row, 3),
                .on_partitioned = pg_bool(res, row, 4),
                .fires_always = pg_bool(res, row, 5),
                .forces_rls = pg_bool(res, row, 6)};
        }
    }
}

static bool
read_catalog(PGconn *source, const struct toc *behind, const struct catalog *c,
    struct post_facts *facts, struct err *err)
{
    struct by_oid *entries = x_zalloc((behind->len + 1) * sizeof(*entries));
    struct buf oids;
    buf_init(&oids, OIDS_MAX);
    size_t n = collect(behind, c, entries, &oids);
    PGresult *res = NULL;
    const char *params[] = {buf_cstr(&oids)};
    bool ok = n == 0 || (buf_ok(&oids, "list of schema objects", err) &&
                            pg_query(source, "source: look up the schema's objects", c->sql, 1,
                                params, &res, err));
    if (ok && n) {
        fill(facts, entries, n, res);
    }
    PQclear(res);
    buf_done(&oids);
    x_free(entries);
    return ok;
}

bool
facts_read(PGconn *source, const struct toc *behind, struct post_facts **out, struct err *err)
{
    struct post_facts *facts = x_zalloc((behind->len + 1) * sizeof(*facts));
    for (size_t i = 0; i < sizeof(catalogs) / sizeof(catalogs[0]); i++) {
        if (!read_catalog(source, behind, &catalogs[i], facts, err)) {
            x_free(facts);
            return false;
        }
    }
    *out = facts;
    return true;
}
