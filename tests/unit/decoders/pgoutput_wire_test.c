/* SPDX-License-Identifier: Apache-2.0
 *
 * The wire layer: every message kind field by field, and every way of being damaged.
 */
#include "decoders/pgoutput_wire.h"
#include "tests/unit/decoders/messages.h"

struct fixture {
    struct buf bytes;
    struct arena arena;
    struct pgoutput_message m;
    struct err err;
};

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    buf_init(&f->bytes, 1 << 20);
    arena_init(&f->arena, 4096, 1 << 20);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;
    buf_done(&f->bytes);
    arena_done(&f->arena);
    free(f);
    return 0;
}

/* From an exact heap copy, so that the address sanitizer sees a read past the end. */
static bool
parse_n(struct fixture *f, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    memcpy(copy, f->bytes.data, len);
    arena_reset(&f->arena);
    err_clear(&f->err);
    bool ok = pgoutput_parse(slice_of(copy, len), &f->arena, &f->m, &f->err);
    free(copy);
    return ok;
}

static bool
parse(struct fixture *f)
{
    arena_reset(&f->arena);
    err_clear(&f->err);
    return pgoutput_parse(message_of(&f->bytes), &f->arena, &f->m, &f->err);
}

static void
assert_value(struct value v, char status, const char *bytes)
{
    assert_int_equal(v.status, status);
    assert_int_equal(v.bytes.len, strlen(bytes));
    if (v.bytes.len) {
        assert_memory_equal(v.bytes.data, bytes, v.bytes.len);
    }
}

static void
begin_carries_lsn_time_and_xid(void **state)
{
    struct fixture *f = *state;
    put_begin(&f->bytes);
    assert_true(parse(f));
    assert_int_equal(f->m.type, 'B');
    assert_true(f->m.begin.final_lsn == FINAL_LSN);
    assert_true(f->m.begin.commit_us == COMMIT_TIME);
    assert_int_equal(f->m.begin.xid, XID);
}

static void
commit_carries_both_lsns_and_the_time(void **state)
{
    struct fixture *f = *state;
    put_commit(&f->bytes);
    assert_true(parse(f));
    assert_true(f->m.commit.commit_lsn == FINAL_LSN);
    assert_true(f->m.commit.end_lsn == END_LSN);
    assert_true(f->m.commit.commit_us == COMMIT_TIME);
}

static void
stream_commit_carries_its_transaction_too(void **state)
{
    struct fixture *f = *state;
    put_stream_commit(&f->bytes, XID);
    assert_true(parse(f));
    assert_int_equal(f->m.commit.xid, XID);
    assert_true(f->m.commit.commit_lsn == FINAL_LSN);
    assert_true(f->m.commit.end_lsn == END_LSN);
    assert_true(f->m.commit.commit_us == COMMIT_TIME);
}

static void
stream_commit_of_no_transaction_is_refused(void **state)
{
    struct fixture *f = *state;
    put_stream_commit(&f->bytes, 0);
    assert_false(parse(f));
    assert_non_null(strstr(f->err.text, "a commit of no transaction"));
}

static void
prepared_transactions_carry_both_lsns_and_their_name(void **state)
{
    struct fixture *f = *state;
    for (const char *type = "bPpKr"; *type; type++) {
        buf_reset(&f->bytes);
        put_prepared(&f->bytes, *type, XID, "it's");
        assert_true(parse(f));
        bool outcome = *type == 'K' || *type == 'r';
        assert_true(f->m.prepared.lsn == (*type == 'K'      ? FINAL_LSN
                                             : *type == 'r' ? PREPARE_END
                                                            : PREPARE_LSN));
        assert_true(f->m.prepared.end_lsn == (outcome ? END_LSN : PREPARE_END));
        assert_true(f->m.prepared.us == COMMIT_TIME);
        assert_int_equal(f->m.prepared.xid, XID);
        assert_string_equal(f->m.prepared.gid, "it's");
    }
}

static void
prepared_transactions_without_a_name_or_with_flags_are_refused(void **state)
{
    struct fixture *f = *state;
    for (const char *type = "bPpKr"; *type; type++) {
        buf_reset(&f->bytes);
        put_prepared(&f->bytes, *type, XID, "");
        assert_false(parse(f));
        assert_non_null(strstr(f->err.text, "without a name"));
        buf_reset(&f->bytes);
        put_prepared(&f->bytes, *type, XID, "g");
        f->bytes.data[1] = 1;
        assert_true(parse(f) == (*type == 'b'));
    }
}

