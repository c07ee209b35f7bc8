/* SPDX-License-Identifier: Apache-2.0
 *
 * From file and command line to a struct config: complete, validated, secrets resolved. Every error
 * is ERR_CONFIG and begins with file:line:column when something in the file is the cause.
 *
 * Called by the commands of agent/cli, once, before the first thread starts.
 */
#ifndef TG_CONFIG_LOAD_H
#define TG_CONFIG_LOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/err.h"
#include "config/config.h"
#include "config/secret.h"

/* All strings are borrowed during the call. */
struct config_input {
    /* NULL: no file when source and target are both given, else ./tidegate.yaml or
     * /etc/tidegate/tidegate.yaml, whichever exists first. */
    const char *file;
    /* From the command line, stronger than the file; NULL when absent. A target makes a sink named
     * "target", or replaces the dsn of the only sink in the file. */
    const char *source, *target, *dir, *name;
    /* Names of the kinds there are, NULL-terminated; NULL: not checked. */
    const char *const *sink_types, *const *source_types;
    /* The caller only talks to a running agent: source and sinks may be missing, and a secret that
     * is a reference is not resolved (its field is NULL). */
    bool client_only;
    bool keys; /* with client_only: the keys of the spool are resolved all the same */
    const struct secret_source *secrets; /* NULL: secret_system */
};

/* Returns a new configuration; free it with config_free. */
bool config_load(const struct config_input *in, struct config **out, struct err *err) must_use;

/* The same from memory; in->file is the name for messages and is not opened. NULL text: no file. */
bool config_load_text(const struct config_input *in, const char *text, size_t len,
    struct config **out, struct err *err) must_use;

/* The file that config_load would read; *path is NULL when none is found. False: it cannot be told.
 */
bool config_find_file(const struct config_input *in, const char **path, struct err *err) must_use;

#endif
