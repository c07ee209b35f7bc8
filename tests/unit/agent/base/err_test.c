/* SPDX-License-Identifier: Apache-2.0
 *
 * The error struct: setting, prefixing, cutting.
 */
#include <errno.h>
#include <string.h>

#include "agent/base/err.h"
#include "tests/lib/unit.h"

static void
set_fills_class_and_text_and_returns_false(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    assert_false(err_set(&e, ERR_DATA, "apply '%s'", "orders"));
    assert_int_equal(e.class, ERR_DATA);
    assert_string_equal(e.text, "apply 'orders'");
}

static void
set_forgets_what_an_earlier_error_left(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    err_sys(&e, ERR_FATAL, ENOENT, "open");
    err_hint(&e, "look");
    memcpy(e.sqlstate, "40001", 6);
    err_set(&e, ERR_RETRY, "again");
    assert_int_equal(e.sys, 0);
    assert_string_equal(e.hint, "");
    assert_string_equal(e.sqlstate, "");
}

static void
set_may_use_the_text_that_it_replaces(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    err_set(&e, ERR_DATA, "inner");
    err_set(&e, ERR_FATAL, "outer: %s", e.text);
    assert_string_equal(e.text, "outer: inner");
}

static void
text_is_one_line_without_trailing_break(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    err_set(&e, ERR_DATA, "%s", "ERROR:  x\r\nDETAIL:  y\n\n");
    assert_string_equal(e.text, "ERROR:  x DETAIL:  y");
}

static void
sys_appends_the_reason_and_keeps_errno(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    assert_false(err_sys(&e, ERR_CONFIG, ENOENT, "open '%s'", "/x"));
    assert_int_equal(e.sys, ENOENT);
    assert_string_equal(e.text, "open '/x': No such file or directory");
}

static void
wrap_prefixes_and_keeps_everything_else(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    err_sys(&e, ERR_RECONNECT, EPIPE, "send");
    memcpy(e.sqlstate, "08006", 6);
    err_hint(&e, "wait");
    assert_false(err_wrap(&e, "deliver '%s'", "cloud"));
    assert_string_equal(e.text, "deliver 'cloud': send: Broken pipe");
    assert_int_equal(e.class, ERR_RECONNECT);
    assert_int_equal(e.sys, EPIPE);
    assert_string_equal(e.sqlstate, "08006");
    assert_string_equal(e.hint, "wait");
}

static void
hint_is_replaced_not_appended(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    err_hint(&e, "one");
    assert_false(err_hint(&e, "two %d", 2));
    assert_string_equal(e.hint, "two 2");
}

static void
long_text_is_cut_with_dots(void **state)
{
    (void)state;
    char big[5000];
    struct err e = ERR_INIT;
    memset(big, 'a', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    err_set(&e, ERR_DATA, "%s", big);
    assert_int_equal(strlen(e.text), sizeof e.text - 1);
    assert_string_equal(e.text + sizeof e.text - 4, "...");
    err_wrap(&e, "outer");
    assert_int_equal(strncmp(e.text, "outer: aaa", 10), 0);
    assert_int_equal(strlen(e.text), sizeof e.text - 1);
    err_hint(&e, "%s", big);
    assert_int_equal(strlen(e.hint), sizeof e.hint - 1);
    err_sys(&e, ERR_DATA, EIO, "%s", big);
    assert_int_equal(strlen(e.text), sizeof e.text - 1);
}

static void
text_of_the_exact_size_is_not_cut(void **state)
{
    (void)state;
    char exact[1024];
    struct err e = ERR_INIT;
    memset(exact, 'a', sizeof exact - 1);
    exact[sizeof exact - 1] = '\0';
    err_set(&e, ERR_DATA, "%s", exact);
    assert_string_equal(e.text, exact);
}

static void
cut_does_not_split_a_character(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    for (size_t shift = 0; shift < 3; shift++) {
        char big[2000] = "xx";
        size_t len = shift;
        while (len + 3 < sizeof big) {
            memcpy(big + len, "\xe2\x82\xac", 3); /* the euro sign */
            len += 3;
        }
        big[len] = '\0';
        err_set(&e, ERR_DATA, "%s", big);
        size_t kept = strlen(e.text) - 3;
        assert_string_equal(e.text + kept, "...");
        assert_int_equal((kept - shift) % 3, 0);
    }
}

static void
clear_leaves_no_error(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    err_sys(&e, ERR_FATAL, EIO, "x");
    err_clear(&e);
    assert_int_equal(e.class, ERR_NONE);
    assert_string_equal(e.text, "");
    assert_int_equal(e.sys, 0);
}

static void
every_class_has_a_name(void **state)
{
    (void)state;
    static const char *const names[] = {
        "none", "retry", "reconnect", "data", "config", "cancelled", "fatal", "unknown"};
    for (int c = ERR_NONE; c <= ERR_FATAL + 1; c++) {
        assert_string_equal(err_class_name((enum err_class)c), names[c]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_fills_class_and_text_and_returns_false),
        cmocka_unit_test(set_forgets_what_an_earlier_error_left),
        cmocka_unit_test(set_may_use_the_text_that_it_replaces),
        cmocka_unit_test(text_is_one_line_without_trailing_break),
        cmocka_unit_test(sys_appends_the_reason_and_keeps_errno),
        cmocka_unit_test(wrap_prefixes_and_keeps_everything_else),
        cmocka_unit_test(hint_is_replaced_not_appended),
        cmocka_unit_test(long_text_is_cut_with_dots),
        cmocka_unit_test(text_of_the_exact_size_is_not_cut),
        cmocka_unit_test(cut_does_not_split_a_character),
        cmocka_unit_test(clear_leaves_no_error),
        cmocka_unit_test(every_class_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
