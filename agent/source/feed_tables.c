/* SPDX-License-Identifier: Apache-2.0
 *
 * Names are looked up when a message shows them first. One that is carried stays so for the
 * session. One that is not could become a partition, or the new name of a carried table, at any
 * time: "not carried" therefore holds for messages up to the position Q that the log had before the
 * catalog was asked. That is exact: ATTACH PARTITION and RENAME hold off writers of the table until
 * their result can be seen, so a row that was written under it stands behind Q or was seen. While
 * the feed lags one question answers for everything up to the present.
 *
 * The names that the migration's list has are known too: a table that was renamed since then is
 * found in what was written before.
 */
#include "agent/source/feed_tables.h"

#include <string.h>

/* In place of uthash's own, which falls through switch labels without saying so. */
static unsigned
hash_bytes(const void *data, size_t len)
{
    const uint8_t *p = data;
    uint32_t h = 2166136261U;
    for (size_t i = 0; i < len; i++) {
        h = (h ^ p[i]) * 16777619U;
    }
    return h;
}
#define HASH_FUNCTION(key, len, hash) ((hash) = hash_bytes(key, len))
#include <uthash.h>

#include "agent/base/arena.h"
#include "agent/base/json_writer.h"
#include "agent/pg/catalog.h"
#include "agent/pg/query.h"

#define NAME_MAX_BYTES  256
#define DESCRIPTION_MAX ((size_t)4 << 20) /* 1600 columns with names of 63 bytes take 200 KiB */

struct known_name {
    char key[2 * NAME_MAX_BYTES]; /* schema NUL name */
    struct feed_table table;      /* oid 0: not carried */
    uint64_t asked;               /* ... by all that was written up to here */
    UT_hash_handle hh;
};

struct feed_tables {
    PGconn *conn;
    struct store *store;
    const struct table_filter *filter;
    struct known_name *names;
    uint32_t *listed, *roots; /* sorted oids */
    size_t listed_len, roots_len;
    struct buf description;
};

