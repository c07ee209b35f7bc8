/* SPDX-License-Identifier: Apache-2.0
 *
 * A message is formatted in full, redacted, and only then cut and escaped: a cut in the middle of a
 * secret, or an escaped character in it, would hide it from the redactor. One write(2) per line
 * keeps lines of several processes on one terminal whole.
 *
 * Invariant: `secrets` is ordered by length, longest first, so that a secret that contains another
 * one goes as a whole. A secret is longer than its replacement, hence redaction works in place.
 */
#include "agent/base/log.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/base/json_writer.h"

#define LINE_MAX_BYTES ((size_t)16384)
#define MESSAGE_MAX    ((size_t)4096)
#define SECRET_MIN     4

static atomic_int threshold = LOG_INFO;

/* All below is guarded by `lock`. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static enum log_format line_format = LOG_TEXT;
static void (*line_sink)(const char *line, size_t len, void *arg);
static void *line_sink_arg;
static char **secrets;
static size_t secrets_len;

void
log_configure(enum log_level level, enum log_format format)
{
    pthread_mutex_lock(&lock);
    atomic_store(&threshold, (int)level);
    line_format = format;
    pthread_mutex_unlock(&lock);
}

void
log_set_sink(void (*sink)(const char *line, size_t len, void *arg), void *arg)
{
    pthread_mutex_lock(&lock);
    line_sink = sink;
    line_sink_arg = arg;
    pthread_mutex_unlock(&lock);
}

void
log_add_secret(const char *secret)
{
    size_t len = strlen(secret);
    if (len < SECRET_MIN) {
        return;
    }
    pthread_mutex_lock(&lock);
    size_t at = 0;
    while (at < secrets_len && strlen(secrets[at]) >= len) {
        if (strcmp(secrets[at], secret) == 0) {
            pthread_mutex_unlock(&lock);
            return;
        }
        at++;
    }
    secrets = x_realloc(secrets, (secrets_len + 1) * sizeof *secrets);
    memmove(secrets + at + 1, secrets + at, (secrets_len - at) * sizeof *secrets);
    secrets[at] = x_strdup(secret);
    secrets_len++;
    pthread_mutex_unlock(&lock);
}

static void
redact_whole(char *text, const char *secret)
{
    size_t len = strlen(secret);
    for (char *hit = strstr(text, secret); hit != NULL; hit = strstr(hit + 3, secret)) {
        memset(hit, '*', 3);
        memmove(hit + 3, hit + len, strlen(hit + len) + 1);
    }
}

/* A text that was cut may end with the beginning of a secret. */
static void
redact_cut(char *text, size_t len, const char *tail, const char *secret)
{
    size_t n = strlen(secret) - 1;
    n = n < len ? n : len;
    for (; n >= SECRET_MIN; n--) {
        if (memcmp(text + len - n, secret, n) == 0) {
            memset(text + len - n, '*', 3);
            memmove(text + len - n + 3, tail, strlen(tail) + 1);
            return;
        }
    }
}

static void
redact_locked(char *text, size_t cap)
{
    bool full = strlen(text) + 1 >= cap;
    for (size_t i = 0; i < secrets_len; i++) {
        redact_whole(text, secrets[i]);
    }
    size_t len = strlen(text);
    bool dots = len >= 3 && strcmp(text + len - 3, "...") == 0;
    for (size_t i = 0; (full || dots) && i < secrets_len; i++) {
        len = strlen(text);
        redact_cut(text, len - (dots ? 3 : 0), dots ? "..." : "", secrets[i]);
    }
}

void
log_redact(char *text, size_t cap)
{
    pthread_mutex_lock(&lock);
    redact_locked(text, cap);
    pthread_mutex_unlock(&lock);
}

/* One line, at most MESSAGE_MAX bytes of it. */
static void
tidy(char *text)
{
    size_t len = strlen(text);
    while (len > 0 && isspace((unsigned char)text[len - 1])) {
        text[--len] = '\0';
    }
    if (len > MESSAGE_MAX) {
        len = MESSAGE_MAX - 3;
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80) {
            len--;
        }
        memcpy(text + len, "...", sizeof "...");
    }
    for (char *p = text; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) {
            *p = ' ';
        }
    }
}

