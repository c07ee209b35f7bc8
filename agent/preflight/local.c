/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions to this machine: PostgreSQL's client programs, and the place for the spool. The spool's
 * directory need not exist yet: what counts is the nearest one above it that does.
 */
#include <unistd.h>

#include "agent/preflight/facts.h"
#include "agent/snapshot/pgtools.h"

static const char *
nearest_existing(struct arena *a, const char *path)
{
    char *at = arena_strdup(a, path);
    while (access(at, F_OK) != 0) {
        char *slash = strrchr(at, '/');
        if (!slash) {
            return ".";
        }
        if (slash == at) {
            return "/";
        }
        *slash = '\0';
    }
    return at;
}

void
preflight_gather_local(const struct preflight_input *in, const struct source_facts *source,
    struct arena *a, struct local_facts *out)
{
    const struct fs *fs = in->fs ? in->fs : &fs_system;
    if (source->common.reachable && in->config->schema.copy) {
        char *dump = NULL, *restore = NULL;
        out->tools_found =
            pgtools_find(source->common.server.version, &dump, &restore, &out->tools_error);
        x_free(dump);
        x_free(restore);
    } else {
        out->tools_found = true;
    }
    const char *directory = nearest_existing(a, in->config->spool.path);
    out->spool_path = in->config->spool.path;
    out->spool_writable = access(directory, W_OK | X_OK) == 0;
    if (fs->space(fs, directory, &out->space) < 0) {
        out->space = (struct fs_space){0};
    }
}
