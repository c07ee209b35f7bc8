/* SPDX-License-Identifier: Apache-2.0
 *
 * What is stored, is stored before it is acted on, and says for which position it is; so a process
 * that dies in between does the same again, and the statement itself commits together with the
 * sink's position.
 *
 * Borders of the copy: a transaction that ended before the snapshot of which the target's schema
 * was made is in there. A table that was copied from a later snapshot than a statement that altered
 * it has rows of another shape than the target had then: the sink stops.
 *
 * Where the feed does not have the rows as a statement left them, a new copy of the table is asked
 * for (resync.h) in front of the statement, and the rows are left out until it has joined.
 */
#include "agent/pipeline/ddl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/failpoint.h"
#include "agent/base/json_writer.h"
#include "agent/base/parse.h"
#include "agent/pipeline/ddl_message.h"
#include "agent/pipeline/ddl_policy.h"
#include "agent/pipeline/ddl_relations.h"
#include "agent/pipeline/ddl_text.h"
#include "agent/pipeline/resync.h"

#define PLACE_SIZE  48
#define WAITING_MAX ((size_t)64 << 20)
#define SHOWN       200 /* bytes of a statement in an error and a line of the log */

struct ddl_gate {
    struct ddl_options o;
    char *token; /* NULL: the source has no triggers, its rows tell */
    struct ddl_relations *relations;
    uint64_t schema; /* statements of transactions that end before it are in the target's schema */
    bool waits;
    bool noted;             /* the store holds one that waits */
    char place[PLACE_SIZE]; /* of the statement that waits */
    struct ddl_counts counts;
    bool news;
    char line[SHOWN + 500];
};

/* One statement on its way. */
struct passage {
    struct ddl_gate *gate;
    struct sink *sink;
    struct position position;
    uint64_t commit_record;
    struct ddl_message message;
    struct ddl_text text;
    struct ddl_judgement judgement;
    char place[PLACE_SIZE];
    const char *decision; /* "apply", "skip", NULL: none */
};

struct ddl_gate *
ddl_gate_new(const struct ddl_options *o)
{
    struct ddl_gate *g = x_zalloc(sizeof(*g));
    g->o = *o;
    g->relations = ddl_relations_new(&(struct ddl_relations_options){.store = o->store,
        .sink = o->sink,
        .publication = o->publication,
        .source_dsn = o->source_dsn,
        .timeout_us = o->timeout_us});
    return g;
}

void
ddl_gate_free(struct ddl_gate *g)
{
    if (g) {
        ddl_relations_free(g->relations);
        x_free(g->token);
        x_free(g);
    }
}

static const char *
key_of(const char *prefix, const char *sink, char out[DDL_KEY_SIZE])
{
    snprintf(out, DDL_KEY_SIZE, "%s%s", prefix, sink);
    return out;
}

bool
ddl_gate_open(struct ddl_gate *g, struct err *err)
{
    char key[DDL_KEY_SIZE];
    bool found;
    if (!g->o.store) {
        return true;
    }
    x_free(g->token);
    g->token = NULL;
    ddl_relations_reset(g->relations);
    g->waits = false;
    g->schema = 0;
    char *waiting = NULL;
    bool ok = ddl_waiting(g->o.store, g->o.sink, &waiting, err);
    g->noted = waiting != NULL;
    x_free(waiting);
    return ok && store_get(g->o.store, STORE_DDL_TOKEN, &g->token, err) &&
           store_get_u64(
               g->o.store, key_of(STORE_DDL_SCHEMA, g->o.sink, key), &g->schema, &found, err);
}

/* The statement, as far as it is known, in one line. */
static const char *
shown(const struct passage *p, char out[SHOWN + 8])
{
    const struct ddl_message *m = &p->message;
    const char *text = m->query ? m->query : m->context;
    char *sql = p->text.kind == DDL_TEXT_FOUND && p->text.sql.len > 0
                    ? x_strndup((const char *)p->text.sql.data, p->text.sql.len)
                    : NULL;
    text = sql ? sql : text ? text : m->tag;
    size_t n = strlen(text), keep = n > SHOWN ? SHOWN : n;
    while (keep < n && keep > 0 && ((unsigned char)text[keep] & 0xc0) == 0x80) {
        keep--; /* not in the middle of a character */
    }
    for (size_t i = 0; i < keep; i++) {
        out[i] = (unsigned char)text[i] < ' ' ? ' ' : text[i];
    }
    snprintf(out + keep, 4, "%s", keep < n ? "..." : "");
    x_free(sql);
    return out;
}

