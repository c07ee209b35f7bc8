/* SPDX-License-Identifier: Apache-2.0
 *
 * The one error type: a struct owned by the caller, filled by the function that failed, prefixed
 * with context on the way up, logged once at the top of a stage. No allocation, no jumps.
 *
 * Functions that can fail return bool (true: done) and take `struct err *` last. A caller decides
 * by `class`, which says what may be done about it, never by the text.
 *
 * Message grammar: lower case, no full stop, what failed first, subject in single quotes, LSN as
 * %X/%X.
 */
#ifndef TG_BASE_ERR_H
#define TG_BASE_ERR_H

#include <stdbool.h>

enum err_class {
    ERR_NONE = 0,
    ERR_RETRY, /* same call may succeed later, connection is fine (deadlock, lock timeout, budget)
                */
    ERR_RECONNECT, /* the other side is gone: open anew, with backoff */
    ERR_DATA,      /* this very change or object cannot be handled; retrying does not help */
    ERR_CONFIG,    /* the user has to change something: configuration, rights, settings */
    ERR_CANCELLED, /* we were asked to stop */
    ERR_FATAL,     /* a promise is broken (corruption, gap, bug): stop, touch nothing */
};

struct err {
    enum err_class class;
    int sys;          /* errno, or 0 */
    char sqlstate[6]; /* "" when no server said one */
    char text[1024];  /* one line */
    char hint[512];   /* what to do next, "" when nothing better than the text is known */
};

#define ERR_INIT ((struct err){0})
#define must_use __attribute__((warn_unused_result))

/* All setters return false, so that `return err_set(err, ...)` is one line. `err` may not be NULL.
 */
bool err_set(struct err *err, enum err_class class, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Appends ": " and strerror(errnum). */
bool err_sys(struct err *err, enum err_class class, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Puts "fmt: " before the text that is there. */
bool err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Replaces the hint. */
bool err_hint(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void err_clear(struct err *err);

const char *err_class_name(enum err_class class);

#endif
