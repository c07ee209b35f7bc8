/* SPDX-License-Identifier: Apache-2.0
 *
 * pg_dump writes an archive once; pg_restore turns it into text as often as it is needed, which
 * leaves to it what only it knows: the order, and how ownership and privileges are left out.
 *
 * Invariant: DIR/schema.dump is complete. It comes into being by a rename of a file that was
 * synced.
 */
#include "agent/snapshot/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/buf.h"
#include "agent/base/fs.h"
#include "agent/base/log.h"
#include "agent/base/thread.h"
#include "agent/pg/catalog.h"
#include "agent/pg/ident.h"
#include "agent/pg/query.h"
#include "agent/snapshot/pgtools.h"

#define SCRIPT_MAX (1ULL << 30)
#define STAGE      "schema"

/* Every sink has files of its own: what is made on its target has to be of one dump. */
static char *
path_in(const struct snapshot_options *o, const char *name)
{
    return o->sink ? x_printf("%s/schema.%s.%s", o->dir, o->sink, name)
                   : x_printf("%s/schema.%s", o->dir, name);
}

/* --- what is left out ----------------------------------------------------------------------- */

struct leave_out {
    char **args; /* "--exclude-table=..." */
    size_t len, cap;
    struct buf oids; /* of the tables, as an array literal without its end */
};

static void
leave_out(struct leave_out *l, const char *schema, const char *name)
{
    struct buf arg;
    buf_init(&arg, 4096);
    buf_str(&arg, "--exclude-table=");
    sql_qualified(&arg, schema, name);
    if (l->len == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 16;
        l->args = x_realloc(l->args, l->cap * sizeof(*l->args));
    }
    l->args[l->len++] = x_strdup(buf_cstr(&arg));
    buf_done(&arg);
}

static void
leave_out_done(struct leave_out *l)
{
    for (size_t i = 0; i < l->len; i++) {
        x_free(l->args[i]);
    }
    x_free(l->args);
    buf_done(&l->oids);
}

static bool
in_list(const struct pg_tables *t, const struct pg_table *wanted)
{
    for (size_t i = 0; i < t->len; i++) {
        if (t->items[i].oid == wanted->oid) {
            return true;
        }
    }
    return false;
}

static bool
leave_out_tables(
    const struct snapshot_options *o, PGconn *keeper, struct leave_out *l, struct err *err)
{
    static const struct table_filter everything;
    struct pg_tables all = {0}, meant = {0};
    bool ok = pg_tables_read(keeper, &everything, &all, err) &&
              pg_tables_read(keeper, &o->filter, &meant, err);
    for (size_t i = 0; ok && i < all.len; i++) {
        const struct pg_table *t = &all.items[i];
        if (!in_list(&meant, t)) {
            leave_out(l, t->schema, t->name);
            buf_printf(&l->oids, "%s%u", l->oids.len ? "," : "{", t->oid);
        }
    }
    pg_tables_free(&all);
    pg_tables_free(&meant);
    return ok;
}

/* Views over a table that is left out could not be made; neither could views over these. */
static bool
leave_out_views(PGconn *keeper, struct leave_out *l, struct err *err)
{
    static const char sql[] =
        "WITH RECURSIVE gone AS ("
        " SELECT pg_catalog.unnest($1::oid[]) AS oid UNION"
        " SELECT c.oid FROM gone JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass"
        "  AND d.refobjid = gone.oid AND d.classid = 'pg_rewrite'::regclass"
        " JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class c ON c.oid = r.ev_class"
        " WHERE c.relkind IN ('v', 'm') AND c.oid <> gone.oid)"
        " SELECT n.nspname, c.relname FROM gone JOIN pg_class c ON c.oid = gone.oid"
        " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('v', 'm')";
    buf_str(&l->oids, "}");
    const char *params[] = {buf_cstr(&l->oids)};
    PGresult *res = NULL;
    if (!pg_query(keeper, "source: list views over excluded tables", sql, 1, params, &res, err)) {
        return false;
    }
    for (int i = 0; i < PQntuples(res); i++) {
        log_warn(STAGE, "left out: view '%s.%s' needs a table that is excluded", pg_str(res, i, 0),
            pg_str(res, i, 1));
        leave_out(l, pg_str(res, i, 0), pg_str(res, i, 1));
    }
    PQclear(res);
    return true;
}

/* --- dump ----------------------------------------------------------------------------------- */

