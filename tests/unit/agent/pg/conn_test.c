/* SPDX-License-Identifier: Apache-2.0
 *
 * What errors mean, and that a password leaves a connection string only into the password file.
 */
#include "agent/base/arena.h"
#include "agent/pg/conn.h"
#include "tests/lib/unit.h"

static void
sqlstates_are_classified_by_what_may_be_done(void **state)
{
    (void)state;
    assert_int_equal(pg_class_of("08006"), ERR_RECONNECT);
    assert_int_equal(pg_class_of("57P01"), ERR_RECONNECT);
    assert_int_equal(pg_class_of("57P03"), ERR_RECONNECT);
    assert_int_equal(pg_class_of("40P01"), ERR_RETRY);
    assert_int_equal(pg_class_of("53100"), ERR_RETRY);
    assert_int_equal(pg_class_of("28P01"), ERR_CONFIG);
    assert_int_equal(pg_class_of("42501"), ERR_CONFIG);
    assert_int_equal(pg_class_of("23505"), ERR_DATA);
    assert_int_equal(pg_class_of("42P01"), ERR_DATA);
    assert_int_equal(pg_class_of("XX001"), ERR_FATAL);
    assert_int_equal(pg_class_of(""), ERR_DATA);
}

static void
a_password_is_split_off_a_uri(void **state)
{
    (void)state;
    char *safe = NULL, *pass = NULL;
    struct err err = ERR_INIT;
    assert_true(
        pg_split_dsn("postgresql://u:s%3Acr%5Ct@h:5433/d?sslmode=require", &safe, &pass, &err));
    assert_null(strstr(safe, "s:cr"));
    assert_non_null(strstr(safe, "host='h'"));
    assert_non_null(strstr(safe, "sslmode='require'"));
    assert_string_equal(pass, "*:*:*:*:s\\:cr\\\\t\n");
    x_free(safe);
    x_free(pass);
}

static void
a_string_without_password_gives_no_password_file(void **state)
{
    (void)state;
    char *safe = NULL, *pass = NULL;
    struct err err = ERR_INIT;
    assert_true(pg_split_dsn("host=h user='it\\'s' dbname=d", &safe, &pass, &err));
    assert_non_null(strstr(safe, "user='it\\'s'"));
    assert_null(pass);
    x_free(safe);
    x_free(pass);
}

static void
a_broken_string_is_refused_without_showing_it(void **state)
{
    (void)state;
    char *safe = NULL, *pass = NULL;
    struct err err = ERR_INIT;
    assert_false(pg_split_dsn("host=h password='hunter2secret", &safe, &pass, &err));
    assert_int_equal(err.class, ERR_CONFIG);
    assert_null(strstr(err.text, "hunter2secret"));
    assert_null(strstr(err.hint, "hunter2secret"));
}

static void
a_description_has_host_port_user_and_database_only(void **state)
{
    (void)state;
    char out[256];
    pg_describe_dsn("postgresql://joe:pw12345@db.example:5499/shop", out, sizeof(out));
    assert_string_equal(out, "host=db.example port=5499 user=joe dbname=shop");
}

static void
an_unreachable_port_is_worth_another_try(void **state)
{
    (void)state;
    PGconn *conn = NULL;
    struct err err = ERR_INIT;
    struct pg_options o = {.timeout_us = 2000000};
    assert_false(pg_connect("host=127.0.0.1 port=1 user=nobody dbname=x", &o, &conn, &err));
    assert_null(conn);
    assert_int_equal(err.class, ERR_RECONNECT);
    assert_non_null(strstr(err.text, "port=1"));
    assert_true(err.hint[0] != 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sqlstates_are_classified_by_what_may_be_done),
        cmocka_unit_test(a_password_is_split_off_a_uri),
        cmocka_unit_test(a_string_without_password_gives_no_password_file),
        cmocka_unit_test(a_broken_string_is_refused_without_showing_it),
        cmocka_unit_test(a_description_has_host_port_user_and_database_only),
        cmocka_unit_test(an_unreachable_port_is_worth_another_try),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
