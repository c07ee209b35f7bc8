/* SPDX-License-Identifier: Apache-2.0
 *
 * Each type from text to field and back, and its limits.
 */
#include "agent/base/log.h"
#include "config/bind.h"
#include "config/value.h"
#include "tests/lib/unit.h"

static struct config *
blank(void)
{
    struct config *c = calloc(1, sizeof(*c));
    bind_defaults(c);
    return c;
}

static void
takes(struct config *c, const char *path, const char *text, const char *back)
{
    struct err err = ERR_INIT;
    struct buf out;
    const struct option *o = option_find(path);
    if (!value_set(o, c, text, text, &err)) {
        fail_msg("%s", err.text);
    }
    buf_init(&out, 4096);
    value_format(o, c, &out);
    assert_string_equal(buf_cstr(&out), back);
    buf_done(&out);
}

static void
refuses(const char *path, const char *text, const char *message, const char *hint)
{
    struct err err = ERR_INIT;
    struct config *c = blank();
    assert_false(value_set(option_find(path), c, text, text, &err));
    assert_string_equal(err.text, message);
    assert_string_equal(err.hint, hint);
    config_free(c);
}

static void
values_come_back_as_they_would_be_written(void **state)
{
    (void)state;
    struct config *c = blank();
    takes(c, "copy.jobs", "8", "8");
    takes(c, "copy.split_above", "512MiB", "512MiB");
    takes(c, "copy.split_above", "2048MiB", "2GiB");
    takes(c, "copy.split_above", "1MB", "1000000B");
    takes(c, "spool.max_size", "0", "0");
    takes(c, "cutover.timeout", "90s", "90s");
    takes(c, "cutover.timeout", "3600s", "1h");
    takes(c, "spool.sync_interval", "1500us", "1500us");
    takes(c, "cutover.verify", "no", "false");
    takes(c, "cutover.fence", "none", "none");
    takes(c, "name", "a-b", "a-b");
    takes(c, "dir", "a dir", "\"a dir\"");
    takes(c, "source.dsn", "secret", "\"***\"");
    assert_int_equal(c->copy.jobs, 8);
    assert_int_equal(c->copy.split_above, 1000000);
    assert_int_equal(c->spool.sync_interval_us, 1500);
    assert_false(c->cutover.verify);
    assert_int_equal(c->cutover.fence, FENCE_NONE);
    config_free(c);
}

static void
numbers_keep_to_their_limits(void **state)
{
    (void)state;
    struct config *c = blank();
    takes(c, "copy.jobs", "1", "1");
    takes(c, "copy.jobs", "64", "64");
    refuses("copy.jobs", "0", "'copy.jobs' is '0', expected a whole number from 1 to 64", "");
    refuses("copy.jobs", "65", "'copy.jobs' is '65', expected a whole number from 1 to 64", "");
    refuses("copy.jobs", "-1", "'copy.jobs' is '-1', expected a whole number from 1 to 64", "");
    refuses("copy.jobs", "4294967297",
        "'copy.jobs' is '4294967297', expected a whole number from 1 to 64", "");
    refuses("copy.jobs", "four", "'copy.jobs' is 'four', expected a whole number from 1 to 64", "");
    config_free(c);
}

static void
sizes_and_durations_need_a_unit(void **state)
{
    (void)state;
    refuses("spool.segment_size", "64",
        "'spool.segment_size' is '64', expected a size such as 64MiB, from 1MiB to 4GiB",
        "a number needs a unit: B, KiB, MiB, GiB, TiB, or kB, MB, GB, TB");
    refuses("cutover.timeout", "60",
        "'cutover.timeout' is '60', expected a duration such as 30s, from 1s to 1d",
        "a number needs a unit: us, ms, s, m, h or d");
    refuses("spool.segment_size", "64 MiB",
        "'spool.segment_size' is '64 MiB', expected a size such as 64MiB, from 1MiB to 4GiB", "");
    refuses("cutover.timeout", "2d",
        "'cutover.timeout' is '2d', expected a duration such as 30s, from 1s to 1d", "");
}

static void
zero_is_taken_where_it_means_something(void **state)
{
    (void)state;
    struct config *c = blank();
    takes(c, "network.give_up", "0", "0");
    refuses("network.give_up", "1ms",
        "'network.give_up' is '1ms', expected a duration such as 30s, from 1s to 365d, or 0 "
        "(never)",
        "");
    refuses("cutover.timeout", "0",
        "'cutover.timeout' is '0', expected a duration such as 30s, from 1s to 1d", "");
    config_free(c);
}

static void
words_offer_the_nearest(void **state)
{
    (void)state;
    refuses("log.level", "warning",
        "'log.level' is 'warning', expected one of debug, info, warn, error",
        "did you mean 'warn'?");
    refuses(
        "log.level", "loud", "'log.level' is 'loud', expected one of debug, info, warn, error", "");
    refuses("cutover.verify", "maybe", "'cutover.verify' is 'maybe', expected true or false", "");
}

