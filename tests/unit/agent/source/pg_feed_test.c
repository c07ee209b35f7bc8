/* SPDX-License-Identifier: Apache-2.0
 *
 * What becomes of the messages of a feed, one by one, made by hand as the manual describes them.
 */
#include "agent/source/pg_feed.h"
#include "tests/unit/decoders/messages.h"

#define TOP UINT32_C(900)
#define SUB UINT32_C(901)

struct fixture {
    struct pg_feed feed;
    struct buf bytes;
    struct record rec;
    bool keep;
    struct err err;
};

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    buf_init(&f->bytes, 1 << 16);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;
    buf_done(&f->bytes);
    free(f);
    return 0;
}

static bool
take(struct fixture *f)
{
    err_clear(&f->err);
    struct pg_message m = {
        .data = f->bytes.data, .len = f->bytes.len, .wal_start = 0x77, .received_us = 5};
    return pg_feed_take(&f->feed, &m, &f->rec, &f->keep, &f->err);
}

/* The id behind the type, as in a block. */
static void
insert_xid(struct buf *b, uint32_t xid)
{
    buf_u32(b, 0);
    memmove(b->data + 5, b->data + 1, b->len - 5);
    for (int i = 0; i < 4; i++) {
        b->data[1 + i] = (uint8_t)(xid >> (24 - 8 * i));
    }
}

static bool
take_variant(struct fixture *f, int variant, uint32_t xid)
{
    put_variant(&f->bytes, variant);
    if (xid) {
        insert_xid(&f->bytes, xid);
    }
    return take(f);
}

static bool
take_start(struct fixture *f, uint32_t xid)
{
    buf_reset(&f->bytes);
    buf_u8(&f->bytes, 'S');
    buf_u32(&f->bytes, xid);
    buf_u8(&f->bytes, 1);
    return take(f);
}

static bool
take_stop(struct fixture *f)
{
    buf_reset(&f->bytes);
    buf_u8(&f->bytes, 'E');
    return take(f);
}

static bool
take_abort(struct fixture *f, bool parallel)
{
    buf_reset(&f->bytes);
    buf_u8(&f->bytes, 'A');
    buf_u32(&f->bytes, TOP);
    buf_u32(&f->bytes, SUB);
    if (parallel) {
        buf_u64(&f->bytes, END_LSN);
        put_time(&f->bytes, COMMIT_TIME);
    }
    return take(f);
}

static void
assert_refused(struct fixture *f, bool ok, const char *why)
{
    assert_false(ok);
    assert_int_equal(f->err.class, ERR_FATAL);
    if (!strstr(f->err.text, why)) {
        fail_msg("'%s' is not in '%s'", why, f->err.text);
    }
}

static void
a_whole_transaction_keeps_its_bytes_and_gets_its_positions(void **state)
{
    struct fixture *f = *state;
    assert_true(take_variant(f, 0, 0));
    assert_true(f->keep && f->rec.kind == RECORD_BEGIN && f->rec.position == FINAL_LSN);
    assert_int_equal(f->rec.xid, XID);
    assert_true(f->feed.in_transaction);
    assert_true(take_variant(f, 5, 0));
    assert_true(f->keep && f->rec.kind == RECORD_DATA && f->rec.position == 0x77);
    assert_true(f->rec.payload.data == f->bytes.data && f->rec.payload.len == f->bytes.len);
    assert_int_equal(f->rec.received_us, 5);
    assert_int_equal(f->rec.stream, 0);
    assert_int_equal(f->rec.xid, 0);
    assert_true(take_variant(f, 1, 0));
    assert_true(f->keep && f->rec.kind == RECORD_COMMIT && f->rec.position == END_LSN);
    assert_false(f->feed.in_transaction);
    assert_false(pg_feed_pending(&f->feed, &f->rec));
}

static void
the_borders_of_a_block_are_no_records(void **state)
{
    struct fixture *f = *state;
    assert_true(take_start(f, TOP));
    assert_false(f->keep);
    assert_false(f->feed.in_transaction);
    assert_true(take_stop(f));
    assert_false(f->keep);
    assert_int_equal(f->feed.stream, 0);
}

static void
a_message_of_a_block_looks_as_if_it_were_not_in_one(void **state)
{
    struct fixture *f = *state;
    static const int inside[] = {3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13};
    struct buf plain;
    buf_init(&plain, 1 << 16);
    assert_true(take_start(f, TOP));
    for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
        put_variant(&plain, inside[i]);
        assert_true(take_variant(f, inside[i], SUB));
        assert_true(f->keep);
        assert_true(slice_eq(f->rec.payload, message_of(&plain)));
        assert_int_equal(f->rec.xid, SUB);
        assert_int_equal(f->rec.stream, TOP);
        assert_int_equal(f->rec.kind, inside[i] == 4 ? RECORD_SCHEMA : RECORD_DATA);
        assert_int_equal(f->rec.key, inside[i] == 4 ? REL_ID : 0);
    }
    buf_done(&plain);
}