static void
tell(struct passage *p, const char *what, const char *why)
{
    char sql[SHOWN + 8], at[POSITION_SIZE];
    struct ddl_gate *g = p->gate;
    snprintf(g->line, sizeof(g->line), "%s at %s: %s%s%s", what, position_format(p->position, at),
        shown(p, sql), why ? ": " : "", why ? why : "");
    g->news = true;
}

/* --- waiting ------------------------------------------------------------------------------------
 */

static void
waiting_json(const struct passage *p, const char *why, struct buf *out)
{
    const struct ddl_message *m = &p->message;
    char at[POSITION_SIZE];
    bool text = p->text.kind == DDL_TEXT_FOUND;
    struct json_writer w;
    json_init(&w, out);
    json_object_begin(&w);
    json_kv_string(&w, "place", p->place);
    json_kv_string(&w, "position", position_format(p->position, at));
    json_kv_string(&w, "tag", m->tag);
    json_kv_string(&w, "class", ddl_class_name(p->judgement.class));
    json_key(&w, "statement");
    if (text) {
        json_string_n(&w, p->text.sql.data, p->text.sql.len);
    } else {
        json_string(&w, m->query ? m->query : m->context);
    }
    json_kv_bool(&w, "executable", text);
    json_kv_string(&w, "role", m->role);
    json_kv_string(&w, "user", m->user);
    json_kv_string(&w, "search_path", m->search_path);
    json_kv_string(&w, "reason", why);
    json_object_end(&w);
}

static bool
note_waiting(struct passage *p, const char *why, struct err *err)
{
    struct ddl_gate *g = p->gate;
    char key[DDL_KEY_SIZE];
    struct buf json;
    buf_init(&json, WAITING_MAX);
    waiting_json(p, why, &json);
    char decision[DDL_KEY_SIZE], *before = NULL;
    key_of(STORE_DDL_DECISION, g->o.sink, decision);
    bool ok =
        buf_ok(&json, "statement that waits", err) && store_get(g->o.store, decision, &before, err);
    /* A decision that led here again is used up. */
    char *others = ddl_decision_others(before, p->place);
    const char *keys[] = {key_of(STORE_DDL_WAITING, g->o.sink, key), decision};
    const char *values[] = {buf_cstr(&json), others};
    ok = ok && store_set_many(g->o.store, keys, values, p->decision ? 2 : 1, err);
    x_free(others);
    x_free(before);
    buf_done(&json);
    if (ok) {
        g->waits = g->noted = true;
        snprintf(g->place, sizeof(g->place), "%s", p->place);
    }
    return ok;
}

/* Always false; err says what waits. */
static bool
stop(struct passage *p, const char *why, struct err *err)
{
    char sql[SHOWN + 8], at[POSITION_SIZE], reason[sizeof(err->text)];
    snprintf(reason, sizeof(reason), "%s", why);
    err_clear(err);
    if (!note_waiting(p, reason, err)) {
        return false;
    }
    const struct ddl_message *m = &p->message;
    const char *who = m->role ? m->role : m->user;
    err_set(err, ERR_DATA, "DDL%s%s%s at %s waits for a decision: %s: %s", who ? " of '" : "",
        who ? who : ", noticed by a row,", who ? "'" : "", position_format(p->position, at),
        shown(p, sql), reason);
    return err_hint(err,
        "`tidegate ddl apply %s` executes it on the target, `tidegate ddl skip %s` leaves it out, "
        "for instance when you have done there what is needed; `tidegate ddl list` shows it whole",
        p->gate->o.sink, p->gate->o.sink);
}

/* The same while the session still works: what was handed over before is committed first, so that
 * the sink stands right in front of the statement's transaction. */
static bool
stop_here(struct passage *p, const char *why, struct err *err)
{
    struct sink_progress progress;
    return sink_sync(p->sink, &progress, err) && stop(p, why, err);
}

static bool
forget_waiting(struct passage *p, struct err *err)
{
    char key[DDL_KEY_SIZE];
    struct ddl_gate *g = p->gate;
    if (!g->noted) {
        return true;
    }
    g->noted = false;
    return store_set(g->o.store, key_of(STORE_DDL_WAITING, g->o.sink, key), "", err);
}

static bool
read_decision(struct passage *p, struct err *err)
{
    char key[DDL_KEY_SIZE], *value = NULL;
    struct ddl_gate *g = p->gate;
    if (!store_get(g->o.store, key_of(STORE_DDL_DECISION, g->o.sink, key), &value, err)) {
        return false;
    }
    p->decision = ddl_decision_find(value, p->place);
    x_free(value);
    return true;
}

/* --- executing ----------------------------------------------------------------------------------
 */

