/* SPDX-License-Identifier: Apache-2.0
 *
 * Patterns over table names, and lists of them.
 */
#include "agent/change/table_filter.h"
#include "tests/lib/unit.h"

struct match_case {
    const char *pattern, *schema, *name;
    bool want;
};

static void
check(const struct match_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct match_case *c = &cases[i];
        if (table_pattern_match(c->pattern, c->schema, c->name) != c->want) {
            fail_msg("pattern %s, table %s.%s", c->pattern, c->schema, c->name);
        }
    }
}

#define CHECK(cases) check(cases, sizeof(cases) / sizeof *(cases))

static void
plain_names_match_themselves(void **state)
{
    (void)state;
    static const struct match_case cases[] = {
        {"sales.orders", "sales", "orders", true},
        {"sales.orders", "sales", "orders2", false},
        {"sales.orders", "sales", "order", false},
        {"sales.orders", "sale", "orders", false},
        {"sales.Orders", "sales", "orders", false},
        {"sales.Orders", "sales", "Orders", true},
    };
    CHECK(cases);
}

static void
without_a_dot_the_schema_is_public(void **state)
{
    (void)state;
    static const struct match_case cases[] = {
        {"orders", "public", "orders", true},
        {"orders", "sales", "orders", false},
        {"o*", "public", "orders", true},
        {"*", "public", "anything", true},
        {"*", "sales", "anything", false},
        {"\"a.b\"", "public", "a.b", true},
        {"\"a.b\"", "a", "b", false},
    };
    CHECK(cases);
}

static void
stars_take_any_number_of_characters(void **state)
{
    (void)state;
    static const struct match_case cases[] = {
        {"*.*", "sales", "orders", true},
        {"public.*", "public", "x", true},
        {"public.*", "publicx", "x", false},
        {"*.audit_*", "s", "audit_", true},
        {"*.audit_*", "s", "audit", false},
        {"*.*_log", "s", "a_log_log", true},
        {"*.*_log", "s", "a_log_", false},
        {"*.a*b*c", "s", "aXbXbXc", true},
        {"*.a*b*c", "s", "aXbXbX", false},
        {"*.**a**", "s", "a", true},
        {"p*c.t", "public", "t", true},
        {"*.*", "s", "a.b", true},
        {"*.*", "a.b", "c", true},
    };
    CHECK(cases);
}

static void
a_question_mark_takes_one_character(void **state)
{
    (void)state;
    static const struct match_case cases[] = {
        {"s.t?", "s", "t1", true},
        {"s.t?", "s", "t", false},
        {"s.t?", "s", "t12", false},
        {"s.t?", "s", "t\xc3\xa4", true},
        {"s.??", "s", "\xe2\x82\xac\xc3\xa4", true},
        {"s.*?", "s", "\xe2\x82\xac", true},
        {"s.*??", "s", "\xe2\x82\xac", false},
        {"s.?*?", "s", "ab", true},
        {"s.?*?", "s", "a", false},
    };
    CHECK(cases);
}

static void
quotes_take_everything_literally(void **state)
{
    (void)state;
    static const struct match_case cases[] = {
        {"\"my.schema\".t", "my.schema", "t", true},
        {"\"my.schema\".\"a.b\"", "my.schema", "a.b", true},
        {"s.\"a*\"", "s", "a*", true},
        {"s.\"a*\"", "s", "ab", false},
        {"s.\"a?\"", "s", "ab", false},
        {"s.\"say \"\"hi\"\"\"", "s", "say \"hi\"", true},
        {"s.\"a.b\"*", "s", "a.bc", true},
        {"s.a\"*\"b", "s", "a*b", true},
        {"\"s\".\"t\"", "s", "t", true},
    };
    CHECK(cases);
}

static void
unreadable_patterns_match_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", ".", "a.", ".a", "a.b.c", "a..b", "\"", "\"a", "a.\"b", "\"\"", "\"\".t", "*.*.*"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(table_pattern_valid(bad[i]));
        assert_false(table_pattern_match(bad[i], "public", "a"));
        assert_false(table_pattern_match(bad[i], "a", "b"));
        assert_false(table_pattern_match(bad[i], "public", ""));
    }
    static const char *const good[] = {"a", "a.b", "*", "*.*", "\"a.b\".\"c\"\"d\"", "?"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(table_pattern_valid(good[i]));
    }
}

static void
many_stars_do_not_explode(void **state)
{
    (void)state;
    char name[64];
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_false(table_pattern_match("s.*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", "s", name));
    assert_true(table_pattern_match("s.*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*", "s", name));
}

static void
exclusion_wins_over_inclusion(void **state)
{
    (void)state;
    static const char *const include[] = {"public.*", "sales.orders"};
    static const char *const exclude[] = {"public.audit_*", "*.tmp"};
    struct table_filter f = {include, 2, exclude, 2};
    assert_true(table_filter_match(&f, "public", "orders"));
    assert_true(table_filter_match(&f, "sales", "orders"));
    assert_false(table_filter_match(&f, "sales", "customers"));
    assert_false(table_filter_match(&f, "public", "audit_log"));
    assert_false(table_filter_match(&f, "public", "tmp"));
}

static void
an_empty_inclusion_means_everything(void **state)
{
    (void)state;
    static const char *const exclude[] = {"*.tmp"};
    struct table_filter all = {NULL, 0, NULL, 0}, most = {NULL, 0, exclude, 1};
    assert_true(table_filter_match(&all, "any", "thing"));
    assert_true(table_filter_match(&most, "any", "thing"));
    assert_false(table_filter_match(&most, "any", "tmp"));
}

static void
a_filter_knows_when_it_restricts_nothing(void **state)
{
    (void)state;
    static const char *const everything[] = {"public.*", "*.*"}, *const some[] = {"public.*"};
    struct table_filter f = {NULL, 0, NULL, 0};
    assert_true(table_filter_is_all(&f));
    f = (struct table_filter){everything, 2, NULL, 0};
    assert_true(table_filter_is_all(&f));
    f = (struct table_filter){some, 1, NULL, 0};
    assert_false(table_filter_is_all(&f));
    f = (struct table_filter){everything, 2, some, 1};
    assert_false(table_filter_is_all(&f));
    f = (struct table_filter){NULL, 0, some, 1};
    assert_false(table_filter_is_all(&f));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_names_match_themselves),
        cmocka_unit_test(without_a_dot_the_schema_is_public),
        cmocka_unit_test(stars_take_any_number_of_characters),
        cmocka_unit_test(a_question_mark_takes_one_character),
        cmocka_unit_test(quotes_take_everything_literally),
        cmocka_unit_test(unreadable_patterns_match_nothing),
        cmocka_unit_test(many_stars_do_not_explode),
        cmocka_unit_test(exclusion_wins_over_inclusion),
        cmocka_unit_test(an_empty_inclusion_means_everything),
        cmocka_unit_test(a_filter_knows_when_it_restricts_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
