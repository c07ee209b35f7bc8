/* SPDX-License-Identifier: Apache-2.0
 *
 * A round is a list of tables. For each server `jobs` threads take tables from it in the same
 * order, so that both sides of a table are read at about the same time. The thread that finishes
 * the second side of a table gives the verdict. Tables that differ make the list of the next round.
 *
 * Locking: in `struct round`, `next`, `done`, `finished` and `error` are guarded by `lock`; a
 * table's side is written by the one thread that took it, and read under the lock once both are
 * finished.
 */
#include "agent/verify/verify.h"

#include <pthread.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/base/thread.h"
#include "agent/pg/catalog.h"
#include "agent/pg/conn.h"
#include "agent/pg/query.h"
#include "agent/verify/verify_sql.h"

enum { SOURCE, TARGET, SIDES, JOBS_MAX = 32 };

#define SQL_MAX   ((size_t)1 << 20)
#define SETTLE_US 200000LL
#define NO_TABLE  "42P01"
#define NO_SCHEMA "3F000"
#define NO_COLUMN "42703"

struct subject {
    struct verify_table *table;
    char *sql[SIDES]; /* NULL: is not compared */
    struct err errors[SIDES];
    bool ok[SIDES];
    int sides_done;
};

struct round {
    const struct verify_options *options;
    struct subject *subjects;
    const size_t *order; /* indices into subjects */
    size_t len;
    pthread_mutex_t lock;
    size_t next[SIDES];
    size_t finished;
    struct err error; /* first one that ends everything */
};

struct worker {
    struct round *round;
    int side;
    struct thread thread;
};

static const char *const side_names[SIDES] = {"source", "target"};

const char *
verify_verdict_name(enum verify_verdict v)
{
    switch (v) {
    case VERIFY_EQUAL:
        return "equal";
    case VERIFY_DIFFERENT:
        return "different";
    case VERIFY_MISSING:
        return "missing";
    case VERIFY_FAILED:
        return "failed";
    case VERIFY_SKIPPED:
        return "skipped";
    }
    return "?";
}

static bool
open_side(const struct verify_options *o, int side, PGconn **conn, struct err *err)
{
    const struct pg_options p = {
        .application_name = "tidegate verify", .timeout_us = o->timeout_us};
    const char *dsn = side == SOURCE ? o->source_dsn : o->target_dsn;
    if (!pg_connect(dsn, &p, conn, err) ||
        !pg_exec(*conn, "prepare the session", VERIFY_SQL_SETTINGS, err)) {
        return err_wrap(err, "%s", side_names[side]);
    }
    return true;
}

/* --- one table -----------------------------------------------------------------------------------
 */

/* Errors that end the whole comparison; all others are the table's. */
static bool
ends_everything(const struct err *err)
{
    return err->class == ERR_RECONNECT || err->class == ERR_CANCELLED;
}

static void
read_side(PGconn *conn, struct round *r, struct subject *s, int side)
{
    char what[256];
    PGresult *res = NULL;
    struct verify_table *t = s->table;
    struct verify_side *out = side == SOURCE ? &t->source : &t->target;
    snprintf(what, sizeof what, "read '%s.%s' on the %s", t->schema, t->name, side_names[side]);
    err_clear(&s->errors[side]);
    s->ok[side] =
        pg_query_long(conn, what, s->sql[side], 0, NULL, r->options->stop, &res, &s->errors[side]);
    if (s->ok[side]) {
        out->rows = pg_u64(res, 0, 0);
        snprintf(out->hash, sizeof out->hash, "%s", pg_str(res, 0, 1));
    }
    PQclear(res);
}

static bool
is_missing(const struct err *err)
{
    return strcmp(err->sqlstate, NO_TABLE) == 0 || strcmp(err->sqlstate, NO_SCHEMA) == 0 ||
           strcmp(err->sqlstate, NO_COLUMN) == 0;
}

static void
judge(struct subject *s)
{
    struct verify_table *t = s->table;
    t->rounds++;
    t->note[0] = '\0';
    if (s->ok[SOURCE] && s->ok[TARGET]) {
        bool equal =
            t->source.rows == t->target.rows && strcmp(t->source.hash, t->target.hash) == 0;
        t->verdict = equal ? VERIFY_EQUAL : VERIFY_DIFFERENT;
        return;
    }
    const struct err *why = s->ok[SOURCE] ? &s->errors[TARGET] : &s->errors[SOURCE];
    t->verdict = s->ok[SOURCE] && is_missing(why) ? VERIFY_MISSING : VERIFY_FAILED;
    snprintf(t->note, sizeof t->note, "%.*s", (int)sizeof t->note - 1, why->text);
}

/* --- one round -----------------------------------------------------------------------------------
 */

static struct subject *
take(struct round *r, int side)
{
    struct subject *s = NULL;
    pthread_mutex_lock(&r->lock);
    if (r->next[side] < r->len && r->error.class == ERR_NONE) {
        s = &r->subjects[r->order[r->next[side]++]];
    }
    pthread_mutex_unlock(&r->lock);
    return s;
}

