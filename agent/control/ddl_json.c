/* SPDX-License-Identifier: Apache-2.0
 *
 * What is stored about a statement is handed on as it is, with the sink's name in front.
 */
#include "agent/control/ddl_json.h"

#include <stdio.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/json_writer.h"
#include "agent/pipeline/ddl.h"

/* Calls back with each sink's waiting statement. */
static bool
each_waiting(struct store *store, void (*take)(const char *sink, const char *json, void *arg),
    void *arg, struct err *err)
{
    struct sink_row *rows = NULL;
    size_t n = 0;
    if (!store_sinks(store, &rows, &n, err)) {
        return false;
    }
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) {
        char *text = NULL;
        ok = ddl_waiting(store, rows[i].name, &text, err);
        if (ok && text && text[0] == '{') {
            take(rows[i].name, text, arg);
        }
        x_free(text);
    }
    x_free(rows);
    return ok;
}

/* The stored object, with one member more in front. */
static void
write_one(const char *sink, const char *json, void *arg)
{
    struct buf *out = arg;
    struct json_writer w;
    bool first = out->len > 0 && out->data[out->len - 1] == '[';
    buf_str(out, first ? "{\"sink\":" : ",{\"sink\":");
    json_init(&w, out);
    json_string(&w, sink);
    buf_u8(out, ',');
    buf_str(out, json + 1);
}

bool
ddl_json_list(struct store *store, struct buf *out, struct err *err)
{
    buf_str(out, "{\"waiting\":[");
    bool ok = each_waiting(store, write_one, out, err);
    buf_str(out, "]}");
    return ok && buf_ok(out, "list of statements", err);
}

struct only {
    char name[64];
    size_t n;
};

static void
count_one(const char *sink, const char *json, void *arg)
{
    struct only *only = arg;
    (void)json;
    snprintf(only->name, sizeof(only->name), "%s", sink);
    only->n++;
}

/* The sink that is meant when none is named. */
static bool
only_sink(struct store *store, struct only *out, struct err *err)
{
    if (!each_waiting(store, count_one, out, err)) {
        return false;
    }
    if (out->n == 0) {
        return err_set(err, ERR_CONFIG, "no statement waits for a decision");
    }
    if (out->n > 1) {
        err_set(err, ERR_CONFIG, "statements wait at several sinks");
        return err_hint(err, "name the sink; `tidegate ddl list` shows them");
    }
    return true;
}

bool
ddl_json_decide(
    struct store *store, const char *sink, const char *decision, struct buf *out, struct err *err)
{
    struct only only = {.n = 0};
    bool apply = decision && strcmp(decision, "apply") == 0;
    if (!apply && (!decision || strcmp(decision, "skip") != 0)) {
        return err_set(err, ERR_CONFIG, "parameter 'decision' is neither 'apply' nor 'skip'");
    }
    bool named = sink && *sink;
    if (!named && !only_sink(store, &only, err)) {
        return false;
    }
    if (!ddl_decide(store, named ? sink : only.name, apply, err)) {
        return false;
    }
    buf_str(out, "{\"ok\":true}");
    return true;
}
