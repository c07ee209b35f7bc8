/* SPDX-License-Identifier: Apache-2.0
 *
 * Copies and comparison of relations.
 */
#include "agent/change/relation.h"
#include "tests/lib/unit.h"

struct sample {
    struct relation r;
    struct column columns[2];
    char schema[16], name[16], column[16];
};

static struct relation *
sample(struct sample *s)
{
    *s = (struct sample){.schema = "public", .name = "orders", .column = "id"};
    s->columns[0] = (struct column){s->column, 23, -1, true};
    s->columns[1] = (struct column){"note", 25, -1, false};
    s->r = (struct relation){16384, 1, s->schema, s->name, 'd', 2, s->columns};
    return &s->r;
}

static void
a_clone_shares_nothing_with_its_original(void **state)
{
    (void)state;
    struct sample s, again;
    struct relation *c = relation_clone(sample(&s));
    memset(&s, 0xff, sizeof s);
    sample(&again);
    assert_true(relation_same_shape(c, &again.r));
    assert_int_equal(c->id, 16384);
    assert_int_equal(c->version, 1);
    assert_string_equal(c->columns[1].name, "note");
    relation_free(c);
}

static void
a_table_without_columns_can_be_cloned(void **state)
{
    (void)state;
    struct relation r = {1, 1, "s", "empty", 'd', 0, NULL};
    struct relation *c = relation_clone(&r);
    assert_string_equal(c->name, "empty");
    assert_true(relation_same_shape(c, &r));
    relation_free(c);
    relation_free(NULL);
}

static void
version_and_id_do_not_count_as_shape(void **state)
{
    (void)state;
    struct sample a, b;
    sample(&a);
    sample(&b);
    b.r.version = 9;
    b.r.id = 9;
    assert_true(relation_same_shape(&a.r, &b.r));
}

static void
every_other_difference_counts(void **state)
{
    (void)state;
    struct sample a, b;
    sample(&a);
#define DIFFERS(change)                                                                            \
    do {                                                                                           \
        sample(&b);                                                                                \
        change;                                                                                    \
        assert_false(relation_same_shape(&a.r, &b.r));                                             \
    } while (0)
    DIFFERS(b.schema[0] = 'P');
    DIFFERS(b.name[0] = 'O');
    DIFFERS(b.column[0] = 'I');
    DIFFERS(b.r.columns_len = 1);
    DIFFERS(b.r.identity = 'f');
    DIFFERS(b.columns[1].type_oid = 1043);
    DIFFERS(b.columns[1].type_mod = 8);
    DIFFERS(b.columns[1].key = true);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clone_shares_nothing_with_its_original),
        cmocka_unit_test(a_table_without_columns_can_be_cloned),
        cmocka_unit_test(version_and_id_do_not_count_as_shape),
        cmocka_unit_test(every_other_difference_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
