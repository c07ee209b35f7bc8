/* SPDX-License-Identifier: Apache-2.0
 *
 * A table of (method, path, handler). A handler appends its body and may change the status, which
 * starts as 200; on failure it fills err and the status follows from the class, unless it chose one
 * itself.
 */
#include "agent/control/routes.h"

#include <string.h>

#include "agent/base/json_writer.h"
#include "agent/base/parse.h"
#include "agent/control/ddl_json.h"
#include "agent/control/letters_json.h"
#include "agent/control/params.h"
#include "agent/control/prometheus.h"
#include "agent/control/status_json.h"

struct call {
    const struct routes *routes;
    const struct params *params;
    struct routes_reply *reply;
};

static void
answer_ok(const struct call *c)
{
    buf_str(&c->reply->body, "{\"ok\":true}");
}

static bool
handle_status(const struct call *c, struct err *err)
{
    (void)err;
    const struct clock *clock = c->routes->clock;
    struct status_time now = {clock_mono_us(clock), clock_wall_us(clock)};
    struct agent_status s;
    agent_status(c->routes->agent, &s);
    status_json_write(&c->reply->body, &s, &now);
    return true;
}

static bool
handle_healthz(const struct call *c, struct err *err)
{
    (void)err;
    struct agent_status s;
    agent_status(c->routes->agent, &s);
    const char *failed = NULL;
    for (size_t i = 0; i < s.sinks_len; i++) {
        failed = s.sinks[i].state == SINK_FAILED ? s.sinks[i].name : failed;
    }
    struct json_writer w;
    json_init(&w, &c->reply->body);
    json_object_begin(&w);
    json_kv_bool(&w, "ok", failed == NULL);
    json_kv_string(&w, "phase", phase_name(s.phase));
    json_kv_bool(&w, "source_connected", s.source.connected);
    json_kv_string(&w, "failed_sink", failed);
    json_object_end(&w);
    c->reply->status = failed ? 503 : 200;
    return true;
}

static bool
handle_metrics(const struct call *c, struct err *err)
{
    (void)err;
    struct agent_status s;
    agent_status(c->routes->agent, &s);
    c->reply->content_type = PROMETHEUS_CONTENT_TYPE;
    prometheus_write(&c->reply->body, &s);
    return true;
}

static bool
bad_request(const struct call *c)
{
    c->reply->status = 400;
    return false;
}

static bool
handle_cutover_begin(const struct call *c, struct err *err)
{
    struct cutover_request q = {
        .fence = c->routes->config->cutover.fence,
        .verify = c->routes->config->cutover.verify,
        .timeout_us = c->routes->config->cutover.timeout_us,
    };
    const char *fence = NULL;
    const struct params *p = c->params;
    if (!params_text(p, "fence", &fence, err) || !params_bool(p, "verify", &q.verify, err) ||
        !params_bool(p, "dry_run", &q.dry_run, err) ||
        !params_bool(p, "accept_dead_letters", &q.accept_dead_letters, err) ||
        !params_milliseconds(p, "timeout_ms", &q.timeout_us, err)) {
        return bad_request(c);
    }
    if (fence && strcmp(fence, "none") != 0 && strcmp(fence, "read_only") != 0) {
        err_set(err, ERR_CONFIG, "parameter 'fence' is neither 'none' nor 'read_only'");
        return bad_request(c);
    }
    if (fence) {
        q.fence = strcmp(fence, "none") == 0 ? FENCE_NONE : FENCE_READ_ONLY;
    }
    if (!agent_cutover(c->routes->agent, &q, err)) {
        return false;
    }
    c->reply->status = 202;
    answer_ok(c);
    return true;
}

static bool
handle_cutover_report(const struct call *c, struct err *err)
{
    (void)err;
    struct cutover_report r;
    agent_cutover_report(c->routes->agent, &r);
    cutover_json_write(&c->reply->body, &r);
    return true;
}

static bool
handle_cutover_ack(const struct call *c, struct err *err)
{
    (void)err;
    agent_cutover_acknowledge(c->routes->agent);
    answer_ok(c);
    return true;
}

static bool
pause_or_resume(const struct call *c, bool pause, struct err *err)
{
    const char *sink = NULL;
    if (!params_text(c->params, "sink", &sink, err)) {
        return bad_request(c);
    }
    if (!agent_pause(c->routes->agent, sink && sink[0] != '\0' ? sink : NULL, pause, err)) {
        return false;
    }
    answer_ok(c);
    return true;
}

static bool
handle_pause(const struct call *c, struct err *err)
{
    return pause_or_resume(c, true, err);
}

static bool
handle_resume(const struct call *c, struct err *err)
{
    return pause_or_resume(c, false, err);
}

static bool
handle_resync(const struct call *c, struct err *err)
{
    const char *table = NULL, *sink = NULL;
    size_t n = 0;
    if (!params_text(c->params, "table", &table, err) ||
        !params_text(c->params, "sink", &sink, err)) {
        return bad_request(c);
    }
    if (!table || !table[0]) {
        err_set(err, ERR_CONFIG, "parameter 'table' is missing");
        return bad_request(c);
    }
    if (!agent_resync(c->routes->agent, table, sink && sink[0] != '\0' ? sink : NULL, &n, err)) {
        return false;
    }
    struct json_writer w;
    json_init(&w, &c->reply->body);
    json_object_begin(&w);
    json_kv_bool(&w, "ok", true);
    json_kv_u64(&w, "tables", n);
    json_object_end(&w);
    c->reply->status = 202;
    return true;
}

