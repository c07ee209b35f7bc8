/* SPDX-License-Identifier: Apache-2.0
 *
 * libpq takes a connection string apart but does not tell where in the string a password stood, and
 * overwriting argv in place needs the bytes. So the two forms are scanned here, and libpq is asked
 * afterwards: what it still finds as a password that is not all 'x' means that the scan missed
 * something, and then the whole string goes. "${env:...}" references hold no secret but do no harm.
 */
#include "agent/cli/argv_secret.h"

#include <ctype.h>
#include <libpq-fe.h>
#include <string.h>
#include <strings.h>

#include "agent/base/arena.h"
#include "agent/base/log.h"
#include "config/dsn.h"

static size_t
add_span(struct argv_span out[ARGV_SPANS_MAX], size_t n, size_t at, size_t len)
{
    if (len == 0 || n == ARGV_SPANS_MAX) {
        return n;
    }
    out[n] = (struct argv_span){at, len};
    return n + 1;
}

static bool
is_secret_key(const char *key, size_t len)
{
    return (len == 8 && strncasecmp(key, "password", 8) == 0) ||
           (len == 11 && strncasecmp(key, "sslpassword", 11) == 0);
}

static size_t
scan_uri_query(const char *dsn, size_t at, struct argv_span out[ARGV_SPANS_MAX], size_t n)
{
    while (dsn[at] != '\0') {
        size_t key_len = strcspn(dsn + at, "=&");
        size_t value = at + key_len + (dsn[at + key_len] == '=' ? 1 : 0);
        size_t value_len = strcspn(dsn + value, "&");
        if (is_secret_key(dsn + at, key_len)) {
            n = add_span(out, n, value, value_len);
        }
        at = value + value_len;
        at += dsn[at] == '&' ? 1 : 0;
    }
    return n;
}

static size_t
scan_uri(const char *dsn, size_t authority, struct argv_span out[ARGV_SPANS_MAX])
{
    size_t n = 0;
    size_t end = authority + strcspn(dsn + authority, "/?");
    /* A password with an unescaped slash or question mark is malformed, yet must be hidden as well:
     * the user info then ends at the last '@' of the whole string. */
    const char *at_sign = memrchr(dsn + authority, '@', end - authority);
    if (!at_sign) {
        at_sign = strrchr(dsn + authority, '@');
    }
    if (at_sign) {
        size_t user_end = authority + strcspn(dsn + authority, ":@");
        size_t at = (size_t)(at_sign - dsn);
        if (user_end < at) {
            n = add_span(out, n, user_end + 1, at - user_end - 1);
        }
        end = at;
    }
    const char *query = strchr(dsn + end, '?');
    return query ? scan_uri_query(dsn, (size_t)(query - dsn) + 1, out, n) : n;
}

/* One value of a keyword=value string: bare up to a space, or in single quotes with backslash
 * escapes. */
static size_t
value_end(const char *dsn, size_t at, bool quoted)
{
    while (dsn[at] != '\0') {
        if (dsn[at] == '\\' && dsn[at + 1] != '\0') {
            at += 2;
            continue;
        }
        if (quoted ? dsn[at] == '\'' : isspace((unsigned char)dsn[at]) != 0) {
            break;
        }
        at++;
    }
    return at;
}

static size_t
scan_keywords(const char *dsn, struct argv_span out[ARGV_SPANS_MAX])
{
    size_t n = 0, at = 0;
    while (dsn[at] != '\0') {
        at += strspn(dsn + at, " \t\r\n");
        size_t key = at, key_len = strcspn(dsn + at, "= \t\r\n");
        at += key_len;
        at += strspn(dsn + at, " \t\r\n");
        if (dsn[at] != '=') {
            at += key_len == 0 && dsn[at] != '\0' ? 1 : 0;
            continue;
        }
        at++;
        at += strspn(dsn + at, " \t\r\n");
        bool quoted = dsn[at] == '\'';
        at += quoted ? 1 : 0;
        size_t end = value_end(dsn, at, quoted);
        if (is_secret_key(dsn + key, key_len)) {
            n = add_span(out, n, at, end - at);
        }
        at = end + (quoted && dsn[end] == '\'' ? 1 : 0);
    }
    return n;
}

size_t
argv_secret_find(const char *dsn, struct argv_span out[ARGV_SPANS_MAX])
{
    static const char *const schemes[] = {"postgresql://", "postgres://"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t len = strlen(schemes[i]);
        if (strncmp(dsn, schemes[i], len) == 0) {
            return scan_uri(dsn, len, out);
        }
    }
    const char *scheme = strstr(dsn, "://");
    if (scheme && strcspn(dsn, "= ") > (size_t)(scheme - dsn)) {
        return scan_uri(dsn, (size_t)(scheme - dsn) + 3, out);
    }
    return scan_keywords(dsn, out);
}

static bool
has_readable_password(const char *dsn)
{
    bool readable = false;
    PQconninfoOption *options = PQconninfoParse(dsn, NULL);
    for (PQconninfoOption *o = options; o && o->keyword; o++) {
        if (o->val && is_secret_key(o->keyword, strlen(o->keyword))) {
            readable = readable || o->val[strspn(o->val, "x")] != '\0';
        }
    }
    PQconninfoFree(options);
    return readable;
}

void
argv_secret_hide(char *dsn)
{
    struct argv_span spans[ARGV_SPANS_MAX];
    size_t n = argv_secret_find(dsn, spans);
    for (size_t i = 0; i < n; i++) {
        memset(dsn + spans[i].at, 'x', spans[i].len);
    }
    if (has_readable_password(dsn) || n == ARGV_SPANS_MAX) {
        memset(dsn, 'x', strlen(dsn));
    }
}

void
argv_secret_register(const char *dsn)
{
    struct argv_span spans[ARGV_SPANS_MAX];
    size_t n = argv_secret_find(dsn, spans);
    for (size_t i = 0; i < n; i++) {
        char *written = x_strndup(dsn + spans[i].at, spans[i].len);
        log_add_secret(written);
        explicit_bzero(written, spans[i].len);
        x_free(written);
    }
    dsn_add_secrets(dsn);
}
