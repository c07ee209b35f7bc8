/* SPDX-License-Identifier: Apache-2.0
 *
 * The decoder: what a sequence of records becomes, and which sequences it refuses.
 */
#include "decoders/pgoutput.h"
#include "tests/unit/decoders/messages.h"

struct fixture {
    struct decoder *d;
    struct buf bytes;
    struct change c;
    bool produced;
    struct err err;
};

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    buf_init(&f->bytes, 1 << 20);
    assert_true(pgoutput_decoder.open(&f->d, &f->err));
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;
    decoder_free(f->d);
    buf_done(&f->bytes);
    free(f);
    return 0;
}

static bool
feed_record(struct fixture *f, const struct record *rec)
{
    err_clear(&f->err);
    return decoder_feed(f->d, rec, &f->c, &f->produced, &f->err);
}

/* Feeds what stands in f->bytes. */
static bool
feed(struct fixture *f)
{
    struct record rec = record_of(&f->bytes);
    return feed_record(f, &rec);
}

static bool
feed_variant(struct fixture *f, int variant)
{
    put_variant(&f->bytes, variant);
    return feed(f);
}

static bool
feed_bare(struct fixture *f, enum record_kind kind, uint64_t position)
{
    struct record rec = {.kind = kind, .position = position};
    return feed_record(f, &rec);
}

static void
describe(struct fixture *f, uint32_t id, const char *name)
{
    buf_reset(&f->bytes);
    put_relation(&f->bytes, id, "public", name);
    assert_true(feed(f));
    assert_false(f->produced);
}

static void
begin(struct fixture *f)
{
    assert_true(feed_variant(f, 0));
    assert_true(f->produced);
}

static void
assert_refused(struct fixture *f, bool ok, const char *part)
{
    assert_false(ok);
    assert_false(f->produced);
    assert_int_equal(f->err.class, ERR_FATAL);
    if (!strstr(f->err.text, part)) {
        fail_msg("'%s' is not in '%s'", part, f->err.text);
    }
}

static void
begin_foretells_the_commit_position(void **state)
{
    struct fixture *f = *state;
    begin(f);
    assert_int_equal(f->c.kind, CHANGE_BEGIN);
    assert_true(f->c.position.commit == FINAL_LSN);
    assert_int_equal(f->c.position.ordinal, 0);
    assert_int_equal(f->c.xid, XID);
    assert_true(f->c.commit_us == COMMIT_TIME);
}

static void
commit_has_the_end_position(void **state)
{
    struct fixture *f = *state;
    begin(f);
    assert_true(feed_variant(f, 1));
    assert_true(f->produced);
    assert_int_equal(f->c.kind, CHANGE_COMMIT);
    assert_true(f->c.position.commit == END_LSN);
    assert_int_equal(f->c.position.ordinal, 0);
    assert_int_equal(f->c.xid, XID);
    assert_true(f->c.commit_us == COMMIT_TIME);
}

static void
rows_are_counted_from_one_in_each_transaction(void **state)
{
    struct fixture *f = *state;
    describe(f, REL_ID, "orders");
    for (int transaction = 0; transaction < 2; transaction++) {
        begin(f);
        for (uint32_t i = 1; i <= 3; i++) {
            assert_true(feed_variant(f, 5));
            assert_int_equal(f->c.kind, CHANGE_INSERT);
            assert_true(f->c.position.commit == FINAL_LSN);
            assert_int_equal(f->c.position.ordinal, i);
            assert_int_equal(f->c.xid, XID);
        }
        assert_true(feed_variant(f, 1));
    }
}

static void
schema_records_do_not_count_as_changes(void **state)
{
    struct fixture *f = *state;
    begin(f);
    assert_true(feed_variant(f, 2)); /* origin */
    assert_false(f->produced);
    assert_true(feed_variant(f, 3)); /* type */
    assert_false(f->produced);
    describe(f, REL_ID, "orders");
    assert_true(feed_variant(f, 5));
    assert_int_equal(f->c.position.ordinal, 1);
}

static void
insert_has_relation_and_new_tuple(void **state)
{
    struct fixture *f = *state;
    describe(f, REL_ID, "orders");
    begin(f);
    assert_true(feed_variant(f, 5));
    assert_string_equal(f->c.relation->name, "orders");
    assert_int_equal(f->c.old_kind, OLD_NONE);
    assert_int_equal(f->c.old.len, 0);
    assert_int_equal(f->c.new.len, 2);
    assert_true(slice_eq(f->c.new.values[0].bytes, slice_str("17")));
    assert_int_equal(f->c.new.values[1].status, VALUE_NULL);
}

