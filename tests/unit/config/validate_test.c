/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules across values that accept something; what they refuse stands in bad/ (bind_test.c).
 */
#include "agent/change/table_filter.h"
#include "config/validate.h"
#include "tests/unit/config/support.h"

static void
accepts(const char *yaml)
{
    config_free(load_good(yaml));
}

static void
listen_takes_every_loopback(void **state)
{
    (void)state;
    accepts(SMALL "control: {listen: 'localhost:1'}\n");
    accepts(SMALL "control: {listen: '127.0.0.1:65535'}\n");
    accepts(SMALL "control: {listen: '127.255.255.255:80'}\n");
    accepts(SMALL "control: {listen: '[::1]:7720'}\n");
}

static void
listen_refuses_everything_else(void **state)
{
    (void)state;
    static const char *const bad[] = {"0.0.0.0:1", "10.0.0.1:1", "[::]:1", "localhost", ":7720",
        "example.org:1", "127.0.0.1", "127.0.0.1:", "1127.0.0.1:1", "unix:/x"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct config *c = NULL;
        struct err err;
        struct config_input in = input();
        char yaml[512];
        snprintf(yaml, sizeof(yaml), SMALL "control: {listen: '%s'}\n", bad[i]);
        assert_false(load_with(&in, yaml, &c, &err));
        assert_non_null(strstr(err.text, "t.yaml:3:19: 'control.listen' is"));
    }
    expect_error(SMALL "control: {listen: '[::1]:0'}\n",
        "t.yaml:3:19: 'control.listen' is '[::1]:0': the port must be from 1 to 65535");
}

static void
the_spool_may_hold_four_segments(void **state)
{
    (void)state;
    accepts(SMALL "spool: {max_size: 256MiB}\n");
    accepts(SMALL "spool: {max_size: 4MiB, segment_size: 1MiB}\n");
    accepts(SMALL "spool: {max_size: 0}\n");
}

static void
stages_of_the_spool_ascend(void **state)
{
    (void)state;
    accepts(SMALL "spool: {warn_at: 50, compress_at: 50, pause_at: 50}\n");
    accepts(SMALL "spool: {warn_at: 1, compress_at: 100, pause_at: 100}\n");
    expect_error(SMALL "spool: {compress_at: 60}\n",
        "t.yaml:3:22: 'spool.compress_at' is less than 'spool.warn_at'");
    expect_error(SMALL "spool: {warn_at: 90}\n",
        "t.yaml:3:18: 'spool.compress_at' is less than 'spool.warn_at'");
    expect_error(SMALL "spool: {warn_at: 50, pause_at: 60}\n",
        "t.yaml:3:32: 'spool.pause_at' is less than 'spool.compress_at'");
}

static void
sinks_that_are_no_database_need_no_dsn(void **state)
{
    (void)state;
    accepts("source: {dsn: 'host=a'}\nsinks: [{name: a, type: 'null'}, {name: b, type: 'null'}]\n");
}

static void
an_empty_dsn_leaves_all_to_the_environment(void **state)
{
    (void)state;
    accepts("source: {dsn: ''}\nsinks: [{name: a, dsn: 'host=new'}]\n");
}

static void
table_patterns_may_be_quoted(void **state)
{
    (void)state;
    accepts(SMALL "tables: {include: [a, a.b, '*.*', 'a.\"b.c\"', '\"a.b\".\"c\"\"d\"']}\n");
    expect_error(SMALL "tables: {include: ['.b']}\n",
        "t.yaml:3:19: 'tables.include': pattern '.b': no schema before the dot");
    expect_error(SMALL "tables: {include: ['a.']}\n",
        "t.yaml:3:19: 'tables.include': pattern 'a.': no table");
}

/* Config and agent/change may not include each other: here is where they meet. */
static void
patterns_are_judged_as_the_filter_judges_them(void **state)
{
    (void)state;
    static const char *const patterns[] = {"a", "a.b", "*.*", "a.", ".b", "a.b.c", "\"a", "\"a.b\"",
        "\"a\".\"b\"", "a.\"b.c\"", "\"\"", "\"\".a", "\"\"\"\"", "a\"b.c\"d", "a.\"\"", "?", ".",
        "..", "\"a\"\"b\".c", "\"\"\"", "a b.c d"};
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        struct config *c = NULL;
        struct err err;
        struct config_input in = input();
        char yaml[512];
        snprintf(yaml, sizeof(yaml), SMALL "tables: {include: ['%s']}\n", patterns[i]);
        bool taken = load_with(&in, yaml, &c, &err);
        if (taken != table_pattern_valid(patterns[i])) {
            fail_msg("%s: %s", patterns[i], taken ? "taken" : err.text);
        }
        config_free(taken ? c : NULL);
    }
}

#define GOOD_KEY "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void
keys_must_have_the_form_of_a_key(void **state)
{
    (void)state;
    accepts(SMALL "spool: {encryption_key: " GOOD_KEY "}\n");
    accepts(SMALL "spool: {old_encryption_keys: [" GOOD_KEY "]}\n");
    expect_error(SMALL "spool: {encryption_key: swordfish}\n",
        "t.yaml:3:25: 'spool.encryption_key': an encryption key is 32 bytes as 64 hexadecimal "
        "digits or as base64, this is neither");
    expect_error(SMALL "spool: {old_encryption_keys: [" GOOD_KEY ", swordfish]}\n",
        "t.yaml:3:30: 'spool.old_encryption_keys': an encryption key is 32 bytes as 64 "
        "hexadecimal digits or as base64, this is neither");
}

static void
known_types_are_listed_in_the_hint(void **state)
{
    (void)state;
    struct config *c = NULL;
    struct err err;
    struct config_input in = input();
    assert_false(load_with(&in, "source: {type: kafka, dsn: ''}\n" SMALL, &c, &err));
    assert_false(
        load_with(&in, "source: {type: kafka, dsn: ''}\nsinks: [{name: t, dsn: x=1}]\n", &c, &err));
    assert_string_equal(err.hint, "known are: postgresql, null");
}

static void
a_long_list_of_types_cannot_overflow_the_hint(void **state)
{
    (void)state;
    const char *types[41];
    struct config *c = NULL;
    struct err err;
    struct config_input in = input();
    for (int i = 0; i < 40; i++) {
        types[i] = "a_name_that_is_thirty_bytes_lon";
    }
    types[40] = NULL;
    in.source_types = types;
    assert_false(load_with(&in, SMALL, &c, &err));
    assert_non_null(strstr(err.text, "which this program does not know"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listen_takes_every_loopback),
        cmocka_unit_test(listen_refuses_everything_else),
        cmocka_unit_test(the_spool_may_hold_four_segments),
        cmocka_unit_test(stages_of_the_spool_ascend),
        cmocka_unit_test(sinks_that_are_no_database_need_no_dsn),
        cmocka_unit_test(an_empty_dsn_leaves_all_to_the_environment),
        cmocka_unit_test(table_patterns_may_be_quoted),
        cmocka_unit_test(patterns_are_judged_as_the_filter_judges_them),
        cmocka_unit_test(keys_must_have_the_form_of_a_key),
        cmocka_unit_test(known_types_are_listed_in_the_hint),
        cmocka_unit_test(a_long_list_of_types_cannot_overflow_the_hint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
