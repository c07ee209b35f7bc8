/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything here is decided by type, name and SQLSTATE, never by the text of a message.
 */
#include "agent/snapshot/entry.h"

#include <ctype.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/pg/ident.h"
#include "agent/pg/query.h"

#define KEY_MAX 400 /* a ledger row is an index entry too, and these have a limit of 2700 bytes */

bool
tablespaces_read(PGconn *target, struct tablespaces *out, struct err *err)
{
    memset(out, 0, sizeof(*out));
    PGresult *res = NULL;
    if (!pg_query(target, "list the target's tablespaces",
            "SELECT spcname FROM pg_catalog.pg_tablespace", 0, NULL, &res, err)) {
        return false;
    }
    out->len = (size_t)PQntuples(res);
    out->names = x_zalloc((out->len + 1) * sizeof(*out->names));
    for (size_t i = 0; i < out->len; i++) {
        out->names[i] = x_strdup(pg_str(res, (int)i, 0));
    }
    PQclear(res);
    return true;
}

void
tablespaces_free(struct tablespaces *t)
{
    for (size_t i = 0; i < t->len; i++) {
        x_free(t->names[i]);
    }
    x_free(t->names);
    memset(t, 0, sizeof(*t));
}

char *
entry_key(const struct toc_entry *e)
{
    char *key = x_printf("%s|%s|%s|%u", e->type, e->schema, e->name, e->object_oid);
    size_t n = strlen(key);
    if (n <= KEY_MAX) {
        return key;
    }
    uint64_t sum = 14695981039346656037ULL; /* FNV-1a */
    for (size_t i = 0; i < n; i++) {
        sum = (sum ^ (unsigned char)key[i]) * 1099511628211ULL;
    }
    size_t cut = KEY_MAX;
    while (cut && ((unsigned char)key[cut] & 0xC0) == 0x80) {
        cut--; /* not inside a UTF-8 sequence */
    }
    char *out = x_printf("%.*s#%016llx", (int)cut, key, (unsigned long long)sum);
    x_free(key);
    return out;
}

/* The name that an SQL value ("na me", 'na me', name) stands for; new string. */
static char *
plain_name(const char *value)
{
    size_t n = strlen(value);
    char quote = value[0];
    if (n < 2 || (quote != '"' && quote != '\'')) {
        return x_strdup(value);
    }
    char *out = x_malloc(n);
    size_t len = 0;
    for (size_t i = 1; i + 1 < n; i++) {
        out[len++] = value[i];
        i += value[i] == quote && value[i + 1] == quote;
    }
    out[len] = 0;
    return out;
}

static bool
tablespace_known(const struct tablespaces *t, const char *value)
{
    char *name = plain_name(value);
    bool known = *name == 0;
    for (size_t i = 0; i < t->len && !known; i++) {
        known = strcmp(t->names[i], name) == 0;
    }
    x_free(name);
    return known;
}

void
entry_settings(
    struct buf *sql, const struct toc_entry *e, const struct tablespaces *t, int target_version)
{
    if (e->tablespace) {
        buf_printf(sql, "SET LOCAL default_tablespace = %s;",
            tablespace_known(t, e->tablespace) ? e->tablespace : "''");
    }
    if (e->access_method && target_version >= 120000) {
        buf_printf(sql, "SET LOCAL default_table_access_method = %s;", e->access_method);
    }
}

static bool
type_is(const struct toc_entry *e, const char *type)
{
    return strcmp(e->type, type) == 0;
}

static bool
named(const struct toc_entry *e, const char *prefix)
{
    return strncmp(e->name, prefix, strlen(prefix)) == 0;
}