static void
an_origin_in_a_block_has_no_id_and_belongs_to_the_transaction(void **state)
{
    struct fixture *f = *state;
    assert_true(take_start(f, TOP));
    assert_true(take_variant(f, 2, 0));
    assert_true(f->keep);
    assert_true(f->rec.payload.data == f->bytes.data);
    assert_int_equal(f->rec.stream, TOP);
    assert_int_equal(f->rec.xid, TOP);
}

static void
messages_outside_of_the_commit_order_are_not_kept(void **state)
{
    struct fixture *f = *state;
    assert_true(take_variant(f, 14, 0));
    assert_false(f->keep);
    assert_true(take_start(f, TOP));
    assert_true(take_variant(f, 14, TOP));
    assert_false(f->keep);
    assert_true(take_variant(f, 13, TOP));
    assert_true(f->keep);
}

static void
a_stream_commit_becomes_begin_and_commit(void **state)
{
    struct fixture *f = *state;
    buf_reset(&f->bytes);
    put_stream_commit(&f->bytes, TOP);
    assert_true(take(f));
    assert_true(f->keep && f->rec.kind == RECORD_BEGIN && f->rec.position == FINAL_LSN);
    assert_int_equal(f->rec.stream, TOP);
    assert_int_equal(f->rec.xid, TOP);
    assert_true(slice_eq(f->rec.payload, message_of(&f->bytes)));
    assert_true(pg_feed_pending(&f->feed, &f->rec));
    assert_true(f->rec.kind == RECORD_COMMIT && f->rec.position == END_LSN);
    assert_int_equal(f->rec.stream, TOP);
    assert_true(slice_eq(f->rec.payload, message_of(&f->bytes)));
    assert_false(pg_feed_pending(&f->feed, &f->rec));
    assert_false(f->feed.in_transaction);
}

static void
a_stream_abort_names_what_is_void_in_both_forms(void **state)
{
    struct fixture *f = *state;
    for (int parallel = 0; parallel < 2; parallel++) {
        assert_true(take_abort(f, parallel));
        assert_true(f->keep);
        assert_int_equal(f->rec.kind, RECORD_ABORT);
        assert_int_equal(f->rec.stream, TOP);
        assert_int_equal(f->rec.xid, SUB);
        assert_int_equal(f->rec.payload.len, 0);
    }
}

static bool
take_prepared(struct fixture *f, char type)
{
    buf_reset(&f->bytes);
    put_prepared(&f->bytes, type, TOP, "gid");
    return take(f);
}

static void
a_prepared_transaction_is_a_whole_one(void **state)
{
    struct fixture *f = *state;
    assert_true(take_prepared(f, 'b'));
    assert_true(f->keep && f->rec.kind == RECORD_BEGIN && f->rec.position == PREPARE_LSN);
    assert_int_equal(f->rec.xid, TOP);
    assert_true(f->feed.in_transaction);
    assert_true(take_prepared(f, 'P'));
    assert_true(f->keep && f->rec.kind == RECORD_COMMIT && f->rec.position == PREPARE_END);
    assert_false(f->feed.in_transaction);
    assert_refused(f, take_prepared(f, 'P'), "has no begin");
}

static void
outcomes_and_stream_prepares_are_begin_and_commit(void **state)
{
    struct fixture *f = *state;
    static const struct {
        char type;
        uint64_t begin, end;
        uint32_t stream;
    } forms[] = {{'K', END_LSN - 1, END_LSN, 0}, {'r', END_LSN - 1, END_LSN, 0},
        {'p', PREPARE_LSN, PREPARE_END, TOP}};
    for (int i = 0; i < 3; i++) {
        assert_true(take_prepared(f, forms[i].type));
        assert_true(f->keep && f->rec.kind == RECORD_BEGIN && f->rec.position == forms[i].begin);
        assert_int_equal(f->rec.xid, TOP);
        assert_int_equal(f->rec.stream, forms[i].stream);
        assert_true(pg_feed_pending(&f->feed, &f->rec));
        assert_true(f->rec.kind == RECORD_COMMIT && f->rec.position == forms[i].end);
        assert_int_equal(f->rec.stream, forms[i].stream);
        assert_true(slice_eq(f->rec.payload, message_of(&f->bytes)));
        assert_false(f->feed.in_transaction);
    }
}

/* Its begin is a position that was told before; nothing ends between there and the commit's end. */
static void
a_prepare_from_behind_the_last_position_goes_on_to_its_commit(void **state)
{
    struct fixture *f = *state;
    f->feed.last = FINAL_LSN;
    assert_true(take_prepared(f, 'b'));
    assert_true(f->keep && f->rec.kind == RECORD_BEGIN && f->rec.position == FINAL_LSN);
    assert_true(take_variant(f, 5, 0));
    assert_true(take_prepared(f, 'P'));
    assert_false(f->keep);
    assert_true(f->feed.in_transaction);
    assert_true(take_prepared(f, 'K'));
    assert_true(f->keep && f->rec.kind == RECORD_COMMIT && f->rec.position == END_LSN);
    assert_false(pg_feed_pending(&f->feed, &f->rec));
    assert_false(f->feed.in_transaction);
    assert_true(take_prepared(f, 'K'));
    assert_int_equal(f->rec.kind, RECORD_BEGIN);
}

