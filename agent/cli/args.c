/* SPDX-License-Identifier: Apache-2.0
 *
 * A loop over argv with one step per word. Nothing is allocated but the copies of connection
 * strings.
 */
#include "agent/cli/args.h"

#include <stdint.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/log.h"
#include "agent/base/parse.h"
#include "agent/cli/argv_secret.h"
#include "agent/cli/exits.h"
#include "config/nearest.h"

enum { HELP_COLUMN = 26 };

static const struct arg_option *
find_long(const struct arg_option *options, const char *name, size_t len)
{
    for (const struct arg_option *o = options; o->name; o++) {
        if (strlen(o->name) == len && strncmp(o->name, name, len) == 0) {
            return o;
        }
    }
    return NULL;
}

static const struct arg_option *
find_short(const struct arg_option *options, char letter)
{
    for (const struct arg_option *o = options; o->name; o++) {
        if (o->letter == letter) {
            return o;
        }
    }
    return NULL;
}

static bool
unknown_option(const struct args *a, const char *word, size_t len, struct err *err)
{
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)(len < sizeof name ? len : sizeof name - 1), word);
    struct nearest near;
    nearest_init(&near, name + strspn(name, "-"));
    nearest_offer(&near, "help");
    nearest_offer(&near, "version");
    for (const struct arg_option *o = a->options; o->name; o++) {
        nearest_offer(&near, o->name);
    }
    err_set(err, ERR_CONFIG, "%s: unknown option '%s'", a->command->name, name);
    return near.best ? err_hint(err, "did you mean --%s?", near.best)
                     : err_hint(err, "tidegate %s --help lists the options", a->command->name);
}

static bool
bad_value(const struct args *a, const struct arg_option *o, const char *value, const char *wanted,
    struct err *err)
{
    err_set(err, ERR_CONFIG, "%s: --%s '%s' is not %s", a->command->name, o->name, value, wanted);
    return false;
}

static bool
add_to_list(const struct args *a, const struct arg_option *o, const char *value, struct err *err)
{
    struct arg_list *list = o->out;
    if (value[0] == '\0') {
        return bad_value(a, o, value, "a value", err);
    }
    if (list->len == ARG_LIST_MAX) {
        return err_set(err, ERR_CONFIG, "%s: --%s is given more than %d times", a->command->name,
            o->name, ARG_LIST_MAX);
    }
    list->items[list->len++] = value;
    return true;
}

/* Takes the value in; for ARG_DSN the word in argv is overwritten as soon as it was copied. */
static bool
store_value(const struct args *a, const struct arg_option *o, char *value, struct err *err)
{
    if (o->given) {
        *o->given = true;
    }
    switch (o->type) {
    case ARG_FLAG:
        *(bool *)o->out = true;
        return true;
    case ARG_TEXT:
        if (value[0] == '\0') {
            return bad_value(a, o, value, "a value", err);
        }
        *(const char **)o->out = value;
        return true;
    case ARG_DSN: {
        char **out = o->out;
        x_free(*out);
        *out = x_strdup(value);
        argv_secret_register(*out);
        argv_secret_hide(value);
        return true;
    }
    case ARG_DURATION:
        return parse_duration(value, o->out) ||
               bad_value(a, o, value, "a duration such as 60s, 250ms or 5m", err);
    case ARG_LSN:
        return parse_lsn(value, o->out) ||
               bad_value(a, o, value, "an LSN such as 16/B374D848", err);
    case ARG_U32:
        return parse_u32(value, o->out) || bad_value(a, o, value, "a whole number", err);
    case ARG_LIST:
        return add_to_list(a, o, value, err);
    }
    return err_set(err, ERR_FATAL, "option --%s has no type", o->name);
}

/* One option word; `*i` moves on when its value is the next word. */
static bool
take_option(const struct args *a, int argc, char **argv, int *i, struct err *err)
{
    char *word = argv[*i], *value = NULL;
    const struct arg_option *o;
    size_t len = strcspn(word, "=");
    if (word[1] == '-') {
        o = find_long(a->options, word + 2, len - 2);
        value = word[len] == '=' ? word + len + 1 : NULL;
    } else {
        o = find_short(a->options, word[1]);
        value = word[2] == '\0' ? NULL : word + 2 + (word[2] == '=' ? 1 : 0);
        len = 2;
    }
    if (!o) {
        return unknown_option(a, word, len, err);
    }
    if (o->type == ARG_FLAG) {
        return value
                   ? err_set(err, ERR_CONFIG, "%s: --%s takes no value", a->command->name, o->name)
                   : store_value(a, o, NULL, err);
    }
    if (!value) {
        if (*i + 1 >= argc) {
            return err_set(
                err, ERR_CONFIG, "%s: --%s needs a value: %s", a->command->name, o->name, o->value);
        }
        value = argv[++*i];
    }
    return store_value(a, o, value, err);
}

