/* SPDX-License-Identifier: Apache-2.0
 *
 * Loading YAML from a string with secrets that stand in a table instead of the environment.
 */
#ifndef TG_TESTS_UNIT_CONFIG_SUPPORT_H
#define TG_TESTS_UNIT_CONFIG_SUPPORT_H

#include <stdio.h>

#include "agent/base/err.h"
#include "config/load.h"
#include "tests/lib/unit.h"

static const char *const known_types[] = {"postgresql", "null", NULL};

static inline const char *
fake_env(void *arg, const char *name)
{
    static const char *const vars[][2] = {
        {"SOURCE_DSN", "postgresql://mover:s0urce-pw@old/orders"},
        {"TARGET_DSN", "postgresql://mover:t4rget-pw@new/orders"},
        {"CLOUD_DSN", "postgresql://mover@cloud/orders"},
        {"STANDBY_DSN", "postgresql://mover@standby/orders"},
        {"PW", "hunter2hunter2"},
        {"JOBS", "7"},
        {"EMPTY", ""},
        {"NESTED", "${env:PW}"},
        {"OLD_SPOOL_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="},
        {"SPOOL_KEY", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"},
    };
    (void)arg;
    for (size_t i = 0; i < sizeof(vars) / sizeof(vars[0]); i++) {
        if (strcmp(vars[i][0], name) == 0) {
            return vars[i][1];
        }
    }
    return NULL;
}

static inline bool
fake_file(void *arg, const char *path, struct buf *out, struct err *err)
{
    (void)arg;
    if (strcmp(path, "/run/secrets/dsn") == 0) {
        buf_str(out, "postgresql://mover@new/orders\n");
        return true;
    }
    if (strcmp(path, "/run/secrets/empty") == 0) {
        buf_str(out, "\n");
        return true;
    }
    if (strcmp(path, "/run/secrets/nul") == 0) {
        buf_bytes(out, "a\0b", 3);
        return true;
    }
    if (strcmp(path, "/run/secrets/windows") == 0) {
        buf_str(out, "two\nlines\r\n");
        return true;
    }
    return err_sys(err, ERR_CONFIG, 2, "cannot open '%s'", path);
}

static const struct secret_source fake_secrets = {.env = fake_env, .file = fake_file};

static inline struct config_input
input(void)
{
    return (struct config_input){
        .file = "t.yaml",
        .sink_types = known_types,
        .source_types = known_types,
        .secrets = &fake_secrets,
    };
}

static inline bool
load_with(const struct config_input *in, const char *yaml, struct config **out, struct err *err)
{
    *err = ERR_INIT;
    return config_load_text(in, yaml, yaml ? strlen(yaml) : 0, out, err);
}

/* A configuration that must load; free it. */
static inline struct config *
load_good(const char *yaml)
{
    struct config *c = NULL;
    struct err err;
    struct config_input in = input();
    if (!load_with(&in, yaml, &c, &err)) {
        fail_msg("refused: %s", err.text);
    }
    return c;
}

/* The error of a configuration that must be refused, whole. */
static inline void
expect_error(const char *yaml, const char *text)
{
    struct config *c = NULL;
    struct err err;
    struct config_input in = input();
    assert_false(load_with(&in, yaml, &c, &err));
    assert_string_equal(err.text, text);
    assert_int_equal(err.class, ERR_CONFIG);
}

#define SMALL                                                                                      \
    "source: {dsn: 'postgresql://old/orders'}\nsinks: [{name: t, dsn: "                            \
    "'postgresql://new/orders'}]\n"

#endif
