/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines of the log as text and JSON, and the redactor.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/base/log.h"
#include "tests/lib/unit.h"

struct capture {
    char text[65536];
    size_t len;
    int lines;
};

static void
sink(const char *line, size_t len, void *arg)
{
    struct capture *c = arg;
    assert_true(c->len + len < sizeof c->text);
    memcpy(c->text + c->len, line, len);
    c->len += len;
    c->text[c->len] = '\0';
    c->lines++;
}

static int
set_up(void **state)
{
    static struct capture c;
    c = (struct capture){.len = 0};
    log_configure(LOG_INFO, LOG_TEXT);
    log_set_sink(sink, &c);
    *state = &c;
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    log_set_sink(NULL, NULL);
    return 0;
}

/* What stands behind the time stamp, whose shape is checked. */
static const char *
behind_time(const char *line)
{
    assert_true(strlen(line) > 25);
    assert_int_equal(line[10], 'T');
    assert_int_equal(line[23], 'Z');
    return line + 25;
}

static void
a_text_line_has_time_level_stage_and_message(void **state)
{
    struct capture *c = *state;
    log_info("capture", "connected slot=%s", "tidegate_orders");
    assert_string_equal(behind_time(c->text), "INFO  capture: connected slot=tidegate_orders\n");
    assert_int_equal(c->lines, 1);
}

static void
levels_below_the_threshold_are_silent(void **state)
{
    struct capture *c = *state;
    struct err e = ERR_INIT;
    err_set(&e, ERR_RETRY, "x");
    log_debug("a", "no");
    log_err(LOG_DEBUG, "a", &e);
    assert_int_equal(c->lines, 0);
    log_configure(LOG_WARN, LOG_TEXT);
    log_info("a", "no");
    log_warn("a", "yes");
    log_error("a", "yes");
    assert_int_equal(c->lines, 2);
    log_configure(LOG_DEBUG, LOG_TEXT);
    log_debug("a", "yes");
    assert_int_equal(c->lines, 3);
}

static void
a_message_stays_one_line(void **state)
{
    struct capture *c = *state;
    log_info("a", "one\ntwo\r\x1b[31m\n");
    assert_string_equal(behind_time(c->text), "INFO  a: one two  [31m\n");
}

static void
an_error_shows_sqlstate_and_hint(void **state)
{
    struct capture *c = *state;
    struct err e = ERR_INIT;
    err_set(&e, ERR_CONFIG, "connect to 'cloud'");
    memcpy(e.sqlstate, "28P01", 6);
    err_hint(&e, "check the password");
    log_err(LOG_ERROR, "deliver cloud", &e);
    assert_int_equal(c->lines, 2);
    assert_string_equal(strchr(c->text, '\n') - strlen(" (SQLSTATE 28P01)"),
        strstr(c->text, " (SQLSTATE 28P01)\n"));
    assert_string_equal(
        behind_time(strchr(c->text, '\n') + 1), "ERROR deliver cloud: HINT: check the password\n");
}

static void
a_sqlstate_that_the_text_names_is_not_repeated(void **state)
{
    struct capture *c = *state;
    struct err e = ERR_INIT;
    err_set(&e, ERR_DATA, "insert failed, sqlstate 23505");
    memcpy(e.sqlstate, "23505", 6);
    log_err(LOG_ERROR, "a", &e);
    assert_int_equal(c->lines, 1);
    assert_null(strstr(c->text, "SQLSTATE"));
}

static void
json_lines_have_the_same_in_fields(void **state)
{
    struct capture *c = *state;
    struct err e = ERR_INIT;
    log_configure(LOG_INFO, LOG_JSON);
    err_set(&e, ERR_DATA, "bad \"row\"");
    memcpy(e.sqlstate, "22000", 6);
    err_hint(&e, "mend it");
    log_err(LOG_WARN, "copy 2", &e);
    assert_int_equal(c->lines, 1);
    assert_int_equal(strncmp(c->text, "{\"time\":\"2", 10), 0);
    assert_string_equal(strstr(c->text, ",\"level\""),
        ",\"level\":\"warn\",\"stage\":\"copy 2\",\"message\":\"bad \\\"row\\\"\","
        "\"sqlstate\":\"22000\",\"hint\":\"mend it\"}\n");
}

static void
a_long_message_is_cut_with_dots(void **state)
{
    struct capture *c = *state;
    static char big[20001];
    for (size_t len = 4090; len < 4100; len++) {
        memset(big, 'x', len);
        big[len] = '\0';
        c->len = 0;
        log_info("a", "%s", big);
        if (len <= 4096) {
            assert_int_equal(c->len, 25 + strlen("INFO  a: ") + len + 1);
        } else {
            assert_int_equal(c->len, 25 + strlen("INFO  a: ") + 4096 + 1);
            assert_string_equal(c->text + c->len - 4, "...\n");
        }
    }
    memset(big, 0xff, sizeof big - 1);
    log_configure(LOG_INFO, LOG_JSON);
    c->len = 0;
    log_info("a", "%s", big);
    assert_string_equal(c->text + c->len - 6, "...\"}\n");
}

