/* SPDX-License-Identifier: Apache-2.0
 *
 * Targets are looked at while the source is, each on a thread with an arena of its own; verdicts,
 * and what compares a target with the source, are the caller's thread's. A report only ever grows,
 * and keeps nothing of the facts but names of the configuration.
 */
#include "agent/preflight/preflight.h"

#include <stdarg.h>

#include "agent/base/buf.h"
#include "agent/base/thread.h"
#include "agent/preflight/facts.h"
#include "config/names.h"

#define ARENA_BLOCK (32 * 1024)
#define LIST_SHOWN  4
#define TEXT_MAX    4096

/* --- the report ---------------------------------------------------------------------------------
 */

const char *
preflight_verdict_name(enum preflight_verdict v)
{
    switch (v) {
    case PREFLIGHT_OK:
        return "ok";
    case PREFLIGHT_WARNING:
        return "warning";
    case PREFLIGHT_BLOCKING:
        return "blocking";
    }
    return "unknown";
}

void
preflight_report_init(struct preflight_report *r)
{
    *r = (struct preflight_report){0};
    arena_init(&r->arena, ARENA_BLOCK, 0);
}

void
preflight_report_done(struct preflight_report *r)
{
    arena_done(&r->arena);
    x_free(r->items);
    *r = (struct preflight_report){0};
}

size_t
preflight_count(const struct preflight_report *r, enum preflight_verdict v)
{
    size_t n = 0;
    for (size_t i = 0; i < r->len; i++) {
        n += r->items[i].verdict == v;
    }
    return n;
}

const struct preflight_finding *
preflight_find(const struct preflight_report *r, const char *where, const char *id)
{
    for (size_t i = 0; i < r->len; i++) {
        const struct preflight_finding *f = &r->items[i];
        if (strcmp(f->id, id) == 0 && (!where || strcmp(f->where, where) == 0)) {
            return f;
        }
    }
    return NULL;
}

bool
preflight_permit(const struct preflight_report *r, struct err *err)
{
    size_t blocking = preflight_count(r, PREFLIGHT_BLOCKING);
    if (blocking == 0) {
        return true;
    }
    if (r->unreachable.class != ERR_NONE) {
        *err = r->unreachable;
        return false;
    }
    struct buf text;
    buf_init(&text, sizeof(err->text));
    const char *todo = "";
    for (size_t i = 0; i < r->len; i++) {
        const struct preflight_finding *f = &r->items[i];
        if (f->verdict == PREFLIGHT_BLOCKING) {
            buf_printf(&text, "%s%s (%s)", text.len ? "; " : "", f->text, f->id);
            todo = *todo ? todo : f->todo;
        }
    }
    err_set(err, ERR_CONFIG, "preflight: %s", buf_cstr(&text));
    if (text.failed) {
        err_set(err, ERR_CONFIG, "preflight: %zu findings stand in the way", blocking);
    }
    buf_done(&text);
    return err_hint(err, "%s%s`tidegate check` shows all findings", blocking == 1 ? todo : "",
        blocking == 1 && *todo ? "; " : "");
}

__attribute__((format(printf, 2, 0))) static char *
format_text(struct preflight_report *r, const char *fmt, va_list ap)
{
    char text[TEXT_MAX];
    vsnprintf(text, sizeof(text), fmt, ap);
    /* Names come from outside: a finding stays one line. */
    for (char *c = text; *c; c++) {
        *c = (unsigned char)*c < ' ' ? ' ' : *c;
    }
    return arena_strdup(&r->arena, text);
}

void
preflight_add(struct preflight_report *r, const char *where, const char *id,
    enum preflight_verdict v, const char *fmt, ...)
{
    if (r->len == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 32;
        r->items = x_realloc(r->items, r->cap * sizeof(*r->items));
    }
    va_list ap;
    va_start(ap, fmt);
    const char *text = format_text(r, fmt, ap);
    va_end(ap);
    r->items[r->len++] = (struct preflight_finding){id, where, v, text, ""};
}

void
preflight_todo(struct preflight_report *r, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    r->items[r->len - 1].todo = format_text(r, fmt, ap);
    va_end(ap);
}

/* --- lists of names -----------------------------------------------------------------------------
 */

