/* SPDX-License-Identifier: Apache-2.0
 *
 * The order is the meaning: defaults, then the file over them, then the command line over both,
 * then what is derived from the rest (names, paths), then the rules across values. Connection
 * strings tell their passwords to the log's redactor before anything is checked that could fail and
 * quote them.
 */
#include "config/load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/base/buf.h"
#include "config/bind.h"
#include "config/document.h"
#include "config/dsn.h"
#include "config/options.h"
#include "config/validate.h"
#include "config/value.h"

#define FILE_MAX ((size_t)1024 * 1024)

static const char *const default_files[] = {"./tidegate.yaml", "/etc/tidegate/tidegate.yaml"};

struct load {
    const struct config_input *in;
    const char *file; /* NULL: none */
    const struct secret_source *secrets;
    struct config *config;
    struct config_marks *marks;
};

/* --- command line
 * ---------------------------------------------------------------------------------- */

/* A reference works here too: --source '${env:DSN}' keeps the password out of `ps`. */
static bool
take_argument(struct load *l, const char *path, void *base, const char *text, struct err *err)
{
    const struct option *o = option_find(path);
    bool secret = (o->flags & OPTION_SECRET) != 0;
    if (secret && l->in->client_only && secret_has_reference(text)) {
        return true;
    }
    struct buf value;
    buf_init(&value, 2 * SECRET_MAX);
    bool ok = buf_reserve(&value, SECRET_MAX + 1) != NULL &&
              secret_expand(text, secret, l->secrets, &value, err) &&
              value_set(o, base, buf_cstr(&value), text, err);
    secret_wipe(&value);
    return ok ? true : err_wrap(err, "%.*s", (int)strcspn(o->cli ? o->cli : "", " "), o->cli);
}

static bool
take_target(struct load *l, struct err *err)
{
    struct config *c = l->config;
    if (c->sinks_len > 1) {
        return err_set(err, ERR_CONFIG,
            "--target does not say which of the %zu sinks in '%s' it means", c->sinks_len,
            l->file ? l->file : "the file");
    }
    if (c->sinks_len == 0) {
        bind_new_sink(c)->name = x_strdup("target");
    }
    l->marks->sink_at[0][option_index(option_find("sinks[].dsn"))] = (struct mark){0};
    return take_argument(l, "sinks[].dsn", &c->sinks[0], l->in->target, err);
}

static bool
take_arguments(struct load *l, struct err *err)
{
    const struct config_input *in = l->in;
    const struct {
        const char *path, *text;
    } arguments[] = {{"name", in->name}, {"dir", in->dir}, {"source.dsn", in->source}};
    for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++) {
        if (!arguments[i].text) {
            continue;
        }
        l->marks->at[option_index(option_find(arguments[i].path))] = (struct mark){0};
        if (!take_argument(l, arguments[i].path, l->config, arguments[i].text, err)) {
            return false;
        }
    }
    return in->target ? take_target(l, err) : true;
}

/* --- what follows from the rest
 * -------------------------------------------------------------------- */

static char *
name_from_source(const char *dsn)
{
    char name[41];
    if (!dsn || !dsn_database(dsn, name, sizeof(name))) {
        return x_strdup("default");
    }
    for (char *c = name; *c; c++) {
        if (*c >= 'A' && *c <= 'Z') {
            *c = (char)(*c - 'A' + 'a');
        } else if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789_-", *c)) {
            *c = '_';
        }
    }
    return x_strdup(name);
}

static char *
name_on_server(const char *name)
{
    char *s = x_printf("tidegate_%s", name);
    for (char *c = s; *c; c++) {
        *c = *c == '-' ? '_' : *c;
    }
    return s;
}

static bool
make_absolute(char **path, struct err *err)
{
    if ((*path)[0] == '/') {
        return true;
    }
    char *cwd = getcwd(NULL, 0);
    if (!cwd) {
        return err_sys(err, ERR_CONFIG, errno, "cannot tell the working directory");
    }
    const char *rest = *path;
    while (strncmp(rest, "./", 2) == 0) {
        rest += 2;
        rest += strspn(rest, "/");
    }
    if (strcmp(rest, ".") == 0) {
        rest = "";
    }
    char *joined = x_printf("%s%s%s", strcmp(cwd, "/") == 0 ? "" : cwd, "/", rest);
    size_t len = strlen(joined);
    while (len > 1 && joined[len - 1] == '/') {
        joined[--len] = '\0';
    }
    free(cwd);
    x_free(*path);
    *path = joined;
    return true;
}

