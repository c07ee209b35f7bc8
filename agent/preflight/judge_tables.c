/* SPDX-License-Identifier: Apache-2.0
 *
 * Verdicts about the tables that are to be moved, and about what lies beside them in the database.
 */
#include <inttypes.h>

#include "agent/base/parse.h"
#include "agent/preflight/facts.h"

#define WHERE "source"

static bool
is_data(const struct pg_table *t)
{
    return t->kind == 'r';
}

static bool
is_not_owned(const struct pg_table *t)
{
    return !t->owned && !t->unlogged;
}

/* Of a partitioned table it is the partitions whose identity counts. */
static bool
lacks_identity(const struct pg_table *t)
{
    return t->kind == 'r' && !t->identity_usable && !t->unlogged;
}

static bool
is_unlogged(const struct pg_table *t)
{
    return t->unlogged;
}

/* FULL is every column of a row, and the server does not publish these. */
static bool
is_frozen_by_publishing(const struct pg_table *t)
{
    return t->kind == 'r' && t->virtual_columns && !t->unlogged &&
           (t->identity == 'f' || !t->identity_usable);
}

static void
judge_selection(
    const struct preflight_input *in, const struct source_facts *s, struct preflight_report *r)
{
    struct preflight_names data = preflight_tables_where(r, &s->tables, is_data);
    uint64_t bytes = 0;
    for (size_t i = 0; i < s->tables.len; i++) {
        bytes += s->tables.items[i].kind == 'r' ? s->tables.items[i].bytes : 0;
    }
    if (data.len > 0) {
        char size[FORMAT_SIZE];
        preflight_add(r, WHERE, "tables", PREFLIGHT_OK, "%zu table%s to move, %s", data.len,
            data.len == 1 ? "" : "s", format_bytes(bytes, size));
        return;
    }
    preflight_add(
        r, WHERE, "tables", PREFLIGHT_BLOCKING, "the database has no table that is meant to move");
    preflight_todo(r, in->config->tables.include.len > 0
                          ? "check the patterns of tables.include and tables.exclude"
                          : "check the name of the database in the source's connection string");
}

static void
judge_ownership(
    const struct preflight_input *in, const struct source_facts *s, struct preflight_report *r)
{
    if (in->resume || s->common.server.superuser) {
        return;
    }
    struct preflight_names others = preflight_tables_where(r, &s->tables, is_not_owned);
    if (others.len == 0) {
        preflight_add(r, WHERE, "table-ownership", PREFLIGHT_OK, "the role owns the tables");
        return;
    }
    preflight_add(r, WHERE, "table-ownership", PREFLIGHT_BLOCKING,
        "role '%s' does not own %zu table%s, so it may not publish %s: %s", s->common.server.user,
        others.len, others.len == 1 ? "" : "s", others.len == 1 ? "it" : "them",
        preflight_list(r, &others));
    preflight_todo(
        r, "GRANT the owning role TO \"%s\", or exclude the tables", s->common.server.user);
}

static void
judge_reading(const struct source_facts *s, struct preflight_report *r)
{
    if (s->unreadable.len > 0) {
        preflight_add(r, WHERE, "table-select", PREFLIGHT_BLOCKING,
            "role '%s' may not read %zu table%s or sequence%s: %s", s->common.server.user,
            s->unreadable.len, s->unreadable.len == 1 ? "" : "s", s->unreadable.len == 1 ? "" : "s",
            preflight_list(r, &s->unreadable));
        preflight_todo(r,
            "GRANT USAGE ON the schemas, and SELECT ON the tables and sequences TO \"%s\"",
            s->common.server.user);
    } else {
        preflight_add(r, WHERE, "table-select", PREFLIGHT_OK, "the role may read everything");
    }
    if (s->row_security.len > 0) {
        preflight_add(r, WHERE, "row-security", PREFLIGHT_BLOCKING,
            "row security would hide rows of %zu table%s from role '%s': %s", s->row_security.len,
            s->row_security.len == 1 ? "" : "s", s->common.server.user,
            preflight_list(r, &s->row_security));
        preflight_todo(r, "ALTER ROLE \"%s\" BYPASSRLS", s->common.server.user);
    }
}

static void
judge_identity(
    const struct preflight_input *in, const struct source_facts *s, struct preflight_report *r)
{
    struct preflight_names bare = preflight_tables_where(r, &s->tables, lacks_identity);
    bool refuse = in->config->tables.without_identity == IDENTITY_REFUSE;
    if (bare.len == 0) {
        preflight_add(r, WHERE, "replica-identity", PREFLIGHT_OK,
            "every table has a key by which its rows are found");
    } else if (refuse || in->resume) {
        preflight_add(r, WHERE, "replica-identity", refuse ? PREFLIGHT_BLOCKING : PREFLIGHT_WARNING,
            "%zu table%s without a usable replica identity: updates and deletes fail or cannot be "
            "carried: %s",
            bare.len, bare.len == 1 ? " is" : "s are", preflight_list(r, &bare));
        preflight_todo(r, "give them a primary key, or ALTER TABLE ... REPLICA IDENTITY FULL%s",
            refuse ? " (tables.without_identity: full does so for the time of the migration)" : "");
    } else {
        preflight_add(r, WHERE, "replica-identity", PREFLIGHT_WARNING,
            "%zu table%s without a usable replica identity %s REPLICA IDENTITY FULL until "
            "cleanup: "
            "%s",
            bare.len, bare.len == 1 ? "" : "s", bare.len == 1 ? "gets" : "get",
            preflight_list(r, &bare));
        preflight_todo(
            r, "fine for small tables; a large one that is often updated wants a primary key");
    }
}