static bool
sync_and_rename(const struct snapshot_options *o, const char *from, const char *to, struct err *err)
{
    const struct fs *fs = &fs_system;
    int fd = fs->open(fs, from, O_RDWR, 0);
    int rc = fd < 0 ? fd : fs->datasync(fs, fd);
    if (fd >= 0) {
        fs->close(fs, fd);
    }
    rc = rc < 0 ? rc : fs->rename(fs, from, to);
    rc = rc < 0 ? rc : fs->sync_dir(fs, o->dir);
    return rc >= 0 ? true : err_sys(err, ERR_FATAL, -rc, "cannot keep the schema dump '%s'", to);
}

static bool
run_dump(const struct snapshot_options *o, int source_version, const char *snapshot,
    const struct leave_out *l, struct err *err)
{
    char *pg_dump = NULL, *pg_restore = NULL;
    if (!pgtools_find(source_version, &pg_dump, &pg_restore, err)) {
        return false;
    }
    char *partial = path_in(o, "dump.partial"), *final = path_in(o, "dump");
    char *snapshot_arg = x_printf("--snapshot=%s", snapshot);
    const char *fixed[] = {"-w", "--format=custom", "--schema-only", "--encoding=UTF8",
        "--exclude-schema=tidegate", "--exclude-schema=tidegate_ddl", snapshot_arg, "-f", partial,
        /* A subscription holds a password: unless it is wanted, it does not get into the file. */
        o->subscriptions ? "--encoding=UTF8" : "--no-subscriptions"};
    size_t n = sizeof(fixed) / sizeof(fixed[0]);
    char *table_arg = o->only_table ? x_printf("--table=%s", o->only_table) : NULL;
    const char **args = x_zalloc((n + l->len + 2) * sizeof(*args));
    memcpy(args, fixed, sizeof(fixed));
    for (size_t i = 0; i < l->len; i++) {
        args[n + i] = l->args[i];
    }
    args[n + l->len] = table_arg;
    bool ok = pgtools_run(pg_dump, o->source_dsn, args, o->stop, err) &&
              sync_and_rename(o, partial, final, err);
    x_free(args);
    x_free(table_arg);
    x_free(snapshot_arg);
    x_free(partial);
    x_free(final);
    x_free(pg_dump);
    x_free(pg_restore);
    return ok || err_wrap(err, "dump the source's schema");
}

bool
schema_dump(const struct snapshot_options *o, PGconn *keeper, const char *snapshot, bool keep,
    struct err *err)
{
    const struct fs *fs = &fs_system;
    char *path = path_in(o, "dump");
    int fd = fs->open(fs, path, O_RDONLY, 0);
    x_free(path);
    if (fd >= 0) {
        fs->close(fs, fd);
    }
    if (fd >= 0 && keep) {
        return true;
    }
    struct leave_out l = {.len = 0};
    buf_init(&l.oids, 16 << 20);
    bool ok = true;
    if (!table_filter_is_all(&o->filter)) {
        ok = leave_out_tables(o, keeper, &l, err) &&
             (l.len == 0 || leave_out_views(keeper, &l, err));
    }
    ok = ok && run_dump(o, PQserverVersion(keeper), snapshot, &l, err);
    leave_out_done(&l);
    return ok;
}

/* --- load ----------------------------------------------------------------------------------- */

static bool
read_file(const char *path, char **out, struct err *err)
{
    const struct fs *fs = &fs_system;
    uint64_t size = 0;
    int fd = fs->open(fs, path, O_RDONLY, 0);
    int rc = fd < 0 ? fd : fs->size(fs, fd, &size);
    if (rc >= 0 && size > SCRIPT_MAX) {
        rc = -EFBIG;
    }
    if (rc >= 0) {
        *out = x_malloc((size_t)size + 1);
        ssize_t got = fs->pread_all(fs, fd, *out, (size_t)size, 0);
        rc = got < 0 ? (int)got : 0;
        (*out)[got < 0 ? 0 : got] = 0;
    }
    if (fd >= 0) {
        fs->close(fs, fd);
    }
    return rc >= 0 ? true : err_sys(err, ERR_FATAL, -rc, "cannot read '%s'", path);
}