/* A table of the statement that was copied when it had been altered already; NULL: none was. */
static const char *
copied_later(const struct passage *p)
{
    const struct ddl_message *m = &p->message;
    for (size_t i = 0; strcmp(m->tag, "ALTER TABLE") == 0 && i < m->objects_len; i++) {
        if (!table_sync_wants(p->gate->o.sync, m->objects[i].relation, p->commit_record)) {
            return m->objects[i].table ? m->objects[i].table : "?";
        }
    }
    return NULL;
}

static bool
is_altered(const struct ddl_message *m, uint32_t oid)
{
    bool found = false;
    for (size_t i = 0; strcmp(m->tag, "ALTER TABLE") == 0 && i < m->objects_len; i++) {
        found = found || m->objects[i].relation == oid;
    }
    return found;
}

/* A table that is being copied anew has rows of two shapes when it is altered in between: those
 * that its way back brings may stand in front of the statement, which the target has executed by
 * then. */
static bool
copy_altered_again(const struct passage *p, struct err *err)
{
    const struct ddl_gate *g = p->gate;
    struct resync_row *rows = NULL;
    size_t n = 0;
    if (!store_resyncs(g->o.store, g->o.sink, &rows, &n, err)) {
        return false;
    }
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) {
        const struct resync_table t = {
            .oid = rows[i].oid, .schema = rows[i].schema, .name = rows[i].name};
        if (rows[i].state != RESYNC_STOPPED && is_altered(&p->message, rows[i].oid)) {
            ok = resync_request(
                g->o.store, g->o.sink, &t, "it was altered while it was copied", err);
        }
    }
    x_free(rows);
    return ok;
}

/* Tables whose rows the feed does not have as the statement left them. Noted before the statement
 * can be committed: a crash in between asks for a copy too many, never for one too few. */
static bool
ask_for_copies(const struct passage *p, struct err *err)
{
    if (!copy_altered_again(p, err)) {
        return false;
    }
    const struct ddl_message *m = &p->message;
    const struct ddl_gate *g = p->gate;
    for (size_t i = 0; i < m->copies_len; i++) {
        const struct ddl_table *c = &m->copies[i];
        const struct resync_table t = {
            .oid = c->oid, .schema = c->schema, .name = c->name, .position = p->position.commit};
        if (strcmp(c->publication, g->o.publication) == 0 &&
            !resync_request(g->o.store, g->o.sink, &t, c->reason, err)) {
            return false;
        }
    }
    return true;
}

/* What a DROP of one relation names. */
static const char *
only_dropped(const struct ddl_message *m)
{
    static const char *const types[] = {
        "table", "index", "view", "materialized view", "sequence", "foreign table"};
    const struct ddl_dropped *only = NULL;
    for (size_t i = 0; i < m->dropped_len; i++) {
        if (m->dropped[i].original && only) {
            return NULL;
        }
        only = m->dropped[i].original ? &m->dropped[i] : only;
    }
    for (size_t i = 0; only && only->type && i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(types[i], only->type) == 0 && strncmp(m->tag, "DROP ", 5) == 0) {
            return only->identity;
        }
    }
    return NULL;
}

static bool
note_new_tables(const struct passage *p, struct err *err)
{
    const struct ddl_message *m = &p->message;
    for (size_t i = 0; i < m->news_len; i++) {
        char key[DDL_KEY_SIZE];
        if (strcmp(m->news[i].publication, p->gate->o.publication) != 0) {
            continue;
        }
        snprintf(key, sizeof(key), STORE_DDL_TABLE "%" PRIu32, m->news[i].oid);
        if (!store_set(p->gate->o.store, key, m->news[i].name, err)) {
            return false;
        }
    }
    return true;
}

static bool
execute(struct passage *p, struct err *err)
{
    const struct ddl_message *m = &p->message;
    struct ddl_gate *g = p->gate;
    struct sink_ddl d = {.sql = buf_cstr(&p->text.sql),
        .tag = m->tag,
        .search_path = m->search_path,
        .role = g->o.owner ? m->role : NULL,
        .gone = only_dropped(m),
        .settings = m->settings,
        .settings_len = m->settings_len,
        .values = m->missing,
        .values_len = m->missing_len};
    if (!note_new_tables(p, err) || !ask_for_copies(p, err)) {
        return false;
    }
    if (!p->sink->ops->ddl(p->sink, &d, err)) {
        return err->class == ERR_DATA ? stop(p, err->text, err) : false;
    }
    FAILPOINT("ddl.executed");
    if (!forget_waiting(p, err)) {
        return false;
    }
    g->counts.applied++;
    tell(p, "applied", NULL);
    return true;
}

