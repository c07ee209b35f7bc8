/* SPDX-License-Identifier: Apache-2.0
 *
 * What becomes a record, with which position: begins that are held back, transactions of which
 * nothing is left, tables that are described before they are named, and transactions too large to
 * hold.
 */
#include <stdio.h>
#include <string.h>

#include "agent/source/plugin_feed.h"
#include "tests/lib/unit.h"

#define T_ROW(table) "table public." table ": INSERT: id[integer]:1"
#define W_EDGE(action)                                                                             \
    "{\"action\":\"" action                                                                        \
    "\",\"xid\":5,\"timestamp\":\"2000-01-01 00:00:00+00\",\"lsn\":\"0/20\","                      \
    "\"nextlsn\":\"0/30\"}"
#define W_ROW(action, table)                                                                       \
    "{\"action\":\"" action "\",\"schema\":\"public\",\"table\":\"" table "\",\"columns\":[]}"

struct bed {
    struct plugin_feed f;
    struct feed_table ours, more;
    unsigned asked;
    char seen[4096]; /* "BEGIN@20 ..." */
    struct err err;
};

/* Tables "ours" and "more" are carried. */
static bool
find(void *arg, struct slice schema, struct slice name, uint64_t position, struct feed_table **out,
    struct err *err)
{
    struct bed *b = arg;
    (void)schema;
    (void)position;
    (void)err;
    b->asked++;
    *out = slice_eq(name, slice_str("ours"))   ? &b->ours
           : slice_eq(name, slice_str("more")) ? &b->more
                                               : NULL;
    return true;
}

static struct bed *
new_bed(const char *plugin)
{
    struct bed *b = calloc(1, sizeof(*b));
    b->ours = (struct feed_table){.oid = 7, .description = slice_str("{ours}")};
    b->more = (struct feed_table){.oid = 8, .description = slice_str("{more}")};
    plugin_feed_init(&b->f, plugin_feed_find(plugin), find, b);
    return b;
}

static void
done(struct bed *b)
{
    plugin_feed_done(&b->f);
    free(b);
}

static void
drain(struct bed *b)
{
    static const char *const names[] = {"?", "BEGIN", "DATA", "COMMIT", "SCHEMA"};
    struct record rec;
    while (plugin_feed_next(&b->f, &rec)) {
        size_t used = strlen(b->seen);
        assert_true(rec.kind <= RECORD_SCHEMA);
        snprintf(b->seen + used, sizeof(b->seen) - used, "%s%s@%llx", used ? " " : "",
            names[rec.kind], (unsigned long long)rec.position);
        used = strlen(b->seen);
        if (rec.stream) {
            snprintf(b->seen + used, sizeof(b->seen) - used, "[%u]", rec.stream);
        }
        used = strlen(b->seen);
        if (rec.key) {
            snprintf(b->seen + used, sizeof(b->seen) - used, "=%u", rec.key);
        }
    }
}

static bool
take(struct bed *b, uint64_t lsn, const char *text)
{
    char copy[512];
    snprintf(copy, sizeof(copy), "%s", text);
    struct pg_message m = {.data = (uint8_t *)copy, .len = strlen(text), .wal_start = lsn};
    err_clear(&b->err);
    bool ok = plugin_feed_take(&b->f, &m, &b->err);
    drain(b);
    return ok;
}

static void
saw(struct bed *b, const char *expected)
{
    assert_string_equal(b->seen, expected);
    b->seen[0] = '\0';
}

static void
wal2json_hands_out_a_transaction_as_it_comes(void **state)
{
    (void)state;
    struct bed *b = new_bed("wal2json");
    assert_true(take(b, 0x10, W_EDGE("B")));
    saw(b, "");
    assert_true(b->f.in_transaction);
    assert_true(take(b, 0x11, W_ROW("I", "other")));
    saw(b, "");
    assert_true(take(b, 0x12, W_ROW("I", "ours")));
    saw(b, "BEGIN@20 SCHEMA@12=7 DATA@12");
    assert_true(take(b, 0x13, W_ROW("I", "ours")));
    saw(b, "DATA@13");
    assert_true(take(b, 0x30, W_EDGE("C")));
    saw(b, "COMMIT@30");
    assert_false(b->f.in_transaction);
    done(b);
}

static void
tables_of_one_truncate_become_one_record(void **state)
{
    (void)state;
    struct bed *b = new_bed("wal2json");
    assert_true(take(b, 0x10, W_EDGE("B")));
    assert_true(take(b, 0x12, W_ROW("T", "ours")));
    assert_true(take(b, 0x12, W_ROW("T", "other")));
    assert_true(take(b, 0x12, W_ROW("T", "more")));
    saw(b, "BEGIN@20 SCHEMA@12=7 SCHEMA@12=8");
    assert_true(take(b, 0x15, W_ROW("T", "more")));
    saw(b, "DATA@12");
    assert_true(take(b, 0x30, W_EDGE("C")));
    saw(b, "DATA@15 COMMIT@30");
    done(b);
}

