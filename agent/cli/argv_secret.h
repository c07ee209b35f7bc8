/* SPDX-License-Identifier: Apache-2.0
 *
 * Passwords in connection strings: finds them, hides them, tells them to the log's redactor.
 */
#ifndef TG_CLI_ARGV_SECRET_H
#define TG_CLI_ARGV_SECRET_H

#include <stdbool.h>
#include <stddef.h>

struct argv_span {
    size_t at, len; /* bytes of the string as it is written, still percent-encoded or quoted */
};

#define ARGV_SPANS_MAX 8

/* Where passwords stand in a URI or a keyword=value string: user info, password= and sslpassword=.
 * Pure. The number of spans found (empty ones are left out). */
size_t argv_secret_find(const char *dsn, struct argv_span out[ARGV_SPANS_MAX]);

/* Overwrites every password in place with 'x' of the same length, so that `ps` shows it no more.
 * When the string has a password that cannot be located, everything is overwritten. */
void argv_secret_hide(char *dsn);

/* Registers the passwords with the log's redactor, as written and decoded. */
void argv_secret_register(const char *dsn);

#endif
