/* SPDX-License-Identifier: Apache-2.0
 *
 * Which rows wait for which: the runs of a table and their order, and the bounds.
 */
#include "sinks/postgres/cache.h"
#include "sinks/postgres/held.h"
#include "tests/lib/rows.h"
#include "tests/lib/unit.h"

enum { INT4 = 23, TEXT = 25, INT4_ARRAY = 1007, TEXT_ARRAY = 1009 };

static struct column columns[] = {{"id", INT4, -1, true}, {"v", TEXT, -1, false}};
static struct target_column targets[2];
static struct relation relation;
static struct cache_table tables[2];
static struct held held;
static struct shape shape;
static struct batch_image image;
static struct err err;

static int
setup(void **state)
{
    (void)state;
    relation = rows_relation(1, "a", "t", 'd', columns, 2);
    targets[0] =
        (struct target_column){"id", INT4, "integer", "=", true, false, false, true, INT4_ARRAY};
    targets[1] =
        (struct target_column){"v", TEXT, "text", "=", true, false, false, false, TEXT_ARRAY};
    for (int i = 0; i < 2; i++) {
        tables[i] = (struct cache_table){.relation = &relation,
            .target = {.kind = 'r',
                .present = true,
                .has_unique = true,
                .one_unique = true,
                .unseen = true,
                .columns = targets}};
    }
    held = (struct held){0};
    batch_image_init(&image);
    err = (struct err)ERR_INIT;
    return 0;
}

static void
release_all(void)
{
    while (held.oldest) {
        held_release(&held, held.oldest);
    }
    assert_int_equal(held.bytes, 0);
    assert_int_equal(held.batches, 0);
}

static int
teardown(void **state)
{
    (void)state;
    release_all();
    held_done(&held);
    batch_image_done(&image);
    rows_free();
    return 0;
}

static struct tuple
row(int id, const char *v)
{
    struct tuple t = ROW(NULL, NULL);
    rows_int4(t, 0, id);
    if (v) {
        rows_binary(t, 1, v, strlen(v));
    }
    return t;
}

static enum held_answer
put_at(struct cache_table *t, struct change c)
{
    assert_true(shape_of(&c, &t->target, &shape, &err));
    bool commutes = t->held.mixed && batch_commutes(&t->target, &shape);
    assert_true(batch_image(&image, &c, &shape, &t->target, commutes));
    return held_put(&held, t, &shape, &image, &c);
}

static enum held_answer
put(struct change c)
{
    return put_at(&tables[0], c);
}

static enum held_answer
insert(int id)
{
    return put(rows_insert(&relation, row(id, "new")));
}

static enum held_answer
update(int id)
{
    return put(rows_update(&relation, row(id, "changed")));
}

static enum held_answer delete (int id) { return put(rows_delete(&relation, row(id, NULL))); }

/* "I3 U1": three inserts, then an update. */
static void
expect(const char *runs)
{
    char got[200] = "";
    for (uint8_t i = 0; i < tables[0].held.len; i++) {
        const struct batch *b = tables[0].held.runs[i];
        size_t n = strlen(got);
        snprintf(got + n, sizeof got - n, "%s%c%u", n ? " " : "", "IUD"[b->shape.op], b -> len);
    }
    assert_string_equal(got, runs);
}

static void
the_first_mixture_is_sent_in_order(void **state)
{
    (void)state;
    assert_int_equal(insert(1), HELD_TAKEN);
    assert_int_equal(insert(2), HELD_TAKEN);
    assert_int_equal(update(7), HELD_TABLE); /* these inserts do not know their keys */
    expect("I2");
    release_all();
    assert_int_equal(update(7), HELD_TAKEN);
    assert_int_equal(insert(3), HELD_TAKEN);
    expect("U1 I1");
}

static void
rows_with_other_keys_join_earlier_runs(void **state)
{
    (void)state;
    tables[0].held.mixed = true;
    for (int i = 0; i < 30; i += 3) {
        assert_int_equal(insert(i), HELD_TAKEN);
        assert_int_equal(update(i + 1), HELD_TAKEN);
        assert_int_equal(delete (i + 2), HELD_TAKEN);
    }
    expect("I10 U10 D10");
}

