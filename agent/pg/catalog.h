/* SPDX-License-Identifier: Apache-2.0
 *
 * What a server and its database contain, read from the catalogs of an ordinary connection (or of
 * one with an imported snapshot). Lists are in one arena-like allocation; free with the function
 * given.
 */
#ifndef TG_PG_CATALOG_H
#define TG_PG_CATALOG_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/change/table_filter.h"

struct pg_server {
    int version;        /* 150018 */
    uint64_t system_id; /* 0 when the role may not read it */
    char database[64], user[64], encoding[32], collate[64], ctype[64];
    bool superuser,
        replication_role; /* REPLICATION attribute, or a managed service's replication role */
    bool in_recovery;
};
bool pg_server_read(PGconn *conn, struct pg_server *out, struct err *err) must_use;

/* Ordinary and partitioned tables that are not system's, not temporary, not members of an extension
 * (configuration tables excepted: they are listed), and match the filter. A partition matches when
 * it or an ancestor does. */
struct pg_table {
    uint32_t oid;
    const char *schema, *name;
    char kind;            /* 'r' table (also a leaf partition), 'p' partitioned */
    char identity;        /* 'd','n','f','i' as in pg_class.relreplident */
    bool identity_usable; /* updates and deletes can be published: a key or full */
    bool virtual_columns; /* has generated columns that are not stored (18) */
    bool unlogged;
    bool partition; /* has a partitioned parent; then `root` is its topmost ancestor's oid */
    uint32_t root;
    uint64_t bytes; /* heap and TOAST, without indexes */
    uint32_t pages; /* of the heap now (from its size) */
    double rows;    /* estimate; < 0 unknown */
    bool owned;     /* the connected role owns it or is a member of the owner */
};
struct pg_tables {
    struct pg_table *items;
    size_t len;
};
bool pg_tables_read(
    PGconn *conn, const struct table_filter *f, struct pg_tables *out, struct err *err) must_use;
void pg_tables_free(struct pg_tables *t); /* accepts an all-zero one */

/* Columns of one table that a copy carries: not dropped, not generated, in order of attnum. */
struct pg_column {
    const char *name;
    uint32_t type_oid;
    const char *type_name; /* format_type with modifier */
    bool binary_exact;     /* built-in type whose binary form means the same on every server */
};
struct pg_columns {
    struct pg_column *items;
    size_t len;
};
bool pg_columns_read(PGconn *conn, const char *schema, const char *name, struct pg_columns *out,
    struct err *err) must_use;
void pg_columns_free(struct pg_columns *c);

/* The same of several tables at once, in two steps for who asks for more at the same time. */
struct pg_name {
    const char *schema, *name;
};
/* Appends " (VALUES ...) AS q (n, ns, nm)": index, schema and name. */
void pg_names_values(struct buf *sql, const struct pg_name *names, size_t n);
/* Appends the question. */
void pg_columns_question(
    struct buf *sql, const PGconn *conn, const struct pg_name *names, size_t n);
/* Its answer: out[i] has the columns of names[i], none when that is not there; each is freed. */
void pg_columns_take(const PGresult *res, struct pg_columns *out, size_t n);

#endif
