/* SPDX-License-Identifier: Apache-2.0
 *
 * Both forms are read from left to right into one scratch copy, which is wiped at the end. The
 * order in which a URI is cut is libpq's: user and password end at the first @ before the first /,
 * the database's name begins at the first / and ends at ?. A password with one of these characters
 * unescaped is cut in the wrong place, and libpq would then quote the rest as a host or port: that
 * is refused here.
 */
#include "config/dsn.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/log.h"
#include "config/secret.h"

struct parse {
    dsn_each_fn each;
    void *arg;
    struct err *err;
};

static bool
malformed(struct parse *p, const char *what)
{
    err_set(p->err, ERR_CONFIG, "malformed connection string: %s", what);
    return err_hint(p->err, "in a URI the characters @ / : ? # & %% of a user name or password are "
                            "written percent-encoded (%%40 is @)");
}

static int
hex(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes %XX in place. */
static bool
decode(char *s)
{
    char *out = s;
    for (; *s; s++) {
        if (*s != '%') {
            *out++ = *s;
            continue;
        }
        int high = hex(s[1]);
        int low = high < 0 ? -1 : hex(s[2]);
        if (low < 0 || high + low == 0) {
            return false;
        }
        *out++ = (char)(high * 16 + low);
        s += 2;
    }
    *out = '\0';
    return true;
}

static bool
give(struct parse *p, const char *key, const char *raw)
{
    char *value = x_strdup(raw);
    bool ok = decode(value);
    if (ok) {
        p->each(key, value, raw, p->arg);
    }
    secret_free(value);
    return ok ? true : malformed(p, "% without two hexadecimal digits");
}

static bool
parse_user(struct parse *p, char *s)
{
    char *colon = strchr(s, ':');
    if (colon) {
        *colon = '\0';
    }
    return (!*s || give(p, "user", s)) && (!colon || give(p, "password", colon + 1));
}

/* host:port,host:port; an address in brackets has colons of its own. */
static bool
parse_hosts(struct parse *p, const char *s)
{
    bool port = false, bracket = false;
    if (strchr(s, '@')) {
        return malformed(p, "more than one @ before the host");
    }
    for (const char *c = s; *c; c++) {
        if (*c == '[' || *c == ']') {
            bracket = *c == '[';
        } else if (*c == ':' || *c == ',') {
            port = *c == ':' && !bracket;
        } else if (port && !isdigit((unsigned char)*c)) {
            return malformed(p, "the port is not a number");
        }
    }
    return *s ? give(p, "host", s) : true;
}

static bool
parse_query(struct parse *p, char *s)
{
    while (*s) {
        char *next = s + strcspn(s, "&");
        char *rest = *next ? next + 1 : next;
        *next = '\0';
        char *eq = strchr(s, '=');
        if (!eq || strchr(eq + 1, '=')) {
            return malformed(p, "a parameter behind ? that is not key=value");
        }
        *eq = '\0';
        if (!decode(s)) {
            return malformed(p, "% without two hexadecimal digits");
        }
        if (!give(p, s, eq + 1)) {
            return false;
        }
        s = rest;
    }
    return true;
}

static bool
parse_uri(struct parse *p, char *s)
{
    char *at = s + strcspn(s, "@/");
    bool user = *at == '@';
    char *hosts = user ? at + 1 : s;
    char *path = hosts + strcspn(hosts, "/?");
    char *query = path + strcspn(path, "?");
    if (*query) {
        *query++ = '\0';
    }
    if (*path == '/') {
        *path++ = '\0';
    }
    if (user) {
        *at = '\0';
        if (!parse_user(p, s)) {
            return false;
        }
    } else if (strchr(hosts, ':') && strchr(path, '@')) {
        return malformed(p, "an @ behind the first / (a password with a / in it?)");
    }
    return parse_hosts(p, hosts) && (!*path || give(p, "dbname", path)) && parse_query(p, query);
}

static bool
is_space(char c)
{
    return isspace((unsigned char)c) != 0;
}

/* Takes the backslashes (and quotes) out in place; *end is set behind the value. */
static bool
unquote(char *s, char **end)
{
    bool quoted = *s == '\'';
    char *out = s;
    if (quoted) {
        s++;
    }
    while (*s && (quoted ? *s != '\'' : !is_space(*s))) {
        if (*s == '\\' && s[1]) {
            s++;
        }
        *out++ = *s++;
    }
    if (quoted && *s != '\'') {
        return false;
    }
    *end = *s ? s + 1 : s;
    *out = '\0';
    return true;
}

static bool
parse_keywords(struct parse *p, char *s)
{
    for (;;) {
        while (is_space(*s)) {
            s++;
        }
        if (!*s) {
            return true;
        }
        char *key = s;
        while (*s && *s != '=' && !is_space(*s)) {
            s++;
        }
        char *key_end = s;
        while (is_space(*s)) {
            s++;
        }
        if (*s != '=' || key == key_end) {
            return malformed(p, "a word without = (a value with spaces stands in single quotes)");
        }
        *key_end = '\0';
        s++;
        while (is_space(*s)) {
            s++;
        }
        char *value = s;
        if (!unquote(value, &s)) {
            return malformed(p, "a single quote is not closed");
        }
        p->each(key, value, value, p->arg);
    }
}

bool
dsn_parse(const char *dsn, dsn_each_fn each, void *arg, struct err *err)
{
    struct parse p = {each, arg, err};
    size_t skip = 0;
    if (strncmp(dsn, "postgresql://", 13) == 0) {
        skip = 13;
    } else if (strncmp(dsn, "postgres://", 11) == 0) {
        skip = 11;
    }
    char *copy = x_strdup(dsn);
    size_t len = strlen(copy);
    bool ok = skip ? parse_uri(&p, copy + skip) : parse_keywords(&p, copy);
    explicit_bzero(copy, len);
    x_free(copy);
    return ok;
}

struct database {
    char *out;
    size_t cap;
    bool found;
};

static void
take_database(const char *key, const char *value, const char *raw, void *arg)
{
    struct database *d = arg;
    (void)raw;
    if (strcmp(key, "dbname") == 0 && *value) {
        snprintf(d->out, d->cap, "%s", value);
        d->found = true;
    }
}

bool
dsn_database(const char *dsn, char *out, size_t cap)
{
    struct database d = {out, cap, false};
    struct err err = ERR_INIT;
    return dsn_parse(dsn, take_database, &d, &err) && d.found;
}

static void
add_secret(const char *key, const char *value, const char *raw, void *arg)
{
    (void)arg;
    if (strcmp(key, "password") == 0 || strcmp(key, "sslpassword") == 0) {
        log_add_secret(value);
        log_add_secret(raw);
    }
}

void
dsn_add_secrets(const char *dsn)
{
    struct err err = ERR_INIT;
    /* What stands before a mistake is registered; the string itself is refused by others. */
    bool ok = dsn_parse(dsn, add_secret, NULL, &err);
    (void)ok;
}
