/* SPDX-License-Identifier: Apache-2.0
 *
 * Finds out whether an agent is streaming, which decides whether a difference may be a matter of
 * time, and leaves the comparison to agent/verify/verify.h.
 */
#include "agent/cli/cmd_verify.h"

#include <string.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/stop.h"
#include "agent/cli/args.h"
#include "agent/cli/common.h"
#include "agent/cli/exits.h"
#include "agent/cli/signals.h"
#include "agent/cli/verify_view.h"
#include "agent/cli/wait_goal.h"
#include "agent/control/client.h"
#include "agent/verify/verify.h"

#define DRAIN_POLL_US 100000LL
#define DRAIN_US      60000000LL

enum { ROUNDS = 5 };

#define TEXT_MAX ((size_t)256 << 20)

static const struct arg_command command = {
    .name = "verify",
    .summary = "Compares source and target: row counts and checksums of every table",
    .exits = "0  equal\n"
             "1  failed, or a table could not be compared\n"
             "2  command line or configuration is wrong\n"
             "5  different",
    .example =
        "tidegate verify -c tidegate.yaml\n"
        "tidegate verify --counts-only --json | jq '.tables[] | select(.verdict != \"equal\")'",
};

struct verify_args {
    struct common_args common;
    const char *sink;
    uint32_t jobs, rounds;
    bool json, all, counts_only;
};

struct live {
    struct client *client; /* NULL: no agent is streaming */
    struct stop *stop;
    const char *sink; /* that is compared now */
    bool progress;
};

static bool
drain(void *arg, struct err *err)
{
    struct live *l = arg;
    struct wait_goal goal = {.position = true, .sink = l->sink};
    bool no_agent = false;
    if (!client_mark(l->client, &goal.lsn, &no_agent, err)) {
        return false;
    }
    int64_t deadline = clock_mono_us(&clock_system) + DRAIN_US;
    while (clock_mono_us(&clock_system) < deadline) {
        struct agent_status s;
        char why[512];
        if (!client_status(l->client, &s, &no_agent, err)) {
            return false;
        }
        switch (wait_goal_step(&goal, &s, why, sizeof why)) {
        case WAIT_REACHED:
            return true;
        case WAIT_NEVER:
            return err_set(err, ERR_FATAL, "verify: %s", why);
        case WAIT_MORE:
            break;
        }
        if (stop_sleep(l->stop, DRAIN_POLL_US)) {
            return err_set(err, ERR_CANCELLED, "verify: stopped");
        }
    }
    err_set(err, ERR_RETRY, "verify: the target does not catch up within a minute");
    return err_hint(err, "wait until `tidegate status` shows a small lag, then try again");
}

static void
show_progress(size_t done, size_t total, void *arg)
{
    const struct live *l = arg;
    if (l->progress) {
        fprintf(stderr, "\r\033[K%zu/%zu tables%s", done, total, done == total ? "\r\033[K" : "");
    }
}

/* A client when an agent is there and its copy is complete. */
static bool
find_agent(const struct config *config, struct live *l, struct err *err)
{
    struct agent_status s;
    bool no_agent = false;
    struct err why = ERR_INIT;
    if (!client_open(config->control.socket, &l->client, err)) {
        return false;
    }
    if (!client_status(l->client, &s, &no_agent, &why)) {
        client_close(l->client);
        l->client = NULL;
        return true;
    }
    if (s.phase < PHASE_CATCHUP) {
        fprintf(stderr, "tidegate: verify: the agent is in phase %s, the copy is not complete\n",
            phase_name(s.phase));
    }
    return true;
}

static const struct sink_config *
find_sink(const struct config *config, const char *name, struct err *err)
{
    for (size_t i = 0; i < config->sinks_len; i++) {
        const struct sink_config *k = &config->sinks[i];
        if (name ? strcmp(k->name, name) == 0 : strcmp(k->type, "postgresql") == 0) {
            if (strcmp(k->type, "postgresql") == 0) {
                return k;
            }
            err_set(err, ERR_CONFIG, "sink '%s' is of type %s, which cannot be read back", k->name,
                k->type);
            return NULL;
        }
    }
    err_set(err, ERR_CONFIG,
        name ? "there is no sink '%s'" : "there is no sink of type postgresql%s", name ? name : "");
    return NULL;
}

/* What is compared: one sink that was named, or all that can be. */
struct targets {
    const struct sink_config *sinks[CONFIG_SINKS_MAX];
    const char *names[CONFIG_SINKS_MAX];
    struct verify_report reports[CONFIG_SINKS_MAX];
    size_t len;
};

static bool
find_targets(const struct config *config, const char *name, struct targets *out, struct err *err)
{
    const struct sink_config *first = find_sink(config, name, err);
    if (!first) {
        return false;
    }
    for (size_t i = 0; i < config->sinks_len; i++) {
        const struct sink_config *k = &config->sinks[i];
        if (name ? k == first : strcmp(k->type, "postgresql") == 0) {
            out->names[out->len] = k->name;
            out->sinks[out->len++] = k;
        }
    }
    return true;
}