static bool
leave_out(struct passage *p, const char *what, const char *why, struct err *err)
{
    if (!forget_waiting(p, err)) {
        return false;
    }
    p->gate->counts.ignored++;
    tell(p, what, why);
    return true;
}

/* The operator has spoken. What cannot be executed waits again. */
static bool
follow_decision(struct passage *p, struct err *err)
{
    if (strcmp(p->decision, "skip") == 0) {
        return leave_out(p, "skipped", "by decision of the operator", err);
    }
    if (p->message.failed && p->message.unpublished) {
        return leave_out(p, "passed over", p->judgement.why, err);
    }
    return p->text.kind == DDL_TEXT_FOUND && !p->message.failed
               ? execute(p, err)
               : stop_here(p, p->judgement.why, err);
}

static bool
act(struct passage *p, struct err *err)
{
    const char *later = NULL;
    if (p->judgement.verdict == DDL_PASS) {
        return true;
    }
    if (!read_decision(p, err)) {
        return false;
    }
    if (p->decision) {
        return follow_decision(p, err);
    }
    if (p->judgement.verdict == DDL_IGNORE) {
        return leave_out(p, "left out", p->judgement.why, err);
    }
    if (p->judgement.verdict == DDL_STOP) {
        return stop_here(p, p->judgement.why, err);
    }
    later = copied_later(p);
    if (later) {
        char why[300];
        snprintf(why, sizeof(why),
            "table '%s' has to be copied again: it was copied when it had been altered already",
            later);
        return stop_here(p, why, err);
    }
    return execute(p, err);
}

bool
ddl_is_message(const struct change *c)
{
    size_t len = sizeof DDL_PREFIX - 1;
    return c->kind == CHANGE_MESSAGE && strncmp(c->prefix, DDL_PREFIX, len) == 0 &&
           (c->prefix[len] == '\0' || c->prefix[len] == '.');
}

static bool
pass(struct passage *p, struct err *err)
{
    struct ddl_gate *g = p->gate;
    snprintf(p->place, sizeof(p->place), "%" PRIu64 ":%" PRIu32, p->position.commit,
        p->position.ordinal);
    ddl_judge(&p->message, &p->text, &g->o.filter, g->o.config, &p->judgement);
    return act(p, err);
}

bool
ddl_gate_message(struct ddl_gate *g, struct sink *sink, const struct change *c,
    uint64_t commit_record, struct err *err)
{
    g->waits = false;
    if (!g->o.store || !g->token || !sink->ops->ddl || !c->transactional ||
        commit_record < g->schema) {
        return true;
    }
    struct passage p = {
        .gate = g, .sink = sink, .position = c->position, .commit_record = commit_record};
    if (!ddl_message_parse(c->content, &p.message, err)) {
        return false;
    }
    bool ok = true;
    /* Any role of the source may write messages; only the triggers know the token. */
    if (p.message.token && strcmp(p.message.token, g->token) == 0) {
        ddl_text_find(&p.message, &p.text);
        ok = pass(&p, err);
        ddl_text_done(&p.text);
    } else {
        tell(&p, "not believed", "the message was not written by tidegate's event trigger");
    }
    ddl_message_done(&p.message);
    return ok;
}

bool
ddl_gate_row(struct ddl_gate *g, struct sink *sink, const struct change *c, uint64_t commit_record,
    bool *acted, struct err *err)
{
    *acted = false;
    if (g->token || !c->relation || ddl_relations_known(g->relations, c->relation) || !g->o.store ||
        !sink->ops->table || commit_record < g->schema) {
        return true;
    }
    struct ddl_difference d;
    g->waits = false;
    bool ok = ddl_relations_look(g->relations, sink, c->relation, &d, err);
    *acted = d.found;
    if (ok && d.found) {
        struct passage p = {.gate = g,
            .sink = sink,
            .position = c->position,
            .commit_record = commit_record,
            .message = d.message,
            .text = d.text};
        ok = pass(&p, err);
    }
    if (ok) {
        ddl_relations_handled(g->relations, c->relation);
    }
    ddl_text_done(&d.text);
    ddl_message_done(&d.message);
    return ok;
}

bool
ddl_gate_waits(const struct ddl_gate *g)
{
    return g->waits;
}

bool
ddl_gate_decided(struct ddl_gate *g)
{
    struct passage p = {.gate = g};
    struct err err = ERR_INIT;
    snprintf(p.place, sizeof(p.place), "%s", g->place);
    return read_decision(&p, &err) && p.decision;
}

void
ddl_gate_counts(const struct ddl_gate *g, struct ddl_counts *out)
{
    *out = g->counts;
}

const char *
ddl_gate_news(struct ddl_gate *g)
{
    bool news = g->news;
    g->news = false;
    return news ? g->line : NULL;
}