static void
commit_with_unknown_flags_is_refused(void **state)
{
    struct fixture *f = *state;
    put_commit(&f->bytes);
    f->bytes.data[1] = 1;
    assert_false(parse(f));
    assert_int_equal(f->err.class, ERR_FATAL);
}

static void
origin_and_type_carry_their_names(void **state)
{
    struct fixture *f = *state;
    put_origin(&f->bytes);
    assert_true(parse(f));
    assert_true(f->m.origin.lsn == 0x77);
    assert_string_equal(f->m.origin.name, "elsewhere");
    buf_reset(&f->bytes);
    put_type(&f->bytes);
    assert_true(parse(f));
    assert_int_equal(f->m.type_name.oid, 16399);
    assert_string_equal(f->m.type_name.schema, "public");
    assert_string_equal(f->m.type_name.name, "mood");
}

static void
relation_carries_its_columns(void **state)
{
    struct fixture *f = *state;
    put_relation(&f->bytes, REL_ID, "public", "orders");
    assert_true(parse(f));
    const struct relation *r = &f->m.relation;
    assert_int_equal(r->id, REL_ID);
    assert_string_equal(r->schema, "public");
    assert_string_equal(r->name, "orders");
    assert_int_equal(r->identity, 'd');
    assert_int_equal(r->columns_len, 2);
    assert_true(r->columns[0].key);
    assert_string_equal(r->columns[0].name, "id");
    assert_int_equal(r->columns[0].type_oid, 20);
    assert_int_equal(r->columns[0].type_mod, -1);
    assert_false(r->columns[1].key);
    assert_int_equal(r->columns[1].type_mod, 104);
}

static void
an_empty_schema_means_pg_catalog(void **state)
{
    struct fixture *f = *state;
    put_relation(&f->bytes, REL_ID, "", "pg_class");
    assert_true(parse(f));
    assert_string_equal(f->m.relation.schema, "pg_catalog");
}

static void
a_relation_without_id_is_refused(void **state)
{
    struct fixture *f = *state;
    put_relation(&f->bytes, 0, "public", "orders");
    assert_false(parse(f));
    assert_int_equal(f->err.class, ERR_FATAL);
}

static void
insert_carries_the_new_tuple(void **state)
{
    struct fixture *f = *state;
    put_insert(&f->bytes);
    assert_true(parse(f));
    assert_int_equal(f->m.row.relation, REL_ID);
    assert_int_equal(f->m.row.old_kind, OLD_NONE);
    assert_int_equal(f->m.row.new.len, 2);
    assert_value(f->m.row.new.values[0], 't', "17");
    assert_value(f->m.row.new.values[1], 'n', "");
}

static void
update_carries_no_key_or_whole_old_tuple(void **state)
{
    struct fixture *f = *state;
    put_update(&f->bytes, 0);
    assert_true(parse(f));
    assert_int_equal(f->m.row.old_kind, OLD_NONE);
    assert_value(f->m.row.new.values[0], 'b', "\x01\x02");
    assert_value(f->m.row.new.values[1], 'u', "");
    buf_reset(&f->bytes);
    put_update(&f->bytes, 'K');
    assert_true(parse(f));
    assert_int_equal(f->m.row.old_kind, OLD_KEY);
    assert_value(f->m.row.old.values[0], 't', "17");
    buf_reset(&f->bytes);
    put_update(&f->bytes, 'O');
    assert_true(parse(f));
    assert_int_equal(f->m.row.old_kind, OLD_FULL);
    assert_value(f->m.row.old.values[1], 't', "before");
    assert_int_equal(f->m.row.new.len, 2);
}

static void
delete_carries_the_old_tuple_alone(void **state)
{
    struct fixture *f = *state;
    put_delete(&f->bytes, 'O');
    assert_true(parse(f));
    assert_int_equal(f->m.row.old_kind, OLD_FULL);
    assert_value(f->m.row.old.values[1], 't', "gone");
    assert_int_equal(f->m.row.new.len, 0);
    buf_reset(&f->bytes);
    put_delete(&f->bytes, 'K');
    assert_true(parse(f));
    assert_int_equal(f->m.row.old_kind, OLD_KEY);
}