static int
show(const struct verify_args *args, const struct targets *t)
{
    struct buf out;
    int status = EXIT_OK;
    buf_init(&out, TEXT_MAX);
    if (args->json && t->len > 1) {
        verify_view_json_many(&out, t->names, t->reports, t->len);
        buf_u8(&out, '\n');
    } else if (args->json) {
        verify_view_json(&out, &t->reports[0]);
        buf_u8(&out, '\n');
    }
    for (size_t i = 0; i < t->len; i++) {
        const struct verify_report *r = &t->reports[i];
        if (!args->json && t->len > 1) {
            buf_printf(&out, "%ssink '%s'\n", i ? "\n" : "", t->names[i]);
        }
        if (!args->json) {
            verify_view_text(&out, r, args->all);
        }
        status = r->different > 0               ? EXIT_DIFFERENT
                 : r->failed > 0 && status == 0 ? EXIT_FAILED
                                                : status;
    }
    fputs(buf_cstr(&out), stdout);
    buf_done(&out);
    return status;
}

static void
on_stop(void *arg)
{
    stop_request(arg);
}

static bool
compare_one(const struct verify_args *args, const struct config *config, struct live *live,
    struct targets *t, size_t i, struct err *err)
{
    live->sink = t->names[i];
    struct verify_options o = {
        .source_dsn = config->source.dsn,
        .target_dsn = t->sinks[i]->dsn,
        .filter = {.include = (const char *const *)config->tables.include.items,
            .include_len = config->tables.include.len,
            .exclude = (const char *const *)config->tables.exclude.items,
            .exclude_len = config->tables.exclude.len},
        .timeout_us = config->network.timeout_us,
        .jobs = (int)(args->jobs > 0 ? args->jobs : config->copy.jobs),
        .counts_only = args->counts_only,
        .rounds = args->rounds,
        .drain = live->client ? drain : NULL,
        .each = show_progress,
        .arg = live,
        .stop = live->stop,
    };
    return verify_run(&o, &t->reports[i], err) ||
           (t->len > 1 ? err_wrap(err, "sink '%s'", t->names[i]) : false);
}

static int
compare(const struct verify_args *args, const struct config *config, struct targets *t,
    struct stop *stop)
{
    struct err err = ERR_INIT;
    struct signals signals;
    struct live live = {.stop = stop, .progress = !args->json && isatty(STDERR_FILENO) == 1};
    signals_block(&signals);
    if (!signals_begin(&signals, on_stop, stop, &err)) {
        args_print_error(&err);
        return EXIT_FAILED;
    }
    bool ok = find_agent(config, &live, &err);
    for (size_t i = 0; ok && i < t->len; i++) {
        ok = compare_one(args, config, &live, t, i, &err);
    }
    int status = EXIT_FAILED;
    if (ok) {
        status = show(args, t);
    } else {
        args_print_error(&err);
    }
    for (size_t i = 0; i < t->len; i++) {
        verify_report_done(&t->reports[i]);
    }
    client_close(live.client);
    signals_end(&signals);
    return status;
}

static int
run_with(const struct verify_args *args)
{
    struct err err = ERR_INIT;
    struct config *config = NULL;
    struct targets targets = {.len = 0};
    if (!common_load(&args->common, false, &config, &err) ||
        !find_targets(config, args->sink, &targets, &err)) {
        args_print_error(&err);
        config_free(config);
        return EXIT_USAGE;
    }
    struct stop stop;
    int status = EXIT_FAILED;
    if (stop_init(&stop)) {
        status = compare(args, config, &targets, &stop);
        stop_done(&stop);
    }
    config_free(config);
    return status;
}

int
cmd_verify(int argc, char **argv)
{
    struct verify_args v = {.rounds = ROUNDS};
    const struct arg_option options[] = {
        {.name = "json", .type = ARG_FLAG, .help = "one JSON object", .out = &v.json},
        {.name = "all",
            .letter = 'a',
            .type = ARG_FLAG,
            .help = "list equal tables, too",
            .out = &v.all},
        {.name = "counts-only",
            .type = ARG_FLAG,
            .help = "compare row counts alone",
            .out = &v.counts_only},
        {.name = "sink",
            .type = ARG_TEXT,
            .value = "NAME",
            .help = "the target to compare with (default: each of them)",
            .out = &v.sink},
        {.name = "jobs",
            .letter = 'j',
            .type = ARG_U32,
            .value = "N",
            .help = "connections to each server (default: copy.jobs)",
            .out = &v.jobs},
        {.name = "rounds",
            .type = ARG_U32,
            .value = "N",
            .help = "while an agent streams: look again at tables that differ,\n"
                    "so often at most (default: 5)",
            .out = &v.rounds},
        COMMON_OPTIONS(&v.common),
        ARGS_END,
    };
    struct args a = {.command = &command, .options = options};
    int status = EXIT_OK;
    if (args_take(&a, argc, argv, &status)) {
        status = run_with(&v);
    }
    common_done(&v.common);
    return status;
}