static int
by_number(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static bool
contains(const uint32_t *oids, size_t n, uint32_t oid)
{
    return n > 0 && bsearch(&oid, oids, n, sizeof(oid), by_number) != NULL;
}

static size_t
make_key(struct slice schema, struct slice name, char out[2 * NAME_MAX_BYTES])
{
    if (schema.len >= NAME_MAX_BYTES || name.len >= NAME_MAX_BYTES) {
        return 0;
    }
    memcpy(out, schema.data, schema.len);
    out[schema.len] = '\0';
    memcpy(out + schema.len + 1, name.data, name.len);
    return schema.len + 1 + name.len;
}

/* A new one, or what is there. */
static struct known_name *
know(struct feed_tables *t, struct slice schema, struct slice name)
{
    char key[2 * NAME_MAX_BYTES];
    size_t len = make_key(schema, name, key);
    struct known_name *k = NULL;
    if (len == 0) {
        return NULL;
    }
    HASH_FIND(hh, t->names, key, len, k);
    if (!k) {
        k = x_zalloc(sizeof(*k));
        memcpy(k->key, key, len);
        HASH_ADD(hh, t->names, key, len, k);
    }
    return k;
}

/* --- what is carried ----------------------------------------------------------------------------
 */

static bool
read_list(struct feed_tables *t, struct err *err)
{
    struct table_row *rows = NULL;
    size_t n = 0;
    if (!store_tables(t->store, &rows, &n, err)) {
        return false;
    }
    t->listed = x_realloc(t->listed, (n + 1) * sizeof(*t->listed));
    t->listed_len = n;
    for (size_t i = 0; i < n; i++) {
        t->listed[i] = rows[i].oid;
        struct known_name *k = know(t, slice_str(rows[i].schema), slice_str(rows[i].name));
        if (k && k->table.oid == 0) {
            k->table.oid = rows[i].oid;
        }
    }
    qsort(t->listed, n, sizeof(*t->listed), by_number);
    x_free(rows);
    return true;
}

static bool
read_roots(struct feed_tables *t, struct err *err)
{
    struct pg_tables tables = {0};
    if (!pg_tables_read(t->conn, t->filter, &tables, err)) {
        return false;
    }
    t->roots = x_malloc((tables.len + 1) * sizeof(*t->roots));
    for (size_t i = 0; i < tables.len; i++) {
        if (tables.items[i].kind == 'p') {
            t->roots[t->roots_len++] = tables.items[i].oid;
        }
    }
    qsort(t->roots, t->roots_len, sizeof(*t->roots), by_number);
    pg_tables_free(&tables);
    return true;
}

bool
feed_tables_open(PGconn *conn, struct store *store, const struct table_filter *filter,
    struct feed_tables **out, struct err *err)
{
    struct feed_tables *t = x_zalloc(sizeof(*t));
    t->conn = conn;
    t->store = store;
    t->filter = filter;
    buf_init(&t->description, DESCRIPTION_MAX);
    if (!read_list(t, err) || !read_roots(t, err)) {
        feed_tables_close(t);
        return false;
    }
    *out = t;
    return true;
}

void
feed_tables_close(struct feed_tables *t)
{
    if (!t) {
        return;
    }
    struct known_name *k, *next;
    HASH_ITER (hh, t->names, k, next) {
        HASH_DEL(t->names, k);
        x_free(k);
    }
    x_free(t->listed);
    x_free(t->roots);
    buf_done(&t->description);
    PQfinish(t->conn);
    x_free(t);
}

/* --- asking the catalog -------------------------------------------------------------------------
 */

static bool
ask_position(struct feed_tables *t, uint64_t *out, struct err *err)
{
    PGresult *res = NULL;
    if (!pg_query(t->conn, "read the log's position",
            "SELECT pg_catalog.pg_current_wal_insert_lsn()", 0, NULL, &res, err)) {
        return false;
    }
    *out = pg_lsn(res, 0, 0);
    PQclear(res);
    return true;
}

static bool
ask_name(struct feed_tables *t, const char *schema, const char *name, uint32_t *oid, uint32_t *root,
    struct err *err)
{
    const char *params[] = {schema, name};
    PGresult *res = NULL;
    if (!pg_query(t->conn, "look up a table",
            "SELECT c.oid, CASE WHEN c.relispartition THEN pg_catalog.pg_partition_root(c.oid)::oid"
            " END FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid ="
            " c.relnamespace WHERE n.nspname = $1 AND c.relname = $2",
            2, params, &res, err)) {
        return false;
    }
    *oid = *root = 0;
    if (PQntuples(res) == 1) {
        *oid = pg_oid(res, 0, 0);
        *root = pg_oid(res, 0, 1);
    }
    PQclear(res);
    return true;
}

/* The list may have grown since the session began. */
static bool
look_up(struct feed_tables *t, struct known_name *k, uint64_t position, struct err *err)
{
    const char *schema = k->key, *name = k->key + strlen(k->key) + 1;
    uint32_t oid = 0, root = 0;
    if (k->table.oid != 0 || position <= k->asked) {
        return true;
    }
    if (!read_list(t, err) || k->table.oid != 0) {
        return k->table.oid != 0;
    }
    if (!ask_position(t, &k->asked, err) || !ask_name(t, schema, name, &oid, &root, err)) {
        return false;
    }
    if (contains(t->listed, t->listed_len, oid) ||
        (root && contains(t->roots, t->roots_len, root))) {
        k->table.oid = oid;
    }
    return true;
}

/* --- descriptions -------------------------------------------------------------------------------
 */

static const char describe_sql[] =
    "SELECT c.relreplident, a.attname, a.atttypid, a.atttypmod, a.attgenerated <> '',"
    " c.relreplident = 'f' OR coalesce(a.attnum = ANY (i.indkey::int2[]), false)"
    " FROM pg_catalog.pg_class c"
    " LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0"
    "  AND NOT a.attisdropped"
    " LEFT JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND CASE c.relreplident"
    "  WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END"
    " WHERE c.oid = $1 ORDER BY a.attnum";

static void
write_columns(struct json_writer *w, const PGresult *res)
{
    json_key(w, "columns");
    json_array_begin(w);
    for (int i = 0; i < PQntuples(res); i++) {
        if (PQgetisnull(res, i, 1)) {
            continue; /* a table without columns */
        }
        json_object_begin(w);
        json_kv_string(w, "name", pg_str(res, i, 1));
        json_kv_u64(w, "typeoid", pg_oid(res, i, 2));
        json_kv_i64(w, "typmod", pg_i64(res, i, 3));
        if (pg_bool(res, i, 4)) {
            json_kv_bool(w, "generated", true);
        } else if (pg_bool(res, i, 5)) {
            json_kv_bool(w, "key", true);
        }
        json_object_end(w);
    }
    json_array_end(w);
}

/* A table that is gone by now is described without columns: its messages show them. */
static bool
describe(struct feed_tables *t, struct known_name *k, struct err *err)
{
    char oid[16];
    const char *params[] = {oid};
    PGresult *res = NULL;
    snprintf(oid, sizeof(oid), "%u", k->table.oid);
    if (!pg_query(t->conn, "describe a table", describe_sql, 1, params, &res, err)) {
        return false;
    }
    struct json_writer w;
    buf_reset(&t->description);
    json_init(&w, &t->description);
    json_object_begin(&w);
    json_kv_u64(&w, "oid", k->table.oid);
    json_kv_string(&w, "schema", k->key);
    json_kv_string(&w, "table", k->key + strlen(k->key) + 1);
    json_kv_string(&w, "identity", PQntuples(res) > 0 ? pg_str(res, 0, 0) : "d");
    write_columns(&w, res);
    json_object_end(&w);
    PQclear(res);
    k->table.description = slice_of(t->description.data, t->description.len);
    return buf_ok(&t->description, "describe a table", err);
}

/* A table has one name at a time: when another one shows, that one is described. */
static void
forget_other_names(struct feed_tables *t, const struct known_name *now)
{
    struct known_name *k, *next;
    HASH_ITER (hh, t->names, k, next) {
        /* cppcheck-suppress uninitvar ; the macro sets it */
        if (k != now && k->table.oid == now->table.oid) {
            k->table.described = false;
        }
    }
}

bool
feed_tables_find(struct feed_tables *t, struct slice schema, struct slice name, uint64_t position,
    struct feed_table **out, struct err *err)
{
    struct known_name *k = know(t, schema, name);
    *out = NULL;
    if (!k) {
        return err_set(err, ERR_FATAL, "replication stream: a table's name is too long");
    }
    if (!look_up(t, k, position, err)) {
        return false;
    }
    if (k->table.oid == 0) {
        return true;
    }
    if (!k->table.described) {
        forget_other_names(t, k);
        if (!describe(t, k, err)) {
            return false;
        }
    }
    *out = &k->table;
    return true;
}

bool
feed_tables_mentioned(const struct feed_tables *t, const char *text)
{
    const struct known_name *k, *next;
    char quoted[2 * NAME_MAX_BYTES + 8];
    HASH_ITER (hh, t->names, k, next) {
        snprintf(quoted, sizeof(quoted), "\"%s\".\"%s\"", k->key, k->key + strlen(k->key) + 1);
        /* cppcheck-suppress uninitvar ; the macro sets it */
        if (k->table.oid != 0 && strstr(text, quoted)) {
            return true;
        }
    }
    return false;
}
