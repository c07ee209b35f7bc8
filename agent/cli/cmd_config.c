/* SPDX-License-Identifier: Apache-2.0
 *
 * A verb is a row: it needs a configuration, or only the option table. What is printed is made as a
 * whole by config/describe.h and written at the end, so that an error never follows half an output.
 */
#include "agent/cli/cmd_config.h"

#include <stdio.h>
#include <string.h>

#include "agent/base/buf.h"
#include "agent/cli/args.h"
#include "agent/cli/common.h"
#include "agent/cli/exits.h"
#include "config/describe.h"
#include "config/load.h"
#include "config/nearest.h"

static const struct arg_command command = {
    .name = "config",
    .summary = "Checks the configuration, or prints what can be configured",
    .operands = "check|show|example|reference|schema|man",
    .operands_min = 1,
    .operands_max = 1,
    .exits = "0  the configuration is sound; it was printed\n"
             "2  command line or configuration is wrong",
    .example = "tidegate config example > tidegate.yaml\n"
               "tidegate config check -c tidegate.yaml",
    .appendix = common_help_file,
};

struct verb {
    const char *name;
    void (*print)(struct buf *out); /* from the table alone, or: */
    void (*show)(const struct common_args *args, const struct config *c, struct buf *out);
};

static void
show_check(const struct common_args *args, const struct config *c, struct buf *out)
{
    const struct config_input in = {
        .file = args->config, .source = args->source, .target = args->target};
    struct err err = ERR_INIT;
    const char *path = NULL;
    bool found = config_find_file(&in, &path, &err);
    buf_printf(out, "%s: ok\n", found && path ? path : "command line");
    buf_printf(out, "%s: from %s", c->name, c->source.type);
    for (size_t i = 0; i < c->sinks_len; i++) {
        buf_printf(out, "%s%s (%s)", i == 0 ? " to " : ", ", c->sinks[i].name, c->sinks[i].type);
    }
    buf_printf(out, ", state in %s\n", c->dir);
}

static void
show_effective(const struct common_args *args, const struct config *c, struct buf *out)
{
    (void)args;
    describe_effective(c, out);
}

static const struct verb verbs[] = {
    {"check", NULL, show_check},
    {"show", NULL, show_effective},
    {"example", describe_example, NULL},
    {"reference", describe_reference, NULL},
    {"schema", describe_schema, NULL},
    {"man", describe_man, NULL},
};

enum { VERBS_LEN = sizeof verbs / sizeof *verbs };

static const struct verb *
find_verb(const char *name, struct err *err)
{
    struct nearest near;
    nearest_init(&near, name);
    for (size_t i = 0; i < VERBS_LEN; i++) {
        if (strcmp(verbs[i].name, name) == 0) {
            return &verbs[i];
        }
        nearest_offer(&near, verbs[i].name);
    }
    err_set(err, ERR_CONFIG, "config: '%s' is none of %s", name, command.operands);
    if (near.best) {
        err_hint(err, "did you mean '%s'?", near.best);
    }
    return NULL;
}

static bool
run_verb(const char *name, const struct common_args *args, struct buf *out, struct err *err)
{
    const struct verb *v = find_verb(name, err);
    struct config *config = NULL;
    if (!v) {
        return false;
    }
    if (v->print) {
        v->print(out);
    } else {
        if (!common_load(args, false, &config, err)) {
            return false;
        }
        v->show(args, config, out);
        config_free(config);
    }
    return buf_ok(out, "config", err);
}

int
cmd_config(int argc, char **argv)
{
    struct common_args common = {0};
    const struct arg_option options[] = {COMMON_OPTIONS(&common), ARGS_END};
    struct args a = {.command = &command, .options = options};
    struct err err = ERR_INIT;
    struct buf out;
    int status = EXIT_OK;
    buf_init(&out, DESCRIBE_MAX);
    if (args_take(&a, argc, argv, &status)) {
        if (!run_verb(a.operands[0], &common, &out, &err)) {
            args_print_error(&err);
            status = EXIT_USAGE;
        } else if (fputs(buf_cstr(&out), stdout) < 0 || fflush(stdout) != 0) {
            perror("tidegate: cannot write the output");
            status = EXIT_FAILED;
        }
    }
    secret_wipe(&out);
    common_done(&common);
    return status;
}
