/* SPDX-License-Identifier: Apache-2.0
 *
 * The statement of a comparison, with names that need care.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/verify/verify_sql.h"

static struct buf text;

static const char *
sql(enum verify_method method, bool partitions)
{
    static const char *const columns[] = {"id", "od\"d"};
    struct verify_sql v = {.schema = "s",
        .name = "T",
        .columns = columns,
        .columns_len = 2,
        .method = method,
        .partitions = partitions};
    buf_init(&text, 65536);
    verify_sql_write(&text, &v);
    return buf_cstr(&text);
}

static int
end(void **state)
{
    (void)state;
    buf_done(&text);
    return 0;
}

static void
columns_are_named_and_quoted(void **state)
{
    (void)state;
    assert_non_null(strstr(sql(VERIFY_HASH, false), "ROW(t.\"id\", t.\"od\"\"d\")::text"));
    assert_non_null(strstr(buf_cstr(&text), " FROM ONLY \"s\".\"T\" t"));
}

static void
counting_reads_no_values(void **state)
{
    (void)state;
    assert_string_equal(
        sql(VERIFY_COUNT, false), "SELECT pg_catalog.count(*), '' FROM ONLY \"s\".\"T\" t");
}

static void
other_encodings_are_made_the_same(void **state)
{
    (void)state;
    assert_non_null(strstr(sql(VERIFY_MD5, false), "convert_to("));
}

static void
partitioned_target_is_read_as_a_whole(void **state)
{
    (void)state;
    assert_null(strstr(sql(VERIFY_HASH, true), "ONLY"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(columns_are_named_and_quoted, end),
        cmocka_unit_test_teardown(counting_reads_no_values, end),
        cmocka_unit_test_teardown(other_encodings_are_made_the_same, end),
        cmocka_unit_test_teardown(partitioned_target_is_read_as_a_whole, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
