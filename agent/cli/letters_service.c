/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent is asked first. Only when nobody listens the state database is opened, whose lock says
 * for sure that none runs.
 */
#include "agent/cli/letters_service.h"

#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/cli/client_args.h"
#include "agent/cli/exits.h"
#include "agent/control/letters_json.h"

#define DOCUMENT_MAX ((size_t)2 << 30)

struct letters_service {
    const struct common_args *common;
    struct config *config, *full; /* `full`: with source and sinks */
    struct client *client;
    struct store *store; /* NULL: the agent is asked */
    struct key_ring *keys;
    struct letter_desk desk;
};

bool
letters_service_open(const struct common_args *c, struct letters_service **out, int *status)
{
    struct letters_service *s = x_zalloc(sizeof *s);
    s->common = c;
    if (!client_args_open(c, &s->config, &s->client, status)) {
        x_free(s);
        return false;
    }
    *out = s;
    return true;
}

void
letters_service_close(struct letters_service *s)
{
    if (s) {
        store_close(s->store);
        key_ring_free(s->keys);
        client_close(s->client);
        config_free(s->full);
        config_free(s->config);
        x_free(s);
    }
}

static bool
no_data(const struct letters_service *s, struct err *err)
{
    err_set(err, ERR_CONFIG, "no agent is running, and '%s' holds no migration", s->config->dir);
    return err_hint(err, "-c FILE or --dir DIR selects the migration");
}

static bool
open_store(struct letters_service *s, struct err *err)
{
    char *path = x_printf("%s/state.db", s->config->dir);
    bool there = access(path, F_OK) == 0;
    x_free(path);
    if (!there) {
        return no_data(s, err);
    }
    if (!key_ring_new(s->config->spool.encryption_key, NULL, 0, &s->keys, err) ||
        !store_open(s->config->dir, &s->store, err)) {
        return false;
    }
    s->desk = (struct letter_desk){.config = s->config,
        .store = s->store,
        .keys = s->keys,
        .clock = &clock_system,
        .passed = letter_desk_ask_sink,
        .arg = &s->desk};
    return true;
}

static const char *
no_query(const char *name, void *arg)
{
    (void)name;
    (void)arg;
    return NULL;
}

/* The answer as the agent would give it. */
static bool
ask_store(struct letters_service *s, enum letters_question question, const char *request,
    struct buf *out, struct err *err)
{
    static letters_call *const calls[] = {[LETTERS_LIST] = letters_list,
        [LETTERS_DROP] = letters_drop,
        [LETTERS_REPLAY] = letters_replay};
    struct params params;
    if (question == LETTERS_REPLAY && !s->full) {
        if (!common_load(s->common, false, &s->full, err)) {
            return false;
        }
        s->desk.config = s->full;
    }
    if (!params_init(&params, slice_str(request), no_query, NULL, err)) {
        return false;
    }
    bool ok = calls[question](&s->desk, &params, out, err);
    params_done(&params);
    return ok;
}

static bool
understood(struct slice text, json_t **answer, struct err *err)
{
    *answer = json_loadb((const char *)text.data, text.len, 0, NULL);
    return *answer || err_set(err, ERR_FATAL, "the answer about dead letters is not understood");
}

/* "/dead-letters?sink=a&id=7" */
static void
write_query(struct buf *out, const json_t *request)
{
    const char *key, *separator = "?";
    json_t *value;
    buf_str(out, "/dead-letters");
    json_object_foreach((json_t *)(uintptr_t)request, key, value)
    {
        const char *text = json_is_true(value) ? "true" : json_string_value(value);
        buf_printf(out, "%s%s=", separator, key);
        for (const char *c = text ? text : ""; *c; c++) {
            buf_printf(out, "%%%02x", (unsigned)(unsigned char)*c);
        }
        separator = "&";
    }
}

/* *no_agent: nobody was there to ask. */
static bool
ask_agent(struct letters_service *s, enum letters_question question, const json_t *request,
    json_t **answer, bool *no_agent, struct err *err)
{
    struct client_reply r;
    struct buf path;
    char *body = question == LETTERS_LIST ? NULL : json_dumps(request, 0);
    buf_init(&path, 4096);
    if (question == LETTERS_LIST) {
        write_query(&path, request);
    } else {
        buf_str(&path, question == LETTERS_DROP ? "/dead-letters/drop" : "/dead-letters/replay");
    }
    bool ok = client_call(
        s->client, question == LETTERS_LIST ? "GET" : "POST", buf_cstr(&path), body, &r, err);
    *no_agent = r.no_agent;
    ok = ok && understood(slice_of(r.body.data, r.body.len), answer, err);
    client_reply_done(&r);
    buf_done(&path);
    free(body);
    return ok;
}

bool
letters_service_ask(struct letters_service *s, enum letters_question question,
    const json_t *request, json_t **answer, struct err *err)
{
    bool no_agent = false;
    *answer = NULL;
    if (!s->store) {
        if (ask_agent(s, question, request, answer, &no_agent, err) || !no_agent) {
            return *answer != NULL;
        }
        err_clear(err);
        if (!open_store(s, err)) {
            return false;
        }
    }
    struct buf out;
    char *text = json_dumps(request, 0);
    buf_init(&out, DOCUMENT_MAX);
    bool ok = ask_store(s, question, text, &out, err) &&
              understood(slice_of(out.data, out.len), answer, err);
    buf_done(&out);
    free(text);
    return ok;
}