/* The feed has nothing of them: the cutover compares them. */
static void
judge_large_objects(const struct source_facts *s, struct preflight_report *r)
{
    const char *user = s->common.server.user;
    if (s->closed_objects > 0) {
        preflight_add(r, WHERE, "large-objects", PREFLIGHT_BLOCKING,
            "role '%s' may not read %" PRId64 " of %" PRId64 " large objects", user,
            s->closed_objects, s->large_objects);
        preflight_todo(r,
            "GRANT SELECT ON LARGE OBJECT ... TO \"%s\", or make it a member of their owners",
            user);
    } else if (s->large_objects > 0 && !s->reads_object_pages) {
        preflight_add(r, WHERE, "large-objects", PREFLIGHT_WARNING,
            "%" PRId64 " large object%s copied; later changes of them are brought over at the "
            "cutover, which reads all of them behind the fence, because role '%s' may not read "
            "pg_largeobject",
            s->large_objects, s->large_objects == 1 ? " is" : "s are", user);
        preflight_todo(
            r, "GRANT pg_read_all_data TO \"%s\": then only what was written since is read", user);
    } else if (s->large_objects > 0 && s->common.server.version < 160000) {
        preflight_add(r, WHERE, "large-objects", PREFLIGHT_WARNING,
            "%" PRId64 " large object%s copied, and later changes of them are brought over at the "
            "cutover; a server older than PostgreSQL 16 lets even read-only transactions write to "
            "large objects, so the fence does not keep new sessions from that",
            s->large_objects, s->large_objects == 1 ? " is" : "s are");
        preflight_todo(r, "stop what writes to large objects alone, with no row beside, before the "
                          "cutover");
    } else if (s->large_objects > 0) {
        preflight_add(r, WHERE, "large-objects", PREFLIGHT_OK,
            "%" PRId64 " large object%s copied; later changes are brought over at the cutover",
            s->large_objects, s->large_objects == 1 ? " is" : "s are");
    }
}

static void
judge_columns(const struct source_facts *s, struct preflight_report *r)
{
    struct preflight_names frozen = preflight_tables_where(r, &s->tables, is_frozen_by_publishing);
    if (frozen.len > 0) {
        preflight_add(r, WHERE, "virtual-columns", PREFLIGHT_BLOCKING,
            "%zu table%s virtual generated columns and no key, and the source would refuse every "
            "UPDATE and DELETE there once they are published: %s",
            frozen.len, frozen.len == 1 ? " has" : "s have", preflight_list(r, &frozen));
        preflight_todo(r, "give them a primary key (and not REPLICA IDENTITY FULL), or exclude "
                          "them (tables.exclude)");
    }
    if (s->references.len > 0) {
        preflight_add(r, WHERE, "object-references", PREFLIGHT_WARNING,
            "%zu table%s columns that name objects of the database (regclass and the like), so all "
            "values travel as text, which is slower: %s",
            s->references.len, s->references.len == 1 ? " has" : "s have",
            preflight_list(r, &s->references));
        preflight_todo(r, "fine as long as these objects are on the target, too; excluding the "
                          "tables brings back the binary feed");
    }
}

static void
judge_beside(const struct source_facts *s, struct preflight_report *r)
{
    struct preflight_names unlogged = preflight_tables_where(r, &s->tables, is_unlogged);
    if (unlogged.len > 0) {
        preflight_add(r, WHERE, "unlogged-tables", PREFLIGHT_WARNING,
            "%zu unlogged table%s copied, but later changes are not in the log: %s", unlogged.len,
            unlogged.len == 1 ? " is" : "s are", preflight_list(r, &unlogged));
        preflight_todo(
            r, "ALTER TABLE ... SET LOGGED, exclude them, or copy them again after the cutover");
    }
    judge_large_objects(s, r);
    if (s->foreign_tables.len > 0) {
        preflight_add(r, WHERE, "foreign-tables", PREFLIGHT_WARNING,
            "%zu foreign table%s: the definition moves, the data stays where it is: %s",
            s->foreign_tables.len, s->foreign_tables.len == 1 ? "" : "s",
            preflight_list(r, &s->foreign_tables));
        preflight_todo(r, "make sure that the target reaches the same foreign servers");
    }
}

void
preflight_judge_tables(
    const struct preflight_input *in, const struct source_facts *s, struct preflight_report *r)
{
    if (!s->common.reachable) {
        return;
    }
    judge_selection(in, s, r);
    judge_ownership(in, s, r);
    judge_reading(s, r);
    judge_identity(in, s, r);
    judge_columns(s, r);
    judge_beside(s, r);
}