static void
emit_locked(struct buf *out)
{
    const char *line = buf_cstr(out);
    size_t len = out->failed ? 0 : out->len;
    if (line_sink != NULL) {
        line_sink(line, len, line_sink_arg);
        return;
    }
    while (len > 0) {
        ssize_t n = write(STDERR_FILENO, line, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return; /* nowhere to complain */
        }
        line += n;
        len -= (size_t)n;
    }
}

static const char *const level_names[][2] = {
    {"DEBUG", "debug"}, {"INFO ", "info"}, {"WARN ", "warn"}, {"ERROR", "error"}};

struct line {
    enum log_level level;
    const char *stage;
    char *text;           /* changed: redacted, tidied */
    const char *sqlstate; /* "" when there is none */
    char *hint;           /* as text; "" when there is none */
};

static void
text_lines(struct buf *out, const struct line *l, const char *time)
{
    const char *level = level_names[l->level][0];
    buf_printf(out, "%s %s %s: %s", time, level, l->stage, l->text);
    if (l->sqlstate[0] != '\0' && strstr(l->text, l->sqlstate) == NULL) {
        buf_printf(out, " (SQLSTATE %s)", l->sqlstate);
    }
    buf_str(out, "\n");
    emit_locked(out);
    if (l->hint[0] != '\0') {
        buf_reset(out);
        buf_printf(out, "%s %s %s: HINT: %s\n", time, level, l->stage, l->hint);
        emit_locked(out);
    }
}

static void
json_line(struct buf *out, const struct line *l, const char *time)
{
    struct json_writer w;
    json_init(&w, out);
    json_object_begin(&w);
    json_kv_string(&w, "time", time);
    json_kv_string(&w, "level", level_names[l->level][1]);
    json_kv_string(&w, "stage", l->stage);
    json_kv_string(&w, "message", l->text);
    if (l->sqlstate[0] != '\0') {
        json_kv_string(&w, "sqlstate", l->sqlstate);
    }
    if (l->hint[0] != '\0') {
        json_kv_string(&w, "hint", l->hint);
    }
    json_object_end(&w);
    buf_str(out, "\n");
    emit_locked(out);
}

/* `text_cap` and `hint_cap` are sizes of the strings' memory, for the redactor. */
static void
write_line(struct line *l, size_t text_cap, size_t hint_cap)
{
    char time[CLOCK_ISO_SIZE];
    struct buf out;
    /* Escaped control characters take six bytes each. */
    buf_init(&out, 6 * (MESSAGE_MAX + sizeof((struct err *)0)->hint) + LINE_MAX_BYTES);
    clock_format_iso(clock_wall_us(&clock_system), time);
    pthread_mutex_lock(&lock);
    redact_locked(l->text, text_cap);
    redact_locked(l->hint, hint_cap);
    tidy(l->text);
    tidy(l->hint);
    if (line_format == LOG_JSON) {
        json_line(&out, l, time);
    } else {
        text_lines(&out, l, time);
    }
    pthread_mutex_unlock(&lock);
    buf_done(&out);
}

void
log_msg(enum log_level level, const char *stage, const char *fmt, ...)
{
    if ((int)level < atomic_load(&threshold)) {
        return;
    }
    va_list ap;
    char *text = NULL, hint[1] = "";
    va_start(ap, fmt);
    int len = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (len < 0) {
        return;
    }
    struct line l = {level, stage, text, "", hint};
    write_line(&l, SIZE_MAX, sizeof hint);
    free(text);
}

void
log_err(enum log_level level, const char *stage, const struct err *err)
{
    if ((int)level < atomic_load(&threshold)) {
        return;
    }
    struct err copy = *err;
    struct line l = {level, stage, copy.text, copy.sqlstate, copy.hint};
    write_line(&l, sizeof copy.text, sizeof copy.hint);
}
