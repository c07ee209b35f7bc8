/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent notes the wish and goes on by itself; --wait watches until the table is back.
 */
#include "agent/cli/cmd_resync.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/json_writer.h"
#include "agent/cli/args.h"
#include "agent/cli/client_args.h"
#include "agent/cli/exits.h"

#define WAIT_US 500000

static const struct arg_command resync_command = {
    .name = "resync",
    .summary = "Copies one table anew while everything else goes on; a new table joins",
    .operands = "TABLE",
    .operands_min = 1,
    .operands_max = 1,
    .exits = "0  noted; with --wait: the table is back in the stream\n"
             "1  failed, or there is no such table or sink\n"
             "2  command line or configuration is wrong\n"
             "4  no agent is running",
    .example = "tidegate resync public.orders --wait",
};

struct resync_args {
    struct common_args common;
    const char *table;
    const char *sink;
    bool wait;
};

static bool
ask(struct client *client, const struct resync_args *r, bool *no_agent, struct err *err)
{
    struct buf body;
    struct client_reply reply;
    struct json_writer w;
    buf_init(&body, (size_t)64 * 1024);
    json_init(&w, &body);
    json_object_begin(&w);
    json_kv_string(&w, "table", r->table);
    json_kv_string(&w, "sink", r->sink);
    json_object_end(&w);
    bool ok = client_call(client, "POST", "/resync", buf_cstr(&body), &reply, err);
    *no_agent = reply.no_agent;
    client_reply_done(&reply);
    buf_done(&body);
    return ok;
}

/* Of the sinks that are meant: how many tables are out, and the first that stands still. */
static uint64_t
tables_out(const struct agent_status *s, const char *sink, const struct table_status **stopped)
{
    uint64_t out = 0;
    *stopped = NULL;
    for (size_t i = 0; i < s->sinks_len; i++) {
        const struct sink_status *k = &s->sinks[i];
        if (sink && strcmp(sink, k->name) != 0) {
            continue;
        }
        out += k->tables_stopped;
        for (size_t t = 0; t < k->tables_len; t++) {
            bool is = strcmp(k->tables[t].state, "stopped") == 0;
            out -= is;
            *stopped = is && !*stopped ? &k->tables[t] : *stopped;
        }
    }
    return out;
}

static bool
wait_for(struct client *client, const char *sink, bool *no_agent, struct err *err)
{
    for (;;) {
        struct agent_status s;
        const struct table_status *stopped = NULL;
        if (!client_status(client, &s, no_agent, err)) {
            return false;
        }
        if (tables_out(&s, sink, &stopped) == 0) {
            return !stopped || err_set(err, ERR_DATA, "table '%s.%s' is stopped: %s",
                                   stopped->schema, stopped->name, stopped->error);
        }
        clock_system.sleep_us(&clock_system, WAIT_US);
    }
}

static int
run(const struct resync_args *r)
{
    int status = EXIT_OK;
    struct config *config = NULL;
    struct client *client = NULL;
    struct err err = ERR_INIT;
    bool no_agent = false;
    if (!client_args_open(&r->common, &config, &client, &status)) {
        return status;
    }
    if (!ask(client, r, &no_agent, &err) ||
        (r->wait && !wait_for(client, r->sink, &no_agent, &err))) {
        status = client_args_fail(no_agent, EXIT_FAILED, &err);
    } else if (!r->wait) {
        puts("noted; `tidegate status` shows the table until it is back in the stream");
    }
    client_close(client);
    config_free(config);
    return status;
}

int
cmd_resync(int argc, char **argv)
{
    struct resync_args r = {.table = NULL};
    const struct arg_option options[] = {{.name = "sink",
                                             .type = ARG_TEXT,
                                             .value = "NAME",
                                             .help = "this one alone; every target unless given",
                                             .out = &r.sink},
        {.name = "wait",
            .type = ARG_FLAG,
            .help = "return when no table is on its way any more",
            .out = &r.wait},
        COMMON_OPTIONS(&r.common), ARGS_END};
    struct args a = {.command = &resync_command, .options = options};
    int status = EXIT_OK;
    if (args_take(&a, argc, argv, &status)) {
        r.table = a.operands[0];
        status = run(&r);
    }
    common_done(&r.common);
    return status;
}
