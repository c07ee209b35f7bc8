/* SPDX-License-Identifier: Apache-2.0
 *
 * One request per page. With --json the agent's own document is passed on as it came, so that this
 * command never hides a field that the agent knows.
 */
#include "agent/cli/cmd_status.h"

#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/cli/args.h"
#include "agent/cli/client_args.h"
#include "agent/cli/exits.h"
#include "agent/cli/status_page.h"
#include "agent/control/status_read.h"

static const struct arg_command command = {
    .name = "status",
    .summary = "Shows what the running agent is doing",
    .exits = "0  shown\n"
             "1  failed\n"
             "2  command line or configuration is wrong\n"
             "4  no agent is running",
    .example = "tidegate status --watch\n"
               "tidegate status --json | jq .sinks[0].lag_bytes",
};

enum { PAGE_MAX = 256 * 1024 };

struct status_args {
    struct common_args common;
    bool json, watch;
};

static bool
show_once(struct client *client, const struct status_args *args, bool *no_agent, struct err *err)
{
    struct client_reply r;
    struct agent_status s;
    struct status_time now = {clock_mono_us(&clock_system), clock_wall_us(&clock_system)};
    bool ok = client_call(client, "GET", "/status", NULL, &r, err);
    *no_agent = r.no_agent;
    if (ok && args->json) {
        puts(buf_cstr(&r.body));
    } else if (ok && !status_read(r.json, &now, &s)) {
        ok = err_set(err, ERR_FATAL, "status: the agent's answer is not understood");
        err_hint(err, "agent and command line may be of different versions");
    } else if (ok) {
        struct buf page;
        buf_init(&page, PAGE_MAX);
        status_page_write(&page, &s, &now);
        if (args->watch && isatty(STDOUT_FILENO) == 1) {
            fputs("\033[H\033[J", stdout);
        }
        fputs(buf_cstr(&page), stdout);
        buf_done(&page);
    }
    fflush(stdout);
    client_reply_done(&r);
    return ok;
}

static int
run_with(const struct status_args *args)
{
    int status = EXIT_OK;
    struct config *config = NULL;
    struct client *client = NULL;
    if (!client_args_open(&args->common, &config, &client, &status)) {
        return status;
    }
    struct err err = ERR_INIT;
    bool no_agent = false;
    bool ok = show_once(client, args, &no_agent, &err);
    while (ok && args->watch) {
        clock_system.sleep_us(&clock_system, 1000000);
        ok = show_once(client, args, &no_agent, &err);
    }
    if (!ok) {
        status = client_args_fail(no_agent, EXIT_FAILED, &err);
    }
    client_close(client);
    config_free(config);
    return status;
}

int
cmd_status(int argc, char **argv)
{
    struct status_args s = {0};
    const struct arg_option options[] = {
        {.name = "json", .type = ARG_FLAG, .help = "one JSON object", .out = &s.json},
        {.name = "watch",
            .letter = 'w',
            .type = ARG_FLAG,
            .help = "again every second, until the agent ends",
            .out = &s.watch},
        COMMON_OPTIONS(&s.common),
        ARGS_END,
    };
    struct args a = {.command = &command, .options = options};
    int status = EXIT_OK;
    if (args_take(&a, argc, argv, &status)) {
        status = run_with(&s);
    }
    common_done(&s.common);
    return status;
}
