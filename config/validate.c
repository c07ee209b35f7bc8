/* SPDX-License-Identifier: Apache-2.0
 *
 * One function for each rule, all of the same shape, in a table: the first that fails gives the
 * error. A rule that fails points at the value in the file that has to change; a value from the
 * command line or a default has no place and is named by its path alone.
 */
#include "config/validate.h"

#include <string.h>

#include "agent/base/key.h"
#include "agent/base/parse.h"
#include "config/dsn.h"
#include "config/nearest.h"
#include "config/options.h"

/* struct sockaddr_un has 108 bytes; some are kept for a temporary name beside it. */
#define SOCKET_PATH_MAX 100

static struct mark
mark_at(const struct validate *v, const char *path)
{
    return v->marks->at[option_index(option_find(path))];
}

static struct mark
mark_sink(const struct validate *v, size_t sink, const char *path)
{
    struct mark at = v->marks->sink_at[sink][option_index(option_find(path))];
    return at.line > 0 ? at : v->marks->sink[sink];
}

static const char *
file_of(const struct validate *v, struct mark at)
{
    return at.line > 0 ? v->file : NULL;
}

/* Connection strings of this kind are known here; others are judged by whoever opens them. */
static bool
is_postgresql(const char *type)
{
    return strcmp(type, "postgresql") == 0;
}

/* --- source and sinks are there
 * -------------------------------------------------------------------- */

static bool
check_source(const struct validate *v, const struct config *c, struct err *err)
{
    if (v->client_only || c->source.dsn) {
        return true;
    }
    document_error(err, v->file, (struct mark){0}, "'source.dsn' is missing");
    return err_hint(err, v->file ? "add 'source: {dsn: ...}' to the file, or give --source"
                                 : "give --source and --target, or a configuration file with -c");
}

static bool
check_sinks(const struct validate *v, const struct config *c, struct err *err)
{
    if (c->sinks_len == 0 && !v->client_only) {
        document_error(err, v->file, (struct mark){0}, "no sink is configured");
        return err_hint(err, v->file
                                 ? "add 'sinks: [{name: ..., dsn: ...}]' to the file, or give "
                                   "--target"
                                 : "give --source and --target, or a configuration file with -c");
    }
    for (size_t i = 0; i < c->sinks_len; i++) {
        struct mark at = v->marks->sink[i];
        if (!c->sinks[i].name) {
            return document_error(err, file_of(v, at), at, "sink %zu has no 'name'", i + 1);
        }
        if (!c->sinks[i].dsn && is_postgresql(c->sinks[i].type) && !v->client_only) {
            return document_error(
                err, file_of(v, at), at, "sink '%s' has no 'dsn'", c->sinks[i].name);
        }
    }
    return true;
}

/* --- names
 * ----------------------------------------------------------------------------------------- */

/* - and _ become the same character in the names on the servers. */
static bool
same_name(const char *a, const char *b)
{
    for (; *a && *b; a++, b++) {
        if ((*a == '-' ? '_' : *a) != (*b == '-' ? '_' : *b)) {
            return false;
        }
    }
    return *a == *b;
}

static bool
check_sink_names(const struct validate *v, const struct config *c, struct err *err)
{
    for (size_t i = 0; i < c->sinks_len; i++) {
        const char *name = c->sinks[i].name;
        struct mark at = mark_sink(v, i, "sinks[].name");
        if (strcmp(name, "copy") == 0) {
            document_error(err, file_of(v, at), at, "a sink cannot be named 'copy'");
            return err_hint(err, "'tidegate pause copy' means the bulk copy; choose another name");
        }
        for (size_t k = 0; k < i; k++) {
            if (strcmp(c->sinks[k].name, name) == 0) {
                return document_error(err, file_of(v, at), at, "two sinks are named '%s'", name);
            }
            if (same_name(c->sinks[k].name, name)) {
                return document_error(err, file_of(v, at), at,
                    "the sinks '%s' and '%s' differ only in - and _", c->sinks[k].name, name);
            }
        }
    }
    return true;
}

/* --- types
 * ----------------------------------------------------------------------------------------- */

static bool
check_type(const struct validate *v, struct mark at, const char *path, const char *type,
    const char *const *known, struct err *err)
{
    struct nearest near;
    struct buf list;
    nearest_init(&near, type);
    for (size_t i = 0; known && known[i]; i++) {
        if (strcmp(known[i], type) == 0) {
            return true;
        }
        nearest_offer(&near, known[i]);
    }
    if (!known) {
        return true;
    }
    buf_init(&list, sizeof(err->hint) / 2);
    for (size_t i = 0; known[i]; i++) {
        buf_printf(&list, "%s%s", i ? ", " : "", known[i]);
    }
    document_error(err, file_of(v, at), at, "'%s' is '%s', which this program does not know%s%s%s",
        path, type, near.best ? ", did you mean '" : "", near.best ? near.best : "",
        near.best ? "'?" : "");
    err_hint(err, "known are: %s", buf_cstr(&list));
    buf_done(&list);
    return false;
}

