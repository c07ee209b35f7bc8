/* SPDX-License-Identifier: Apache-2.0
 *
 * Polls the status; what counts as reached is decided by wait_goal.c. An agent that ended cannot be
 * asked, but its state directory can: when the migration is stored as done, every phase has been
 * reached, and a script that waits for `done` does not lose the race against the agent's own end.
 */
#include "agent/cli/cmd_wait.h"

#include <string.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/base/parse.h"
#include "agent/cli/args.h"
#include "agent/cli/client_args.h"
#include "agent/cli/exits.h"
#include "agent/cli/wait_goal.h"
#include "agent/store/store.h"

#define POLL_US    100000LL
#define DEFAULT_US 60000000LL

static const struct arg_command command = {
    .name = "wait",
    .summary = "Waits until the running agent has reached a phase or a position",
    .exits = "0  reached\n"
             "1  failed\n"
             "2  command line or configuration is wrong\n"
             "3  not reached within --timeout\n"
             "4  no agent is running, it ended, or a sink of it failed",
    .example = "tidegate wait --phase streaming --timeout 2h && tidegate cutover",
};

struct wait_args {
    struct common_args common;
    const char *phase;
    bool has_lsn, caught_up;
    int64_t timeout_us;
    struct wait_goal goal;
};

static bool
stored_as_done(const struct config *config)
{
    char *path = x_printf("%s/state.db", config->dir);
    bool exists = access(path, R_OK) == 0;
    x_free(path);
    struct err err = ERR_INIT;
    struct store *store = NULL;
    if (!exists || !store_open(config->dir, &store, &err)) {
        return false;
    }
    char *phase = NULL;
    bool done = store_get(store, "phase", &phase, &err) && phase &&
                strcmp(phase, phase_name(PHASE_DONE)) == 0;
    x_free(phase);
    store_close(store);
    return done;
}

static int
not_in_time(const struct wait_args *w, const struct agent_status *s)
{
    char text[256], duration[FORMAT_SIZE];
    wait_goal_describe(&w->goal, s, text, sizeof text);
    fprintf(stderr, "tidegate: wait: not reached within %s: %s\n",
        format_duration(w->timeout_us, duration), text);
    return EXIT_NOT_YET;
}

static int
poll_agent(const struct wait_args *w, const struct config *config, struct client *client)
{
    int64_t deadline = clock_mono_us(&clock_system) + w->timeout_us;
    while (true) {
        struct err err = ERR_INIT;
        struct agent_status s;
        bool no_agent = false;
        if (!client_status(client, &s, &no_agent, &err)) {
            if (no_agent && !w->goal.position && stored_as_done(config)) {
                return EXIT_OK;
            }
            return client_args_fail(no_agent, EXIT_FAILED, &err);
        }
        char why[sizeof err.text];
        switch (wait_goal_step(&w->goal, &s, why, sizeof why)) {
        case WAIT_REACHED:
            return EXIT_OK;
        case WAIT_NEVER:
            err_set(&err, ERR_FATAL, "wait: %s", why);
            args_print_error(&err);
            return EXIT_NO_AGENT;
        case WAIT_MORE:
            break;
        }
        if (clock_mono_us(&clock_system) >= deadline) {
            return not_in_time(w, &s);
        }
        clock_system.sleep_us(&clock_system, POLL_US);
    }
}

static int
run_with(struct wait_args *w)
{
    int status = EXIT_OK;
    struct config *config = NULL;
    struct client *client = NULL;
    if (!client_args_open(&w->common, &config, &client, &status)) {
        return status;
    }
    struct err err = ERR_INIT;
    bool no_agent = false;
    w->goal.position = w->has_lsn || w->caught_up;
    if (w->caught_up && !client_mark(client, &w->goal.lsn, &no_agent, &err)) {
        status = client_args_fail(no_agent, EXIT_FAILED, &err);
    } else {
        status = poll_agent(w, config, client);
    }
    client_close(client);
    config_free(config);
    return status;
}

static bool
check_goal(struct wait_args *w, struct err *err)
{
    int goals = (w->phase ? 1 : 0) + (w->has_lsn ? 1 : 0) + (w->caught_up ? 1 : 0);
    if (goals != 1) {
        err_set(err, ERR_CONFIG, "wait: exactly one of --phase, --lsn and --caught-up is needed");
        return err_hint(err, "tidegate wait --help shows how it is called");
    }
    if (w->phase && !phase_parse(w->phase, &w->goal.phase)) {
        err_set(err, ERR_CONFIG, "wait: there is no phase '%s'", w->phase);
        return err_hint(
            err, "phases are preflight, snapshot, catchup, streaming, cutover and done");
    }
    return true;
}

int
cmd_wait(int argc, char **argv)
{
    struct wait_args w = {.timeout_us = DEFAULT_US};
    const struct arg_option options[] = {
        {.name = "phase",
            .type = ARG_TEXT,
            .value = "PHASE",
            .help = "that phase or a later one: preflight, snapshot,\n"
                    "catchup, streaming, cutover, done",
            .out = &w.phase},
        {.name = "lsn",
            .type = ARG_LSN,
            .value = "X/Y",
            .help = "everything committed at or before it is durable at\nevery sink",
            .out = &w.goal.lsn,
            .given = &w.has_lsn},
        {.name = "caught-up",
            .type = ARG_FLAG,
            .help = "everything that the source has committed by now is\n"
                    "durable at every sink",
            .out = &w.caught_up},
        {.name = "timeout",
            .type = ARG_DURATION,
            .value = "TIME",
            .help = "how long at most (default: 60s)",
            .out = &w.timeout_us},
        COMMON_OPTIONS(&w.common),
        ARGS_END,
    };
    struct args a = {.command = &command, .options = options};
    int status = EXIT_OK;
    struct err err = ERR_INIT;
    if (args_take(&a, argc, argv, &status)) {
        if (check_goal(&w, &err)) {
            status = run_with(&w);
        } else {
            args_print_error(&err);
            status = EXIT_USAGE;
        }
    }
    common_done(&w.common);
    return status;
}
