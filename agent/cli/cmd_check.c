/* SPDX-License-Identifier: Apache-2.0
 *
 * What a directory already holds decides what may be on the servers: a data directory with a
 * migration in it is judged as the resume that `run` would make of it. Nothing is created here.
 */
#include "agent/cli/cmd_check.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/base/buf.h"
#include "agent/base/json_writer.h"
#include "agent/base/log.h"
#include "agent/cli/args.h"
#include "agent/cli/common.h"
#include "agent/cli/exits.h"
#include "agent/pipeline/status.h"
#include "agent/preflight/preflight.h"
#include "agent/store/store.h"

#define OUTPUT_MAX (8U << 20)

static const struct arg_command command = {
    .name = "check",
    .summary = "Looks at source, target and this machine, and says what stands in the way",
    .exits = "0  nothing blocks; there may be warnings\n"
             "1  a finding blocks, or the look broke off\n"
             "2  command line or configuration is wrong",
    .example = "tidegate check --source postgresql://old.example.org/shop \\\n"
               "               --target postgresql://new.example.org/shop",
};

/* --- what the data directory says ---------------------------------------------------------------
 */

static bool
read_progress(struct store *store, struct preflight_input *in, struct err *err)
{
    char *stored = NULL, *setup = NULL;
    enum phase phase = PHASE_PREFLIGHT;
    bool ok = store_get(store, "phase", &stored, err) && store_get(store, "setup", &setup, err);
    if (ok) {
        in->resume = stored && phase_parse(stored, &phase) && phase != PHASE_PREFLIGHT;
        in->began = in->resume || setup != NULL;
    }
    x_free(stored);
    x_free(setup);
    return ok && store_sinks(store, &in->sinks, &in->sinks_len, err);
}

static bool
read_state(const struct config *config, struct preflight_input *in, struct err *err)
{
    struct buf path;
    struct store *store = NULL;
    buf_init(&path, 8192);
    buf_printf(&path, "%s/state.db", config->dir);
    bool there = !path.failed && access(buf_cstr(&path), F_OK) == 0;
    buf_done(&path);
    if (!there) {
        return true;
    }
    if (!store_open(config->dir, &store, err)) {
        if (err->class != ERR_CONFIG) {
            return false;
        }
        /* An agent runs there: it is past its own preflight. */
        err_clear(err);
        in->resume = in->began = true;
        return true;
    }
    bool ok = read_progress(store, in, err);
    store_close(store);
    return ok;
}

/* --- output -------------------------------------------------------------------------------------
 */

static const char *
colour(enum preflight_verdict v, bool colours)
{
    static const char *const codes[] = {"\033[2m", "\033[33m", "\033[31m"};
    return colours ? codes[v] : "";
}

static void
add_finding(struct buf *out, const struct preflight_finding *f, bool colours)
{
    buf_printf(out, "  %s%-8s  %-24s  %s%s\n", colour(f->verdict, colours),
        preflight_verdict_name(f->verdict), f->id, f->text, colours ? "\033[0m" : "");
    if (f->todo[0]) {
        buf_printf(out, "  %-8s  %-24s  to do: %s\n", "", "", f->todo);
    }
}

static void
add_table(struct buf *out, const struct preflight_report *r, bool colours)
{
    const char *where = "";
    for (size_t i = 0; i < r->len; i++) {
        if (strcmp(where, r->items[i].where) != 0) {
            buf_printf(out, "%s%s\n", i ? "\n" : "", r->items[i].where);
            where = r->items[i].where;
        }
        add_finding(out, &r->items[i], colours);
    }
    size_t warnings = preflight_count(r, PREFLIGHT_WARNING);
    size_t blocking = preflight_count(r, PREFLIGHT_BLOCKING);
    buf_printf(out, "\n%zu blocking, %zu warning%s: %s\n", blocking, warnings,
        warnings == 1 ? "" : "s",
        blocking ? "`tidegate run` would refuse to start" : "ready to run");
}

static void
add_json(struct buf *out, const struct preflight_report *r)
{
    struct json_writer w;
    json_init(&w, out);
    json_object_begin(&w);
    json_kv_bool(&w, "ok", preflight_count(r, PREFLIGHT_BLOCKING) == 0);
    json_kv_u64(&w, "blocking", preflight_count(r, PREFLIGHT_BLOCKING));
    json_kv_u64(&w, "warnings", preflight_count(r, PREFLIGHT_WARNING));
    json_key(&w, "findings");
    json_array_begin(&w);
    for (size_t i = 0; i < r->len; i++) {
        const struct preflight_finding *f = &r->items[i];
        json_object_begin(&w);
        json_kv_string(&w, "id", f->id);
        json_kv_string(&w, "where", f->where);
        json_kv_string(&w, "verdict", preflight_verdict_name(f->verdict));
        json_kv_string(&w, "text", f->text);
        json_kv_string(&w, "todo", f->todo);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_object_end(&w);
    buf_str(out, "\n");
}

/* Texts hold what servers answered: they pass the redactor as every message does. */
static int
print_report(const struct preflight_report *r, bool json, struct err *err)
{
    struct buf out;
    buf_init(&out, OUTPUT_MAX);
    if (json) {
        add_json(&out, r);
    } else {
        const char *no_color = getenv("NO_COLOR");
        add_table(&out, r, isatty(STDOUT_FILENO) == 1 && !(no_color && no_color[0]));
    }
    bool ok = buf_ok(&out, "report", err);
    if (ok) {
        (void)buf_cstr(&out);
        log_redact((char *)out.data, out.cap);
        ok = fputs((const char *)out.data, stdout) >= 0 && fflush(stdout) == 0;
        if (!ok) {
            err_set(err, ERR_FATAL, "cannot write the report");
        }
    }
    buf_done(&out);
    if (!ok) {
        return EXIT_FAILED;
    }
    return preflight_count(r, PREFLIGHT_BLOCKING) > 0 ? EXIT_FAILED : EXIT_OK;
}

static int
check(const struct config *config, bool json)
{
    struct err err = ERR_INIT;
    struct preflight_input in = {.config = config};
    struct preflight_report report = {0};
    int status = EXIT_FAILED;
    if (read_state(config, &in, &err) && preflight_run(&in, &report, &err)) {
        status = print_report(&report, json, &err);
    }
    if (err.class != ERR_NONE) {
        args_print_error(&err);
    }
    preflight_report_done(&report);
    x_free(in.sinks);
    return status;
}

int
cmd_check(int argc, char **argv)
{
    struct common_args common = {0};
    bool json = false;
    const struct arg_option options[] = {
        COMMON_OPTIONS(&common),
        {.name = "json", .type = ARG_FLAG, .help = "the findings as JSON", .out = &json},
        ARGS_END,
    };
    struct args args = {.command = &command, .options = options};
    struct err err = ERR_INIT;
    struct config *config = NULL;
    int status = EXIT_OK;
    if (args_take(&args, argc, argv, &status)) {
        if (common_load(&common, false, &config, &err)) {
            status = check(config, json);
        } else {
            args_print_error(&err);
            status = EXIT_USAGE;
        }
    }
    config_free(config);
    common_done(&common);
    return status;
}