static void
update_has_the_old_tuple_as_far_as_it_was_sent(void **state)
{
    struct fixture *f = *state;
    static const enum old_kind kinds[] = {OLD_NONE, OLD_KEY, OLD_FULL};
    describe(f, REL_ID, "orders");
    begin(f);
    for (int i = 0; i < 3; i++) {
        assert_true(feed_variant(f, 6 + i));
        assert_int_equal(f->c.kind, CHANGE_UPDATE);
        assert_int_equal(f->c.old_kind, kinds[i]);
        assert_int_equal(f->c.old.len, i == 0 ? 0 : 2);
        assert_int_equal(f->c.new.len, 2);
        assert_int_equal(f->c.new.values[1].status, VALUE_UNCHANGED);
    }
}

static void
delete_has_only_the_old_tuple(void **state)
{
    struct fixture *f = *state;
    describe(f, REL_ID, "orders");
    begin(f);
    assert_true(feed_variant(f, 9));
    assert_int_equal(f->c.kind, CHANGE_DELETE);
    assert_int_equal(f->c.old_kind, OLD_KEY);
    assert_int_equal(f->c.new.len, 0);
    assert_true(feed_variant(f, 10));
    assert_int_equal(f->c.old_kind, OLD_FULL);
}

static void
truncate_names_its_relations_in_order(void **state)
{
    struct fixture *f = *state;
    describe(f, 1, "a");
    describe(f, 2, "b");
    begin(f);
    buf_reset(&f->bytes);
    put_truncate(&f->bytes, 1, (uint32_t[]){2, 1}, 2);
    assert_true(feed(f));
    assert_int_equal(f->c.kind, CHANGE_TRUNCATE);
    assert_int_equal(f->c.truncated_len, 2);
    assert_string_equal(f->c.truncated[0]->name, "b");
    assert_string_equal(f->c.truncated[1]->name, "a");
    assert_true(f->c.cascade);
    assert_false(f->c.restart_identity);
    assert_int_equal(f->c.position.ordinal, 1);
}

static void
truncate_of_an_unknown_relation_is_refused(void **state)
{
    struct fixture *f = *state;
    describe(f, 1, "a");
    begin(f);
    buf_reset(&f->bytes);
    put_truncate(&f->bytes, 0, (uint32_t[]){1, 9}, 2);
    assert_refused(f, feed(f), "relation 9");
}

static void
a_transactional_message_is_a_change_of_its_transaction(void **state)
{
    struct fixture *f = *state;
    begin(f);
    assert_true(feed_variant(f, 13));
    assert_int_equal(f->c.kind, CHANGE_MESSAGE);
    assert_true(f->c.transactional);
    assert_string_equal(f->c.prefix, "prefix");
    assert_true(slice_eq(f->c.content, slice_str("hello")));
    assert_true(f->c.position.commit == FINAL_LSN);
    assert_int_equal(f->c.position.ordinal, 1);
}

static void
a_message_of_no_transaction_has_the_position_of_its_record(void **state)
{
    struct fixture *f = *state;
    assert_true(feed_variant(f, 14));
    assert_int_equal(f->c.kind, CHANGE_MESSAGE);
    assert_false(f->c.transactional);
    assert_true(f->c.position.commit == 0x99);
    assert_int_equal(f->c.position.ordinal, 0);
    begin(f);
    assert_true(feed_variant(f, 14));
    assert_int_equal(f->c.position.ordinal, 1);
}

static void
discard_voids_the_open_transaction_and_it_may_come_again(void **state)
{
    struct fixture *f = *state;
    describe(f, REL_ID, "orders");
    begin(f);
    assert_true(feed_variant(f, 5));
    assert_true(feed_bare(f, RECORD_DISCARD, 0));
    assert_true(f->produced);
    assert_int_equal(f->c.kind, CHANGE_DISCARD);
    assert_int_equal(f->c.xid, XID);
    begin(f);
    assert_true(feed_variant(f, 5));
    assert_int_equal(f->c.position.ordinal, 1);
    assert_true(feed_variant(f, 1));
}

static void
mark_carries_its_position(void **state)
{
    struct fixture *f = *state;
    assert_true(feed_bare(f, RECORD_MARK, 0x1234));
    assert_true(f->produced);
    assert_int_equal(f->c.kind, CHANGE_MARK);
    assert_true(f->c.position.commit == 0x1234);
    assert_int_equal(f->c.position.ordinal, 0);
}