static bool
check_types(const struct validate *v, const struct config *c, struct err *err)
{
    if (!check_type(
            v, mark_at(v, "source.type"), "source.type", c->source.type, v->source_types, err)) {
        return false;
    }
    for (size_t i = 0; i < c->sinks_len; i++) {
        if (!check_type(v, mark_sink(v, i, "sinks[].type"), "sinks[].type", c->sinks[i].type,
                v->sink_types, err)) {
            return false;
        }
    }
    return true;
}

/* --- connection strings
 * ---------------------------------------------------------------------------- */

static void
ignore(const char *key, const char *value, const char *raw, void *arg)
{
    (void)key;
    (void)value;
    (void)raw;
    (void)arg;
}

static bool
check_dsn(
    const struct validate *v, struct mark at, const char *path, const char *dsn, struct err *err)
{
    struct err reason = ERR_INIT;
    if (!dsn || dsn_parse(dsn, ignore, NULL, &reason)) {
        return true;
    }
    document_error(err, file_of(v, at), at, "'%s': %s", path, reason.text);
    return err_hint(err, "%s", reason.hint);
}

static bool
check_dsns(const struct validate *v, const struct config *c, struct err *err)
{
    if (is_postgresql(c->source.type) &&
        !check_dsn(v, mark_at(v, "source.dsn"), "source.dsn", c->source.dsn, err)) {
        return false;
    }
    for (size_t i = 0; i < c->sinks_len; i++) {
        if (is_postgresql(c->sinks[i].type) &&
            !check_dsn(v, mark_sink(v, i, "sinks[].dsn"), "sinks[].dsn", c->sinks[i].dsn, err)) {
            return false;
        }
    }
    return true;
}

static bool
same_database(const char *type_a, const char *a, const char *type_b, const char *b)
{
    return a && b && strcmp(type_a, type_b) == 0 && strcmp(a, b) == 0 && is_postgresql(type_a);
}

/* A source that feeds itself would never end; a target written by two sinks would have all rows
 * twice. */
static bool
check_distinct(const struct validate *v, const struct config *c, struct err *err)
{
    for (size_t i = 0; i < c->sinks_len; i++) {
        const struct sink_config *s = &c->sinks[i];
        struct mark at = mark_sink(v, i, "sinks[].dsn");
        if (same_database(c->source.type, c->source.dsn, s->type, s->dsn)) {
            return document_error(
                err, file_of(v, at), at, "the sink '%s' has the same dsn as the source", s->name);
        }
        for (size_t k = 0; k < i; k++) {
            if (same_database(c->sinks[k].type, c->sinks[k].dsn, s->type, s->dsn)) {
                return document_error(err, file_of(v, at), at,
                    "the sinks '%s' and '%s' have the same dsn", c->sinks[k].name, s->name);
            }
        }
    }
    return true;
}

/* --- tables
 * ---------------------------------------------------------------------------------------- */

/* "schema.table", either part in double quotes; "" inside quotes is one quote. The same judgement
 * as table_pattern_valid (agent/change/table_filter.h), which stands on another floor; a test
 * compares. */
static const char *
pattern_mistake(const char *p)
{
    bool quoted = false, dotted = false;
    size_t part = 0;
    for (; *p; p++) {
        if (*p == '"' && quoted && p[1] == '"') {
            p++;
            part++;
        } else if (*p == '"') {
            quoted = !quoted;
        } else if (*p == '.' && !quoted) {
            if (dotted || part == 0) {
                return dotted ? "more than one dot outside double quotes"
                              : "no schema before the dot";
            }
            dotted = true;
            part = 0;
        } else {
            part++;
        }
    }
    if (quoted) {
        return "a double quote is not closed";
    }
    return part == 0 ? "no table" : NULL;
}

static bool
check_patterns(const struct validate *v, const struct config *c, struct err *err)
{
    const struct string_list *lists[] = {&c->tables.include, &c->tables.exclude};
    const char *paths[] = {"tables.include", "tables.exclude"};
    for (size_t l = 0; l < 2; l++) {
        struct mark at = mark_at(v, paths[l]);
        for (size_t i = 0; i < lists[l]->len; i++) {
            const char *mistake = pattern_mistake(lists[l]->items[i]);
            if (mistake) {
                document_error(err, file_of(v, at), at, "'%s': pattern '%.120s': %s", paths[l],
                    lists[l]->items[i], mistake);
                return err_hint(
                    err, "a pattern is schema.table, such as public.* or sales.\"a.b\"");
            }
        }
    }
    return true;
}

