/* SPDX-License-Identifier: Apache-2.0
 *
 * Gather everything, then judge everything: the facts of all servers are there before the first
 * verdict, so that a verdict may compare them. A report only ever grows.
 */
#include "agent/preflight/preflight.h"

#include <stdarg.h>

#include "agent/base/buf.h"
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

/* Two sinks in one database would apply every change twice. */
static void
judge_shared(const struct target_facts *all, size_t i, struct preflight_report *r)
{
    const struct pg_server *a = &all[i].common.server;
    for (size_t k = 0; k < i && all[i].common.reachable; k++) {
        const struct pg_server *b = &all[k].common.server;
        if (all[k].common.reachable && a->system_id != 0 && a->system_id == b->system_id &&
            strcmp(a->database, b->database) == 0) {
            preflight_add(r, all[i].name, "target-shared", PREFLIGHT_BLOCKING,
                "the sinks '%s' and '%s' are the same database", all[k].name, all[i].name);
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

static bool
look_at_targets(const struct preflight_input *in, const struct source_facts *source,
    struct preflight_report *out, struct err *err)
{
    const struct config *c = in->config;
    struct target_facts *facts = x_zalloc((c->sinks_len + 1) * sizeof(*facts));
    bool ok = true;
    for (size_t i = 0; ok && i < c->sinks_len; i++) {
        struct preflight_input one;
        if (strcmp(c->sinks[i].type, "postgresql") != 0) {
            continue;
        }
        join_input(in, i, &out->arena, &one);
        ok = preflight_gather_target(&one, &c->sinks[i], source, &out->arena, &facts[i], err) ||
             err_wrap(err, "look at sink '%s'", c->sinks[i].name);
        if (ok) {
            note_unreachable(out, &facts[i].common);
            preflight_judge_target(&one, source, &facts[i], out);
            judge_shared(facts, i, out);
        }
    }
    x_free(facts);
    return ok;
}

bool
preflight_run(const struct preflight_input *in, struct preflight_report *out, struct err *err)
{
    struct source_facts source = {0};
    struct local_facts local = {0};
    preflight_report_init(out);
    bool ok = preflight_gather_source(in, &out->arena, &source, err);
    if (!ok) {
        err_wrap(err, "look at the source");
    } else {
        note_unreachable(out, &source.common);
        preflight_judge_source(in, &source, out);
        preflight_judge_plugin(in, &source, out);
        preflight_judge_tables(in, &source, out);
        preflight_judge_source_globals(in, &source, out);
        ok = look_at_targets(in, &source, out, err);
        if (ok) {
            preflight_gather_local(in, &source, &out->arena, &local);
            preflight_judge_local(in, &source, &local, out);
        }
    }
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
    bool ok =
        preflight_gather_source(in, &out->arena, &source, err) &&
        preflight_gather_target(in, &in->config->sinks[sink], &source, &out->arena, &target, err);
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
    preflight_source_facts_done(&source);
    return ok;
}