static void
records_against_the_order_of_a_feed_are_refused(void **state)
{
    struct fixture *f = *state;
    describe(f, REL_ID, "orders");
    assert_refused(f, feed_variant(f, 1), "outside of a transaction");
    assert_refused(f, feed_variant(f, 5), "outside of a transaction");
    assert_refused(f, feed_variant(f, 11), "outside of a transaction");
    assert_refused(f, feed_variant(f, 13), "outside of a transaction");
    assert_refused(f, feed_bare(f, RECORD_DISCARD, 0), "outside of a transaction");
    begin(f);
    assert_refused(f, feed_variant(f, 0), "inside of transaction 731");
    assert_refused(f, feed_bare(f, RECORD_MARK, 5), "inside of transaction 731");
}

static void
a_record_kind_that_does_not_fit_the_message_is_refused(void **state)
{
    struct fixture *f = *state;
    describe(f, REL_ID, "orders");
    static const enum record_kind kinds[] = {
        RECORD_BEGIN, RECORD_DATA, RECORD_COMMIT, RECORD_SCHEMA};
    for (int variant = 0; variant < MESSAGE_VARIANTS; variant++) {
        put_variant(&f->bytes, variant);
        struct record rec = record_of(&f->bytes);
        enum record_kind right = rec.kind;
        for (size_t i = 0; i < 4; i++) {
            rec.kind = kinds[i];
            if (rec.kind != right && !(variant == 3 && rec.kind == RECORD_DATA) &&
                !((variant == 15 || variant >= 18) && rec.kind == RECORD_BEGIN)) {
                assert_refused(f, feed_record(f, &rec), "does not belong");
            }
        }
    }
}

static void
a_record_of_unknown_kind_is_refused(void **state)
{
    struct fixture *f = *state;
    assert_refused(f, feed_bare(f, (enum record_kind)77, 1), "unknown kind 77");
}

static void
positions_that_contradict_the_message_are_refused(void **state)
{
    struct fixture *f = *state;
    put_variant(&f->bytes, 0);
    struct record rec = record_of(&f->bytes);
    rec.position++;
    assert_refused(f, feed_record(f, &rec), "begin says position");
    begin(f);
    put_variant(&f->bytes, 1);
    rec = record_of(&f->bytes);
    rec.position++;
    assert_refused(f, feed_record(f, &rec), "commit says position");
}

static void
a_commit_of_another_transaction_is_refused(void **state)
{
    struct fixture *f = *state;
    begin(f);
    put_variant(&f->bytes, 1);
    f->bytes.data[9] ^= 1; /* last byte of the commit LSN */
    assert_refused(f, feed(f), "does not belong to the begin");
}

static void
a_row_of_an_unknown_relation_is_refused(void **state)
{
    struct fixture *f = *state;
    begin(f);
    assert_refused(f, feed_variant(f, 5), "relation 16400");
}

static void
a_tuple_of_another_length_than_the_relation_is_refused(void **state)
{
    struct fixture *f = *state;
    describe(f, REL_ID, "orders");
    begin(f);
    buf_reset(&f->bytes);
    buf_u8(&f->bytes, 'I');
    buf_u32(&f->bytes, REL_ID);
    put_tuple(&f->bytes, 'N', (const char *[]){"n", "n", "n"}, 3);
    assert_refused(f, feed(f), "3 columns instead of 2");
    buf_reset(&f->bytes);
    buf_u8(&f->bytes, 'D');
    buf_u32(&f->bytes, REL_ID);
    put_tuple(&f->bytes, 'K', (const char *[]){"n"}, 1);
    assert_refused(f, feed(f), "1 columns instead of 2");
    buf_reset(&f->bytes);
    buf_u8(&f->bytes, 'U');
    buf_u32(&f->bytes, REL_ID);
    put_tuple(&f->bytes, 'K', (const char *[]){"n"}, 1);
    put_tuple(&f->bytes, 'N', (const char *[]){"n", "n"}, 2);
    assert_refused(f, feed(f), "old tuple");
}

static void
errors_say_where(void **state)
{
    struct fixture *f = *state;
    buf_str(&f->bytes, "Z");
    assert_refused(f, feed(f), "decode pgoutput at 0/99");
    assert_non_null(strstr(f->err.text, "'Z'"));
}

static uint32_t
version_now(struct fixture *f)
{
    assert_true(feed_variant(f, 5));
    return f->c.relation->version;
}