/* --- places
 * ---------------------------------------------------------------------------------------- */

static bool
check_spool(const struct validate *v, const struct config *c, struct err *err)
{
    struct mark at = mark_at(v, "spool.max_size");
    if (c->spool.max_size == 0 || c->spool.max_size / 4 >= c->spool.segment_size) {
        return true;
    }
    document_error(
        err, file_of(v, at), at, "'spool.max_size' is less than four times 'spool.segment_size'");
    return err_hint(
        err, "only whole segments are removed, so the spool needs room for a few of them");
}

static bool
check_stages(const struct validate *v, const struct config *c, struct err *err)
{
    const char *path = NULL, *before = NULL;
    if (c->spool.compress_at < c->spool.warn_at) {
        path = "spool.compress_at";
        before = "spool.warn_at";
    } else if (c->spool.pause_at < c->spool.compress_at) {
        path = "spool.pause_at";
        before = "spool.compress_at";
    }
    if (!path) {
        return true;
    }
    struct mark at = mark_at(v, path);
    at = at.line > 0 ? at : mark_at(v, before);
    document_error(err, file_of(v, at), at, "'%s' is less than '%s'", path, before);
    return err_hint(err, "the spool warns first, then compresses, then pauses: they must ascend");
}

static bool
check_key(const struct validate *v, const char *path, const char *text, struct err *err)
{
    struct key *key;
    struct err why = ERR_INIT;
    struct mark at = mark_at(v, path);
    if (text == NULL || key_parse(text, &key, &why)) {
        if (text != NULL) {
            key_free(key);
        }
        return true;
    }
    document_error(err, file_of(v, at), at, "'%s': %s", path, why.text);
    return err_hint(err, "%s", why.hint);
}

static bool
check_keys(const struct validate *v, const struct config *c, struct err *err)
{
    const struct string_list *old = &c->spool.old_encryption_keys;
    for (size_t i = 0; i < old->len; i++) {
        if (!check_key(v, "spool.old_encryption_keys", old->items[i], err)) {
            return false;
        }
    }
    return check_key(v, "spool.encryption_key", c->spool.encryption_key, err);
}

static bool
check_socket(const struct validate *v, const struct config *c, struct err *err)
{
    struct mark at = mark_at(v, "control.socket");
    size_t len = strlen(c->control.socket);
    if (len <= SOCKET_PATH_MAX) {
        return true;
    }
    document_error(err, file_of(v, at), at,
        "'control.socket' would be '%.300s': %zu bytes, but the path of a Unix socket may have %d",
        c->control.socket, len, SOCKET_PATH_MAX);
    return err_hint(
        err, "set control.socket to a short path, such as /run/tidegate/%s.sock", c->name);
}

/* The pattern of the row has the form already; here are the numbers in it. */
static bool
check_listen(const struct validate *v, const struct config *c, struct err *err)
{
    if (!c->control.listen) {
        return true;
    }
    struct mark at = mark_at(v, "control.listen");
    const char *port = strrchr(c->control.listen, ':');
    uint64_t number = 0, octet = 0;
    if (!port || !parse_u64(port + 1, 1, 65535, &number)) {
        return document_error(err, file_of(v, at), at,
            "'control.listen' is '%s': the port must be from 1 to 65535", c->control.listen);
    }
    for (const char *p = c->control.listen; p < port; p++) {
        octet = *p >= '0' && *p <= '9' ? octet * 10 + (uint64_t)(*p - '0') : 0;
        if (octet > 255) {
            return document_error(err, file_of(v, at), at,
                "'control.listen' is '%s': not an IPv4 address", c->control.listen);
        }
    }
    return true;
}

/* What only pgoutput can is refused where it was asked for, and off where it was not. */
static bool
check_plugin(const struct validate *v, const struct config *c, struct err *err)
{
    struct mark at = mark_at(v, "source.two_phase");
    if (c->source.plugin == PLUGIN_PGOUTPUT || c->source.two_phase != TWO_PHASE_ON) {
        return true;
    }
    document_error(
        err, file_of(v, at), at, "'source.two_phase: on' needs 'source.plugin: pgoutput'");
    return err_hint(err, "with another plugin prepared transactions arrive when they are "
                         "committed: leave out source.two_phase");
}

bool
validate_config(const struct validate *v, const struct config *c, struct err *err)
{
    static bool (*const rules[])(const struct validate *, const struct config *, struct err *) = {
        check_source,
        check_sinks,
        check_sink_names,
        check_types,
        check_plugin,
        check_dsns,
        check_distinct,
        check_patterns,
        check_spool,
        check_stages,
        check_keys,
        check_socket,
        check_listen,
    };
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (!rules[i](v, c, err)) {
            return false;
        }
    }
    return true;
}
