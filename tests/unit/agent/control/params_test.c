/* SPDX-License-Identifier: Apache-2.0
 *
 * Query before body, types checked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/control/params.h"

/* The query is a NULL-terminated list of name, value pairs. */
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

static struct params
of(const char *body, const char **pairs)
{
    struct params p;
    struct err err = ERR_INIT;
    assert_true(params_init(&p, slice_str(body), query, pairs, &err));
    return p;
}

static void
absent_parameters_leave_the_default(void **state)
{
    (void)state;
    struct params p = of("", NULL);
    struct err err = ERR_INIT;
    bool flag = true;
    int64_t us = 7;
    const char *text = "default";
    assert_true(params_bool(&p, "verify", &flag, &err) && flag);
    assert_true(params_milliseconds(&p, "timeout_ms", &us, &err) && us == 7);
    assert_true(params_text(&p, "fence", &text, &err));
    assert_string_equal(text, "default");
    params_done(&p);
}

static void
body_is_read(void **state)
{
    (void)state;
    struct params p =
        of("{\"verify\":false,\"timeout_ms\":250,\"fence\":\"none\",\"x\":null}", NULL);
    struct err err = ERR_INIT;
    bool flag = true;
    int64_t us = 0;
    const char *text = NULL;
    assert_true(params_bool(&p, "verify", &flag, &err) && !flag);
    assert_true(params_milliseconds(&p, "timeout_ms", &us, &err) && us == 250000);
    assert_true(params_text(&p, "fence", &text, &err));
    assert_string_equal(text, "none");
    text = NULL;
    assert_true(params_text(&p, "x", &text, &err) && text == NULL);
    params_done(&p);
}

static void
query_is_stronger_than_the_body(void **state)
{
    (void)state;
    static const char *pairs[] = {"verify", "true", "timeout_ms", "10", NULL};
    struct params p = of("{\"verify\":false,\"timeout_ms\":250}", pairs);
    struct err err = ERR_INIT;
    bool flag = false;
    int64_t us = 0;
    assert_true(params_bool(&p, "verify", &flag, &err) && flag);
    assert_true(params_milliseconds(&p, "timeout_ms", &us, &err) && us == 10000);
    params_done(&p);
}

static void
wrong_types_and_ranges_are_refused(void **state)
{
    (void)state;
    struct params p =
        of("{\"verify\":1,\"fence\":2,\"a\":0,\"b\":-5,\"c\":1e99,\"d\":\"60s\"}", NULL);
    struct err err = ERR_INIT;
    bool flag = false;
    int64_t us = 3;
    const char *text = NULL;
    assert_false(params_bool(&p, "verify", &flag, &err));
    assert_int_equal(err.class, ERR_CONFIG);
    assert_false(params_text(&p, "fence", &text, &err));
    assert_false(params_milliseconds(&p, "a", &us, &err));
    assert_false(params_milliseconds(&p, "b", &us, &err));
    assert_false(params_milliseconds(&p, "c", &us, &err));
    assert_false(params_milliseconds(&p, "d", &us, &err));
    assert_int_equal(us, 3);
    params_done(&p);
}

static void
body_must_be_an_object(void **state)
{
    (void)state;
    static const char *const bodies[] = {"[]", "7", "{", "{\"a\":1,\"a\":2}", "{}x"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct params p;
        struct err err = ERR_INIT;
        assert_false(params_init(&p, slice_str(bodies[i]), query, NULL, &err));
        assert_int_equal(err.class, ERR_CONFIG);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_parameters_leave_the_default),
        cmocka_unit_test(body_is_read),
        cmocka_unit_test(query_is_stronger_than_the_body),
        cmocka_unit_test(wrong_types_and_ranges_are_refused),
        cmocka_unit_test(body_must_be_an_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
