/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests against a fake agent: what reaches it, and which status comes back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/control/routes.h"
#include "tests/unit/agent/control/fake_agent.h"

static struct agent agent;
static struct routes_reply reply;
static struct config config;

static int
begin(void **state)
{
    (void)state;
    agent = (struct agent){0};
    agent.status.phase = PHASE_STREAMING;
    config = (struct config){
        .cutover = {.fence = FENCE_READ_ONLY, .verify = true, .timeout_us = 60000000}};
    buf_init(&reply.body, 1 << 20);
    return 0;
}

static int
end(void **state)
{
    (void)state;
    buf_done(&reply.body);
    return 0;
}

static const char *
query(const char *name, void *arg)
{
    const char *const *pairs = arg;
    for (; pairs && *pairs; pairs += 2) {
        if (strcmp(pairs[0], name) == 0) {
            return pairs[1];
        }
    }
    return NULL;
}

static const char *
ask(const char *method, const char *path, const char *body, const char **pairs)
{
    struct routes r = {.agent = &agent, .config = &config, .clock = &clock_system};
    struct routes_request q = {
        .method = method, .path = path, .body = slice_str(body), .query = query, .arg = pairs};
    buf_reset(&reply.body);
    routes_handle(&r, &q, &reply);
    return buf_cstr(&reply.body);
}

static void
status_is_the_agents(void **state)
{
    (void)state;
    const char *body = ask("GET", "/status", "", NULL);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.content_type, "application/json");
    assert_non_null(strstr(body, "\"phase\":\"streaming\""));
}

static void
healthz_fails_with_a_failed_sink(void **state)
{
    (void)state;
    ask("GET", "/healthz", "", NULL);
    assert_int_equal(reply.status, 200);
    agent.status.sinks_len = 1;
    agent.status.sinks[0].state = SINK_FAILED;
    memcpy(agent.status.sinks[0].name, "cloud", 6);
    const char *body = ask("GET", "/healthz", "", NULL);
    assert_int_equal(reply.status, 503);
    assert_non_null(strstr(body, "\"failed_sink\":\"cloud\""));
}

static void
metrics_are_text(void **state)
{
    (void)state;
    const char *body = ask("GET", "/metrics", "", NULL);
    assert_int_equal(reply.status, 200);
    assert_non_null(strstr(reply.content_type, "text/plain; version=0.0.4"));
    assert_non_null(strstr(body, "tidegate_phase{"));
}

static void
cutover_without_parameters_takes_the_configuration(void **state)
{
    (void)state;
    ask("POST", "/cutover", "", NULL);
    assert_int_equal(reply.status, 202);
    assert_int_equal(agent.cutovers, 1);
    assert_int_equal(agent.request.fence, FENCE_READ_ONLY);
    assert_true(agent.request.verify);
    assert_false(agent.request.dry_run);
    assert_int_equal(agent.request.timeout_us, 60000000);
}

static void
cutover_takes_parameters_from_body_and_query(void **state)
{
    (void)state;
    static const char *pairs[] = {"timeout_ms", "1500", NULL};
    ask("POST", "/cutover", "{\"fence\":\"none\",\"verify\":false,\"dry_run\":true}", pairs);
    assert_int_equal(reply.status, 202);
    assert_int_equal(agent.request.fence, FENCE_NONE);
    assert_false(agent.request.verify);
    assert_true(agent.request.dry_run);
    assert_int_equal(agent.request.timeout_us, 1500000);
}

static void
cutover_with_a_wrong_parameter_does_not_reach_the_agent(void **state)
{
    (void)state;
    ask("POST", "/cutover", "{\"fence\":\"wall\"}", NULL);
    assert_int_equal(reply.status, 400);
    ask("POST", "/cutover", "{\"verify\":\"perhaps\"}", NULL);
    assert_int_equal(reply.status, 400);
    ask("POST", "/cutover", "not json", NULL);
    assert_int_equal(reply.status, 400);
    assert_int_equal(agent.cutovers, 0);
}

