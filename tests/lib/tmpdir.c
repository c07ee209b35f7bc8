/* SPDX-License-Identifier: Apache-2.0
 *
 * mkdtemp and nftw, depth first and without following links.
 */
#include "tests/lib/tmpdir.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

char *
tmpdir_new(void)
{
    const char *base = getenv("TMPDIR");
    char *path = tmpdir_path(base == NULL ? "/tmp" : base, "tidegate-test-XXXXXX");
    if (mkdtemp(path) == NULL) {
        perror(path);
        abort();
    }
    return path;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void
tmpdir_remove(char *path)
{
    if (path != NULL) {
        (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    }
    free(path);
}

char *
tmpdir_path(const char *dir, const char *name)
{
    char *path;
    if (asprintf(&path, "%s/%s", dir, name) < 0) {
        abort();
    }
    return path;
}