static bool
derive(struct config *c, struct err *err)
{
    if (!c->name) {
        c->name = name_from_source(c->source.dsn);
    }
    if (!make_absolute(&c->dir, err)) {
        return false;
    }
    const char *slash = c->dir[strlen(c->dir) - 1] == '/' ? "" : "/";
    if (!c->spool.path) {
        c->spool.path = x_printf("%s%sspool", c->dir, slash);
    }
    if (!c->control.socket) {
        c->control.socket = x_printf("%s%scontrol.sock", c->dir, slash);
    }
    if (!c->source.slot) {
        c->source.slot = name_on_server(c->name);
    }
    if (!c->source.publication) {
        c->source.publication = name_on_server(c->name);
    }
    return make_absolute(&c->spool.path, err) && make_absolute(&c->control.socket, err);
}

static void
add_secrets(const struct config *c)
{
    if (c->source.dsn) {
        dsn_add_secrets(c->source.dsn);
    }
    for (size_t i = 0; i < c->sinks_len; i++) {
        if (c->sinks[i].dsn) {
            dsn_add_secrets(c->sinks[i].dsn);
        }
    }
}

/* --- all of it
 * ------------------------------------------------------------------------------------- */

static bool
bind_text_of_file(struct load *l, const char *text, size_t len, struct err *err)
{
    struct document d;
    struct bind b = {
        .file = l->file,
        .secrets = l->secrets,
        .skip_secrets = l->in->client_only,
        .keys = l->in->keys,
        .config = l->config,
        .marks = l->marks,
    };
    if (!document_parse(text, len, l->file, &d, err)) {
        return false;
    }
    bool ok = bind_document(&b, &d, err);
    document_done(&d);
    return ok;
}

static bool
fill(struct load *l, const char *text, size_t len, struct err *err)
{
    const struct config_input *in = l->in;
    bind_defaults(l->config);
    bool ok = !text || bind_text_of_file(l, text, len, err);
    ok = ok && take_arguments(l, err);
    add_secrets(l->config);
    struct validate v = {
        .file = l->file,
        .marks = l->marks,
        .sink_types = in->sink_types,
        .source_types = in->source_types,
        .client_only = in->client_only,
    };
    return ok && derive(l->config, err) && validate_config(&v, l->config, err);
}

bool
config_load_text(const struct config_input *in, const char *text, size_t len, struct config **out,
    struct err *err)
{
    struct load l = {
        .in = in,
        .file = !text      ? NULL
                : in->file ? in->file
                           : "configuration",
        .secrets = in->secrets ? in->secrets : &secret_system,
        .config = x_zalloc(sizeof(*l.config)),
        .marks = x_zalloc(sizeof(*l.marks)),
    };
    bool ok = fill(&l, text, len, err);
    x_free(l.marks);
    if (!ok) {
        config_free(l.config);
        return false;
    }
    *out = l.config;
    return true;
}

bool
config_find_file(const struct config_input *in, const char **path, struct err *err)
{
    *path = in->file;
    if (in->file || (in->source && in->target)) {
        return true;
    }
    for (size_t i = 0; i < sizeof(default_files) / sizeof(default_files[0]); i++) {
        struct stat st;
        if (stat(default_files[i], &st) == 0) {
            *path = default_files[i];
            return true;
        }
        if (errno != ENOENT && errno != ENOTDIR) {
            return err_sys(err, ERR_CONFIG, errno, "cannot open '%s'", default_files[i]);
        }
    }
    return true;
}

static bool
read_file(const char *path, struct buf *out, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return err_sys(err, ERR_CONFIG, errno, "cannot open '%s'", path);
    }
    ssize_t n = 0;
    do {
        uint8_t *room = buf_reserve(out, 4096);
        if (!room) {
            close(fd);
            return err_set(
                err, ERR_CONFIG, "'%s' is larger than a configuration may be (1 MiB)", path);
        }
        n = read(fd, room, 4096);
        out->len += n > 0 ? (size_t)n : 0;
    } while (n > 0 || (n < 0 && errno == EINTR));
    int saved = errno;
    close(fd);
    return n == 0 ? true : err_sys(err, ERR_CONFIG, saved, "cannot read '%s'", path);
}

bool
config_load(const struct config_input *in, struct config **out, struct err *err)
{
    const char *path = NULL;
    if (!config_find_file(in, &path, err)) {
        return false;
    }
    if (!path) {
        return config_load_text(in, NULL, 0, out, err);
    }
    struct config_input named = *in;
    named.file = path;
    struct buf text;
    buf_init(&text, FILE_MAX);
    bool ok = read_file(path, &text, err) &&
              config_load_text(&named, buf_cstr(&text), text.len, out, err);
    secret_wipe(&text);
    return ok;
}
