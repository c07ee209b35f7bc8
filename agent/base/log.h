/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages for the operator, on stderr: one line each, as text or as JSON. Only stage loops, the
 * supervisor and agent/cli log; everything below fills a struct err instead.
 *
 *   2026-11-20T21:04:05.123Z INFO  capture: connected slot=tidegate_orders lsn=16/B374D848
 *
 * Every line passes the redactor: strings registered as secrets come out as ***.
 * Locking: internally locked; any thread may log. Configure before the first thread starts.
 */
#ifndef TG_BASE_LOG_H
#define TG_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/err.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

void log_configure(enum log_level level, enum log_format format);
/* Replaces the place lines go to (default: write(2) to stderr). NULL restores it. For tests and the
 * UI. */
void log_set_sink(void (*sink)(const char *line, size_t len, void *arg), void *arg);
/* Copies `secret`; strings shorter than 4 bytes are ignored (they would redact ordinary text). */
void log_add_secret(const char *secret);
/* Replaces every registered secret in `text` (capacity `cap`) by ***, in place. */
void log_redact(char *text, size_t cap);

/* `stage` is the speaker: "capture", "deliver cloud", "copy 2", "supervisor", ... */
void log_msg(enum log_level level, const char *stage, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* One line for the text with sqlstate, and one `HINT:` line when there is a hint. */
void log_err(enum log_level level, const char *stage, const struct err *err);

#define log_debug(stage, ...) log_msg(LOG_DEBUG, stage, __VA_ARGS__)
#define log_info(stage, ...)  log_msg(LOG_INFO, stage, __VA_ARGS__)
#define log_warn(stage, ...)  log_msg(LOG_WARN, stage, __VA_ARGS__)
#define log_error(stage, ...) log_msg(LOG_ERROR, stage, __VA_ARGS__)

#endif
