/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent does the cutover; this command asks for it and follows the report. When it dies, the
 * cutover goes on. The report of a finished one is acknowledged, because the agent lingers for
 * that.
 */
#include "agent/cli/cmd_cutover.h"

#include "agent/base/clock.h"
#include "agent/base/json_writer.h"
#include "agent/cli/args.h"
#include "agent/cli/client_args.h"
#include "agent/cli/cutover_view.h"
#include "agent/cli/exits.h"

#define POLL_US 50000LL

enum { TEXT_MAX = 64 * 1024 };

static const struct arg_command command = {
    .name = "cutover",
    .summary = "Fences the source, waits until the target has everything, compares, and opens the "
               "target",
    .exits = "0  done (with --dry-run: it could be done); the agent ends\n"
             "1  failed\n"
             "2  command line or configuration is wrong\n"
             "3  refused or aborted: the source is in use as before, streaming goes on\n"
             "4  no agent is running, or it ended in the middle",
    .example = "tidegate cutover --dry-run\n"
               "tidegate cutover --timeout 30s",
};

struct cutover_args {
    struct common_args common;
    int64_t timeout_us;
    bool has_timeout, no_fence, no_verify, dry_run, accept_letters, json;
};

/* Only what was said on the command line: the rest is in the agent's configuration. */
static void
write_request(struct buf *out, const struct cutover_args *c)
{
    struct json_writer w;
    json_init(&w, out);
    json_object_begin(&w);
    json_kv_bool(&w, "dry_run", c->dry_run);
    if (c->accept_letters) {
        json_kv_bool(&w, "accept_dead_letters", true);
    }
    if (c->no_fence) {
        json_kv_string(&w, "fence", "none");
    }
    if (c->no_verify) {
        json_kv_bool(&w, "verify", false);
    }
    if (c->has_timeout) {
        json_kv_i64(&w, "timeout_ms", (c->timeout_us + 999) / 1000);
    }
    json_object_end(&w);
}

static int
begin(struct client *client, const struct cutover_args *c)
{
    struct err err = ERR_INIT;
    struct buf request;
    struct client_reply r;
    buf_init(&request, TEXT_MAX);
    write_request(&request, c);
    bool ok = client_call(client, "POST", "/cutover", buf_cstr(&request), &r, &err);
    int status = EXIT_OK;
    if (!ok) {
        status = client_args_fail(r.no_agent, r.status == 409 ? EXIT_NOT_YET : EXIT_FAILED, &err);
    }
    client_reply_done(&r);
    buf_done(&request);
    return status;
}

static void
flush_text(struct buf *text)
{
    fputs(buf_cstr(text), stdout);
    fflush(stdout);
    buf_reset(text);
}

static int
end(struct client *client, const struct cutover_args *c, const struct cutover_report *r)
{
    struct client_reply reply;
    struct err err = ERR_INIT;
    if (c->json) {
        if (client_call(client, "GET", "/cutover", NULL, &reply, &err)) {
            puts(buf_cstr(&reply.body));
        }
        client_reply_done(&reply);
    }
    if (r->state == CUTOVER_ABORTED) {
        args_print_error(&r->error);
        return EXIT_NOT_YET;
    }
    if (r->dry_run) {
        return EXIT_OK;
    }
    /* The agent may be gone by now, which is as good. */
    (void)!client_call(client, "POST", "/cutover/ack", NULL, &reply, &err);
    client_reply_done(&reply);
    return EXIT_OK;
}

static int
follow(struct client *client, const struct cutover_args *c)
{
    struct buf text;
    buf_init(&text, TEXT_MAX);
    size_t shown = 0;
    int status;
    while (true) {
        struct err err = ERR_INIT;
        struct cutover_report r;
        bool no_agent = false;
        if (!client_cutover_report(client, &r, &no_agent, &err)) {
            err_hint(&err, "a cutover that was cut off counts as aborted: start the agent again");
            status = client_args_fail(no_agent, EXIT_FAILED, &err);
            break;
        }
        if (!c->json) {
            cutover_view_steps(&text, &r, &shown);
            cutover_view_end(&text, &r);
            flush_text(&text);
        }
        if (r.state != CUTOVER_RUNNING) {
            status = end(client, c, &r);
            break;
        }
        clock_system.sleep_us(&clock_system, POLL_US);
    }
    buf_done(&text);
    return status;
}

static int
run_with(const struct cutover_args *c)
{
    int status = EXIT_OK;
    struct config *config = NULL;
    struct client *client = NULL;
    if (!client_args_open(&c->common, &config, &client, &status)) {
        return status;
    }
    status = begin(client, c);
    if (status == EXIT_OK) {
        status = follow(client, c);
    }
    client_close(client);
    config_free(config);
    return status;
}

int
cmd_cutover(int argc, char **argv)
{
    struct cutover_args c = {0};
    const struct arg_option options[] = {
        {.name = "timeout",
            .type = ARG_DURATION,
            .value = "TIME",
            .help = "after which the fence is lifted again (default: the\n"
                    "configuration's cutover.timeout)",
            .out = &c.timeout_us,
            .given = &c.has_timeout},
        {.name = "no-fence",
            .type = ARG_FLAG,
            .help = "you have stopped all writers yourself",
            .out = &c.no_fence},
        {.name = "no-verify",
            .type = ARG_FLAG,
            .help = "do not compare row counts before the target opens",
            .out = &c.no_verify},
        {.name = "dry-run",
            .type = ARG_FLAG,
            .help = "say what would be done and how long it would take",
            .out = &c.dry_run},
        {.name = "accept-dead-letters",
            .type = ARG_FLAG,
            .help = "open the target although changes wait as dead letters",
            .out = &c.accept_letters},
        {.name = "json", .type = ARG_FLAG, .help = "the report as JSON", .out = &c.json},
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
