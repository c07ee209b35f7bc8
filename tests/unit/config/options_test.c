/* SPDX-License-Identifier: Apache-2.0
 *
 * The table is sound: what every row must have so that everything made from it is right.
 */
#include <stdio.h>

#include "config/config.h"
#include "config/options.h"
#include "tests/lib/unit.h"

static void
paths_are_unique_and_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < option_count; i++) {
        assert_ptr_equal(option_find(option_table[i].path), &option_table[i]);
        assert_int_equal(option_index(&option_table[i]), i);
    }
    assert_null(option_find("copy.jbos"));
}

static void
every_option_stands_in_a_section_that_exists(void **state)
{
    (void)state;
    for (size_t i = 0; i < option_count; i++) {
        char section[64];
        const struct option *o = &option_table[i];
        snprintf(section, sizeof(section), "%.*s", (int)option_section_len(o), o->path);
        assert_true(option_section_exists(section));
    }
    assert_false(option_section_exists("nowhere"));
}

static void
sections_are_not_interrupted(void **state)
{
    (void)state;
    size_t s = 0;
    for (size_t i = 0; i < option_count; i++) {
        const struct option *o = &option_table[i];
        size_t len = option_section_len(o);
        while (strlen(option_sections[s].path) != len ||
               strncmp(option_sections[s].path, o->path, len) != 0) {
            assert_true(++s < option_section_count);
        }
    }
}

static void
every_row_is_documented_and_has_a_value_or_says_why_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < option_count; i++) {
        const struct option *o = &option_table[i];
        size_t len = strlen(o->doc);
        assert_int_equal(o->doc[len - 1], '.');
        assert_null(strstr(o->doc, "  "));
        assert_non_null(o->since);
        if (!(o->flags & OPTION_PLANNED)) {
            assert_true(o->def || o->derived || (o->flags & OPTION_REQUIRED));
            assert_true(o->def || o->example);
        }
    }
}

static void
words_have_a_list_and_patterns_a_phrase(void **state)
{
    (void)state;
    for (size_t i = 0; i < option_count; i++) {
        const struct option *o = &option_table[i];
        assert_int_equal(o->type == OPTION_WORD, o->words != NULL);
        assert_int_equal(o->pattern != NULL, o->expected != NULL);
    }
}

static void
numbers_have_limits(void **state)
{
    (void)state;
    for (size_t i = 0; i < option_count; i++) {
        const struct option *o = &option_table[i];
        if (o->type == OPTION_NUMBER || o->type == OPTION_SIZE || o->type == OPTION_DURATION) {
            assert_true(o->min < o->max);
        }
    }
}

static void
no_two_options_share_a_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < option_count; i++) {
        for (size_t k = 0; k < i; k++) {
            const struct option *a = &option_table[i], *b = &option_table[k];
            if (!((a->flags | b->flags) & OPTION_PLANNED) &&
                option_of_sink(a) == option_of_sink(b)) {
                assert_int_not_equal(a->offset, b->offset);
            }
        }
    }
}

static void
the_key_is_the_last_part_of_the_path(void **state)
{
    (void)state;
    assert_string_equal(option_key(option_find("sinks[].dsn")), "dsn");
    assert_string_equal(option_key(option_find("name")), "name");
    assert_true(option_of_sink(option_find("sinks[].dsn")));
    assert_false(option_of_sink(option_find("source.dsn")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_unique_and_found),
        cmocka_unit_test(every_option_stands_in_a_section_that_exists),
        cmocka_unit_test(sections_are_not_interrupted),
        cmocka_unit_test(every_row_is_documented_and_has_a_value_or_says_why_not),
        cmocka_unit_test(words_have_a_list_and_patterns_a_phrase),
        cmocka_unit_test(numbers_have_limits),
        cmocka_unit_test(no_two_options_share_a_field),
        cmocka_unit_test(the_key_is_the_last_part_of_the_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
