/* SPDX-License-Identifier: Apache-2.0
 *
 * Which columns a mask hides.
 */
#include <string.h>

#include "agent/cli/column_mask.h"
#include "tests/lib/unit.h"

static struct column columns[2] = {{.name = "email"}, {.name = "Odd.Name"}};
static const struct relation users = {
    .schema = "public", .name = "users", .columns_len = 2, .columns = columns};
static const struct relation others = {
    .schema = "crm", .name = "users", .columns_len = 2, .columns = columns};

static bool
hides(const char *text, const struct relation *r, unsigned column)
{
    struct column_mask m = {.len = 0};
    struct err err = ERR_INIT;
    assert_true(column_mask_add(&m, text, &err));
    return column_mask_hides(&m, r, &r->columns[column]);
}

static void
a_bare_column_is_hidden_in_every_table(void **state)
{
    (void)state;
    assert_true(hides("email", &users, 0));
    assert_true(hides("email", &others, 0));
    assert_false(hides("email", &users, 1));
    assert_false(hides("Email", &users, 0));
}

static void
a_full_name_hides_in_one_table(void **state)
{
    (void)state;
    assert_true(hides("public.users.email", &users, 0));
    assert_false(hides("public.users.email", &others, 0));
    assert_true(hides("*.users.e*", &others, 0));
}

static void
quotes_take_dots_into_the_name(void **state)
{
    (void)state;
    assert_true(hides("\"Odd.Name\"", &users, 1));
    assert_true(hides("public.users.\"Odd.Name\"", &users, 1));
    assert_false(hides("\"Odd.Name\"", &users, 0));
}

static void
other_forms_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"users.email", "a.b.c.d", "", "\"email", "..email", "a..b"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct column_mask m = {.len = 0};
        struct err err = ERR_INIT;
        assert_false(column_mask_add(&m, bad[i], &err));
        assert_int_equal(err.class, ERR_CONFIG);
        assert_int_equal(m.len, 0);
    }
}

static void
a_mask_that_hid_nothing_is_known(void **state)
{
    (void)state;
    struct column_mask m = {.len = 0};
    struct err err = ERR_INIT;
    assert_true(column_mask_add(&m, "email", &err) && column_mask_add(&m, "e*", &err) &&
                column_mask_add(&m, "phone", &err));
    assert_true(column_mask_hides(&m, &users, &columns[0]));
    assert_true(m.entries[0].used && m.entries[1].used);
    assert_false(m.entries[2].used);
}

static void
there_is_a_limit(void **state)
{
    (void)state;
    struct column_mask m = {.len = 0};
    struct err err = ERR_INIT;
    for (size_t i = 0; i < COLUMN_MASK_MAX; i++) {
        assert_true(column_mask_add(&m, "c", &err));
    }
    assert_false(column_mask_add(&m, "c", &err));
    assert_non_null(strstr(err.text, "more than"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bare_column_is_hidden_in_every_table),
        cmocka_unit_test(a_full_name_hides_in_one_table),
        cmocka_unit_test(quotes_take_dots_into_the_name),
        cmocka_unit_test(other_forms_are_refused),
        cmocka_unit_test(a_mask_that_hid_nothing_is_known),
        cmocka_unit_test(there_is_a_limit),
    };
    return cmocka_run_group_tests_name("column mask", tests, NULL, NULL);
}