static void
give_up(struct round *r, const struct err *err)
{
    pthread_mutex_lock(&r->lock);
    if (r->error.class == ERR_NONE) {
        r->error = *err;
    }
    pthread_mutex_unlock(&r->lock);
    stop_request(r->options->stop); /* the others' statements are cancelled */
}

static void
finish(struct round *r, struct subject *s)
{
    pthread_mutex_lock(&r->lock);
    if (++s->sides_done == SIDES) {
        judge(s);
        r->finished++;
        if (r->options->each) {
            r->options->each(r->finished, r->len, r->options->arg);
        }
    }
    pthread_mutex_unlock(&r->lock);
}

static void
work(void *arg)
{
    struct worker *w = arg;
    struct round *r = w->round;
    PGconn *conn = NULL;
    struct err err = ERR_INIT;
    if (!open_side(r->options, w->side, &conn, &err)) {
        give_up(r, &err);
        PQfinish(conn);
        return;
    }
    struct subject *s;
    while ((s = take(r, w->side)) != NULL) {
        read_side(conn, r, s, w->side);
        if (!s->ok[w->side] && ends_everything(&s->errors[w->side])) {
            give_up(r, &s->errors[w->side]);
            break;
        }
        finish(r, s);
    }
    PQfinish(conn);
}

static int
workers_per_side(const struct verify_options *o, size_t tables)
{
    int jobs = o->jobs < 1 ? 1 : o->jobs > JOBS_MAX ? JOBS_MAX : o->jobs;
    return (size_t)jobs > tables ? (int)tables : jobs;
}

static bool
run_round(struct round *r, struct err *err)
{
    struct worker workers[SIDES * JOBS_MAX] = {0};
    int n = SIDES * workers_per_side(r->options, r->len);
    pthread_mutex_init(&r->lock, NULL);
    for (int i = 0; i < n; i++) {
        workers[i].round = r;
        workers[i].side = i % SIDES;
        char name[16];
        snprintf(name, sizeof name, "verify %u", (unsigned)i & 63U);
        struct err start = ERR_INIT;
        if (!thread_start(&workers[i].thread, name, work, &workers[i], &start)) {
            give_up(r, &start);
            break;
        }
    }
    for (int i = 0; i < n; i++) {
        thread_join(&workers[i].thread);
    }
    pthread_mutex_destroy(&r->lock);
    if (r->error.class != ERR_NONE) {
        *err = r->error;
        return false;
    }
    return true;
}

/* --- the list of tables --------------------------------------------------------------------------
 */

struct plan {
    struct subject *subjects;
    struct verify_table *tables;
    size_t len;
    struct pg_tables on_target;
};

static char *
write_sql(const struct verify_sql *v, struct err *err)
{
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    verify_sql_write(&sql, v);
    char *text = buf_ok(&sql, "write a query", err) ? x_strdup(buf_cstr(&sql)) : NULL;
    buf_done(&sql);
    return text;
}

static bool
write_both(struct subject *s, const struct pg_columns *columns, enum verify_method method,
    bool partitioned, struct err *err)
{
    const char **names = x_zalloc((columns->len + 1) * sizeof *names);
    for (size_t i = 0; i < columns->len; i++) {
        names[i] = columns->items[i].name;
    }
    struct verify_sql v = {
        .schema = s->table->schema,
        .name = s->table->name,
        .columns = names,
        .columns_len = columns->len,
        .method = method,
    };
    s->sql[SOURCE] = write_sql(&v, err);
    v.partitions = partitioned;
    s->sql[TARGET] = s->sql[SOURCE] ? write_sql(&v, err) : NULL;
    x_free(names);
    return s->sql[TARGET] != NULL;
}

/* The target may have cut into partitions what is one table on the source. */
static bool
is_partitioned(const struct pg_tables *tables, const char *schema, const char *name)
{
    for (size_t i = 0; i < tables->len; i++) {
        const struct pg_table *t = &tables->items[i];
        if (t->kind == 'p' && strcmp(t->name, name) == 0 && strcmp(t->schema, schema) == 0) {
            return true;
        }
    }
    return false;
}

static bool
add_table(struct plan *p, PGconn *source, const struct pg_table *t, enum verify_method method,
    struct err *err)
{
    struct verify_table *out = &p->tables[p->len];
    struct subject *s = &p->subjects[p->len];
    snprintf(out->schema, sizeof out->schema, "%s", t->schema);
    snprintf(out->name, sizeof out->name, "%s", t->name);
    s->table = out;
    p->len++;
    if (t->unlogged) {
        out->verdict = VERIFY_SKIPPED;
        snprintf(out->note, sizeof out->note, "unlogged");
        return true;
    }
    struct pg_columns columns = {0};
    if (!pg_columns_read(source, t->schema, t->name, &columns, err)) {
        return false;
    }
    bool partitioned = is_partitioned(&p->on_target, t->schema, t->name);
    bool ok = write_both(s, &columns, method, partitioned, err);
    pg_columns_free(&columns);
    return ok;
}