static void
only_a_new_shape_makes_a_new_version(void **state)
{
    struct fixture *f = *state;
    describe(f, REL_ID, "orders");
    begin(f);
    uint32_t first = version_now(f);
    describe(f, REL_ID, "orders");
    assert_int_equal(version_now(f), first);
    describe(f, REL_ID, "renamed");
    assert_true(version_now(f) > first);
}

static void
a_change_handed_out_keeps_its_relation_through_the_next_description(void **state)
{
    struct fixture *f = *state;
    describe(f, REL_ID, "orders");
    begin(f);
    assert_true(feed_variant(f, 5));
    const struct relation *borrowed = f->c.relation;
    describe(f, REL_ID, "renamed");
    assert_string_equal(borrowed->name, "orders");
}

static bool
feed_stream_commit(struct fixture *f, enum record_kind kind, uint32_t xid)
{
    buf_reset(&f->bytes);
    put_stream_commit(&f->bytes, xid);
    struct record rec = record_of(&f->bytes);
    rec.kind = kind;
    rec.position = kind == RECORD_BEGIN ? FINAL_LSN : END_LSN;
    return feed_record(f, &rec);
}

static void
a_stream_commit_begins_and_commits_like_begin_and_commit(void **state)
{
    struct fixture *f = *state;
    describe(f, REL_ID, "orders");
    assert_true(feed_stream_commit(f, RECORD_BEGIN, XID));
    assert_true(f->produced && f->c.kind == CHANGE_BEGIN);
    assert_true(f->c.position.commit == FINAL_LSN && f->c.commit_us == COMMIT_TIME);
    assert_int_equal(f->c.xid, XID);
    assert_true(feed_variant(f, 5));
    assert_true(f->c.position.commit == FINAL_LSN && f->c.position.ordinal == 1);
    assert_int_equal(f->c.xid, XID);
    assert_true(feed_stream_commit(f, RECORD_COMMIT, XID));
    assert_true(f->produced && f->c.kind == CHANGE_COMMIT);
    assert_true(f->c.position.commit == END_LSN && f->c.commit_us == COMMIT_TIME);
    assert_int_equal(f->c.xid, XID);
    begin(f);
}

static void
a_stream_commit_of_another_transaction_is_refused(void **state)
{
    struct fixture *f = *state;
    assert_refused(f, feed_stream_commit(f, RECORD_COMMIT, XID), "outside of a transaction");
    assert_true(feed_stream_commit(f, RECORD_BEGIN, XID));
    assert_refused(f, feed_stream_commit(f, RECORD_BEGIN, XID), "begin inside of transaction");
    assert_refused(
        f, feed_stream_commit(f, RECORD_COMMIT, XID + 1), "commit of transaction 732 inside");
}

static bool
feed_prepared(struct fixture *f, char type, enum record_kind kind, uint64_t position)
{
    buf_reset(&f->bytes);
    put_prepared(&f->bytes, type, XID, "gid");
    struct record rec = {.kind = kind, .position = position, .payload = message_of(&f->bytes)};
    return feed_record(f, &rec);
}

static void
assert_ends(struct fixture *f, enum change_kind kind, uint64_t position)
{
    assert_true(f->produced);
    assert_int_equal(f->c.kind, kind);
    assert_true(f->c.position.commit == position && f->c.position.ordinal == 0);
    assert_int_equal(f->c.xid, XID);
    assert_true(f->c.commit_us == COMMIT_TIME);
    assert_string_equal(f->c.gid, "gid");
}

static void
a_prepared_transaction_has_its_name_at_begin_and_end(void **state)
{
    struct fixture *f = *state;
    describe(f, REL_ID, "orders");
    static const char *const forms[] = {"bP", "pp"};
    for (int i = 0; i < 2; i++) {
        assert_true(feed_prepared(f, forms[i][0], RECORD_BEGIN, PREPARE_LSN));
        assert_ends(f, CHANGE_BEGIN, PREPARE_LSN);
        assert_true(feed_variant(f, 5));
        assert_null(f->c.gid);
        assert_true(f->c.position.commit == PREPARE_LSN);
        assert_true(feed_prepared(f, forms[i][1], RECORD_COMMIT, PREPARE_END));
        assert_ends(f, CHANGE_PREPARE, PREPARE_END);
    }
}

