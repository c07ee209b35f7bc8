/* SPDX-License-Identifier: Apache-2.0
 *
 * What was written is read back the same; what is strange does no harm.
 */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/control/status_read.h"

static const struct status_time now = {.mono_us = 30000000, .wall_us = 1700000030000000};

static json_t *
parse(struct buf *b)
{
    json_t *root = json_loads(buf_cstr(b), 0, NULL);
    assert_non_null(root);
    buf_done(b);
    return root;
}

static void
same_room(const struct room_state *a, const struct room_state *b)
{
    assert_int_equal(a->budget.stage, b->budget.stage);
    assert_int_equal(a->budget.percent, b->budget.percent);
    assert_int_equal(a->budget.limit, b->budget.limit);
    assert_int_equal(a->budget.left, b->budget.left);
    assert_true(a->seconds_left == b->seconds_left);
}

static void
fill_sinks(struct agent_status *s)
{
    s->sinks[0] = (struct sink_status){.name = "a",
        .type = "postgresql",
        .state = SINK_PAUSED,
        .dead_letters = 21,
        .upserted = 22,
        .error = "why",
        .tables = {{"S", "t", "stopped", 0x1234, "refused"}},
        .tables_len = 1,
        .tables_stopped = 9};
    s->sinks[1] = (struct sink_status){.name = "b",
        .type = "null",
        .state = SINK_FAILED,
        .durable_position = 9,
        .lag_seconds = 11.5};
}

static void
check_sinks(const struct agent_status *back)
{
    assert_int_equal(back->sinks_len, 2);
    assert_int_equal(back->sinks[0].state, SINK_PAUSED);
    assert_string_equal(back->sinks[0].error, "why");
    assert_int_equal(back->sinks[0].dead_letters, 21);
    assert_int_equal(back->sinks[0].upserted, 22);
    assert_int_equal(back->sinks[0].tables_stopped, 9);
    assert_int_equal(back->sinks[0].tables_len, 1);
    assert_string_equal(back->sinks[0].tables[0].state, "stopped");
    assert_string_equal(back->sinks[0].tables[0].error, "refused");
    assert_int_equal(back->sinks[0].tables[0].position, 0x1234);
    assert_int_equal(back->sinks[1].tables_len, 0);
    assert_true(back->sinks[1].lag_seconds == 11.5);
    assert_int_equal(back->sinks[1].durable_position, 9);
}

static void
status_survives_the_way_there_and_back(void **state)
{
    (void)state;
    struct agent_status s = {
        .name = "orders \"x\"",
        .phase = PHASE_CATCHUP,
        .started_wall_us = 1700000000000000,
        .source = {.type = "postgresql",
            .connected = true,
            .position = 0xFFFFFFFFFFFFFFFFULL,
            .confirmed = 5,
            .lag_bytes = 6,
            .blocked = true,
            .retained_bytes = 7,
            .safe_bytes = 8,
            .error = "gone"},
        .spool = {.bytes = 1,
            .segments = 2,
            .records = 3,
            .durable = 4,
            .appended = 5,
            .oldest = 6,
            .kept_bytes = 7,
            .sides = 8,
            .side_bytes = 9,
            .packed_segments = 10,
            .saved_bytes = 11},
        .room = {.budget = {.stage = BUDGET_COMPRESS, .percent = 81, .limit = 1000, .left = 140},
            .seconds_left = 12.5},
        .spool_oldest_unread_seconds = 2.5,
        .copying = true,
        .copy = {.tables_total = 1,
            .tables_done = 2,
            .rows = 3,
            .bytes = 4,
            .bytes_total = 5,
            .indexes_total = 6,
            .indexes_done = 7,
            .started_us = 20000000,
            .eta_us = 8000000,
            .step = "indexes",
            .paused = true},
        .constraints_failed = 8,
        .sinks_len = 2,
    };
    fill_sinks(&s);
    struct buf b;
    buf_init(&b, 1 << 20);
    status_json_write(&b, &s, &now);
    json_t *root = parse(&b);
    struct agent_status back;
    memset(&back, 0, sizeof back);
    assert_true(status_read(root, &now, &back));
    json_decref(root);
    assert_string_equal(back.name, s.name);
    assert_int_equal(back.phase, s.phase);
    assert_int_equal(back.started_wall_us, s.started_wall_us);
    assert_true(back.source.connected && back.source.position == s.source.position);
    assert_string_equal(back.source.error, "gone");
    assert_true(back.source.blocked);
    assert_int_equal(back.source.retained_bytes, 7);
    assert_int_equal(back.source.safe_bytes, 8);
    assert_memory_equal(&back.spool, &s.spool, sizeof s.spool);
    same_room(&back.room, &s.room);
    assert_int_equal(back.copy.started_us, s.copy.started_us);
    assert_int_equal(back.copy.eta_us, s.copy.eta_us);
    assert_string_equal(back.copy.step, "indexes");
    assert_true(back.copy.paused && back.copying);
    assert_int_equal(back.copy.indexes_done, 7);
    assert_int_equal(back.constraints_failed, 8);
    check_sinks(&back);
}

