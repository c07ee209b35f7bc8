/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent is asked first. Only when nobody listens the state database is opened, whose lock says
 * for sure that none runs; what is decided there is followed at the next start.
 */
#include "agent/cli/cmd_ddl.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/cli/args.h"
#include "agent/cli/client_args.h"
#include "agent/cli/exits.h"
#include "agent/control/ddl_json.h"
#include "config/nearest.h"

#define EXITS                                                                                      \
    "0  done\n"                                                                                    \
    "1  failed, or no statement waits\n"                                                           \
    "2  command line or configuration is wrong"
#define DOCUMENT_MAX ((size_t)1 << 30)

static const struct arg_command list_command = {
    .name = "ddl list",
    .summary = "Shows the statements at which sinks wait for a decision",
    .exits = EXITS,
    .example = "tidegate ddl list",
};
static const struct arg_command apply_command = {
    .name = "ddl apply",
    .summary = "Executes the waiting statement on the target, and goes on",
    .operands = "[SINK]",
    .operands_max = 1,
    .exits = EXITS,
    .example = "tidegate ddl apply cloud",
};
static const struct arg_command skip_command = {
    .name = "ddl skip",
    .summary = "Leaves the waiting statement out, and goes on",
    .operands = "[SINK]",
    .operands_max = 1,
    .exits = EXITS,
    .example = "tidegate ddl skip cloud",
};

/* `decision` NULL: the list is wanted. */
static bool
ask_store(const struct config *config, const char *decision, const char *sink, struct buf *out,
    struct err *err)
{
    struct store *store = NULL;
    char *path = x_printf("%s/state.db", config->dir);
    bool there = access(path, F_OK) == 0;
    x_free(path);
    if (!there) {
        err_set(err, ERR_CONFIG, "no agent is running, and '%s' holds no migration", config->dir);
        return err_hint(err, "-c FILE or --dir DIR selects the migration");
    }
    bool ok = store_open(config->dir, &store, err) &&
              (decision ? ddl_json_decide(store, sink, decision, out, err)
                        : ddl_json_list(store, out, err));
    store_close(store);
    return ok;
}

static bool
ask(const struct config *config, struct client *client, const char *decision, const char *sink,
    struct buf *out, struct err *err)
{
    struct client_reply r;
    json_t *request =
        json_pack("{s:s, s:s}", "sink", sink ? sink : "", "decision", decision ? decision : "");
    char *body = json_dumps(request, 0);
    bool ok = decision ? client_call(client, "POST", "/ddl", body, &r, err)
                       : client_call(client, "GET", "/ddl", NULL, &r, err);
    bool no_agent = r.no_agent;
    if (ok) {
        buf_bytes(out, r.body.data, r.body.len);
    }
    client_reply_done(&r);
    free(body);
    json_decref(request);
    if (!ok && no_agent) {
        err_clear(err);
        ok = ask_store(config, decision, sink, out, err);
    }
    return ok;
}

static const char *
text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static void
print_list(const char *text)
{
    json_t *o = json_loads(text, 0, NULL);
    const json_t *list = json_object_get(o, "waiting");
    if (json_array_size(list) == 0) {
        puts("no statement waits");
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *x = json_array_get(list, i);
        printf("sink %s stands at %s\n  %s (class %s), by %s as %s, search_path %s\n"
               "  because: %s\n%s\n",
            text_of(x, "sink"), text_of(x, "position"), text_of(x, "tag"), text_of(x, "class"),
            text_of(x, "user"), text_of(x, "role"), text_of(x, "search_path"), text_of(x, "reason"),
            text_of(x, "statement"));
    }
    json_decref(o);
}

static int
run(const struct arg_command *command, const char *decision, int argc, char **argv)
{
    struct common_args common = {0};
    bool json = false;
    const struct arg_option with_json[] = {COMMON_OPTIONS(&common),
        {"json", 0, ARG_FLAG, NULL, "the answer as JSON", &json, NULL}, ARGS_END};
    struct args a = {.command = command, .options = with_json};
    int status = EXIT_OK;
    struct config *config = NULL;
    struct client *client = NULL;
    if (!args_take(&a, argc, argv, &status) ||
        !client_args_open(&common, &config, &client, &status)) {
        common_done(&common);
        return status;
    }
    struct buf out;
    struct err err = ERR_INIT;
    buf_init(&out, DOCUMENT_MAX);
    if (!ask(config, client, decision, a.operands_len > 0 ? a.operands[0] : NULL, &out, &err)) {
        args_print_error(&err);
        status = EXIT_FAILED;
    } else if (json) {
        puts(buf_cstr(&out));
    } else if (!decision) {
        print_list(buf_cstr(&out));
    }
    buf_done(&out);
    client_close(client);
    config_free(config);
    common_done(&common);
    return status;
}

int
cmd_ddl(int argc, char **argv)
{
    static const struct {
        const char *word;
        const struct arg_command *command;
        const char *decision;
    } words[] = {{"list", &list_command, NULL}, {"apply", &apply_command, "apply"},
        {"skip", &skip_command, "skip"}};
    const char *word = argc > 1 && argv[1][0] != '-' ? argv[1] : "list";
    struct nearest near;
    nearest_init(&near, word);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(word, words[i].word) == 0) {
            bool given = argc > 1 && argv[1] == word;
            return run(words[i].command, words[i].decision, argc - given, argv + given);
        }
        nearest_offer(&near, words[i].word);
    }
    return args_unknown_command("ddl", &near);
}
