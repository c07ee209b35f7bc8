/* SPDX-License-Identifier: Apache-2.0
 *
 * Order matters: the signals are blocked before the first thread exists, so that all threads
 * inherit the mask and only the signal thread sees them; the agent is made before the control
 * socket, because its data directory's lock is what keeps a second agent out; and the socket goes
 * before the agent.
 *
 * With a key for the spool there are no core dumps, and no other process of the user may look into
 * this one: memory holds what the disk must not. Without a key core dumps are left as the system
 * has them; a core of the agent holds connection strings and rows, and the manual page says how to
 * switch them off for a service.
 */
#include "agent/cli/cmd_run.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/cli/args.h"
#include "agent/cli/common.h"
#include "agent/cli/exits.h"
#include "agent/cli/progress.h"
#include "agent/cli/signals.h"
#include "agent/control/notify.h"
#include "agent/control/server.h"
#include "agent/pipeline/agent.h"

static const struct arg_command command = {
    .name = "run",
    .summary = "Runs the agent: copies, streams, and resumes by itself from what is stored",
    .exits = "0  the aim of --until is reached, the cutover is done, or it was asked to stop\n"
             "1  failed; the last lines on stderr say why\n"
             "2  command line or configuration is wrong",
    .example = "tidegate run --source postgresql://old.example.org/shop \\\n"
               "             --target postgresql://new.example.org/shop",
    .appendix = common_help_file,
};

struct run_args {
    struct common_args common;
    const char *until;
    uint64_t until_lsn;
    bool has_lsn, quiet;
};

struct running {
    struct agent *agent;
    struct notify notify;
};

static void
on_stop(void *arg)
{
    struct running *r = arg;
    log_info("run", "stopping at a clean point; the next signal leaves at once");
    notify_stopping(&r->notify);
    agent_stop(r->agent);
}

/* The agent with control socket and progress around it. */
static bool
run_served(struct running *r, const struct config *config, const struct run_args *args,
    enum agent_until until, struct err *err)
{
    struct server *server = NULL;
    if (!server_start(r->agent, config, &clock_system, &server, err)) {
        return false;
    }
    struct progress_options o = {.quiet = args->quiet, .terminal = isatty(STDERR_FILENO) == 1};
    struct progress *progress = NULL;
    bool ok = progress_begin(r->agent, &r->notify, &o, &progress, err);
    if (ok) {
        notify_ready(&r->notify);
        ok = agent_run(r->agent, until, args->until_lsn, err);
    }
    progress_end(progress);
    server_stop(server);
    return ok;
}

static bool
run_agent(const struct config *config, const struct run_args *args, enum agent_until until,
    struct err *err)
{
    struct signals signals;
    struct running r = {0};
    signals_block(&signals);
    if (!agent_new(config, &clock_system, &r.agent, err)) {
        return false;
    }
    notify_init(&r.notify, getenv("NOTIFY_SOCKET"));
    bool ok = signals_begin(&signals, on_stop, &r, err);
    if (ok) {
        ok = run_served(&r, config, args, until, err);
        signals_end(&signals);
    }
    struct agent_status s;
    agent_status(r.agent, &s);
    agent_free(r.agent);
    notify_done(&r.notify);
    if (ok) {
        log_info("run", "ended in phase %s", phase_name(s.phase));
    }
    return ok;
}

static bool
parse_until(const struct run_args *args, enum agent_until *out, struct err *err)
{
    *out = args->has_lsn ? UNTIL_LSN : UNTIL_DONE;
    if (!args->until) {
        return true;
    }
    if (args->has_lsn) {
        return err_set(err, ERR_CONFIG, "run: --until and --until-lsn exclude each other");
    }
    if (strcmp(args->until, "copied") == 0) {
        *out = UNTIL_COPIED;
    } else if (strcmp(args->until, "streaming") == 0) {
        *out = UNTIL_STREAMING;
    } else {
        return err_set(
            err, ERR_CONFIG, "run: --until '%s' is neither copied nor streaming", args->until);
    }
    return true;
}

static bool
close_memory(const struct config *config, struct err *err)
{
    const struct rlimit none = {0, 0};
    if (config->spool.encryption_key == NULL && config->spool.old_encryption_keys.len == 0) {
        return true;
    }
    if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) {
        return err_sys(err, ERR_FATAL, errno, "switch core dumps off");
    }
    return true;
}

static int
run_with(const struct run_args *args)
{
    struct err err = ERR_INIT;
    enum agent_until until;
    struct config *config = NULL;
    if (!parse_until(args, &until, &err) || !common_load(&args->common, false, &config, &err)) {
        args_print_error(&err);
        return EXIT_USAGE;
    }
    log_configure((enum log_level)config->log.level, (enum log_format)config->log.format);
    bool ok = close_memory(config, &err) && run_agent(config, args, until, &err);
    if (!ok) {
        log_err(LOG_ERROR, "run", &err);
    }
    config_free(config);
    return ok ? EXIT_OK : EXIT_FAILED;
}

int
cmd_run(int argc, char **argv)
{
    struct run_args r = {0};
    const struct arg_option options[] = {
        {.name = "until",
            .type = ARG_TEXT,
            .value = "copied|streaming",
            .help = "end when all tables, indexes and constraints are there,\n"
                    "or when the change stream has caught up",
            .out = &r.until},
        {.name = "until-lsn",
            .type = ARG_LSN,
            .value = "X/Y",
            .help = "end when every transaction committed at or before it is\n"
                    "durable at every sink",
            .out = &r.until_lsn,
            .given = &r.has_lsn},
        {.name = "quiet",
            .letter = 'q',
            .type = ARG_FLAG,
            .help = "no progress lines",
            .out = &r.quiet},
        COMMON_OPTIONS(&r.common),
        ARGS_END,
    };
    struct args a = {.command = &command, .options = options};
    int status = EXIT_OK;
    if (args_take(&a, argc, argv, &status)) {
        status = run_with(&r);
    }
    common_done(&r.common);
    return status;
}
