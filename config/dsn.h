/* SPDX-License-Identifier: Apache-2.0
 *
 * Just enough of libpq's connection strings (URI and keyword=value form, PostgreSQL
 * documentation 34.1.1) to know the database's name and the passwords, so that the one can name a
 * migration and the others never appear anywhere. libpq itself stays the judge of everything else.
 * Pure.
 */
#ifndef TG_CONFIG_DSN_H
#define TG_CONFIG_DSN_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/err.h"

/* `value` is decoded, `raw` as it was written. Both are borrowed for the call. */
typedef void (*dsn_each_fn)(const char *key, const char *value, const char *raw, void *arg);

/* Calls `each` for every parameter. False: libpq would refuse the string, and its message could
 * quote a part of the password; err says what is wrong without quoting anything. */
bool dsn_parse(const char *dsn, dsn_each_fn each, void *arg, struct err *err) must_use;

/* The database's name; false when the string names none or is malformed. */
bool dsn_database(const char *dsn, char *out, size_t cap);

/* Calls log_add_secret for every password in the string. */
void dsn_add_secrets(const char *dsn);

#endif
