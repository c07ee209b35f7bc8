/* SPDX-License-Identifier: Apache-2.0
 *
 * The relation cache: when a new version appears, and what stays valid.
 */
#include "decoders/relation_cache.h"
#include "tests/lib/unit.h"

static struct column columns[] = {{"id", 20, -1, true}, {"note", 25, -1, false}};

static struct relation
relation_with(uint32_t id, const char *name, uint16_t len)
{
    return (struct relation){id, 0, "public", name, 'd', len, columns};
}

static void
an_empty_cache_knows_nothing(void **state)
{
    (void)state;
    struct relation_cache c;
    relation_cache_init(&c);
    assert_null(relation_cache_find(&c, 1));
    assert_null(relation_cache_find(&c, 0));
    relation_cache_done(&c);
}

static void
what_was_put_is_found_as_a_copy(void **state)
{
    (void)state;
    struct relation_cache c;
    relation_cache_init(&c);
    struct relation r = relation_with(16400, "orders", 2);
    const struct relation *kept = relation_cache_put(&c, &r);
    assert_ptr_not_equal(kept, &r);
    assert_ptr_equal(relation_cache_find(&c, 16400), kept);
    assert_int_equal(kept->id, 16400);
    assert_string_equal(kept->name, "orders");
    assert_string_equal(kept->columns[1].name, "note");
    assert_true(kept->version > 0);
    assert_null(relation_cache_find(&c, 16401));
    assert_null(relation_cache_find(&c, 0));
    relation_cache_done(&c);
}

static void
the_same_shape_again_is_the_same_version(void **state)
{
    (void)state;
    struct relation_cache c;
    relation_cache_init(&c);
    struct relation r = relation_with(1, "orders", 2);
    const struct relation *first = relation_cache_put(&c, &r);
    uint32_t version = first->version;
    assert_ptr_equal(relation_cache_put(&c, &r), first);
    assert_int_equal(first->version, version);
    relation_cache_done(&c);
}

static void
another_shape_is_a_new_version_and_the_old_one_stays_readable(void **state)
{
    (void)state;
    struct relation_cache c;
    relation_cache_init(&c);
    struct relation r = relation_with(1, "orders", 1);
    const struct relation *first = relation_cache_put(&c, &r);
    r.columns_len = 2;
    const struct relation *second = relation_cache_put(&c, &r);
    assert_ptr_not_equal(first, second);
    assert_true(second->version > first->version);
    assert_string_equal(first->name, "orders");
    assert_int_equal(first->columns_len, 1);
    assert_ptr_equal(relation_cache_find(&c, 1), second);
    relation_cache_done(&c);
}

static void
a_renamed_table_is_a_new_version(void **state)
{
    (void)state;
    struct relation_cache c;
    relation_cache_init(&c);
    struct relation r = relation_with(1, "orders", 2);
    uint32_t version = relation_cache_put(&c, &r)->version;
    r.name = "orders_old";
    assert_true(relation_cache_put(&c, &r)->version > version);
    relation_cache_done(&c);
}

static void
clear_forgets_but_gives_no_version_twice(void **state)
{
    (void)state;
    struct relation_cache c;
    relation_cache_init(&c);
    struct relation r = relation_with(1, "orders", 2);
    uint32_t version = relation_cache_put(&c, &r)->version;
    relation_cache_clear(&c);
    assert_null(relation_cache_find(&c, 1));
    assert_true(relation_cache_put(&c, &r)->version > version);
    relation_cache_done(&c);
}

static void
thousands_of_relations_keep_apart(void **state)
{
    (void)state;
    struct relation_cache c;
    relation_cache_init(&c);
    for (uint32_t id = 1; id <= 5000; id++) {
        struct relation r = relation_with(id * 7, "t", 2);
        relation_cache_put(&c, &r);
    }
    for (uint32_t id = 1; id <= 5000; id++) {
        const struct relation *found = relation_cache_find(&c, id * 7);
        assert_non_null(found);
        assert_int_equal(found->id, id * 7);
        assert_null(relation_cache_find(&c, id * 7 + 1));
    }
    relation_cache_done(&c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_cache_knows_nothing),
        cmocka_unit_test(what_was_put_is_found_as_a_copy),
        cmocka_unit_test(the_same_shape_again_is_the_same_version),
        cmocka_unit_test(another_shape_is_a_new_version_and_the_old_one_stays_readable),
        cmocka_unit_test(a_renamed_table_is_a_new_version),
        cmocka_unit_test(clear_forgets_but_gives_no_version_twice),
        cmocka_unit_test(thousands_of_relations_keep_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
