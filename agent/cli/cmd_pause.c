/* SPDX-License-Identifier: Apache-2.0
 *
 * A pause holds delivery, never capture: the spool goes on growing and the source is confirmed as
 * before.
 */
#include "agent/cli/cmd_pause.h"

#include <stddef.h>

#include "agent/base/json_writer.h"
#include "agent/cli/args.h"
#include "agent/cli/client_args.h"
#include "agent/cli/exits.h"

#define EXITS                                                                                      \
    "0  done\n"                                                                                    \
    "1  failed, or there is no such sink\n"                                                        \
    "2  command line or configuration is wrong\n"                                                  \
    "4  no agent is running"

static const struct arg_command pause_command = {
    .name = "pause",
    .summary = "Holds a sink or the copy, or both; changes go on into the spool",
    .operands = "[SINK|copy]",
    .operands_max = 1,
    .exits = EXITS,
    .example = "tidegate pause copy",
};
static const struct arg_command resume_command = {
    .name = "resume",
    .summary = "Lets what was paused go on",
    .operands = "[SINK|copy]",
    .operands_max = 1,
    .exits = EXITS,
    .example = "tidegate resume copy",
};

static int
ask(const struct common_args *common, const char *path, const char *sink)
{
    int status = EXIT_OK;
    struct config *config = NULL;
    struct client *client = NULL;
    if (!client_args_open(common, &config, &client, &status)) {
        return status;
    }
    struct err err = ERR_INIT;
    struct buf body;
    struct client_reply r;
    struct json_writer w;
    buf_init(&body, (size_t)64 * 1024);
    json_init(&w, &body);
    json_object_begin(&w);
    json_kv_string(&w, "sink", sink);
    json_object_end(&w);
    if (!client_call(client, "POST", path, buf_cstr(&body), &r, &err)) {
        status = client_args_fail(r.no_agent, EXIT_FAILED, &err);
    }
    client_reply_done(&r);
    buf_done(&body);
    client_close(client);
    config_free(config);
    return status;
}

static int
run(const struct arg_command *command, const char *path, int argc, char **argv)
{
    struct common_args common = {0};
    const struct arg_option options[] = {COMMON_OPTIONS(&common), ARGS_END};
    struct args a = {.command = command, .options = options};
    int status = EXIT_OK;
    if (args_take(&a, argc, argv, &status)) {
        status = ask(&common, path, a.operands_len > 0 ? a.operands[0] : NULL);
    }
    common_done(&common);
    return status;
}

int
cmd_pause(int argc, char **argv)
{
    return run(&pause_command, "/pause", argc, argv);
}

int
cmd_resume(int argc, char **argv)
{
    return run(&resume_command, "/resume", argc, argv);
}