static void
patterns_hold_for_the_whole_text(void **state)
{
    (void)state;
    refuses(
        "name", "Orders", "'name' is 'Orders', expected 1 to 40 of the characters a-z 0-9 _ -", "");
    refuses("name", "a b", "'name' is 'a b', expected 1 to 40 of the characters a-z 0-9 _ -", "");
    refuses("name", "aaaaaaaaaabbbbbbbbbbccccccccccdddddddddde",
        "'name' is 'aaaaaaaaaabbbbbbbbbbccccccccccdddddddddde', expected 1 to 40 of the characters "
        "a-z 0-9 _ -",
        "");
    refuses("source.slot", "a-b",
        "'source.slot' is 'a-b', expected 1 to 63 of the characters a-z 0-9 _", "");
}

static void
texts_may_not_be_empty_long_or_hold_control_characters(void **state)
{
    (void)state;
    char text[70];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    refuses("dir", "", "'dir' is empty", "");
    refuses("dir", "a\nb", "'dir' holds control characters", "");
    refuses("source.publication", text, "'source.publication' is longer than 63 bytes", "");
}

static void
a_long_value_is_quoted_in_part_and_whole_characters(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct config *c = blank();
    char text[200] = "";
    for (int i = 0; i < 60; i++) {
        memcpy(text + 2 * i, "\xc3\xa9", 3);
    }
    assert_false(value_set(option_find("log.level"), c, text + 0, text, &err));
    assert_non_null(strstr(err.text, "\xc3\xa9..."));
    memmove(text + 1, text, 121);
    text[0] = 'x';
    assert_false(value_set(option_find("log.level"), c, text, text, &err));
    assert_non_null(strstr(err.text, "\xc3\xa9..."));
    config_free(c);
}

static void
a_secret_is_never_quoted(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct config *c = blank();
    char *text = malloc(70001);
    memset(text, 'p', 70000);
    text[70000] = '\0';
    assert_false(value_set(option_find("source.dsn"), c, text, text, &err));
    assert_string_equal(err.text, "'source.dsn' is longer than 65536 bytes");
    free(text);
    config_free(c);
}

static void
a_reference_is_quoted_and_not_what_it_stands_for(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct config *c = blank();
    assert_false(value_set(option_find("log.level"), c, "resolved", "${env:LEVEL}", &err));
    assert_non_null(strstr(err.text, "'${env:LEVEL}'"));
    assert_null(strstr(err.text, "resolved"));
    config_free(c);
}

static void
lists_grow_and_come_back_quoted_where_needed(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct buf out;
    struct config *c = blank();
    const struct option *o = option_find("tables.include");
    assert_true(value_append(o, c, "public.*", "", &err));
    assert_true(value_append(o, c, "*.\"a.b\"", "", &err));
    assert_false(value_set(o, c, "x", "x", &err));
    buf_init(&out, 4096);
    value_format(o, c, &out);
    assert_string_equal(buf_cstr(&out), "[public.*, \"*.\\\"a.b\\\"\"]");
    buf_done(&out);
    config_free(c);
}

static void
a_text_that_looks_like_a_reference_is_escaped(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 256);
    value_format_string("a${env:X}\t\\", &out);
    assert_string_equal(buf_cstr(&out), "\"a$${env:X}\\x09\\\\\"");
    buf_done(&out);
}

static void
unset_texts_are_not_set(void **state)
{
    (void)state;
    struct config *c = blank();
    struct buf out;
    assert_false(value_is_set(option_find("control.listen"), c));
    assert_false(value_is_set(option_find("spool.encryption_key"), c));
    assert_true(value_is_set(option_find("copy.jobs"), c));
    buf_init(&out, 64);
    value_format(option_find("control.listen"), c, &out);
    assert_string_equal(buf_cstr(&out), "");
    buf_done(&out);
    config_free(c);
}

static void
freeing_nothing_is_allowed(void **state)
{
    (void)state;
    config_free(NULL);
}

static void
a_list_of_secrets_is_not_shown(void **state)
{
    (void)state;
    const struct option *o = option_find("spool.old_encryption_keys");
    struct config c = {0};
    struct err err = ERR_INIT;
    struct buf out;
    buf_init(&out, 1000);
    assert_true(value_append(o, &c, "swordfish", "swordfish", &err));
    assert_true(value_append(o, &c, "marlin", "marlin", &err));
    value_format(o, &c, &out);
    assert_string_equal(buf_cstr(&out), "[\"***\", \"***\"]");
    value_free(o, &c);
    buf_done(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_of_secrets_is_not_shown),
        cmocka_unit_test(values_come_back_as_they_would_be_written),
        cmocka_unit_test(numbers_keep_to_their_limits),
        cmocka_unit_test(sizes_and_durations_need_a_unit),
        cmocka_unit_test(zero_is_taken_where_it_means_something),
        cmocka_unit_test(words_offer_the_nearest),
        cmocka_unit_test(patterns_hold_for_the_whole_text),
        cmocka_unit_test(texts_may_not_be_empty_long_or_hold_control_characters),
        cmocka_unit_test(a_long_value_is_quoted_in_part_and_whole_characters),
        cmocka_unit_test(a_secret_is_never_quoted),
        cmocka_unit_test(a_reference_is_quoted_and_not_what_it_stands_for),
        cmocka_unit_test(lists_grow_and_come_back_quoted_where_needed),
        cmocka_unit_test(a_text_that_looks_like_a_reference_is_escaped),
        cmocka_unit_test(unset_texts_are_not_set),
        cmocka_unit_test(freeing_nothing_is_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