/* Publications and event triggers of migrations, this one's and others'. */
static bool
is_ours(const struct snapshot_options *o, const struct toc_entry *e)
{
    if (strcmp(e->type, "PUBLICATION") == 0 && o->publication &&
        strcmp(e->name, o->publication) == 0) {
        return true;
    }
    return (strcmp(e->type, "PUBLICATION") == 0 && strncmp(e->name, "tidegate_", 9) == 0) ||
           (strcmp(e->type, "EVENT TRIGGER") == 0 && strncmp(e->name, "tidegate_ddl_", 13) == 0);
}

static bool
depends_on(const struct toc_entry *e, uint32_t id)
{
    for (size_t i = 0; i < e->deps_len; i++) {
        if (e->deps[i] == id) {
            return true;
        }
    }
    return false;
}

/* With what belongs to them: their tables, comments. */
static void
leave_out_ours(const struct snapshot_options *o, struct toc *t)
{
    for (size_t i = 0; i < t->len; i++) {
        if (!is_ours(o, &t->items[i])) {
            continue;
        }
        uint32_t id = t->items[i].id;
        size_t kept = 0;
        for (size_t k = 0; k < t->len; k++) {
            if (t->items[k].id != id && !depends_on(&t->items[k], id)) {
                t->items[kept++] = t->items[k];
            }
        }
        t->len = kept;
        i = SIZE_MAX; /* from the start again */
    }
}

/* One run of pg_restore: the list of a section, or its text. */
struct restore {
    const struct snapshot_options *o;
    const char *program, *section;
    bool list;
    char *text;
    struct thread thread;
    bool ok;
    struct err err;
};

static void
run_restore(void *arg)
{
    struct restore *r = arg;
    const struct snapshot_options *o = r->o;
    char *dump = path_in(o, "dump"), *script = path_in(o, r->section);
    char *section = x_printf("--section=%s", r->section);
    const char *args[8] = {dump, section};
    size_t n = 2;
    if (!o->owner) {
        args[n++] = "--no-owner";
    }
    if (!o->grants) {
        args[n++] = "--no-privileges";
    }
    if (r->list) {
        args[n++] = "--list";
        r->ok = pgtools_read(r->program, args, o->stop, &r->text, &r->err);
    } else {
        args[n++] = "--verbose";
        args[n++] = "-f";
        args[n++] = script;
        r->ok = pgtools_run(r->program, NULL, args, o->stop, &r->err) &&
                read_file(script, &r->text, &r->err);
        fs_system.unlink(&fs_system, script);
    }
    x_free(section);
    x_free(script);
    x_free(dump);
}

/* All at once: a program takes longer to start than to read a small schema. */
static bool
run_restores(struct restore *all, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        struct err none = ERR_INIT;
        if (i + 1 == n || !thread_start(&all[i].thread, "schema", run_restore, &all[i], &none)) {
            run_restore(&all[i]);
        }
    }
    bool ok = true;
    for (size_t i = 0; i < n; i++) {
        thread_join(&all[i].thread);
        if (ok && !all[i].ok) {
            *err = all[i].err;
            ok = false;
        }
    }
    return ok;
}

static bool
load_sections(
    const struct snapshot_options *o, const char *pg_restore, struct schema *out, struct err *err)
{
    struct restore all[] = {
        {.o = o, .program = pg_restore, .section = "pre-data", .list = true},
        {.o = o, .program = pg_restore, .section = "pre-data"},
        {.o = o, .program = pg_restore, .section = "post-data", .list = true},
        {.o = o, .program = pg_restore, .section = "post-data"},
    };
    size_t n = sizeof(all) / sizeof(all[0]);
    bool ok = run_restores(all, n, err) && toc_parse(all[0].text, all[1].text, &out->before, err) &&
              toc_parse(all[2].text, all[3].text, &out->behind, err);
    for (size_t i = 0; i < n; i++) {
        x_free(all[i].text);
    }
    return ok || err_wrap(err, "read the schema dump");
}

bool
schema_load(
    const struct snapshot_options *o, int source_version, struct schema *out, struct err *err)
{
    if (out->loaded) {
        return true;
    }
    char *pg_dump = NULL, *pg_restore = NULL;
    if (!pgtools_find(source_version, &pg_dump, &pg_restore, err)) {
        return false;
    }
    out->loaded = load_sections(o, pg_restore, out, err);
    leave_out_ours(o, &out->behind);
    x_free(pg_dump);
    x_free(pg_restore);
    if (!out->loaded) {
        schema_free(out);
    }
    return out->loaded;
}

void
schema_free(struct schema *s)
{
    toc_free(&s->before);
    toc_free(&s->behind);
    s->loaded = false;
}
