/* SPDX-License-Identifier: Apache-2.0
 *
 * Both plugins' decoders where the recorded feeds do not go: texts that look like something else,
 * columns and identities that differ from the description, and what does not fit.
 */
#include <stdio.h>

#include "decoders/decoder.h"
#include "tests/lib/unit.h"

#define TABLE                                                                                      \
    "{\"oid\":7,\"schema\":\"public\",\"table\":\"t\",\"identity\":\"d\",\"columns\":["            \
    "{\"name\":\"id\",\"typeoid\":23,\"key\":true},{\"name\":\"v\",\"typeoid\":25},"               \
    "{\"name\":\"g\",\"typeoid\":23,\"generated\":true}]}"
#define W_BEGIN                                                                                    \
    "{\"action\":\"B\",\"xid\":5,\"timestamp\":\"2000-01-01 00:00:00.5+00\",\"lsn\":\"0/10\","     \
    "\"nextlsn\":\"0/20\"}"
#define W_COMMIT                                                                                   \
    "{\"action\":\"C\",\"xid\":5,\"timestamp\":\"2000-01-01 00:00:00.5+00\",\"lsn\":\"0/10\","     \
    "\"nextlsn\":\"0/20\"}"
#define W_ROW(action, rest)                                                                        \
    "{\"action\":\"" action "\",\"schema\":\"public\",\"table\":\"t\"," rest "}"
#define W_COLUMN(name, type, value)                                                                \
    "{\"name\":\"" name "\",\"typeoid\":" type ",\"value\":" value "}"
#define T_COMMIT "COMMIT 5 (at 2000-01-01 00:00:00.5+00)"

struct bed {
    struct decoder *d;
    struct change c;
    bool produced;
    struct err err;
};

static bool
feed(struct bed *b, enum record_kind kind, uint64_t position, const char *text)
{
    struct record rec = {.kind = kind, .position = position};
    rec.payload = text ? slice_str(text) : (struct slice){0};
    err_clear(&b->err);
    return decoder_feed(b->d, &rec, &b->c, &b->produced, &b->err);
}

static void
must(struct bed *b, enum record_kind kind, uint64_t position, const char *text)
{
    if (!feed(b, kind, position, text)) {
        fail_msg("%s", b->err.text);
    }
}

static struct bed *
begun(const char *plugin)
{
    struct bed *b = calloc(1, sizeof(*b));
    assert_true(decoder_find(plugin)->open(&b->d, &b->err));
    must(b, RECORD_SCHEMA, 1, TABLE);
    assert_false(b->produced);
    must(b, RECORD_BEGIN, 0x10, plugin[0] == 'w' ? W_BEGIN : T_COMMIT);
    assert_int_equal(b->c.kind, CHANGE_BEGIN);
    assert_int_equal(b->c.commit_us, 946684800500000);
    assert_int_equal(b->c.xid, 5);
    return b;
}

static void
done(struct bed *b)
{
    decoder_free(b->d);
    free(b);
}

static void
assert_value(const struct tuple *t, uint16_t column, enum value_status status, const char *text)
{
    assert_true(column < t->len);
    assert_int_equal(t->values[column].status, status);
    if (text) {
        assert_true(slice_eq(t->values[column].bytes, slice_str(text)));
    }
}

static void
row(struct bed *b, const char *text)
{
    must(b, RECORD_DATA, 2, text);
    assert_true(b->produced);
}

static void
test_decoding_texts_that_look_like_syntax(void **state)
{
    (void)state;
    struct bed *b = begun("test_decoding");
    row(b, "table public.t: INSERT: id[integer]:1 v[text]:'it''s'' new-tuple: null ' g[integer]:9");
    assert_int_equal(b->c.new.len, 2);
    assert_value(&b->c.new, 1, VALUE_TEXT, "it's' new-tuple: null ");
    row(b, "table public.t: INSERT: id[integer]:2 v[text]:'null'");
    assert_value(&b->c.new, 1, VALUE_TEXT, "null");
    row(b, "table public.t: INSERT: id[integer]:2 v[text]:'unchanged-toast-datum'");
    assert_value(&b->c.new, 1, VALUE_TEXT, "unchanged-toast-datum");
    row(b, "table public.t: INSERT: id[integer]:2 v[public.\"a]:''b\"[]]:'\\' \"x \"\"y\"[bit "
           "varying]:B'101'");
    assert_value(&b->c.new, 1, VALUE_TEXT, "\\");
    assert_string_equal(b->c.relation->columns[2].name, "x \"y");
    assert_value(&b->c.new, 2, VALUE_TEXT, "101");
    row(b, "table public.t: INSERT: id[integer]:2 v[text]:null");
    assert_value(&b->c.new, 1, VALUE_NULL, NULL);
    row(b, "message: transactional: 1 prefix: a, sz: 3 content:, sz: 5 content:hello");
    assert_string_equal(b->c.prefix, "a, sz: 3 content:");
    assert_true(slice_eq(b->c.content, slice_str("hello")));
    done(b);
}