static void
secrets_come_out_as_stars(void **state)
{
    struct capture *c = *state;
    log_add_secret("hunter22");
    log_info("a", "password=hunter22 and hunter22hunter22.");
    assert_string_equal(behind_time(c->text), "INFO  a: password=*** and ******.\n");
}

static void
secrets_in_errors_and_hints_are_redacted(void **state)
{
    struct capture *c = *state;
    struct err e = ERR_INIT;
    log_add_secret("s3cr\"et\\x");
    log_configure(LOG_INFO, LOG_JSON);
    err_set(&e, ERR_CONFIG, "connect with 's3cr\"et\\x' failed");
    err_hint(&e, "is s3cr\"et\\x right?");
    log_err(LOG_ERROR, "a", &e);
    assert_null(strstr(c->text, "s3cr"));
    assert_non_null(strstr(c->text, "connect with '***' failed"));
    assert_non_null(strstr(c->text, "is *** right?"));
    assert_non_null(strstr(e.text, "s3cr")); /* the caller's own copy is left alone */
}

static void
the_longer_of_two_secrets_wins(void **state)
{
    (void)state;
    char text[] = "inner-one and outer-inner-one-outer";
    log_add_secret("inner-one");
    log_add_secret("outer-inner-one-outer");
    log_add_secret("inner-one");
    log_redact(text, sizeof text);
    assert_string_equal(text, "*** and ***");
}

static void
short_secrets_are_ignored(void **state)
{
    (void)state;
    char text[] = "abc";
    log_add_secret("abc");
    log_add_secret("");
    log_redact(text, sizeof text);
    assert_string_equal(text, "abc");
}

static void
a_secret_cut_by_the_end_of_an_error_is_redacted(void **state)
{
    struct capture *c = *state;
    struct err e = ERR_INIT;
    char big[1100];
    log_add_secret("correct horse battery staple");
    memset(big, 'x', 1000);
    snprintf(big + 1000, sizeof big - 1000, "%s", "correct horse battery staple");
    err_set(&e, ERR_CONFIG, "%s", big);
    log_err(LOG_ERROR, "a", &e);
    assert_null(strstr(c->text, "correct"));
    assert_string_equal(c->text + c->len - 9, "xx***...\n");
}

static void
a_secret_cut_by_a_full_buffer_is_redacted(void **state)
{
    (void)state;
    char text[16];
    log_add_secret("tr0ub4dor&3");
    snprintf(text, sizeof text, "%s", "password tr0ub4");
    log_redact(text, sizeof text);
    assert_string_equal(text, "password ***");
    snprintf(text, sizeof text, "%s", "tr0ub4");
    log_redact(text, sizeof text); /* not cut: this is some other word */
    assert_string_equal(text, "tr0ub4");
}

/* Runs `body` with stderr in a pipe and returns what was read from it by one read(2). */
static size_t
stderr_of(void (*body)(void), char *out, size_t cap)
{
    int fds[2], saved = dup(2);
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    dup2(fds[1], 2);
    log_set_sink(NULL, NULL);
    body();
    dup2(saved, 2);
    close(saved);
    close(fds[1]);
    ssize_t n = read(fds[0], out, cap - 1);
    close(fds[0]);
    assert_true(n >= 0);
    out[n] = '\0';
    return (size_t)n;
}

static void
one_message(void)
{
    log_info("a", "to stderr");
}

static void
without_a_sink_lines_go_to_stderr(void **state)
{
    (void)state;
    char out[1000];
    stderr_of(one_message, out, sizeof out);
    assert_string_equal(behind_time(out), "INFO  a: to stderr\n");
}

static void *
many_messages(void *arg)
{
    for (int i = 0; i < 100; i++) {
        log_info(arg, "message %d", i);
    }
    return NULL;
}

static void
lines_of_threads_do_not_mix(void **state)
{
    struct capture *c = *state;
    pthread_t threads[4];
    char names[4][2] = {"a", "b", "c", "d"};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, many_messages, names[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(c->lines, 400);
    for (char *at = c->text; *at != '\0'; at = strchr(at, '\n') + 1) {
        assert_int_equal(strncmp(behind_time(at), "INFO  ", 6), 0);
    }
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_text_line_has_time_level_stage_and_message),
        TEST(levels_below_the_threshold_are_silent),
        TEST(a_message_stays_one_line),
        TEST(an_error_shows_sqlstate_and_hint),
        TEST(a_sqlstate_that_the_text_names_is_not_repeated),
        TEST(json_lines_have_the_same_in_fields),
        TEST(a_long_message_is_cut_with_dots),
        TEST(secrets_come_out_as_stars),
        TEST(secrets_in_errors_and_hints_are_redacted),
        TEST(the_longer_of_two_secrets_wins),
        TEST(short_secrets_are_ignored),
        TEST(a_secret_cut_by_the_end_of_an_error_is_redacted),
        TEST(a_secret_cut_by_a_full_buffer_is_redacted),
        TEST(without_a_sink_lines_go_to_stderr),
        TEST(lines_of_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