static void
a_row_stays_behind_the_last_with_its_key(void **state)
{
    (void)state;
    tables[0].held.mixed = true;
    assert_int_equal(insert(1), HELD_TAKEN);
    assert_int_equal(delete (1), HELD_TAKEN);
    assert_int_equal(insert(1), HELD_TAKEN); /* not into the first */
    expect("I1 D1 I1");
    assert_int_equal(insert(2), HELD_TAKEN); /* the last that fits */
    expect("I1 D1 I2");
    assert_int_equal(delete (3), HELD_TAKEN);
    expect("I1 D2 I2");
    assert_int_equal(delete (2), HELD_TAKEN);
    expect("I1 D2 I2 D1");
    assert_int_equal(update(1), HELD_TAKEN);
    expect("I1 D2 I2 D1 U1");
    assert_int_equal(update(1), HELD_TAKEN);
    expect("I1 D2 I2 D1 U1");
}

static void
two_deletes_of_a_key_stay_two(void **state)
{
    (void)state;
    tables[0].held.mixed = true;
    assert_int_equal(delete (1), HELD_TAKEN);
    assert_int_equal(delete (1), HELD_TAKEN);
    expect("D1 D1");
    assert_int_equal(insert(2), HELD_TAKEN);
    assert_int_equal(insert(2), HELD_TAKEN);
    expect("D1 D1 I1 I1");
}

static void
a_chain_is_sent_when_it_is_long(void **state)
{
    (void)state;
    tables[0].held.mixed = true;
    for (unsigned i = 0; i < HELD_CHAIN; i++) {
        assert_int_equal(i % 2 ? delete (1) : insert(1), HELD_TAKEN);
    }
    assert_int_equal(insert(1), HELD_TABLE);
    assert_int_equal(insert(2), HELD_TAKEN);
}

static void
a_full_run_is_sent_with_those_in_front(void **state)
{
    (void)state;
    tables[0].held.mixed = true;
    assert_int_equal(update(5000), HELD_TAKEN);
    for (uint32_t i = 0; i < BATCH_ROWS; i++) {
        assert_int_equal(insert((int)i), HELD_TAKEN);
    }
    assert_int_equal(insert(-1), HELD_TABLE);
    assert_int_equal(update(6000), HELD_TAKEN); /* the run in front has room */
    expect("U2 I1000");
}

static void
what_does_not_commute_is_the_only_run(void **state)
{
    (void)state;
    tables[0].held.mixed = true;
    tables[0].target.one_unique = false;
    assert_int_equal(insert(1), HELD_TAKEN);
    assert_int_equal(delete (2), HELD_TABLE);
    release_all();
    assert_int_equal(delete (2), HELD_TAKEN);
    assert_int_equal(delete (3), HELD_TAKEN);
    assert_int_equal(delete (2), HELD_TABLE);
    expect("D2");
}

static void
the_oldest_table_makes_room(void **state)
{
    (void)state;
    assert_int_equal(insert(1), HELD_TAKEN);
    assert_int_equal(put_at(&tables[1], rows_insert(&relation, row(1, "x"))), HELD_TAKEN);
    assert_ptr_equal(held.oldest, &tables[0]);
    held_release(&held, &tables[0]);
    assert_ptr_equal(held.oldest, &tables[1]);
    assert_ptr_equal(held.newest, &tables[1]);
    held.batches = HELD_BATCHES;
    assert_int_equal(insert(1), HELD_OLDEST);
    held.batches = 1;
    held_release(&held, &tables[1]);
    assert_null(held.newest);
}

static void
memory_is_bounded(void **state)
{
    (void)state;
    static char big[BATCH_ROW_BYTES - 100];
    memset(big, 'x', sizeof big - 1);
    int n = 0;
    enum held_answer answer;
    do {
        answer = put(rows_insert(&relation, row(++n, big)));
        if (answer == HELD_TABLE) {
            assert_true(tables[0].held.runs[0]->images.len <= BATCH_BYTES);
            release_all();
            break;
        }
    } while (answer == HELD_TAKEN);
    held.bytes = HELD_BYTES;
    assert_int_equal(insert(1), HELD_ALL);
    held.bytes = 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_first_mixture_is_sent_in_order),
        T(rows_with_other_keys_join_earlier_runs),
        T(a_row_stays_behind_the_last_with_its_key),
        T(two_deletes_of_a_key_stay_two),
        T(a_chain_is_sent_when_it_is_long),
        T(a_full_run_is_sent_with_those_in_front),
        T(what_does_not_commute_is_the_only_run),
        T(the_oldest_table_makes_room),
        T(memory_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