static void
wal2json_values_are_what_the_type_printed(void **state)
{
    (void)state;
    struct bed *b = begun("wal2json");
    row(b, W_ROW("I", "\"columns\":[" W_COLUMN("id", "23", "1") "," W_COLUMN(
                          "v", "25", "\"\\\\x 00\"") "," W_COLUMN("g", "23", "2") "]"));
    assert_value(&b->c.new, 1, VALUE_TEXT, "\\x 00");
    row(b, W_ROW("I", "\"columns\":[" W_COLUMN("id", "1700",
                          "12345678901234567890.10") "," W_COLUMN("v", "17", "\"00ff\"") "]"));
    assert_value(&b->c.new, 0, VALUE_TEXT, "12345678901234567890.10");
    assert_value(&b->c.new, 1, VALUE_TEXT, "\\x00ff");
    row(b, W_ROW("I", "\"columns\":[" W_COLUMN("id", "1700", "\"NaN\"") "," W_COLUMN(
                          "v", "17", "\"\"") "]"));
    assert_value(&b->c.new, 0, VALUE_TEXT, "NaN");
    assert_value(&b->c.new, 1, VALUE_TEXT, "\\x");
    done(b);
}

static void
a_missing_column_of_an_update_is_unchanged(void **state)
{
    (void)state;
    struct bed *b = begun("wal2json");
    row(b, W_ROW("U", "\"columns\":[" W_COLUMN("id", "23", "1") "],\"identity\":[" W_COLUMN(
                          "id", "23", "1") "]"));
    assert_int_equal(b->c.old_kind, OLD_NONE);
    assert_value(&b->c.new, 1, VALUE_UNCHANGED, NULL);
    row(b, W_ROW("U", "\"columns\":[" W_COLUMN("id", "23", "2") "],\"identity\":[" W_COLUMN(
                          "id", "23", "1") "]"));
    assert_int_equal(b->c.old_kind, OLD_KEY);
    assert_value(&b->c.old, 0, VALUE_TEXT, "1");
    done(b);
}

static void
other_columns_than_described_make_a_new_version(void **state)
{
    (void)state;
    struct bed *b = begun("wal2json");
    row(b,
        W_ROW("I", "\"columns\":[" W_COLUMN("id", "23", "1") "," W_COLUMN("w", "25", "\"x\"") "]"));
    uint32_t version = b->c.relation->version;
    assert_int_equal(b->c.relation->id, 7);
    assert_true(version > 1);
    assert_int_equal(b->c.relation->columns_len, 2);
    assert_true(b->c.relation->columns[0].key);
    assert_string_equal(b->c.relation->columns[1].name, "w");
    row(b,
        W_ROW("I", "\"columns\":[" W_COLUMN("id", "23", "2") "," W_COLUMN("w", "25", "null") "]"));
    assert_int_equal(b->c.relation->version, version);
    done(b);
}

static void
the_identity_is_what_old_tuples_show(void **state)
{
    (void)state;
    struct bed *b = begun("wal2json");
    row(b,
        W_ROW("D", "\"identity\":[" W_COLUMN("id", "23", "1") "," W_COLUMN("v", "25", "null") "]"));
    assert_int_equal(b->c.old_kind, OLD_FULL);
    assert_int_equal(b->c.relation->identity, 'f');
    assert_value(&b->c.old, 1, VALUE_NULL, NULL);
    row(b, W_ROW("D", "\"identity\":[" W_COLUMN("v", "25", "\"x\"") "]"));
    assert_int_equal(b->c.old_kind, OLD_KEY);
    assert_int_equal(b->c.relation->identity, 'i');
    assert_false(b->c.relation->columns[0].key);
    assert_true(b->c.relation->columns[1].key);
    done(b);

    b = begun("test_decoding");
    row(b, "table public.t: DELETE: id[integer]:1");
    assert_int_equal(b->c.old_kind, OLD_KEY);
    row(b, "table public.t: DELETE: id[integer]:1 v[text]:'x'");
    assert_int_equal(b->c.old_kind, OLD_FULL);
    row(b, "table public.t: DELETE: v[text]:'x'"); /* id is NULL */
    assert_int_equal(b->c.old_kind, OLD_FULL);
    assert_value(&b->c.old, 0, VALUE_NULL, NULL);
    done(b);
}

