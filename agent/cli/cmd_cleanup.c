/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists first, asks, then removes. Without a terminal nobody can be asked, so --yes is needed.
 */
#include "agent/cli/cmd_cleanup.h"

#include <string.h>
#include <unistd.h>

#include "agent/cleanup/cleanup.h"
#include "agent/cli/args.h"
#include "agent/cli/common.h"
#include "agent/cli/exits.h"
#include "agent/control/client.h"

static const struct arg_command command = {
    .name = "cleanup",
    .summary = "Removes what tidegate made on both servers and on this machine; no data of yours",
    .exits = "0  done, or there was nothing to do\n"
             "1  failed, or not confirmed; what was removed stays removed, it can be run again\n"
             "2  command line or configuration is wrong",
    .example = "tidegate cleanup -c tidegate.yaml",
};

struct cleanup_args {
    struct common_args common;
    bool yes, lift_fence, skip_source, skip_target;
};

static const char *
place_name(enum cleanup_place place)
{
    switch (place) {
    case CLEANUP_SOURCE:
        return "source";
    case CLEANUP_TARGET:
        return "target";
    case CLEANUP_LOCAL:
        return "here";
    }
    return "";
}

/* How many items will be removed. */
static size_t
list(const struct cleanup *c)
{
    size_t n = 0, stay = 0;
    for (size_t i = 0; i < cleanup_count(c); i++) {
        n += cleanup_item(c, i)->stays ? 0 : 1;
    }
    stay = cleanup_count(c) - n;
    puts(n > 0 ? "to be removed:" : "there is nothing to remove");
    for (size_t i = 0; i < cleanup_count(c); i++) {
        const struct cleanup_item *item = cleanup_item(c, i);
        if (!item->stays) {
            printf("  %-7s %s\n", place_name(item->place), item->text);
        }
    }
    if (stay > 0) {
        puts("stays as it is:");
    }
    for (size_t i = 0; stay > 0 && i < cleanup_count(c); i++) {
        const struct cleanup_item *item = cleanup_item(c, i);
        if (item->stays) {
            printf("  %-7s %s\n", place_name(item->place), item->text);
        }
    }
    fflush(stdout);
    return n;
}

static void
warn_unfinished(const struct cleanup *c)
{
    enum phase phase;
    if (cleanup_phase(c, &phase) && phase != PHASE_DONE) {
        fprintf(stderr,
            "tidegate: the migration is in phase %s: it cannot be resumed afterwards; tables that "
            "were copied stay on the target\n",
            phase_name(phase));
    }
}

static bool
confirmed(bool yes, struct err *err)
{
    if (yes) {
        return true;
    }
    if (isatty(STDIN_FILENO) != 1) {
        err_set(err, ERR_CONFIG, "cleanup: nothing was removed, nobody can be asked");
        return err_hint(err, "--yes removes what is listed");
    }
    fputs("remove this? [y/N] ", stderr);
    char answer[16];
    if (fgets(answer, sizeof answer, stdin)) {
        answer[strcspn(answer, "\n")] = '\0';
        if (strcmp(answer, "y") == 0 || strcmp(answer, "yes") == 0) {
            return true;
        }
    }
    return err_set(err, ERR_CANCELLED, "cleanup: nothing was removed");
}

static void
report(const struct cleanup_item *item, const struct err *err, void *arg)
{
    (void)arg;
    if (!err) {
        printf("removed  %-7s %s\n", place_name(item->place), item->text);
        fflush(stdout);
        return;
    }
    fprintf(stderr, "tidegate: not removed: %s: %s\n", place_name(item->place), item->text);
    args_print_error(err);
}

/* The lock of the data directory keeps an agent with the same one out; this finds one that was
 * started with another directory but the same socket. */
static bool
no_agent_answers(const struct config *config, struct err *err)
{
    struct client *client = NULL;
    struct agent_status s;
    bool no_agent = false;
    struct err why = ERR_INIT;
    if (!client_open(config->control.socket, &client, err)) {
        return false;
    }
    bool answers = client_status(client, &s, &no_agent, &why);
    client_close(client);
    if (answers) {
        err_set(err, ERR_CONFIG, "cleanup: an agent is running: phase %s", phase_name(s.phase));
        return err_hint(err, "end it first, with SIGTERM or Ctrl-C");
    }
    return true;
}

static bool
run_cleanup(
    const struct cleanup_args *args, const struct config *config, bool *shown, struct err *err)
{
    struct cleanup_options o = {
        .config = config,
        .lift_fence = args->lift_fence,
        .skip_source = args->skip_source,
        .skip_target = args->skip_target,
    };
    struct cleanup *c = NULL;
    if (!no_agent_answers(config, err) || !cleanup_open(&o, &c, err)) {
        return false;
    }
    warn_unfinished(c);
    bool ok = true;
    if (list(c) > 0) {
        ok = confirmed(args->yes, err);
        if (ok) {
            ok = cleanup_run(c, report, NULL, err);
            *shown = !ok;
        }
    }
    cleanup_free(c);
    return ok;
}

static int
run_with(const struct cleanup_args *args)
{
    struct err err = ERR_INIT;
    struct config *config = NULL;
    if (!common_load(&args->common, false, &config, &err)) {
        args_print_error(&err);
        return EXIT_USAGE;
    }
    bool shown = false;
    bool ok = run_cleanup(args, config, &shown, &err);
    if (!ok && !shown) {
        args_print_error(&err);
    } else if (!ok) {
        fputs("tidegate: cleanup: not everything was removed; the local state was kept for another "
              "try\n",
            stderr);
    }
    config_free(config);
    return ok ? EXIT_OK : EXIT_FAILED;
}

int
cmd_cleanup(int argc, char **argv)
{
    struct cleanup_args c = {0};
    const struct arg_option options[] = {
        {.name = "yes", .letter = 'y', .type = ARG_FLAG, .help = "do not ask", .out = &c.yes},
        {.name = "lift-fence",
            .type = ARG_FLAG,
            .help = "also after a finished cutover: the source takes writes\n"
                    "again. A migration that was not finished lifts it anyway",
            .out = &c.lift_fence},
        {.name = "skip-source",
            .type = ARG_FLAG,
            .help = "leave the source alone: it is gone",
            .out = &c.skip_source},
        {.name = "skip-target",
            .type = ARG_FLAG,
            .help = "leave the targets alone: they are gone",
            .out = &c.skip_target},
        COMMON_OPTIONS(&c.common),
        ARGS_END,
    };
    struct args a = {.command = &command, .options = options};
    int status = EXIT_OK;
    if (args_take(&a, argc, argv, &status)) {
        status = run_with(&c);
    }
    common_done(&c.common);
    return status;
}
