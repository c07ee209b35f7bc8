/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration file under arbitrary bytes: from YAML to the typed result, with references that
 * find nothing of this machine. What loads is also shown, and what is shown must load again to the
 * same.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "config/describe.h"
#include "config/load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *
env(void *arg, const char *name)
{
    (void)arg;
    return name[0] == 'S' ? "postgresql://u:p%40ss@h/db" : name[0] == 'N' ? "7" : NULL;
}

static bool
file(void *arg, const char *path, struct buf *out, struct err *err)
{
    (void)arg;
    buf_str(out, path);
    return path[1] ? true : err_set(err, ERR_CONFIG, "cannot open '%s'", path);
}

static void
show(const struct config *c, struct buf *out)
{
    buf_init(out, DESCRIBE_MAX);
    describe_effective(c, out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const types[] = {"postgresql", "null", NULL};
    static const struct secret_source secrets = {.env = env, .file = file};
    struct config_input in = {
        .file = "fuzz.yaml",
        .sink_types = types,
        .source_types = types,
        .client_only = size > 0 && (data[0] & 1),
        .secrets = &secrets,
    };
    struct config *c = NULL, *again = NULL;
    struct err err = ERR_INIT;
    if (!config_load_text(&in, (const char *)data, size, &c, &err)) {
        assert(err.class == ERR_CONFIG && err.text[0]);
        return 0;
    }
    struct buf first, second;
    show(c, &first);
    in.client_only = true;
    if (!first.failed && first.len < 512 * 1024 && !strstr(buf_cstr(&first), "\"***\"")) {
        bool ok = config_load_text(&in, buf_cstr(&first), first.len, &again, &err);
        if (!ok) {
            fprintf(stderr, "%s\n%s\n", err.text, buf_cstr(&first));
        }
        assert(ok);
        show(again, &second);
        assert(strcmp(buf_cstr(&first), buf_cstr(&second)) == 0);
        buf_done(&second);
    }
    buf_done(&first);
    config_free(again);
    config_free(c);
    return 0;
}