static bool
choose_method(const struct verify_options *o, PGconn *source, PGconn *target,
    enum verify_method *method, struct err *err)
{
    struct pg_server a, b;
    if (!pg_server_read(source, &a, err) || !pg_server_read(target, &b, err)) {
        return false;
    }
    bool same = strcmp(a.encoding, b.encoding) == 0;
    *method = o->counts_only ? VERIFY_COUNT : same ? VERIFY_HASH : VERIFY_MD5;
    return true;
}

static bool
make_plan(const struct verify_options *o, struct plan *p, struct err *err)
{
    PGconn *source = NULL, *target = NULL;
    struct pg_tables tables = {0};
    enum verify_method method;
    bool ok = open_side(o, SOURCE, &source, err) && open_side(o, TARGET, &target, err) &&
              choose_method(o, source, target, &method, err) &&
              pg_tables_read(source, &o->filter, &tables, err) &&
              pg_tables_read(target, &o->filter, &p->on_target, err);
    if (ok) {
        p->subjects = x_zalloc((tables.len + 1) * sizeof *p->subjects);
        p->tables = x_zalloc((tables.len + 1) * sizeof *p->tables);
    }
    for (size_t i = 0; ok && i < tables.len; i++) {
        /* A partitioned table holds no rows; its partitions are in the list. */
        if (tables.items[i].kind == 'r') {
            ok = add_table(p, source, &tables.items[i], method, err);
        }
    }
    pg_tables_free(&tables);
    PQfinish(source);
    PQfinish(target);
    return ok;
}

static void
free_plan(struct plan *p)
{
    for (size_t i = 0; i < p->len; i++) {
        x_free(p->subjects[i].sql[SOURCE]);
        x_free(p->subjects[i].sql[TARGET]);
    }
    x_free(p->subjects);
    pg_tables_free(&p->on_target);
}

/* --- rounds --------------------------------------------------------------------------------------
 */

static bool
wanted_in(const struct subject *s, uint32_t round)
{
    if (!s->sql[SOURCE]) {
        return false;
    }
    return round == 0 || s->table->verdict == VERIFY_DIFFERENT;
}

static bool
one_round(
    const struct verify_options *o, struct plan *p, const size_t *order, size_t n, struct err *err)
{
    struct round r = {.options = o, .subjects = p->subjects, .order = order, .len = n};
    for (size_t i = 0; i < n; i++) {
        p->subjects[order[i]].sides_done = 0;
    }
    return run_round(&r, err);
}

static bool
run_rounds(const struct verify_options *o, struct plan *p, struct err *err)
{
    size_t *order = x_zalloc((p->len + 1) * sizeof *order);
    uint32_t rounds = o->drain ? o->rounds : 0;
    bool ok = true;
    for (uint32_t round = 0; ok && round <= rounds; round++) {
        size_t n = 0;
        for (size_t i = 0; i < p->len; i++) {
            if (wanted_in(&p->subjects[i], round)) {
                order[n++] = i;
            }
        }
        if (n == 0) {
            break;
        }
        if (round > 0) {
            clock_system.sleep_us(&clock_system, SETTLE_US);
            ok = o->drain(o->arg, err);
        }
        ok = ok && one_round(o, p, order, n, err);
    }
    x_free(order);
    return ok;
}

static void
sum_up(const struct verify_options *o, struct plan *p, struct verify_report *out)
{
    *out = (struct verify_report){.tables = p->tables, .len = p->len, .live = o->drain != NULL};
    for (size_t i = 0; i < p->len; i++) {
        struct verify_table *t = &p->tables[i];
        out->equal += t->verdict == VERIFY_EQUAL ? 1 : 0;
        out->failed += t->verdict == VERIFY_FAILED ? 1 : 0;
        out->skipped += t->verdict == VERIFY_SKIPPED ? 1 : 0;
        out->different += t->verdict == VERIFY_DIFFERENT || t->verdict == VERIFY_MISSING ? 1 : 0;
        if (t->verdict == VERIFY_DIFFERENT && out->live) {
            snprintf(t->note, sizeof t->note,
                "in motion: changes were streaming during all %u looks", t->rounds);
        }
    }
}

bool
verify_run(const struct verify_options *o, struct verify_report *out, struct err *err)
{
    struct plan p = {0};
    *out = (struct verify_report){0};
    bool ok = make_plan(o, &p, err) && run_rounds(o, &p, err);
    free_plan(&p);
    if (!ok) {
        x_free(p.tables);
        return false;
    }
    sum_up(o, &p, out);
    return true;
}

void
verify_report_done(struct verify_report *r)
{
    x_free(r->tables);
    *r = (struct verify_report){0};
}
