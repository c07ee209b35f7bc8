/* SPDX-License-Identifier: Apache-2.0
 *
 * Every command fetches what is chosen first; replay and drop then name single sinks and letters.
 * (jansson's json_string has the name of one of ours, hence json_string_nocheck.)
 */
#include "agent/cli/cmd_dead_letters.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "agent/cli/args.h"
#include "agent/cli/column_mask.h"
#include "agent/cli/exits.h"
#include "agent/cli/letters_service.h"
#include "agent/cli/letters_view.h"
#include "config/nearest.h"

#define TEXT_MAX ((size_t)2 << 30)

#define EXITS                                                                                      \
    "0  done\n"                                                                                    \
    "1  failed; of a replay: letters stay because they were refused again\n"                       \
    "2  command line or configuration is wrong"

struct letters_args {
    struct common_args common;
    const char *sink;
    uint32_t id;
    bool all, yes, json;
    struct arg_list masks;
};

struct work {
    const struct letters_args *args;
    struct letters_service *service;
    struct buf text;
};

static int
fail(const struct err *err)
{
    args_print_error(err);
    return EXIT_FAILED;
}

static void
flush(struct work *w)
{
    fputs(buf_cstr(&w->text), stdout);
    fflush(stdout);
    buf_reset(&w->text);
}

static json_t *
request_of(const struct letters_args *a, bool body)
{
    char id[16];
    json_t *q = json_object();
    snprintf(id, sizeof id, "%" PRIu32, a->id);
    if (a->sink) {
        json_object_set_new(q, "sink", json_string_nocheck(a->sink));
    }
    if (a->id != 0) {
        json_object_set_new(q, "id", json_string_nocheck(id));
    }
    if (body) {
        json_object_set_new(q, "body", json_true());
    }
    return q;
}

/* Asks again behind "next" until all is there; the arrays named `list` are joined. */
static json_t *
ask_all(struct work *w, enum letters_question question, json_t *request, const char *list,
    struct err *err)
{
    json_t *all = json_array();
    bool more = true;
    while (more) {
        json_t *answer = NULL;
        if (!letters_service_ask(w->service, question, request, &answer, err)) {
            json_decref(all);
            return NULL;
        }
        json_array_extend(all, json_object_get(answer, list));
        json_t *next = json_object_get(answer, "next");
        more = json_is_string(next);
        if (more) {
            json_object_set(request, "after", next);
        }
        json_decref(answer);
    }
    return all;
}

/* NULL: it failed, which was printed. */
static json_t *
fetch(struct work *w, bool body)
{
    struct err err = ERR_INIT;
    json_t *request = request_of(w->args, body);
    json_t *letters = ask_all(w, LETTERS_LIST, request, "letters", &err);
    json_decref(request);
    if (letters && w->args->id != 0 && json_array_size(letters) == 0) {
        err_set(&err, ERR_CONFIG, "there is no dead letter %" PRIu32, w->args->id);
        err_hint(&err, "`tidegate dead-letters list` shows them");
        json_decref(letters);
        letters = NULL;
    }
    if (!letters) {
        args_print_error(&err);
    }
    return letters;
}

static int
list(struct work *w)
{
    json_t *letters = fetch(w, false);
    if (!letters) {
        return EXIT_FAILED;
    }
    if (w->args->json) {
        char *text = json_dumps(letters, JSON_COMPACT);
        buf_str(&w->text, text ? text : "[]");
        buf_str(&w->text, "\n");
        free(text);
    } else {
        letters_view_list(&w->text, letters);
        size_t n = json_array_size(letters);
        buf_printf(&w->text, "%zu dead letter%s wait%s\n", n, n == 1 ? "" : "s", n == 1 ? "s" : "");
    }
    flush(w);
    json_decref(letters);
    return EXIT_OK;
}

static int
show(struct work *w)
{
    struct err err = ERR_INIT;
    struct column_mask mask = {0};
    for (size_t i = 0; i < w->args->masks.len; i++) {
        if (!column_mask_add(&mask, w->args->masks.items[i], &err)) {
            args_print_error(&err);
            return EXIT_USAGE;
        }
    }
    json_t *letters = fetch(w, true);
    bool ok = letters != NULL;
    for (size_t i = 0; ok && i < json_array_size(letters); i++) {
        ok = letters_view_change(
            &w->text, json_array_get(letters, i), mask.len > 0 ? &mask : NULL, &err);
        if (!ok) {
            args_print_error(&err);
        }
        flush(w);
    }
    json_decref(letters);
    return ok ? EXIT_OK : EXIT_FAILED;
}