static void
truncate_carries_tables_and_each_option(void **state)
{
    struct fixture *f = *state;
    for (uint8_t options = 0; options < 4; options++) {
        buf_reset(&f->bytes);
        put_truncate(&f->bytes, options, (uint32_t[]){5, 6}, 2);
        assert_true(parse(f));
        assert_int_equal(f->m.truncate.len, 2);
        assert_int_equal(f->m.truncate.relations[1], 6);
        assert_int_equal(f->m.truncate.cascade, options & 1);
        assert_int_equal(f->m.truncate.restart_identity, options >> 1);
    }
}

static void
logical_message_carries_prefix_and_content(void **state)
{
    struct fixture *f = *state;
    put_logical(&f->bytes, true);
    assert_true(parse(f));
    assert_true(f->m.logical.transactional);
    assert_true(f->m.logical.lsn == 0x55);
    assert_string_equal(f->m.logical.prefix, "prefix");
    assert_true(slice_eq(f->m.logical.content, slice_str("hello")));
}

static void
every_prefix_of_every_message_is_refused(void **state)
{
    struct fixture *f = *state;
    for (int variant = 0; variant < MESSAGE_VARIANTS; variant++) {
        put_variant(&f->bytes, variant);
        for (size_t len = 0; len < f->bytes.len; len++) {
            assert_false(parse_n(f, len));
            assert_int_equal(f->err.class, ERR_FATAL);
            assert_non_null(strstr(f->err.text, "offset"));
        }
        assert_true(parse_n(f, f->bytes.len));
    }
}

static void
a_byte_too_many_is_refused_for_every_message(void **state)
{
    struct fixture *f = *state;
    for (int variant = 0; variant < MESSAGE_VARIANTS; variant++) {
        put_variant(&f->bytes, variant);
        buf_u8(&f->bytes, 0);
        assert_false(parse_n(f, f->bytes.len));
        assert_int_equal(f->err.class, ERR_FATAL);
    }
}

/* Whatever a flipped byte makes of the message: a clean answer, and no read past the end. */
static void
every_damaged_byte_of_every_message_is_survived(void **state)
{
    struct fixture *f = *state;
    for (int variant = 0; variant < MESSAGE_VARIANTS; variant++) {
        put_variant(&f->bytes, variant);
        for (size_t at = 0; at < f->bytes.len; at++) {
            for (int flip = 1; flip < 256; flip++) {
                f->bytes.data[at] ^= (uint8_t)flip;
                bool ok = parse_n(f, f->bytes.len);
                assert_true(ok || f->err.class == ERR_FATAL);
                f->bytes.data[at] ^= (uint8_t)flip;
            }
        }
    }
}

static void
an_unknown_type_is_named_with_its_offset(void **state)
{
    struct fixture *f = *state;
    buf_str(&f->bytes, "Zoo");
    assert_false(parse(f));
    assert_int_equal(f->err.class, ERR_FATAL);
    assert_non_null(strstr(f->err.text, "'Z'"));
    assert_non_null(strstr(f->err.text, "offset 0"));
    buf_reset(&f->bytes);
    buf_u8(&f->bytes, 0);
    assert_false(parse(f));
    assert_non_null(strstr(f->err.text, "\\x00"));
}

static void
a_message_without_bytes_is_refused(void **state)
{
    struct fixture *f = *state;
    assert_false(pgoutput_parse((struct slice){0}, &f->arena, &f->m, &f->err));
    assert_int_equal(f->err.class, ERR_FATAL);
}

static void
an_unknown_value_status_is_refused(void **state)
{
    struct fixture *f = *state;
    buf_u8(&f->bytes, 'I');
    buf_u32(&f->bytes, REL_ID);
    put_tuple(&f->bytes, 'N', (const char *[]){"x"}, 1);
    assert_false(parse(f));
    assert_non_null(strstr(f->err.text, "status"));
}