static void
blocks_stand_in_nothing_else_and_nothing_else_in_blocks(void **state)
{
    struct fixture *f = *state;
    assert_refused(f, take_stop(f), "ends no block");
    assert_refused(f, take_variant(f, 1, 0), "has no begin");
    assert_true(take_start(f, TOP));
    assert_refused(f, take_start(f, TOP), "stands in a block");
    assert_refused(f, take_variant(f, 0, 0), "stands in a block");
    f->feed = (struct pg_feed){.stream = TOP};
    assert_refused(f, take_abort(f, false), "stands in a block");
    f->feed = (struct pg_feed){0};
    assert_true(take_variant(f, 0, 0));
    assert_refused(f, take_start(f, TOP), "stands in another transaction");
}

static void
put_message(struct fixture *f, const char *prefix)
{
    buf_reset(&f->bytes);
    buf_u8(&f->bytes, 'M');
    buf_u8(&f->bytes, 1);
    buf_u64(&f->bytes, 0x55);
    put_cstr(&f->bytes, prefix);
    buf_u32(&f->bytes, 0);
}

static void
a_message_belongs_to_the_subtransaction_that_its_prefix_names(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *prefix;
        uint32_t xid;
    } messages[] = {{"tidegate.ddl.901", SUB}, {"tidegate.ddl", TOP}, {"tidegate.ddl.", TOP},
        {"tidegate.ddl.0", TOP}, {"tidegate.ddl.901x", TOP}, {"tidegate.ddl.4294967296", TOP},
        {"other.901", TOP}};
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        f->feed = (struct pg_feed){.stream = TOP};
        put_message(f, messages[i].prefix);
        insert_xid(&f->bytes, TOP);
        assert_true(take(f) && f->keep);
        assert_int_equal(f->rec.xid, messages[i].xid);
        assert_int_equal(f->rec.stream, TOP);
    }
    f->feed = (struct pg_feed){.in_transaction = true};
    put_message(f, "tidegate.ddl.901");
    assert_true(take(f) && f->keep);
    assert_int_equal(f->rec.xid, 0);
}

static void
a_transaction_without_an_id_is_refused(void **state)
{
    struct fixture *f = *state;
    assert_refused(f, take_start(f, 0), "names no transaction");
    f->feed = (struct pg_feed){.stream = TOP};
    put_variant(&f->bytes, 5);
    insert_xid(&f->bytes, 0);
    assert_refused(f, take(f), "names no transaction");
}

/* Heads that the source reads; the rest is the decoder's. */
static void
a_head_that_is_cut_short_is_refused_wherever(void **state)
{
    struct fixture *f = *state;
    static const struct {
        char type;
        size_t head;
        uint32_t stream;
        bool open;
    } heads[] = {{'B', 21, 0, false}, {'C', 18, 0, true}, {'S', 6, 0, false}, {'c', 22, 0, false},
        {'A', 9, 0, false}, {'b', 29, 0, false}, {'P', 18, 0, true}, {'K', 30, 0, false},
        {'r', 38, 0, false}, {'p', 30, 0, false}, {'R', 5, 0, true}, {'R', 9, TOP, false},
        {'I', 5, TOP, false}, {'M', 15, TOP, false}, {'M', 2, 0, false}};
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        for (size_t len = 1; len < heads[i].head; len++) {
            f->feed = (struct pg_feed){.stream = heads[i].stream, .in_transaction = heads[i].open};
            uint8_t *exact = malloc(len);
            memset(exact, 1, len);
            exact[0] = (uint8_t)heads[i].type;
            struct pg_message m = {.data = exact, .len = len};
            bool ok = pg_feed_take(&f->feed, &m, &f->rec, &f->keep, &f->err);
            free(exact);
            assert_refused(f, ok, "is cut short");
        }
    }
    struct pg_message none = {0};
    assert_refused(f, pg_feed_take(&f->feed, &none, &f->rec, &f->keep, &f->err), "is cut short");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_whole_transaction_keeps_its_bytes_and_gets_its_positions, setup, teardown),
        cmocka_unit_test_setup_teardown(the_borders_of_a_block_are_no_records, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_message_of_a_block_looks_as_if_it_were_not_in_one, setup, teardown),
        cmocka_unit_test_setup_teardown(
            an_origin_in_a_block_has_no_id_and_belongs_to_the_transaction, setup, teardown),
        cmocka_unit_test_setup_teardown(
            messages_outside_of_the_commit_order_are_not_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_message_belongs_to_the_subtransaction_that_its_prefix_names, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stream_commit_becomes_begin_and_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_stream_abort_names_what_is_void_in_both_forms, setup, teardown),
        cmocka_unit_test_setup_teardown(a_prepared_transaction_is_a_whole_one, setup, teardown),
        cmocka_unit_test_setup_teardown(
            outcomes_and_stream_prepares_are_begin_and_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_prepare_from_behind_the_last_position_goes_on_to_its_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(
            blocks_stand_in_nothing_else_and_nothing_else_in_blocks, setup, teardown),
        cmocka_unit_test_setup_teardown(a_transaction_without_an_id_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_head_that_is_cut_short_is_refused_wherever, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