/* --- replay --------------------------------------------------------------------------------------
 */

struct tally {
    json_t *results; /* of all sinks */
    size_t applied, kept;
};

static bool
replay_sink(struct work *w, const char *sink, struct tally *t, struct err *err)
{
    json_t *request = request_of(w->args, false);
    json_object_set_new(request, "sink", json_string_nocheck(sink));
    json_t *results = ask_all(w, LETTERS_REPLAY, request, "results", err);
    json_decref(request);
    if (!results) {
        return false;
    }
    letters_view_results(&w->text, results, &t->applied, &t->kept);
    json_array_extend(t->results, results);
    json_decref(results);
    return true;
}

static bool
was_before(const json_t *letters, size_t i)
{
    const char *sink = json_string_value(json_object_get(json_array_get(letters, i), "sink"));
    for (size_t k = 0; k < i; k++) {
        const char *other = json_string_value(json_object_get(json_array_get(letters, k), "sink"));
        if (sink && other && strcmp(sink, other) == 0) {
            return true;
        }
    }
    return false;
}

static void
print_tally(struct work *w, const struct tally *t)
{
    if (w->args->json) {
        buf_reset(&w->text);
        char *text = json_dumps(t->results, JSON_COMPACT);
        buf_str(&w->text, text ? text : "[]");
        free(text);
    } else {
        buf_printf(&w->text, "%zu applied, %zu kept", t->applied, t->kept);
    }
    buf_str(&w->text, "\n");
    flush(w);
}

static int
replay(struct work *w)
{
    struct err err = ERR_INIT;
    struct tally t = {.results = json_array()};
    json_t *letters = fetch(w, false);
    int status = letters ? EXIT_OK : EXIT_FAILED;
    for (size_t i = 0; status == EXIT_OK && i < json_array_size(letters); i++) {
        const char *sink = json_string_value(json_object_get(json_array_get(letters, i), "sink"));
        if (!was_before(letters, i) && !replay_sink(w, sink ? sink : "", &t, &err)) {
            status = fail(&err);
        }
    }
    if (letters) {
        print_tally(w, &t);
    }
    json_decref(letters);
    json_decref(t.results);
    return status == EXIT_OK && t.kept > 0 ? EXIT_FAILED : status;
}

/* --- drop ----------------------------------------------------------------------------------------
 */