static void
transactions_without_content_leave_a_position(void **state)
{
    (void)state;
    struct bed *b = new_bed("wal2json");
    assert_true(take(b, 0x10, W_EDGE("B")));
    assert_true(take(b, 0x11, W_ROW("I", "other")));
    assert_true(take(b, 0x30, W_EDGE("C")));
    assert_int_equal(b->f.skipped, 0x30);
    done(b);
    b = new_bed("test_decoding");
    assert_true(take(b, 0x10, "BEGIN 5"));
    assert_true(take(b, 0x11, T_ROW("other")));
    assert_true(take(b, 0x12, "message: transactional: 0 prefix: p, sz: 0 content:"));
    assert_true(take(b, 0x40, "COMMIT 5"));
    saw(b, "");
    assert_int_equal(b->f.skipped, 0x40);
    done(b);
}

static void
test_decoding_holds_a_transaction_until_its_commit(void **state)
{
    (void)state;
    struct bed *b = new_bed("test_decoding");
    assert_true(take(b, 0x10, "BEGIN 5"));
    assert_true(take(b, 0x11, T_ROW("ours")));
    assert_true(take(b, 0x12, "table public.other, public.more: TRUNCATE: (no-flags)"));
    assert_true(take(b, 0x13, "message: transactional: 1 prefix: p, sz: 0 content:"));
    saw(b, "");
    assert_true(take(b, 0x40, "COMMIT 5"));
    saw(b, "BEGIN@3f SCHEMA@11=7 DATA@11 SCHEMA@12=8 DATA@12 DATA@13 COMMIT@40");
    /* Described once in a session. */
    assert_true(take(b, 0x50, "BEGIN 6"));
    assert_true(take(b, 0x51, T_ROW("ours")));
    assert_true(take(b, 0x60, "COMMIT 6"));
    saw(b, "BEGIN@5f DATA@51 COMMIT@60");
    done(b);
}

static void
what_is_too_large_to_hold_goes_out_open(void **state)
{
    (void)state;
    struct bed *b = new_bed("test_decoding");
    struct buf row;
    buf_init(&row, 1 << 22);
    buf_str(&row, "table public.ours: INSERT: v[text]:'");
    for (int i = 0; i < 700000; i++) {
        buf_u8(&row, 'x');
    }
    buf_str(&row, "'");
    assert_true(take(b, 0x10, "BEGIN 5"));
    for (uint64_t lsn = 0x11; lsn < 0x14; lsn++) {
        struct pg_message m = {.data = row.data, .len = row.len, .wal_start = lsn};
        assert_true(plugin_feed_take(&b->f, &m, &b->err));
        drain(b);
        if (lsn == 0x11) {
            saw(b, "");
        }
    }
    saw(b, "SCHEMA@11[5]=7 DATA@11[5] DATA@12[5] DATA@13[5]");
    assert_true(b->f.in_transaction);
    assert_true(take(b, 0x40, "COMMIT 5"));
    saw(b, "BEGIN@3f[5] COMMIT@40[5]");
    buf_done(&row);
    done(b);
}

static void
a_new_session_forgets_what_was_held(void **state)
{
    (void)state;
    struct bed *b = new_bed("test_decoding");
    assert_true(take(b, 0x10, "BEGIN 5"));
    assert_true(take(b, 0x11, T_ROW("ours")));
    plugin_feed_restart(&b->f);
    b->ours.described = false;
    assert_true(take(b, 0x10, "BEGIN 5"));
    assert_true(take(b, 0x11, T_ROW("ours")));
    assert_true(take(b, 0x40, "COMMIT 5"));
    saw(b, "BEGIN@3f SCHEMA@11=7 DATA@11 COMMIT@40");
    done(b);
}

static void
what_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct bed *b = new_bed("test_decoding");
    assert_false(take(b, 0x10, T_ROW("ours")));
    assert_false(take(b, 0x10, "COMMIT 5"));
    assert_true(take(b, 0x10, "BEGIN 5"));
    assert_false(take(b, 0x10, "BEGIN 6"));
    assert_false(take(b, 0x10, "COMMIT 6"));
    assert_false(take(b, 0x10, "opening a streamed block for transaction"));
    assert_int_equal(b->err.class, ERR_FATAL);
    done(b);
}

static void
pgoutput_has_a_feed_of_its_own(void **state)
{
    (void)state;
    assert_null(plugin_feed_find("pgoutput"));
    assert_null(plugin_feed_find(NULL));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wal2json_hands_out_a_transaction_as_it_comes),
        cmocka_unit_test(tables_of_one_truncate_become_one_record),
        cmocka_unit_test(transactions_without_content_leave_a_position),
        cmocka_unit_test(test_decoding_holds_a_transaction_until_its_commit),
        cmocka_unit_test(what_is_too_large_to_hold_goes_out_open),
        cmocka_unit_test(a_new_session_forgets_what_was_held),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(pgoutput_has_a_feed_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