bool
entry_tolerates(const struct toc_entry *e, const char *sqlstate)
{
    bool refused = strcmp(sqlstate, "42501") == 0;
    bool missing = strcmp(sqlstate, "42704") == 0 || strcmp(sqlstate, "42P01") == 0;
    bool exists = strcmp(sqlstate, "42710") == 0 || strcmp(sqlstate, "42P06") == 0;
    if (type_is(e, "COMMENT") && named(e, "EXTENSION ")) {
        return refused || missing;
    }
    if (type_is(e, "COMMENT") && (named(e, "SCHEMA public") || named(e, "LANGUAGE "))) {
        return refused;
    }
    if (type_is(e, "ACL") && (named(e, "SCHEMA public") || named(e, "LANGUAGE "))) {
        return refused;
    }
    if (type_is(e, "SCHEMA") || type_is(e, "EXTENSION") || type_is(e, "PROCEDURAL LANGUAGE")) {
        return exists;
    }
    /* Its parent is a table that the filter leaves out. */
    if (type_is(e, "TABLE ATTACH") || type_is(e, "INDEX ATTACH")) {
        return missing;
    }
    /* Its provider is not loaded. */
    if (type_is(e, "SECURITY LABEL")) {
        return refused || strcmp(sqlstate, "22023") == 0;
    }
    /* Its publication was refused, or is of a table that the filter leaves out. */
    if (strncmp(e->type, "PUBLICATION ", 12) == 0) {
        return missing || refused;
    }
    /* Only a superuser may make one, and the data does not need it. */
    return (type_is(e, "EVENT TRIGGER") || type_is(e, "PUBLICATION") ||
               type_is(e, "SUBSCRIPTION")) &&
           refused;
}

bool
entry_holds_secret(const struct toc_entry *e)
{
    return type_is(e, "USER MAPPING") || type_is(e, "SERVER") || type_is(e, "SUBSCRIPTION");
}

char *
entry_not_valid(const char *sql)
{
    size_t n = strlen(sql);
    while (n && isspace((unsigned char)sql[n - 1])) {
        n--;
    }
    if (n == 0 || sql[n - 1] != ';' || strncmp(sql, "ALTER TABLE ", 12) != 0 ||
        !strstr(sql, "FOREIGN KEY")) {
        return NULL;
    }
    static const char there[] = " NOT VALID;";
    size_t m = sizeof(there) - 1;
    if (n >= m && memcmp(sql + n - m, there, m) == 0) {
        return x_strdup(sql);
    }
    return x_printf("%.*s NOT VALID;", (int)(n - 1), sql);
}

char *
entry_without_slot(const char *sql)
{
    static const char mark[] = "slot_name = '";
    const char *slot = NULL;
    /* The last one: a connection string may hold anything. */
    for (const char *at = sql; (at = strstr(at, mark)) != NULL; at++) {
        slot = at;
    }
    if (!slot) {
        return x_strdup(sql);
    }
    const char *end = slot + sizeof(mark) - 1;
    while (*end && (*end != '\'' || end[1] == '\'')) {
        end += *end == '\'' ? 2 : 1;
    }
    return x_printf("%.*sslot_name = NONE%s", (int)(slot - sql), sql, *end ? end + 1 : "");
}

static const char *
hint_for(const struct toc_entry *e, const struct err *err)
{
    const char *s = err->sqlstate;
    if (type_is(e, "EXTENSION") && (strcmp(s, "0A000") == 0 || strcmp(s, "58P01") == 0)) {
        return "install the package of this extension on the target's server";
    }
    if (strcmp(s, "42704") == 0 && strstr(err->text, "role ")) {
        return "create the role on the target, or leave ownership and privileges out: schema.owner "
               "and schema.grants";
    }
    if (strcmp(s, "42P07") == 0 || strcmp(s, "42710") == 0 || strcmp(s, "42723") == 0 ||
        strcmp(s, "42P16") == 0) {
        return "the target has an object of this name: use an empty database, or set schema.copy "
               "to false when the tables are there already";
    }
    if (strcmp(s, "42501") == 0) {
        return "the target's role lacks a right: let it own the database and be a member of the "
               "owners, or set schema.owner or schema.grants to false";
    }
    return NULL;
}

bool
entry_error(const struct toc_entry *e, struct err *err)
{
    if (err->class == ERR_CANCELLED) {
        return false;
    }
    const char *hint = hint_for(e, err);
    if (hint) {
        err_hint(err, "%s", hint);
    }
    bool has_schema = strcmp(e->schema, "-") != 0;
    return err_wrap(err, "target: create %s '%s%s%s'", e->type, has_schema ? e->schema : "",
        has_schema ? "." : "", e->name);
}
