/* SPDX-License-Identifier: Apache-2.0
 *
 * A directory of its own for a test, below TMPDIR or /tmp, and its removal with everything in it.
 */
#ifndef TG_TESTS_LIB_TMPDIR_H
#define TG_TESTS_LIB_TMPDIR_H

/* New string (free it through tmpdir_remove); aborts the test program when it cannot be made. */
char *tmpdir_new(void);
/* Removes the directory and frees `path`; accepts NULL. */
void tmpdir_remove(char *path);
/* "dir/name" as a new string (free). */
char *tmpdir_path(const char *dir, const char *name);

#endif
