/* SPDX-License-Identifier: Apache-2.0
 *
 * pg_dump and pg_restore: which of the installed ones, and running them without showing a password.
 */
#ifndef TG_SNAPSHOT_PGTOOLS_H
#define TG_SNAPSHOT_PGTOOLS_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/err.h"
#include "agent/base/stop.h"

/* Both of the same installation, the oldest whose major version is not below the server's (150018):
 * a newer pg_dump reads an older server, never the other way round. Looked for in
 * $TIDEGATE_PG_BINDIR, and nowhere else when that is set; then where Debian's and the PostgreSQL
 * project's packages put them; then in $PATH. *pg_dump and *pg_restore are new strings. ERR_CONFIG
 * when there is none. */
bool pgtools_find(int server_version, char **pg_dump, char **pg_restore, struct err *err) must_use;

/* Runs it with `args` (NULL-terminated, without argv[0]). With a DSN, "-d <conninfo>" is added, and
 * a password in it goes by a file that only the child can open. */
bool pgtools_run(const char *program, const char *dsn, const char *const *args,
    const struct stop *stop, struct err *err) must_use;
/* The same, standard output into *out (new string). */
bool pgtools_read(const char *program, const char *const *args, const struct stop *stop, char **out,
    struct err *err) must_use;

/* Pure parts. "pg_dump (PostgreSQL) 15.20 (Debian ...)" gives 15; 0 when it is something else. */
int pgtools_major(const char *version_line);
/* Index of the smallest major that is >= wanted, the first of equals; -1: none. */
int pgtools_choose(const int *majors, size_t n, int wanted);

#endif