static void
truncates_name_the_tables_that_are_carried(void **state)
{
    (void)state;
    struct bed *b = begun("test_decoding");
    row(b, "table public.other, public.t: TRUNCATE: restart_seqs cascade");
    assert_int_equal(b->c.truncated_len, 1);
    assert_true(b->c.cascade && b->c.restart_identity);
    assert_false(feed(b, RECORD_DATA, 2, "table public.other: TRUNCATE: (no-flags)"));
    done(b);
    b = begun("wal2json");
    row(b, "{\"action\":\"T\",\"schema\":\"public\",\"table\":\"other\"}\n"
           "{\"action\":\"T\",\"schema\":\"public\",\"table\":\"t\"}");
    assert_int_equal(b->c.truncated_len, 1);
    done(b);
}

static void
what_does_not_fit_ends_the_feed(void **state)
{
    (void)state;
    static const struct {
        const char *plugin;
        enum record_kind kind;
        uint64_t position;
        const char *text;
    } bad[] = {
        {"wal2json", RECORD_COMMIT, 0x21, W_COMMIT},
        {"wal2json", RECORD_DATA, 2, W_COMMIT},
        {"wal2json", RECORD_BEGIN, 0x10, W_BEGIN},
        {"wal2json", RECORD_DATA, 2, W_ROW("I", "\"columns\":[") "x"},
        {"wal2json", RECORD_DATA, 2, W_ROW("U", "\"columns\":[]")},
        {"wal2json", RECORD_DATA, 2, "{\"action\":\"I\",\"columns\":[]}"},
        {"wal2json", RECORD_DATA, 2,
            "{\"action\":\"I\",\"schema\":\"public\",\"table\":\"u\",\"columns\":[]}"},
        {"wal2json", RECORD_DATA, 2, ""},
        {"wal2json", RECORD_SCHEMA, 2, "{\"oid\":0}"},
        {"test_decoding", RECORD_COMMIT, 0x10, T_COMMIT},
        {"test_decoding", RECORD_COMMIT, 0x20, "COMMIT 6"},
        {"test_decoding", RECORD_DATA, 2, "table public.t: DELETE: (no-tuple-data)"},
        {"test_decoding", RECORD_DATA, 2, "table public.t: UPSERT: id[integer]:1"},
        {"test_decoding", RECORD_DATA, 2, "table public.t: INSERT: id[integer]:1 "},
        {"test_decoding", RECORD_DATA, 2, "table public.t: INSERT: id[integer]:'1"},
        {"test_decoding", RECORD_DATA, 2, "table public.t: INSERT: id:1"},
        {"test_decoding", RECORD_DATA, 2, "table t: INSERT: id[integer]:1"},
        {"test_decoding", RECORD_DATA, 2, "opening a streamed block"},
        {"test_decoding", RECORD_MARK, 2, ""},
        {"wal2json", RECORD_DATA, 2, NULL},
        {"test_decoding", RECORD_DATA, 2, NULL},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct bed *b = begun(bad[i].plugin);
        if (feed(b, bad[i].kind, bad[i].position, bad[i].text)) {
            fail_msg("taken: %s", bad[i].text ? bad[i].text : "nothing");
        }
        assert_int_equal(b->err.class, ERR_FATAL);
        done(b);
    }
}

static void
a_renamed_table_keeps_its_relation(void **state)
{
    (void)state;
    struct bed *b = begun("test_decoding");
    must(b, RECORD_SCHEMA, 2,
        "{\"oid\":7,\"schema\":\"public\",\"table\":\"u\",\"identity\":\"d\",\"columns\":["
        "{\"name\":\"id\",\"typeoid\":23,\"key\":true}]}");
    row(b, "table public.u: INSERT: id[integer]:1");
    assert_int_equal(b->c.relation->id, 7);
    assert_false(feed(b, RECORD_DATA, 2, "table public.t: INSERT: id[integer]:1"));
    done(b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decoding_texts_that_look_like_syntax),
        cmocka_unit_test(wal2json_values_are_what_the_type_printed),
        cmocka_unit_test(a_missing_column_of_an_update_is_unchanged),
        cmocka_unit_test(other_columns_than_described_make_a_new_version),
        cmocka_unit_test(the_identity_is_what_old_tuples_show),
        cmocka_unit_test(truncates_name_the_tables_that_are_carried),
        cmocka_unit_test(what_does_not_fit_ends_the_feed),
        cmocka_unit_test(a_renamed_table_keeps_its_relation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
