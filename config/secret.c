/* SPDX-License-Identifier: Apache-2.0
 *
 * One pass over the text. Buffers that hold a secret are reserved to their full size first, so that
 * growing leaves no stale copy in freed memory, and overwritten before they are freed.
 */
#include "config/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/base/log.h"
#include "config/secret_command.h"

#define NAME_MAX_LEN 1024

static const char *
env_system(void *arg, const char *name)
{
    (void)arg;
    return getenv(name);
}

static bool
file_read(int fd, const char *path, struct buf *out, struct err *err)
{
    for (;;) {
        uint8_t *room = buf_reserve(out, 1024);
        if (!room) {
            return err_set(err, ERR_CONFIG, "'%s' is larger than a secret may be", path);
        }
        ssize_t n = read(fd, room, 1024);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return err_sys(err, ERR_CONFIG, errno, "cannot read '%s'", path);
        }
        if (n == 0) {
            return true;
        }
        out->len += (size_t)n;
    }
}

static bool
file_system(void *arg, const char *path, struct buf *out, struct err *err)
{
    (void)arg;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return err_sys(err, ERR_CONFIG, errno, "cannot open '%s'", path);
    }
    bool ok = file_read(fd, path, out, err);
    close(fd);
    return ok;
}

const struct secret_source secret_system = {
    .env = env_system, .file = file_system, .command = secret_command};

void
secret_wipe(struct buf *b)
{
    if (b->data) {
        explicit_bzero(b->data, b->cap);
    }
    buf_done(b);
}

void
secret_free(char *s)
{
    if (s) {
        explicit_bzero(s, strlen(s));
    }
    x_free(s);
}

static bool
expand_env(const char *name, bool secret, const struct secret_source *source, struct buf *out,
    struct err *err)
{
    const char *value = source->env(source->arg, name);
    if (!value || value[0] == '\0') {
        err_set(err, ERR_CONFIG, "${env:%s}: the environment variable is %s", name,
            value ? "empty" : "not set");
        return err_hint(err, "set %s in the environment that tidegate is started in", name);
    }
    if (secret) {
        log_add_secret(value);
    }
    buf_str(out, value);
    return true;
}

/* The newline that editors and echo(1) leave at the end is not part of the secret. */
static void
trim_newline(struct buf *b)
{
    if (b->len > 0 && b->data[b->len - 1] == '\n') {
        b->len--;
        if (b->len > 0 && b->data[b->len - 1] == '\r') {
            b->len--;
        }
    }
}

static bool
expand_file(const char *path, const struct secret_source *source, struct buf *out, struct err *err)
{
    if (path[0] != '/') {
        return err_set(err, ERR_CONFIG, "${file:%s}: the path must begin with /", path);
    }
    struct buf content;
    buf_init(&content, SECRET_MAX + 2048);
    bool ok = buf_reserve(&content, SECRET_MAX) != NULL;
    ok = ok && source->file(source->arg, path, &content, err);
    if (!ok) {
        secret_wipe(&content);
        return err_wrap(err, "${file:%s}", path);
    }
    trim_newline(&content);
    if (content.len == 0 || memchr(content.data, 0, content.len)) {
        err_set(err, ERR_CONFIG, "${file:%s}: the file %s", path,
            content.len == 0 ? "is empty" : "holds a NUL byte");
        ok = false;
    } else {
        log_add_secret(buf_cstr(&content));
        buf_bytes(out, content.data, content.len);
    }
    secret_wipe(&content);
    return ok;
}

/* White space around what a command prints is not part of the secret. */
static bool
expand_command(
    const char *command, const struct secret_source *source, struct buf *out, struct err *err)
{
    struct buf content;
    buf_init(&content, SECRET_MAX + 2048);
    bool ok = buf_reserve(&content, SECRET_MAX) != NULL;
    ok = ok && source->command(source->arg, command, &content, err);
    if (!ok) {
        secret_wipe(&content);
        return err_wrap(err, "${command:...}");
    }
    const char *text = buf_cstr(&content);
    size_t nul = strlen(text), skip = strspn(text, " \t\r\n");
    while (content.len > skip && strchr(" \t\r\n", content.data[content.len - 1]) != NULL) {
        content.data[--content.len] = '\0';
    }
    if (content.len == skip || nul < content.len) {
        err_set(err, ERR_CONFIG, "${command:...}: it prints %s",
            content.len == skip ? "nothing" : "a NUL byte");
        ok = false;
    } else {
        log_add_secret(text + skip);
        buf_bytes(out, text + skip, content.len - skip);
    }
    secret_wipe(&content);
    return ok;
}

/* `at` stands on "${"; *end is set behind the closing brace. */
static bool
expand_one(const char *at, bool secret, const struct secret_source *source, struct buf *out,
    struct err *err)
{
    const char *body = at + 2;
    size_t len = strcspn(body, "}");
    char name[NAME_MAX_LEN];
    if (body[len] != '}') {
        return err_set(err, ERR_CONFIG, "a reference '${' without its '}'");
    }
    if (len >= sizeof(name)) {
        return err_set(err, ERR_CONFIG, "a reference longer than %d bytes", NAME_MAX_LEN - 1);
    }
    memcpy(name, body, len);
    name[len] = '\0';
    if (strncmp(name, "env:", 4) == 0 && len > 4) {
        return expand_env(name + 4, secret, source, out, err);
    }
    if (strncmp(name, "file:", 5) == 0 && len > 5) {
        return expand_file(name + 5, source, out, err);
    }
    if (strncmp(name, "command:", 8) == 0 && len > 8 && source->command != NULL) {
        return secret ? expand_command(name + 8, source, out, err)
                      : err_set(err, ERR_CONFIG, "${command:...} stands only for secrets");
    }
    if (secret) { /* it may be a piece of a password */
        err_set(err, ERR_CONFIG, "'${' begins no known reference");
    } else {
        err_set(err, ERR_CONFIG, "unknown reference '${%.80s}'", name);
    }
    return err_hint(err,
        "known are ${env:NAME}, ${file:/path} and, for secrets, ${command:...}; a literal "
        "'${' is written '$${'");
}

bool
secret_has_reference(const char *text)
{
    return strstr(text, "${") != NULL;
}

bool
secret_expand(const char *text, bool secret, const struct secret_source *source, struct buf *out,
    struct err *err)
{
    while (*text) {
        if (strncmp(text, "$${", 3) == 0) {
            buf_str(out, "${");
            text += 3;
        } else if (strncmp(text, "${", 2) == 0) {
            if (!expand_one(text, secret, source, out, err)) {
                return false;
            }
            text = strchr(text, '}') + 1;
        } else {
            buf_bytes(out, text, 1);
            text++;
        }
    }
    if (out->failed || out->len > SECRET_MAX) {
        return err_set(err, ERR_CONFIG, "the value is longer than %zu bytes", SECRET_MAX);
    }
    return true;
}
