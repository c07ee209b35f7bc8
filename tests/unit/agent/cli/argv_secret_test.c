/* SPDX-License-Identifier: Apache-2.0
 *
 * Passwords in all the ways in which a connection string may hold one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/log.h"
#include "agent/cli/argv_secret.h"

static void
check(const char *dsn, const char *hidden)
{
    char text[256];
    snprintf(text, sizeof text, "%s", dsn);
    argv_secret_hide(text);
    assert_string_equal(text, hidden);
}

static void
uri_passwords_are_hidden(void **state)
{
    (void)state;
    check("postgresql://u:pw123@h:5432/db", "postgresql://u:xxxxx@h:5432/db");
    check("postgres://u:p%40w@h/db", "postgres://u:xxxxx@h/db");
    check("postgresql://h/db?user=u&password=pw&sslmode=require",
        "postgresql://h/db?user=u&password=xx&sslmode=require");
    check("postgresql://u:a@h/db?sslpassword=bb", "postgresql://u:x@h/db?sslpassword=xx");
    check("postgresql://u:pw@[::1]:5432/db", "postgresql://u:xx@[::1]:5432/db");
}

static void
keyword_passwords_are_hidden(void **state)
{
    (void)state;
    check("host=h password=pw dbname=d", "host=h password=xx dbname=d");
    check("host=h password = 'p w\\' x' dbname=d", "host=h password = 'xxxxxxx' dbname=d");
    check("password='' host=h", "password='' host=h");
    check("host=h password=pw", "host=h password=xx");
}

static void
strings_without_a_password_stay(void **state)
{
    (void)state;
    check("postgresql://h/db", "postgresql://h/db");
    check("postgresql://u@h:5432/db?application_name=password",
        "postgresql://u@h:5432/db?application_name=password");
    check("host=h user=u dbname=d", "host=h user=u dbname=d");
    check("", "");
    check("service=orders", "service=orders");
}

static void
malformed_strings_are_hidden_too(void **state)
{
    (void)state;
    char text[] = "postgresql://u:p/w?x@h/db";
    argv_secret_hide(text);
    assert_null(strstr(text, "p/w?x"));
    char other[] = "mysql://u:pw@h/db";
    argv_secret_hide(other);
    assert_null(strstr(other, "pw"));
}

static void
empty_passwords_and_odd_ends_do_no_harm(void **state)
{
    (void)state;
    static const char *const odd[] = {"postgresql://", "postgresql://@", "postgresql://u:@h",
        "postgresql://h?password", "postgresql://h?password=", "password", "password=", "=",
        "= =", "password='open", "a=b\\", "   "};
    struct argv_span spans[ARGV_SPANS_MAX];
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        size_t n = argv_secret_find(odd[i], spans);
        for (size_t k = 0; k < n; k++) {
            assert_true(spans[k].at + spans[k].len <= strlen(odd[i]));
        }
    }
}

static void
password_is_redacted_as_written_and_as_meant(void **state)
{
    (void)state;
    argv_secret_register("postgresql://u:ge%2Fheim%21@h/db");
    char text[128] = "raw ge%2Fheim%21 decoded ge/heim!";
    log_redact(text, sizeof text);
    assert_string_equal(text, "raw *** decoded ***");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uri_passwords_are_hidden),
        cmocka_unit_test(keyword_passwords_are_hidden),
        cmocka_unit_test(strings_without_a_password_stay),
        cmocka_unit_test(malformed_strings_are_hidden_too),
        cmocka_unit_test(empty_passwords_and_odd_ends_do_no_harm),
        cmocka_unit_test(password_is_redacted_as_written_and_as_meant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
