/* SPDX-License-Identifier: Apache-2.0
 *
 * This machine: files that tidegate has made, by their names, and nothing else. A directory goes
 * when it is empty afterwards, so a path that was set by mistake costs nobody's files.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/cleanup/cleanup.intern.h"
#include "agent/spool/segment.h"

#define SPOOL_LOCK "lock" /* beside the segments */

/* The lock goes last of all, when the state it guards is gone. */
static const char *const state_files[] = {
    "state.db-wal", "state.db-shm", "state.db-journal", "state.db", "lock"};

static bool
remove_file(const char *dir, const char *name, struct err *err)
{
    char *path = name ? x_printf("%s/%s", dir, name) : x_strdup(dir);
    bool ok = unlink(path) == 0 || errno == ENOENT ||
              err_sys(err, ERR_CONFIG, errno, "remove '%s'", path);
    x_free(path);
    return ok;
}

static bool
is_segment(const char *name)
{
    bool tmp;
    uint64_t number;
    return segment_name_parse(name, &tmp, &number);
}

static bool
is_schema_file(const char *name)
{
    return strncmp(name, "schema.", 7) == 0;
}

/* Calls `each` for the names that belong to us; a directory that is not there has none. */
static bool
each_file(const char *dir, bool (*ours)(const char *name),
    bool (*each)(const char *dir, const char *name, struct err *err), size_t *n, struct err *err)
{
    DIR *d = opendir(dir);
    if (!d) {
        return errno == ENOENT || err_sys(err, ERR_CONFIG, errno, "read directory '%s'", dir);
    }
    bool ok = true;
    struct dirent *e;
    while (ok && (e = readdir(d)) != NULL) {
        if (ours(e->d_name)) {
            ++*n;
            ok = !each || each(dir, e->d_name, err);
        }
    }
    closedir(d);
    return ok;
}

static bool
remove_spool(struct cleanup *c, const struct cleanup_work *w, struct err *err)
{
    size_t n = 0;
    if (!each_file(w->path, is_segment, remove_file, &n, err) ||
        !remove_file(w->path, SPOOL_LOCK, err)) {
        return false;
    }
    (void)rmdir(w->path);
    (void)rmdir(c->options.config->dir);
    return true;
}

static bool
remove_schema_files(struct cleanup *c, const struct cleanup_work *w, struct err *err)
{
    (void)c;
    size_t n = 0;
    return each_file(w->path, is_schema_file, remove_file, &n, err);
}

static bool
remove_socket(struct cleanup *c, const struct cleanup_work *w, struct err *err)
{
    (void)c;
    return remove_file(w->path, NULL, err);
}

static bool
remove_state(struct cleanup *c, const struct cleanup_work *w, struct err *err)
{
    store_close(c->store);
    c->store = NULL;
    for (size_t i = 0; i < sizeof state_files / sizeof *state_files; i++) {
        if (!remove_file(w->path, state_files[i], err)) {
            return false;
        }
    }
    (void)rmdir(w->path);
    return true;
}

static bool
look_spool(struct cleanup *c, struct err *err)
{
    const char *path = c->options.config->spool.path;
    size_t n = 0;
    if (!each_file(path, is_segment, NULL, &n, err)) {
        return false;
    }
    char *lock = x_printf("%s/" SPOOL_LOCK, path);
    bool locked = access(lock, F_OK) == 0;
    x_free(lock);
    if (n > 0 || locked) {
        cleanup_add(
            c, CLEANUP_LOCAL, remove_spool, "spool '%s', %zu segment%s", path, n, n == 1 ? "" : "s")
            ->path = x_strdup(path);
    }
    return true;
}

bool
cleanup_look_local(struct cleanup *c, struct err *err)
{
    const struct config *config = c->options.config;
    struct stat st;
    size_t n = 0;
    if (!look_spool(c, err) || !each_file(config->dir, is_schema_file, NULL, &n, err)) {
        return false;
    }
    if (n > 0) {
        cleanup_add(c, CLEANUP_LOCAL, remove_schema_files, "schema dump in '%s'", config->dir)
            ->path = x_strdup(config->dir);
    }
    if (lstat(config->control.socket, &st) == 0 && S_ISSOCK(st.st_mode)) {
        cleanup_add(c, CLEANUP_LOCAL, remove_socket, "control socket '%s'", config->control.socket)
            ->path = x_strdup(config->control.socket);
    }
    if (c->store) {
        cleanup_add(c, CLEANUP_LOCAL, remove_state, "state of the migration in '%s'", config->dir)
            ->path = x_strdup(config->dir);
    }
    return true;
}
