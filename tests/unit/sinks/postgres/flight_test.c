/* SPDX-License-Identifier: Apache-2.0
 *
 * The ring of what is under way, and its words for an error.
 */
#include "sinks/postgres/flight.h"
#include "tests/lib/rows.h"
#include "tests/lib/unit.h"

static struct flight f;
static char text[400];

static int
setup(void **state)
{
    (void)state;
    flight_init(&f, 3);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    flight_done(&f);
    rows_free();
    return 0;
}

static void
push(uint8_t kind, size_t bytes)
{
    struct flight_entry *e = flight_next(&f);
    e->kind = kind;
    e->bytes = bytes;
    flight_push(&f);
}

static void
entries_leave_in_the_order_they_came(void **state)
{
    (void)state;
    for (size_t i = 1; i <= 10; i++) {
        push(FLIGHT_ROW, i);
        if (i > 1) {
            assert_int_equal(flight_head(&f)->bytes, i - 1);
            flight_pop(&f);
        }
    }
    assert_int_equal(f.len, 1);
}

static void
the_ring_counts_bytes_and_commits(void **state)
{
    (void)state;
    push(FLIGHT_ROW, 100);
    push(FLIGHT_COMMIT, 20);
    assert_int_equal(f.bytes, 120);
    assert_int_equal(f.commits, 1);
    flight_pop(&f);
    assert_int_equal(f.bytes, 20);
    flight_pop(&f);
    assert_int_equal(f.commits, 0);
    assert_int_equal(f.bytes, 0);
}

static void
the_ring_knows_what_a_commit_waits_for(void **state)
{
    (void)state;
    push(FLIGHT_CONTROL, 1);
    push(FLIGHT_BATCH, 1);
    assert_int_equal(f.awaited, 1);
    struct flight_entry *e = flight_next(&f);
    e->kind = FLIGHT_ROW;
    e->counted = true;
    flight_push(&f);
    assert_int_equal(f.awaited, 1);
    flight_pop(&f);
    flight_pop(&f);
    assert_int_equal(f.awaited, 0);
    push(FLIGHT_SYNC, 1);
    assert_int_equal(f.awaited, 1);
    flight_pop(&f);
    flight_pop(&f);
    assert_int_equal(f.awaited, 0);
}

static void
the_ring_is_full_at_its_capacity(void **state)
{
    (void)state;
    push(FLIGHT_ROW, 1);
    push(FLIGHT_ROW, 1);
    assert_false(flight_full(&f));
    push(FLIGHT_ROW, 1);
    assert_true(flight_full(&f));
}

static const char *
described(const struct change *c)
{
    struct flight_entry e = {.kind = FLIGHT_ROW};
    flight_note(&e, c, c->relation);
    return flight_describe(&e, text, sizeof text);
}

static struct column columns[] = {
    {"id", 23, -1, true},
    {"note", 25, -1, false},
    {"region", 25, -1, true},
};

static void
a_row_is_named_by_relation_key_and_position(void **state)
{
    (void)state;
    struct relation r = rows_relation(1, "public", "orders", 'd', columns, 3);
    struct change c = rows_update(&r, ROW("17", "x", "eu"));
    assert_string_equal(
        described(&c), "apply update public.orders key (id=17, region='eu') at 16/B374D848+3");
}

static void
a_changed_key_is_named_by_the_old_one(void **state)
{
    (void)state;
    struct relation r = rows_relation(1, "public", "orders", 'd', columns, 3);
    struct change c = rows_update_key(&r, ROW("17", NULL, "eu"), ROW("18", "x", "eu"));
    assert_string_equal(
        described(&c), "apply update public.orders key (id=17, region='eu') at 16/B374D848+3");
}

static void
a_binary_key_is_readable(void **state)
{
    (void)state;
    struct relation r = rows_relation(1, "public", "orders", 'd', columns, 1);
    struct tuple t = ROW("0");
    rows_int4(t, 0, -5);
    struct change c = rows_delete(&r, t);
    assert_string_equal(described(&c), "apply delete public.orders key (id=-5) at 16/B374D848+3");
}

static void
a_row_without_a_key_is_named_by_its_table(void **state)
{
    (void)state;
    struct column plain[] = {{"a", 23, -1, false}};
    struct relation r = rows_relation(1, "public", "log", 'n', plain, 1);
    struct change c = rows_insert(&r, ROW("1"));
    assert_string_equal(described(&c), "apply insert public.log at 16/B374D848+3");
}

static void
a_long_key_is_cut_and_a_number_never(void **state)
{
    (void)state;
    char longer[200];
    memset(longer, 'x', sizeof longer);
    longer[199] = 0;
    struct column key[] = {{"a", 25, -1, true}, {"b", 25, -1, true}, {"n", 20, -1, true}};
    struct relation r = rows_relation(1, "public", "t", 'd', key, 3);
    struct change c = rows_insert(&r, ROW(longer, longer, "123456789012345678"));
    const char *d = described(&c);
    assert_non_null(strstr(d, "a='xxxx"));
    assert_non_null(strstr(d, "n=123456789012345678"));
}

static void
many_key_columns_stay_in_bounds(void **state)
{
    (void)state;
    struct column key[40];
    const char *texts[40];
    for (int i = 0; i < 40; i++) {
        key[i] = (struct column){"c", 23, -1, true};
        texts[i] = "1";
    }
    struct relation r = rows_relation(1, "public", "t", 'f', key, 40);
    struct change c = rows_delete_full(&r, rows_tuple(texts, 40));
    assert_non_null(strstr(described(&c), "key (c=1, c=1"));
}

static void
a_commit_is_named_by_its_position(void **state)
{
    (void)state;
    struct flight_entry e = {.kind = FLIGHT_COMMIT, .commit = {.position = 0x16B374D848}};
    assert_string_equal(
        flight_describe(&e, text, sizeof text), "commit on the target up to 16/B374D848");
}

static void
other_statements_are_named_by_their_label(void **state)
{
    (void)state;
    struct flight_entry e = {.kind = FLIGHT_CONTROL, .label = "open a transaction"};
    assert_string_equal(flight_describe(&e, text, sizeof text), "open a transaction");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(entries_leave_in_the_order_they_came),
        T(the_ring_counts_bytes_and_commits),
        T(the_ring_knows_what_a_commit_waits_for),
        T(the_ring_is_full_at_its_capacity),
        T(a_row_is_named_by_relation_key_and_position),
        T(a_changed_key_is_named_by_the_old_one),
        T(a_binary_key_is_readable),
        T(a_row_without_a_key_is_named_by_its_table),
        T(a_long_key_is_cut_and_a_number_never),
        T(many_key_columns_stay_in_bounds),
        T(a_commit_is_named_by_its_position),
        T(other_statements_are_named_by_their_label),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
