/* SPDX-License-Identifier: Apache-2.0
 *
 * Every text is first formatted into a buffer of its own and copied then, because callers may pass
 * pieces of the very error they overwrite. Invariant: text and hint are one line each and
 * NUL-terminated; what does not fit is cut at a character border and ends in "...".
 */
#include "agent/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Line breaks (servers like them) and other control characters become one space; the end is
 * trimmed. */
static void
one_line(char *s)
{
    char *to = s;
    for (const char *from = s; *from != '\0'; from++) {
        unsigned char c = (unsigned char)*from;
        if (c < 0x20 || c == 0x7f) {
            if (to > s && to[-1] != ' ') {
                *to++ = ' ';
            }
        } else {
            *to++ = *from;
        }
    }
    while (to > s && to[-1] == ' ') {
        to--;
    }
    *to = '\0';
}

/* Copies `from` into `to` of `cap` bytes. */
static void
copy_cut(char *to, size_t cap, const char *from)
{
    size_t len = strlen(from);
    if (len < cap) {
        memmove(to, from, len + 1);
        return;
    }
    size_t keep = cap - sizeof "...";
    while (keep > 0 && ((unsigned char)from[keep] & 0xc0) == 0x80) {
        keep--; /* not in the middle of a UTF-8 character */
    }
    memmove(to, from, keep);
    memcpy(to + keep, "...", sizeof "...");
}

static void __attribute__((format(printf, 3, 0)))
format_text(char *to, size_t cap, const char *fmt, va_list ap)
{
    char full[2048];
    if (vsnprintf(full, sizeof full, fmt, ap) < 0) {
        snprintf(full, sizeof full, "%s", fmt);
    }
    one_line(full);
    copy_cut(to, cap, full);
}

bool
err_set(struct err *err, enum err_class class, const char *fmt, ...)
{
    char text[sizeof err->text];
    va_list ap;
    va_start(ap, fmt);
    format_text(text, sizeof text, fmt, ap);
    va_end(ap);
    err_clear(err);
    err->class = class;
    memcpy(err->text, text, sizeof text);
    return false;
}

bool
err_sys(struct err *err, enum err_class class, int errnum, const char *fmt, ...)
{
    char text[sizeof err->text], reason[128], full[sizeof text + sizeof reason + 2];
    va_list ap;
    va_start(ap, fmt);
    format_text(text, sizeof text, fmt, ap);
    va_end(ap);
    snprintf(full, sizeof full, "%s: %s", text, strerror_r(errnum, reason, sizeof reason));
    err_clear(err);
    err->class = class;
    err->sys = errnum;
    copy_cut(err->text, sizeof err->text, full);
    return false;
}

bool
err_wrap(struct err *err, const char *fmt, ...)
{
    char prefix[sizeof err->text], full[2 * sizeof err->text + 2];
    va_list ap;
    va_start(ap, fmt);
    format_text(prefix, sizeof prefix, fmt, ap);
    va_end(ap);
    snprintf(full, sizeof full, "%s: %s", prefix, err->text);
    copy_cut(err->text, sizeof err->text, full);
    return false;
}

bool
err_hint(struct err *err, const char *fmt, ...)
{
    char hint[sizeof err->hint];
    va_list ap;
    va_start(ap, fmt);
    format_text(hint, sizeof hint, fmt, ap);
    va_end(ap);
    memcpy(err->hint, hint, sizeof hint);
    return false;
}

void
err_clear(struct err *err)
{
    err->class = ERR_NONE;
    err->sys = 0;
    err->sqlstate[0] = '\0';
    err->text[0] = '\0';
    err->hint[0] = '\0';
}

const char *err_class_name(enum err_class class)
{
    switch (class) {
    case ERR_NONE:
        return "none";
    case ERR_RETRY:
        return "retry";
    case ERR_RECONNECT:
        return "reconnect";
    case ERR_DATA:
        return "data";
    case ERR_CONFIG:
        return "config";
    case ERR_CANCELLED:
        return "cancelled";
    case ERR_FATAL:
        return "fatal";
    }
    return "unknown";
}