static bool
take_operand(struct args *a, const char *word, struct err *err)
{
    if (a->operands_len >= a->command->operands_max || a->operands_len >= ARGS_OPERANDS_MAX) {
        err_set(err, ERR_CONFIG, "%s: '%s' is one word too many", a->command->name, word);
        return err_hint(err, "tidegate %s --help shows how it is called", a->command->name);
    }
    a->operands[a->operands_len++] = word;
    return true;
}

enum args_outcome
args_parse(struct args *a, int argc, char **argv, struct err *err)
{
    a->operands_len = 0;
    bool options = true;
    enum args_outcome outcome = ARGS_RUN;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (!options || word[0] != '-' || word[1] == '\0') {
            if (!take_operand(a, word, err)) {
                return ARGS_BAD;
            }
        } else if (strcmp(word, "--") == 0) {
            options = false;
        } else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            /* The rest is still parsed, so that a password behind --help is hidden, too. */
            outcome = ARGS_HELP;
        } else if (strcmp(word, "--version") == 0) {
            outcome = outcome == ARGS_HELP ? outcome : ARGS_VERSION;
        } else if (!take_option(a, argc, argv, &i, err)) {
            return outcome == ARGS_RUN ? ARGS_BAD : outcome;
        }
    }
    if (outcome == ARGS_RUN && a->operands_len < a->command->operands_min) {
        err_set(err, ERR_CONFIG, "%s: %s is missing", a->command->name, a->command->operands);
        err_hint(err, "tidegate %s --help shows how it is called", a->command->name);
        return ARGS_BAD;
    }
    return outcome;
}

static void
print_indented(FILE *to, const char *text)
{
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        fprintf(to, "  %.*s\n", (int)len, text);
        text += len + (text[len] == '\n' ? 1 : 0);
    }
}

static void
print_option(FILE *to, const char *left, const char *help)
{
    int written = fprintf(to, "  %s", left);
    if (written >= HELP_COLUMN) {
        fputc('\n', to);
        written = 0;
    }
    while (true) {
        size_t len = strcspn(help, "\n");
        fprintf(to, "%*s%.*s\n", HELP_COLUMN - written, "", (int)len, help);
        help += len;
        if (*help == '\0') {
            return;
        }
        help++;
        written = 0;
    }
}

void
args_help(const struct args *a, FILE *to)
{
    const struct arg_command *c = a->command;
    fprintf(to, "%s.\n\nUsage:\n  tidegate %s [options]%s%s\n\nOptions:\n", c->summary, c->name,
        c->operands ? " " : "", c->operands ? c->operands : "");
    for (const struct arg_option *o = a->options; o->name; o++) {
        char left[96];
        char letter[8] = "    ";
        if (o->letter) {
            snprintf(letter, sizeof letter, "-%c, ", o->letter);
        }
        snprintf(left, sizeof left, "%s--%s%s%s", letter, o->name, o->value ? " " : "",
            o->value ? o->value : "");
        print_option(to, left, o->help);
    }
    print_option(to, "-h, --help", "this text");
    print_option(to, "    --version", "version of the program");
    fputs("\nExit codes:\n", to);
    print_indented(to, c->exits);
    fputs("\nExample:\n", to);
    print_indented(to, c->example);
    if (c->appendix) {
        c->appendix(to);
    }
}

void
args_print_error(const struct err *err)
{
    char text[sizeof err->text + sizeof err->hint + 64];
    const char *state = err->sqlstate[0] != '\0' ? err->sqlstate : NULL;
    snprintf(text, sizeof text, "tidegate: %s%s%s%s%s%s\n", err->text, state ? " (SQLSTATE " : "",
        state ? state : "", state ? ")" : "", err->hint[0] != '\0' ? "\nHINT: " : "", err->hint);
    log_redact(text, sizeof text);
    fputs(text, stderr);
}

bool
args_take(struct args *a, int argc, char **argv, int *status)
{
    struct err err = ERR_INIT;
    switch (args_parse(a, argc, argv, &err)) {
    case ARGS_RUN:
        return true;
    case ARGS_HELP:
        args_help(a, stdout);
        *status = EXIT_OK;
        return false;
    case ARGS_VERSION:
        puts("tidegate " TIDEGATE_VERSION);
        *status = EXIT_OK;
        return false;
    case ARGS_BAD:
        break;
    }
    args_print_error(&err);
    *status = EXIT_USAGE;
    return false;
}

int
args_unknown_command(const char *group, const struct nearest *near)
{
    const char *name = group ? group : "", *colon = group ? ": " : "", *space = group ? " " : "";
    fprintf(stderr, "tidegate: %s%sunknown command '%s'\n", name, colon, near->word);
    if (near->best) {
        fprintf(stderr, "HINT: did you mean '%s'?\n", near->best);
    } else {
        fprintf(stderr, "HINT: tidegate %s%s--help lists the commands\n", name, space);
    }
    return EXIT_USAGE;
}
