/* SPDX-License-Identifier: Apache-2.0
 *
 * With a path on the command line no configuration is needed, but it may hold the key of the spool:
 * then it is taken along if -c or --dir leads to it.
 */
#include "agent/cli/spool_args.h"

#include <errno.h>
#include <stddef.h>

#include "agent/base/key.h"
#include "agent/cli/exits.h"

static bool
load_keys(struct spool_args *s, struct err *err)
{
    const struct string_list *old = &s->config->spool.old_encryption_keys;
    return key_ring_new(
        s->config->spool.encryption_key, (const char *const *)old->items, old->len, &s->keys, err);
}

static bool
load_config(struct spool_args *s, struct err *err)
{
    if (common_load_keys(&s->common, &s->config, err)) {
        return load_keys(s, err);
    }
    if (!s->keys_optional) {
        return false;
    }
    err_clear(err);
    return common_load(&s->common, true, &s->config, err);
}

bool
spool_args_take(struct spool_args *s, const struct arg_command *command,
    const struct arg_option *options, int argc, char **argv, int *status)
{
    struct args a = {.command = command, .options = options};
    struct err err = ERR_INIT;
    if (!args_take(&a, argc, argv, status)) {
        return false;
    }
    s->path = a.operands_len > 0 ? a.operands[0] : NULL;
    if (s->path && !s->common.config && !s->common.dir) {
        return true;
    }
    if (!load_config(s, &err)) {
        args_print_error(&err);
        *status = EXIT_USAGE;
        return false;
    }
    if (!s->path) {
        s->path = s->config->spool.path;
        s->own_path = true;
    }
    return true;
}

void
spool_args_done(struct spool_args *s)
{
    key_ring_free(s->keys);
    s->keys = NULL;
    config_free(s->config);
    s->config = NULL;
    common_done(&s->common);
}

int
spool_args_fail(const struct err *err)
{
    args_print_error(err);
    if (err->class == ERR_FATAL && (err->sys == 0 || err->sys == EIO)) {
        return EXIT_DAMAGED;
    }
    return EXIT_FAILED;
}