const char *
preflight_list(struct preflight_report *r, const struct preflight_names *n)
{
    struct buf b;
    buf_init(&b, TEXT_MAX);
    for (size_t i = 0; i < n->len && i < LIST_SHOWN; i++) {
        buf_printf(&b, "%s%.*s", i ? ", " : "", 200, n->items[i]);
    }
    if (n->len > LIST_SHOWN) {
        buf_printf(&b, " and %zu more", n->len - LIST_SHOWN);
    }
    const char *out = arena_strdup(&r->arena, buf_cstr(&b));
    buf_done(&b);
    return out;
}

/* Those of `want` that stand in `have`, or those that do not. */
static struct preflight_names
select_names(struct preflight_report *r, const struct preflight_names *want,
    const struct preflight_names *have, bool present)
{
    struct preflight_names out = {arena_alloc(&r->arena, (want->len + 1) * sizeof(*out.items)), 0};
    size_t h = 0;
    for (size_t w = 0; w < want->len; w++) {
        while (h < have->len && strcmp(have->items[h], want->items[w]) < 0) {
            h++;
        }
        bool found = h < have->len && strcmp(have->items[h], want->items[w]) == 0;
        if (found == present) {
            out.items[out.len++] = want->items[w];
        }
    }
    return out;
}

struct preflight_names
preflight_missing(struct preflight_report *r, const struct preflight_names *want,
    const struct preflight_names *have)
{
    return select_names(r, want, have, false);
}

struct preflight_names
preflight_common(struct preflight_report *r, const struct preflight_names *want,
    const struct preflight_names *have)
{
    return select_names(r, want, have, true);
}

struct preflight_names
preflight_tables_where(struct preflight_report *r, const struct pg_tables *tables,
    bool (*test)(const struct pg_table *t))
{
    struct preflight_names out = {
        arena_alloc(&r->arena, (tables->len + 1) * sizeof(*out.items)), 0};
    for (size_t i = 0; i < tables->len; i++) {
        const struct pg_table *t = &tables->items[i];
        if (test(t)) {
            out.items[out.len++] = preflight_qualified(&r->arena, t->schema, t->name);
        }
    }
    return out;
}

const char *
preflight_qualified(struct arena *a, const char *schema, const char *name)
{
    return arena_printf(a, "%s.%s", schema, name);
}

/* --- the run ------------------------------------------------------------------------------------
 */

static void
note_unreachable(struct preflight_report *r, const struct server_facts *s)
{
    if (!s->reachable && r->unreachable.class == ERR_NONE) {
        r->unreachable = s->error;
    }
}

static bool
is_known(const struct preflight_input *in, const char *name)
{
    for (size_t i = 0; i < in->sinks_len; i++) {
        if (strcmp(in->sinks[i].name, name) == 0) {
            return true;
        }
    }
    return !in->sinks;
}

/* One target, looked at on a thread of its own while the source is. */
struct target_look {
    const struct sink_config *sink; /* NULL: no database */
    struct preflight_input in;
    struct arena arena;
    struct target_facts facts;
    struct thread thread;
    bool ok;
    struct err err;
};

/* Two sinks in one database would apply every change twice. */
static void
judge_shared(const struct target_look *all, size_t i, struct preflight_report *r)
{
    const struct target_facts *one = &all[i].facts;
    const struct pg_server *a = &one->common.server;
    for (size_t k = 0; k < i && one->common.reachable; k++) {
        const struct target_facts *other = &all[k].facts;
        const struct pg_server *b = &other->common.server;
        if (other->common.reachable && a->system_id != 0 && a->system_id == b->system_id &&
            strcmp(a->database, b->database) == 0) {
            preflight_add(r, one->name, "target-shared", PREFLIGHT_BLOCKING,
                "the sinks '%s' and '%s' are the same database", other->name, one->name);
            preflight_todo(r, "check the connection strings of both");
        }
    }
}

/* How a sink is looked at that joins a migration. */
static void
join_input(
    const struct preflight_input *in, size_t sink, struct arena *a, struct preflight_input *out)
{
    const struct sink_config *s = &in->config->sinks[sink];
    *out = *in;
    if (in->resume && !is_known(in, s->name)) {
        out->resume = false;
        out->attach = strcmp(s->start, "copy") != 0;
        char *origin = arena_alloc(a, ORIGIN_NAME_SIZE);
        origin_name_later(in->config, sink, origin, ORIGIN_NAME_SIZE);
        out->origin = origin;
    }
}

