/* SPDX-License-Identifier: Apache-2.0
 *
 * Connection strings as libpq reads them; the last test asks libpq itself.
 */
#include <libpq-fe.h>

#include "agent/base/log.h"
#include "config/dsn.h"
#include "tests/lib/unit.h"

static void
database_is(const char *dsn, const char *expected)
{
    char name[64] = "";
    assert_int_equal(dsn_database(dsn, name, sizeof(name)), expected != NULL);
    assert_string_equal(name, expected ? expected : "");
}

static void
ignore(const char *key, const char *value, const char *raw, void *arg)
{
    (void)key;
    (void)value;
    (void)raw;
    (void)arg;
}

static void
refused(const char *dsn, const char *message)
{
    struct err err = ERR_INIT;
    assert_false(dsn_parse(dsn, ignore, NULL, &err));
    assert_string_equal(err.text, message);
    assert_null(strstr(err.text, "hunter"));
    assert_null(strstr(err.hint, "hunter"));
}

static void
the_database_of_a_uri_is_its_path(void **state)
{
    (void)state;
    database_is("postgresql://u:p@h:5432/orders?sslmode=require", "orders");
    database_is("postgres:///orders", "orders");
    database_is("postgresql://[::1]:5433/orders", "orders");
    database_is("postgresql://h1:1,h2:2/orders", "orders");
    database_is("postgresql://h/with%20space", "with space");
    database_is("postgresql://h?dbname=orders&port=5433", "orders");
    database_is("postgresql://u@h", NULL);
    database_is("postgresql://h/", NULL);
    database_is("postgresql://", NULL);
}

static void
the_database_of_keywords_is_dbname(void **state)
{
    (void)state;
    database_is("host=h dbname=orders user=u", "orders");
    database_is("dbname = 'my orders' host=h", "my orders");
    database_is("dbname='it\\'s'", "it's");
    database_is("dbname=a\\ b", "a b");
    database_is("host=h user=u", NULL);
    database_is("", NULL);
    database_is("  ", NULL);
}

static void
malformed_strings_are_refused_without_quoting_them(void **state)
{
    (void)state;
    refused("postgresql://u:pa@hunter@h/db",
        "malformed connection string: more than one @ before the host");
    refused("postgresql://u:hunter/x@h/db",
        "malformed connection string: an @ behind the first / (a password with a / in it?)");
    refused("postgresql://u:hunter/x", "malformed connection string: the port is not a number");
    refused("postgresql://u:hunter%zz@h/db",
        "malformed connection string: % without two hexadecimal digits");
    refused("postgresql://u:hunter%2", "malformed connection string: the port is not a number");
    refused("postgresql://u:%00hunter@h",
        "malformed connection string: % without two hexadecimal digits");
    refused("postgresql://h/db?password=a&hunter",
        "malformed connection string: a parameter behind ? that is not key=value");
    refused("password=my hunter host=h",
        "malformed connection string: a word without = (a value with spaces stands in single "
        "quotes)");
    refused(
        "password='my hunter host=h", "malformed connection string: a single quote is not closed");
    refused("=hunter", "malformed connection string: a word without = (a value with spaces stands "
                       "in single quotes)");
}

static void
redacted(const char *dsn, const char *text, const char *expected)
{
    char line[128];
    dsn_add_secrets(dsn);
    snprintf(line, sizeof(line), "%s", text);
    log_redact(line, sizeof(line));
    assert_string_equal(line, expected);
}

static void
passwords_are_known_to_the_log_as_written_and_decoded(void **state)
{
    (void)state;
    redacted("postgresql://u:first%40pw@h/db", "first%40pw first@pw", "*** ***");
    redacted("postgresql://h/db?password=second-pw&user=u", "second-pw", "***");
    redacted("host=h password='third \\'pw'", "third 'pw", "***");
    redacted("host=h sslpassword=fourth-pw", "fourth-pw", "***");
    redacted("password=fifth-pw broken", "fifth-pw", "***");
}

static void
keep(const char *key, const char *value, const char *raw, void *arg)
{
    PQconninfoOption *given = arg;
    (void)raw;
    for (PQconninfoOption *o = given; o->keyword; o++) {
        if (strcmp(o->keyword, key) == 0 && strcmp(key, "host") != 0) {
            assert_string_equal(o->val ? o->val : "", value);
        }
    }
}

static void
reads_what_libpq_reads(void **state)
{
    (void)state;
    static const char *const strings[] = {
        "postgresql://u:p%40ss@h:5432/db?sslmode=require&application_name=a%20b",
        "postgres://u@h/db",
        "postgresql://:pw@/db",
        "postgresql://u:a:b?c@h/db",
        "postgresql://h1:1,h2:2/db?password=x",
        "postgresql://[2001:db8::1]:5433/db",
        "postgresql://h/a@b",
        "postgresql://u:p@h?dbname=x",
        "postgresql://%2Ftmp/db",
        "host=h port=1 dbname='a b' password=x\\ y",
        "password = 'q\\'uote\\\\' user=u",
        "",
    };
    for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
        struct err err = ERR_INIT;
        PQconninfoOption *given = PQconninfoParse(strings[i], NULL);
        assert_non_null(given);
        if (!dsn_parse(strings[i], keep, given, &err)) {
            fail_msg("%s: %s", strings[i], err.text);
        }
        PQconninfoFree(given);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_database_of_a_uri_is_its_path),
        cmocka_unit_test(the_database_of_keywords_is_dbname),
        cmocka_unit_test(malformed_strings_are_refused_without_quoting_them),
        cmocka_unit_test(passwords_are_known_to_the_log_as_written_and_decoded),
        cmocka_unit_test(reads_what_libpq_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