static void
refusal_of_the_agent_is_a_conflict(void **state)
{
    (void)state;
    err_set(&agent.refuse, ERR_CONFIG, "cutover: phase snapshot does not allow it");
    err_hint(&agent.refuse, "wait for streaming");
    const char *body = ask("POST", "/cutover", "", NULL);
    assert_int_equal(reply.status, 409);
    assert_non_null(strstr(body, "\"hint\":\"wait for streaming\""));
    assert_non_null(strstr(body, "\"class\":"));
}

static void
trouble_that_may_pass_is_503(void **state)
{
    (void)state;
    err_set(&agent.refuse, ERR_RECONNECT, "source gone");
    ask("POST", "/mark", "", NULL);
    assert_int_equal(reply.status, 503);
    err_set(&agent.refuse, ERR_FATAL, "broken");
    ask("POST", "/mark", "", NULL);
    assert_int_equal(reply.status, 500);
}

static void
mark_answers_an_lsn(void **state)
{
    (void)state;
    agent.mark = 0x16B374D848ULL;
    assert_string_equal(ask("POST", "/mark", "", NULL), "{\"lsn\":\"16/B374D848\"}");
    assert_int_equal(reply.status, 200);
}

static void
pause_and_resume_name_a_sink_or_everything(void **state)
{
    (void)state;
    static const char *pairs[] = {"sink", "cloud", NULL};
    ask("POST", "/pause", "", pairs);
    assert_string_equal(agent.paused, "cloud");
    assert_true(agent.pause);
    ask("POST", "/resume", "{\"sink\":null}", NULL);
    assert_string_equal(agent.paused, "(all)");
    assert_false(agent.pause);
    assert_int_equal(reply.status, 200);
}

static void
acknowledge_and_stop_reach_the_agent(void **state)
{
    (void)state;
    ask("POST", "/cutover/ack", "", NULL);
    assert_int_equal(agent.acknowledged, 1);
    ask("POST", "/stop", "", NULL);
    assert_int_equal(agent.stops, 1);
}

static void
get_never_changes_anything(void **state)
{
    (void)state;
    static const char *const paths[] = {"/cutover/ack", "/pause", "/resume", "/mark", "/stop"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        ask("GET", paths[i], "", NULL);
        assert_int_equal(reply.status, 405);
        assert_string_equal(reply.allow, "POST");
    }
    ask("GET", "/cutover", "", NULL);
    assert_int_equal(reply.status, 200);
    assert_int_equal(agent.cutovers + agent.stops + agent.pauses + agent.acknowledged, 0);
}

static void
unknown_paths_and_methods_are_told_apart(void **state)
{
    (void)state;
    ask("GET", "/nothing", "", NULL);
    assert_int_equal(reply.status, 404);
    ask("DELETE", "/cutover", "", NULL);
    assert_int_equal(reply.status, 405);
    assert_string_equal(reply.allow, "GET, POST");
    ask("POST", "/status", "", NULL);
    assert_int_equal(reply.status, 405);
    assert_string_equal(reply.allow, "GET");
}

int
main(void)
{
#define WITH_AGENT(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        WITH_AGENT(status_is_the_agents),
        WITH_AGENT(healthz_fails_with_a_failed_sink),
        WITH_AGENT(metrics_are_text),
        WITH_AGENT(cutover_without_parameters_takes_the_configuration),
        WITH_AGENT(cutover_takes_parameters_from_body_and_query),
        WITH_AGENT(cutover_with_a_wrong_parameter_does_not_reach_the_agent),
        WITH_AGENT(refusal_of_the_agent_is_a_conflict),
        WITH_AGENT(trouble_that_may_pass_is_503),
        WITH_AGENT(mark_answers_an_lsn),
        WITH_AGENT(pause_and_resume_name_a_sink_or_everything),
        WITH_AGENT(acknowledge_and_stop_reach_the_agent),
        WITH_AGENT(get_never_changes_anything),
        WITH_AGENT(unknown_paths_and_methods_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