static void
cutover_survives_the_way_there_and_back(void **state)
{
    (void)state;
    struct cutover_report r = {.state = CUTOVER_ABORTED,
        .dry_run = true,
        .barrier = 0x100,
        .write_downtime_us = 412500,
        .tables_compared = 3,
        .rows_compared = 4,
        .steps_len = 2};
    r.steps[0] = (struct cutover_step){"fence", STEP_OK, 1500, "8 sessions"};
    r.steps[1] = (struct cutover_step){"drain", STEP_FAILED, 2000, ""};
    err_set(&r.error, ERR_RETRY, "late");
    err_hint(&r.error, "wait");
    struct buf b;
    buf_init(&b, 1 << 20);
    cutover_json_write(&b, &r);
    json_t *root = parse(&b);
    struct cutover_report back;
    assert_true(status_read_cutover(root, &back));
    json_decref(root);
    assert_int_equal(back.state, CUTOVER_ABORTED);
    assert_true(back.dry_run);
    assert_int_equal(back.write_downtime_us, 412500);
    assert_int_equal(back.steps_len, 2);
    assert_string_equal(back.steps[0].detail, "8 sessions");
    assert_int_equal(back.steps[1].state, STEP_FAILED);
    assert_int_equal(back.steps[1].took_us, 2000);
    assert_int_equal(back.error.class, ERR_RETRY);
    assert_string_equal(back.error.hint, "wait");
}

static void
document_without_a_known_phase_is_refused(void **state)
{
    (void)state;
    struct agent_status s;
    json_t *root = json_pack("{s:s}", "phase", "dancing");
    assert_false(status_read(root, &now, &s));
    json_decref(root);
    assert_false(status_read(NULL, &now, &s));
}

static void
values_of_other_types_count_as_absent(void **state)
{
    (void)state;
    struct agent_status s;
    json_t *root = json_loads("{\"phase\":\"streaming\",\"source\":[],\"spool\":{\"bytes\":\"x\","
                              "\"segments\":-1},\"copy\":7,\"sinks\":[3,{\"state\":\"odd\","
                              "\"applied_position\":\"nonsense\"}]}",
        0, NULL);
    assert_true(status_read(root, &now, &s));
    json_decref(root);
    assert_int_equal(s.spool.bytes, 0);
    assert_int_equal(s.spool.segments, 0);
    assert_int_equal(s.sinks_len, 2);
    assert_int_equal(s.sinks[1].applied_position, 0);
}

static void
more_sinks_than_there_is_room_for_are_cut(void **state)
{
    (void)state;
    struct agent_status s;
    json_t *sinks = json_array();
    for (int i = 0; i < CONFIG_SINKS_MAX + 5; i++) {
        json_array_append_new(sinks, json_object());
    }
    json_t *root = json_pack("{s:s,s:o}", "phase", "done", "sinks", sinks);
    assert_true(status_read(root, &now, &s));
    assert_int_equal(s.sinks_len, CONFIG_SINKS_MAX);
    json_decref(root);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_survives_the_way_there_and_back),
        cmocka_unit_test(cutover_survives_the_way_there_and_back),
        cmocka_unit_test(document_without_a_known_phase_is_refused),
        cmocka_unit_test(values_of_other_types_count_as_absent),
        cmocka_unit_test(more_sinks_than_there_is_room_for_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