static bool
handle_mark(const struct call *c, struct err *err)
{
    uint64_t lsn = 0;
    if (!agent_mark(c->routes->agent, &lsn, err)) {
        return false;
    }
    char text[FORMAT_SIZE];
    struct json_writer w;
    json_init(&w, &c->reply->body);
    json_object_begin(&w);
    json_kv_string(&w, "lsn", format_lsn(lsn, text));
    json_object_end(&w);
    return true;
}

static bool
handle_stop(const struct call *c, struct err *err)
{
    (void)err;
    agent_stop(c->routes->agent);
    c->reply->status = 202;
    answer_ok(c);
    return true;
}

static bool
at_letters(const struct call *c, letters_call *ask, struct err *err)
{
    struct letter_desk desk;
    return agent_letter_desk(c->routes->agent, &desk, err) &&
           ask(&desk, c->params, &c->reply->body, err);
}

static bool
handle_letters(const struct call *c, struct err *err)
{
    return at_letters(c, letters_list, err);
}

static bool
handle_letters_drop(const struct call *c, struct err *err)
{
    return at_letters(c, letters_drop, err);
}

static bool
handle_letters_replay(const struct call *c, struct err *err)
{
    return at_letters(c, letters_replay, err);
}

static bool
handle_ddl(const struct call *c, struct err *err)
{
    struct letter_desk desk;
    return agent_letter_desk(c->routes->agent, &desk, err) &&
           ddl_json_list(desk.store, &c->reply->body, err);
}

static bool
handle_ddl_decide(const struct call *c, struct err *err)
{
    struct letter_desk desk;
    const char *sink = NULL, *decision = NULL;
    if (!params_text(c->params, "sink", &sink, err) ||
        !params_text(c->params, "decision", &decision, err)) {
        return bad_request(c);
    }
    return agent_letter_desk(c->routes->agent, &desk, err) &&
           ddl_json_decide(desk.store, sink, decision, &c->reply->body, err);
}

static const struct {
    const char *method, *path;
    bool (*handle)(const struct call *c, struct err *err);
} table[] = {
    {"GET", "/status", handle_status},
    {"GET", "/healthz", handle_healthz},
    {"GET", "/metrics", handle_metrics},
    {"POST", "/cutover", handle_cutover_begin},
    {"GET", "/cutover", handle_cutover_report},
    {"POST", "/cutover/ack", handle_cutover_ack},
    {"POST", "/pause", handle_pause},
    {"POST", "/resume", handle_resume},
    {"POST", "/resync", handle_resync},
    {"POST", "/mark", handle_mark},
    {"POST", "/stop", handle_stop},
    {"GET", "/dead-letters", handle_letters},
    {"POST", "/dead-letters/drop", handle_letters_drop},
    {"POST", "/dead-letters/replay", handle_letters_replay},
    {"GET", "/ddl", handle_ddl},
    {"POST", "/ddl", handle_ddl_decide},
};

enum { TABLE_LEN = sizeof table / sizeof *table };

void
routes_fail(struct routes_reply *out, unsigned status, const struct err *err)
{
    out->status = status;
    out->content_type = "application/json";
    buf_reset(&out->body);
    error_json_write(&out->body, err);
}

static unsigned
status_of(const struct err *err)
{
    switch (err->class) {
    case ERR_CONFIG:
        return 409;
    case ERR_RETRY:
    case ERR_RECONNECT:
    case ERR_CANCELLED:
        return 503;
    case ERR_NONE:
    case ERR_DATA:
    case ERR_FATAL:
        break;
    }
    return 500;
}

static void
no_route(const struct routes_request *q, struct routes_reply *out)
{
    struct err err = ERR_INIT;
    bool get = false, post = false;
    for (size_t i = 0; i < TABLE_LEN; i++) {
        if (strcmp(table[i].path, q->path) == 0) {
            get = get || strcmp(table[i].method, "GET") == 0;
            post = post || strcmp(table[i].method, "POST") == 0;
        }
    }
    if (!get && !post) {
        err_set(&err, ERR_CONFIG, "there is no '%s' here", q->path);
        routes_fail(out, 404, &err);
        return;
    }
    out->allow = get && post ? "GET, POST" : get ? "GET" : "POST";
    err_set(&err, ERR_CONFIG, "'%s' does not take %s, but %s", q->path, q->method, out->allow);
    routes_fail(out, 405, &err);
}

void
routes_handle(const struct routes *r, const struct routes_request *q, struct routes_reply *out)
{
    out->status = 200;
    out->content_type = "application/json";
    out->allow = NULL;
    struct err err = ERR_INIT;
    for (size_t i = 0; i < TABLE_LEN; i++) {
        if (strcmp(table[i].method, q->method) != 0 || strcmp(table[i].path, q->path) != 0) {
            continue;
        }
        struct params params;
        if (!params_init(&params, q->body, q->query, q->arg, &err)) {
            routes_fail(out, 400, &err);
            return;
        }
        struct call c = {.routes = r, .params = &params, .reply = out};
        if (!table[i].handle(&c, &err)) {
            routes_fail(out, out->status == 200 ? status_of(&err) : out->status, &err);
        }
        params_done(&params);
        return;
    }
    no_route(q, out);
}
