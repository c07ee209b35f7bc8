/* SPDX-License-Identifier: Apache-2.0
 *
 * The document that scripts read: its keys and how "none" looks.
 */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/control/status_json.h"

static const struct status_time now = {.mono_us = 30000000, .wall_us = 1700000030000000};

static struct agent_status
sample(void)
{
    struct agent_status s = {
        .name = "orders",
        .phase = PHASE_SNAPSHOT,
        .started_wall_us = 1700000000000000,
        .source = {.type = "postgresql", .connected = true, .position = 0x16B374D848ULL},
        .spool = {.bytes = 4096, .segments = 2, .durable = 0x16B374D800ULL},
        .spool_oldest_unread_seconds = 1.5,
        .copying = true,
        .copy = {.tables_total = 40,
            .tables_done = 12,
            .rows = 1000,
            .bytes = 2048,
            .bytes_total = 8192,
            .started_us = 20000000,
            .eta_us = 8000000,
            .step = "copy"},
        .sinks_len = 1,
    };
    s.sinks[0] = (struct sink_status){.name = "cloud",
        .type = "postgresql",
        .state = SINK_RUNNING,
        .applied_position = 0x100,
        .lag_bytes = 77,
        .lag_seconds = 0.25,
        .transactions = 9,
        .rows = 33};
    return s;
}

static json_t *
written(const struct agent_status *s)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    status_json_write(&b, s, &now);
    json_t *root = json_loads(buf_cstr(&b), 0, NULL);
    buf_done(&b);
    assert_non_null(root);
    return root;
}

static json_t *
at(json_t *root, const char *object, const char *key)
{
    json_t *v = json_object_get(json_object_get(root, object), key);
    assert_non_null(v);
    return v;
}

static void
all_promised_keys_are_there(void **state)
{
    (void)state;
    struct agent_status s = sample();
    json_t *root = written(&s);
    assert_string_equal(json_string_value(json_object_get(root, "phase")), "snapshot");
    static const char *const source[] = {
        "type", "connected", "position", "lag_bytes", "blocked", "retained_bytes", "safe_bytes"};
    static const char *const spool[] = {"bytes", "segments", "durable_position",
        "oldest_unread_seconds", "kept_bytes", "stage", "used_percent", "limit_bytes", "left_bytes",
        "seconds_left"};
    static const char *const copy[] = {
        "tables_total", "tables_done", "rows", "bytes", "bytes_total", "eta_seconds"};
    static const char *const sink[] = {"name", "type", "state", "applied_position", "lag_bytes",
        "lag_seconds", "transactions", "rows", "error"};
    for (size_t i = 0; i < sizeof source / sizeof *source; i++) {
        at(root, "source", source[i]);
    }
    for (size_t i = 0; i < sizeof spool / sizeof *spool; i++) {
        at(root, "spool", spool[i]);
    }
    for (size_t i = 0; i < sizeof copy / sizeof *copy; i++) {
        at(root, "copy", copy[i]);
    }
    json_t *first = json_array_get(json_object_get(root, "sinks"), 0);
    for (size_t i = 0; i < sizeof sink / sizeof *sink; i++) {
        assert_non_null(json_object_get(first, sink[i]));
    }
    json_decref(root);
}

static void
values_have_their_units(void **state)
{
    (void)state;
    struct agent_status s = sample();
    json_t *root = written(&s);
    assert_string_equal(json_string_value(at(root, "source", "position")), "16/B374D848");
    assert_true(json_number_value(at(root, "copy", "eta_seconds")) == 8.0);
    assert_true(json_number_value(at(root, "copy", "elapsed_seconds")) == 10.0);
    assert_true(json_number_value(json_object_get(root, "uptime_seconds")) == 30.0);
    assert_int_equal(json_integer_value(at(root, "spool", "bytes")), 4096);
    json_decref(root);
}

static void
nothing_is_null(void **state)
{
    (void)state;
    struct agent_status s = sample();
    s.copy.eta_us = -1;
    s.room = (struct room_state){
        .budget = {.limit = UINT64_MAX, .left = UINT64_MAX}, .seconds_left = -1};
    s.source.safe_bytes = UINT64_MAX;
    json_t *root = written(&s);
    assert_true(json_is_null(at(root, "copy", "eta_seconds")));
    assert_true(json_is_null(at(root, "source", "error")));
    assert_true(json_is_null(at(root, "source", "safe_bytes")));
    assert_true(json_is_null(at(root, "spool", "limit_bytes")));
    assert_true(json_is_null(at(root, "spool", "left_bytes")));
    assert_true(json_is_null(at(root, "spool", "seconds_left")));
    json_t *first = json_array_get(json_object_get(root, "sinks"), 0);
    assert_true(json_is_null(json_object_get(first, "error")));
    json_decref(root);
}

static void
error_document_has_text_hint_and_class(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    err_set(&err, ERR_CONFIG, "no \"such\" thing");
    err_hint(&err, "look");
    struct buf b;
    buf_init(&b, 4096);
    error_json_write(&b, &err);
    json_t *root = json_loads(buf_cstr(&b), 0, NULL);
    assert_string_equal(json_string_value(json_object_get(root, "error")), "no \"such\" thing");
    assert_string_equal(json_string_value(json_object_get(root, "hint")), "look");
    assert_string_equal(
        json_string_value(json_object_get(root, "class")), err_class_name(ERR_CONFIG));
    json_decref(root);
    buf_done(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_promised_keys_are_there),
        cmocka_unit_test(values_have_their_units),
        cmocka_unit_test(nothing_is_null),
        cmocka_unit_test(error_document_has_text_hint_and_class),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