static bool
confirmed(bool yes)
{
    char answer[16];
    struct err err = ERR_INIT;
    if (yes) {
        return true;
    }
    if (!isatty(STDIN_FILENO)) {
        err_set(&err, ERR_CONFIG, "nothing was dropped: nobody can be asked");
        err_hint(&err, "--yes drops what is listed");
        args_print_error(&err);
        return false;
    }
    fputs("These changes will be missing on the target. Drop them? [y/N] ", stdout);
    fflush(stdout);
    return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static bool
drop_one(struct work *w, const json_t *letter, struct err *err)
{
    char id[32];
    json_t *answer = NULL, *request = json_object();
    snprintf(id, sizeof id, "%lld", (long long)json_integer_value(json_object_get(letter, "id")));
    json_object_set_new(request, "id", json_string_nocheck(id));
    bool ok = letters_service_ask(w->service, LETTERS_DROP, request, &answer, err);
    json_decref(answer);
    json_decref(request);
    return ok;
}

static int
drop(struct work *w)
{
    struct err err = ERR_INIT;
    json_t *letters = fetch(w, false);
    if (!letters) {
        return EXIT_FAILED;
    }
    letters_view_list(&w->text, letters);
    flush(w);
    size_t n = json_array_size(letters), done = 0;
    int status = n == 0 || confirmed(w->args->yes) ? EXIT_OK : EXIT_FAILED;
    while (status == EXIT_OK && done < n) {
        if (!drop_one(w, json_array_get(letters, done), &err)) {
            status = fail(&err);
        } else {
            done++;
        }
    }
    buf_printf(&w->text, "%zu dropped\n", done);
    flush(w);
    json_decref(letters);
    return status;
}

/* --- command lines -------------------------------------------------------------------------------
 */

static const struct letters_command {
    struct arg_command command;
    const char *name, *summary;
    int (*run)(struct work *w);
    bool must_choose;
} table[] = {
    {{.name = "dead-letters list",
         .summary = "Lists the changes that sinks were refused and that wait",
         .exits = EXITS,
         .example = "tidegate dead-letters list --sink cloud"},
        "list", "lists what waits: number, sink, position, table, key, error", list, false},
    {{.name = "dead-letters show",
         .summary = "Writes whole changes as lines of JSON",
         .exits = EXITS,
         .example = "tidegate dead-letters show --id 7 --mask email"},
        "show", "writes whole changes as JSON", show, true},
    {{.name = "dead-letters replay",
         .summary = "Applies letters to the target, in order, each in a transaction of its own",
         .exits = EXITS,
         .example = "tidegate dead-letters replay --all"},
        "replay", "applies them to the target, in order", replay, true},
    {{.name = "dead-letters drop",
         .summary = "Throws letters away: the target will never hold these changes",
         .exits = EXITS,
         .example = "tidegate dead-letters drop --id 7 --yes"},
        "drop", "throws them away", drop, true},
};

enum { TABLE_LEN = sizeof table / sizeof *table };

static void
print_help(FILE *to)
{
    fputs(
        "Changes that a sink with `on_error: dead_letter` was refused. A running agent is asked;\n"
        "without one the data directory is read.\n\n"
        "Usage:\n"
        "  tidegate dead-letters list|show|replay|drop [options]\n\n"
        "Commands:\n",
        to);
    for (size_t i = 0; i < TABLE_LEN; i++) {
        fprintf(to, "  %-8s%s\n", table[i].name, table[i].summary);
    }
    fputs("\nExit codes:\n"
          "  0  done\n"
          "  1  failed; of a replay: letters stay because they were refused again\n"
          "  2  command line or configuration is wrong\n"
          "\nExample:\n"
          "  tidegate dead-letters list\n"
          "  tidegate dead-letters replay --all\n",
        to);
}

static int
run_with(const struct letters_command *c, const struct letters_args *a)
{
    struct err err = ERR_INIT;
    struct work w = {.args = a};
    int status = EXIT_OK;
    bool chosen = a->id != 0 || a->all || a->sink;
    if ((c->must_choose && !chosen) || (a->id != 0 && a->all)) {
        err_set(&err, ERR_CONFIG, "%s: say which letters", c->command.name);
        err_hint(&err, "--id N for one, --sink NAME for those of a sink, or --all");
        args_print_error(&err);
        return EXIT_USAGE;
    }
    if (!letters_service_open(&a->common, &w.service, &status)) {
        return status;
    }
    buf_init(&w.text, TEXT_MAX);
    status = c->run(&w);
    buf_done(&w.text);
    letters_service_close(w.service);
    return status;
}

static int
run(const struct letters_command *c, int argc, char **argv)
{
    struct letters_args l = {0};
    const struct arg_option options[] = {
        {.name = "sink",
            .type = ARG_TEXT,
            .value = "NAME",
            .help = "letters of this sink",
            .out = &l.sink},
        {.name = "id", .type = ARG_U32, .value = "N", .help = "this letter alone", .out = &l.id},
        {.name = "all", .type = ARG_FLAG, .help = "all letters", .out = &l.all},
        {.name = "json", .type = ARG_FLAG, .help = "list, replay: one JSON array", .out = &l.json},
        {.name = "mask",
            .type = ARG_LIST,
            .value = "COLUMN",
            .help = "show: hide the values of this column, and error and\n"
                    "key, which may hold them; may be given several times",
            .out = &l.masks},
        {.name = "yes", .letter = 'y', .type = ARG_FLAG, .help = "drop: do not ask", .out = &l.yes},
        COMMON_OPTIONS(&l.common),
        ARGS_END,
    };
    struct args a = {.command = &c->command, .options = options};
    int status = EXIT_OK;
    if (args_take(&a, argc, argv, &status)) {
        status = run_with(c, &l);
    }
    common_done(&l.common);
    return status;
}

int
cmd_dead_letters(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(argc < 2 ? stderr : stdout);
        return argc < 2 ? EXIT_USAGE : EXIT_OK;
    }
    struct nearest near;
    nearest_init(&near, argv[1]);
    for (size_t i = 0; i < TABLE_LEN; i++) {
        if (strcmp(table[i].name, argv[1]) == 0) {
            return run(&table[i], argc - 1, argv + 1);
        }
        nearest_offer(&near, table[i].name);
    }
    return args_unknown_command("dead-letters", &near);
}