static void
gather_target(void *arg)
{
    struct target_look *l = arg;
    l->ok = preflight_gather_target(&l->in, l->sink, &l->arena, &l->facts, &l->err);
}

/* x_free after end_looks. */
static struct target_look *
begin_looks(const struct preflight_input *in, struct preflight_report *out)
{
    const struct config *c = in->config;
    struct target_look *all = x_zalloc((c->sinks_len + 1) * sizeof(*all));
    for (size_t i = 0; i < c->sinks_len; i++) {
        struct target_look *l = &all[i];
        struct err err = ERR_INIT;
        arena_init(&l->arena, ARENA_BLOCK, 0);
        if (strcmp(c->sinks[i].type, "postgresql") != 0) {
            continue;
        }
        l->sink = &c->sinks[i];
        join_input(in, i, &out->arena, &l->in);
        if (!thread_start(&l->thread, "check", gather_target, l, &err)) {
            gather_target(l);
        }
    }
    return all;
}

static void
end_looks(struct target_look *all, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        thread_join(&all[i].thread);
        preflight_target_facts_done(&all[i].facts);
        arena_done(&all[i].arena);
    }
}

static bool
compare_targets(const struct preflight_input *in, struct target_look *all,
    const struct source_facts *source, struct preflight_report *out, struct err *err)
{
    bool ok = true;
    for (size_t i = 0; ok && i < in->config->sinks_len; i++) {
        struct target_look *l = &all[i];
        if (!l->sink) {
            continue;
        }
        thread_join(&l->thread);
        *err = l->err;
        ok = (l->ok && preflight_compare_target(&l->in, source, &l->arena, &l->facts, err)) ||
             err_wrap(err, "look at sink '%s'", l->sink->name);
        if (ok) {
            note_unreachable(out, &l->facts.common);
            preflight_judge_target(&l->in, source, &l->facts, out);
            judge_shared(all, i, out);
        }
    }
    return ok;
}

bool
preflight_run(const struct preflight_input *in, struct preflight_report *out, struct err *err)
{
    struct source_facts source = {0};
    struct local_facts local = {0};
    preflight_report_init(out);
    struct target_look *targets = begin_looks(in, out);
    bool ok = preflight_gather_source(in, &out->arena, &source, err);
    if (!ok) {
        err_wrap(err, "look at the source");
    } else {
        note_unreachable(out, &source.common);
        preflight_judge_source(in, &source, out);
        preflight_judge_plugin(in, &source, out);
        preflight_judge_tables(in, &source, out);
        preflight_judge_source_globals(in, &source, out);
        ok = compare_targets(in, targets, &source, out, err);
        if (ok) {
            preflight_gather_local(in, &source, &out->arena, &local);
            preflight_judge_local(in, &source, &local, out);
        }
    }
    end_looks(targets, in->config->sinks_len);
    x_free(targets);
    preflight_source_facts_done(&source);
    return ok;
}

bool
preflight_run_target(
    const struct preflight_input *in, size_t sink, struct preflight_report *out, struct err *err)
{
    struct source_facts source = {0};
    struct target_facts target = {0};
    preflight_report_init(out);
    bool ok = preflight_gather_source(in, &out->arena, &source, err) &&
              preflight_gather_target(in, &in->config->sinks[sink], &out->arena, &target, err) &&
              preflight_compare_target(in, &source, &out->arena, &target, err);
    if (ok) {
        note_unreachable(out, &source.common);
        note_unreachable(out, &target.common);
        /* Without it nothing was compared that has to be. */
        if (!source.common.reachable) {
            preflight_add(out, "source", "source-reachable", PREFLIGHT_BLOCKING, "%s",
                source.common.error.text);
            preflight_todo(out, "%s", source.common.error.hint);
        }
        preflight_judge_target(in, &source, &target, out);
    }
    preflight_target_facts_done(&target);
    preflight_source_facts_done(&source);
    return ok;
}