static void
an_outcome_is_a_transaction_without_changes(void **state)
{
    struct fixture *f = *state;
    assert_true(feed_prepared(f, 'K', RECORD_BEGIN, END_LSN - 1));
    assert_ends(f, CHANGE_BEGIN, END_LSN - 1);
    assert_true(feed_prepared(f, 'K', RECORD_COMMIT, END_LSN));
    assert_ends(f, CHANGE_COMMIT_PREPARED, END_LSN);
    assert_true(feed_prepared(f, 'r', RECORD_BEGIN, END_LSN - 1));
    assert_true(feed_prepared(f, 'r', RECORD_COMMIT, END_LSN));
    assert_ends(f, CHANGE_ROLLBACK_PREPARED, END_LSN);
}

static void
a_late_prepare_is_an_ordinary_transaction_of_its_commit(void **state)
{
    struct fixture *f = *state;
    assert_true(feed_prepared(f, 'b', RECORD_BEGIN, FINAL_LSN - 3));
    assert_ends(f, CHANGE_BEGIN, FINAL_LSN - 3);
    assert_true(feed_prepared(f, 'K', RECORD_COMMIT, END_LSN));
    assert_ends(f, CHANGE_COMMIT, END_LSN);
}

static void
ends_that_do_not_fit_their_begin_are_refused(void **state)
{
    struct fixture *f = *state;
    assert_refused(f, feed_prepared(f, 'P', RECORD_COMMIT, PREPARE_END), "outside of a trans");
    assert_refused(f, feed_prepared(f, 'b', RECORD_BEGIN, PREPARE_LSN - 1), "begin says position");
    begin(f);
    assert_refused(f, feed_prepared(f, 'P', RECORD_COMMIT, PREPARE_END), "does not belong");
    assert_refused(f, feed_prepared(f, 'K', RECORD_COMMIT, END_LSN), "does not belong");
    decoder_reset(f->d);
    assert_true(feed_prepared(f, 'b', RECORD_BEGIN, PREPARE_LSN));
    assert_refused(f, feed_variant(f, 1), "does not belong");
    assert_refused(f, feed_prepared(f, 'r', RECORD_COMMIT, END_LSN), "does not belong");
    assert_refused(f, feed_prepared(f, 'P', RECORD_COMMIT, PREPARE_END + 1), "says position");
}

static void
reset_forgets_transaction_and_relations(void **state)
{
    struct fixture *f = *state;
    describe(f, REL_ID, "orders");
    begin(f);
    uint32_t before = version_now(f);
    decoder_reset(f->d);
    begin(f);
    assert_refused(f, feed_variant(f, 5), "relation 16400");
    decoder_reset(f->d);
    describe(f, REL_ID, "orders");
    begin(f);
    assert_true(version_now(f) > before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(begin_foretells_the_commit_position),
        TEST(commit_has_the_end_position),
        TEST(rows_are_counted_from_one_in_each_transaction),
        TEST(schema_records_do_not_count_as_changes),
        TEST(insert_has_relation_and_new_tuple),
        TEST(update_has_the_old_tuple_as_far_as_it_was_sent),
        TEST(delete_has_only_the_old_tuple),
        TEST(truncate_names_its_relations_in_order),
        TEST(truncate_of_an_unknown_relation_is_refused),
        TEST(a_transactional_message_is_a_change_of_its_transaction),
        TEST(a_message_of_no_transaction_has_the_position_of_its_record),
        TEST(discard_voids_the_open_transaction_and_it_may_come_again),
        TEST(mark_carries_its_position),
        TEST(records_against_the_order_of_a_feed_are_refused),
        TEST(a_record_kind_that_does_not_fit_the_message_is_refused),
        TEST(a_record_of_unknown_kind_is_refused),
        TEST(positions_that_contradict_the_message_are_refused),
        TEST(a_commit_of_another_transaction_is_refused),
        TEST(a_row_of_an_unknown_relation_is_refused),
        TEST(a_tuple_of_another_length_than_the_relation_is_refused),
        TEST(errors_say_where),
        TEST(only_a_new_shape_makes_a_new_version),
        TEST(a_change_handed_out_keeps_its_relation_through_the_next_description),
        TEST(a_stream_commit_begins_and_commits_like_begin_and_commit),
        TEST(a_stream_commit_of_another_transaction_is_refused),
        TEST(a_prepared_transaction_has_its_name_at_begin_and_end),
        TEST(an_outcome_is_a_transaction_without_changes),
        TEST(a_late_prepare_is_an_ordinary_transaction_of_its_commit),
        TEST(ends_that_do_not_fit_their_begin_are_refused),
        TEST(reset_forgets_transaction_and_relations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