static void
wrong_tuple_marks_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char types[] = {'I', 'U', 'D'};
    for (size_t i = 0; i < sizeof(types); i++) {
        buf_reset(&f->bytes);
        buf_u8(&f->bytes, (uint8_t)types[i]);
        buf_u32(&f->bytes, REL_ID);
        put_tuple(&f->bytes, types[i] == 'D' ? 'N' : 'Q', (const char *[]){"n"}, 1);
        assert_false(parse(f));
        assert_non_null(strstr(f->err.text, "tuple"));
    }
}

static void
counts_that_cannot_fit_allocate_nothing(void **state)
{
    struct fixture *f = *state;
    size_t before = f->arena.total;
    buf_u8(&f->bytes, 'T');
    buf_u32(&f->bytes, UINT32_MAX);
    buf_u8(&f->bytes, 0);
    buf_u32(&f->bytes, 1);
    assert_false(parse(f));
    assert_int_equal(f->err.class, ERR_FATAL);
    buf_reset(&f->bytes);
    buf_u8(&f->bytes, 'I');
    buf_u32(&f->bytes, REL_ID);
    buf_u8(&f->bytes, 'N');
    buf_u16(&f->bytes, UINT16_MAX);
    assert_false(parse(f));
    assert_int_equal(f->err.class, ERR_FATAL);
    assert_int_equal(f->arena.total, before);
}

static void
a_value_longer_than_the_message_is_refused(void **state)
{
    struct fixture *f = *state;
    buf_u8(&f->bytes, 'I');
    buf_u32(&f->bytes, REL_ID);
    buf_u8(&f->bytes, 'N');
    buf_u16(&f->bytes, 1);
    buf_u8(&f->bytes, 't');
    buf_u32(&f->bytes, UINT32_MAX);
    buf_str(&f->bytes, "abc");
    assert_false(parse_n(f, f->bytes.len));
    assert_int_equal(f->err.class, ERR_FATAL);
}

static void
the_arena_ceiling_is_an_error_that_may_be_retried(void **state)
{
    struct fixture *f = *state;
    struct arena small;
    arena_init(&small, 64, 64);
    const char *values[100];
    for (int i = 0; i < 100; i++) {
        values[i] = "n";
    }
    buf_u8(&f->bytes, 'I');
    buf_u32(&f->bytes, REL_ID);
    put_tuple(&f->bytes, 'N', values, 100);
    assert_false(pgoutput_parse(message_of(&f->bytes), &small, &f->m, &f->err));
    assert_int_equal(f->err.class, ERR_RETRY);
    arena_done(&small);
}

static void
senseless_times_do_not_overflow(void **state)
{
    struct fixture *f = *state;
    buf_u8(&f->bytes, 'B');
    buf_u64(&f->bytes, 1);
    buf_u64(&f->bytes, INT64_MAX);
    buf_u32(&f->bytes, 1);
    assert_true(parse(f));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(begin_carries_lsn_time_and_xid),
        TEST(commit_carries_both_lsns_and_the_time),
        TEST(stream_commit_carries_its_transaction_too),
        TEST(stream_commit_of_no_transaction_is_refused),
        TEST(prepared_transactions_carry_both_lsns_and_their_name),
        TEST(prepared_transactions_without_a_name_or_with_flags_are_refused),
        TEST(commit_with_unknown_flags_is_refused),
        TEST(origin_and_type_carry_their_names),
        TEST(relation_carries_its_columns),
        TEST(an_empty_schema_means_pg_catalog),
        TEST(a_relation_without_id_is_refused),
        TEST(insert_carries_the_new_tuple),
        TEST(update_carries_no_key_or_whole_old_tuple),
        TEST(delete_carries_the_old_tuple_alone),
        TEST(truncate_carries_tables_and_each_option),
        TEST(logical_message_carries_prefix_and_content),
        TEST(every_prefix_of_every_message_is_refused),
        TEST(a_byte_too_many_is_refused_for_every_message),
        TEST(every_damaged_byte_of_every_message_is_survived),
        TEST(an_unknown_type_is_named_with_its_offset),
        TEST(a_message_without_bytes_is_refused),
        TEST(an_unknown_value_status_is_refused),
        TEST(wrong_tuple_marks_are_refused),
        TEST(counts_that_cannot_fit_allocate_nothing),
        TEST(a_value_longer_than_the_message_is_refused),
        TEST(the_arena_ceiling_is_an_error_that_may_be_retried),
        TEST(senseless_times_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
