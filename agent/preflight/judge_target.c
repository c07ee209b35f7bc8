/* SPDX-License-Identifier: Apache-2.0
 *
 * Verdicts about one target, alone and against the source. Without a source only what the target
 * says of itself is judged.
 */
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "agent/preflight/facts.h"

#define VERSION_MIN 14
#define VERSION_MAX 18

/* --- the server ---------------------------------------------------------------------------------
 */

static void
judge_version(
    const struct source_facts *s, const struct target_facts *t, struct preflight_report *r)
{
    int major = t->common.server.version / 10000;
    int source = s->common.reachable ? s->common.server.version / 10000 : 0;
    if (major < VERSION_MIN) {
        preflight_add(r, t->name, "target-version", PREFLIGHT_BLOCKING,
            "the server is PostgreSQL %d, older than the oldest supported target, %d", major,
            VERSION_MIN);
        preflight_todo(r, "move to a newer server");
    } else if (major < source) {
        preflight_add(r, t->name, "target-version", PREFLIGHT_BLOCKING,
            "the server is PostgreSQL %d, older than the source, %d: its schema may not load",
            major, source);
        preflight_todo(r, "move to PostgreSQL %d or newer", source);
    } else if (major > VERSION_MAX) {
        preflight_add(r, t->name, "target-version", PREFLIGHT_WARNING,
            "the server is PostgreSQL %d, newer than %d, the newest this program was tested with",
            major, VERSION_MAX);
        preflight_todo(r, "look for a newer tidegate");
    } else {
        preflight_add(r, t->name, "target-version", PREFLIGHT_OK, "PostgreSQL %d", major);
    }
}

static void
judge_primary(
    const struct source_facts *s, const struct target_facts *t, struct preflight_report *r)
{
    const struct pg_server *a = &s->common.server, *b = &t->common.server;
    if (b->in_recovery) {
        preflight_add(r, t->name, "target-primary", PREFLIGHT_BLOCKING,
            "the server is a standby and takes no changes");
        preflight_todo(r, "connect to the primary");
    } else {
        preflight_add(r, t->name, "target-primary", PREFLIGHT_OK, "the server is a primary");
    }
    if (s->common.reachable && a->system_id != 0 && a->system_id == b->system_id &&
        strcmp(a->database, b->database) == 0) {
        preflight_add(r, t->name, "target-is-source", PREFLIGHT_BLOCKING,
            "source and target are the same database");
        preflight_todo(r, "check the target's connection string");
    }
}

static void
judge_encoding(
    const struct source_facts *s, const struct target_facts *t, struct preflight_report *r)
{
    const char *from = s->common.server.encoding, *to = t->common.server.encoding;
    bool same = strcmp(from, to) == 0;
    /* SQL_ASCII means bytes of any encoding: they are text of another one only by chance. */
    if (same || (strcmp(to, "UTF8") == 0 && strcmp(from, "SQL_ASCII") != 0)) {
        preflight_add(r, t->name, "encoding", PREFLIGHT_OK, "%s%s%s", from, same ? "" : " becomes ",
            same ? "" : to);
        return;
    }
    preflight_add(r, t->name, "encoding", PREFLIGHT_BLOCKING,
        "the source's encoding is %s, the target's %s: not every text can be stored there", from,
        to);
    preflight_todo(r, "create the target database with ENCODING '%s' TEMPLATE template0", from);
}

/* "en_US.utf8" and "en_US.UTF-8" are one locale, and the encoding is a matter of its own; but C
 * knows only ASCII, C.UTF-8 all letters. */
static bool
same_locale(const char *a, const char *b)
{
    size_t len = strcspn(a, ".");
    bool bare = (strcmp(a, "C") == 0 || strcmp(a, "POSIX") == 0) !=
                (strcmp(b, "C") == 0 || strcmp(b, "POSIX") == 0);
    return !bare && len == strcspn(b, ".") && strncasecmp(a, b, len) == 0;
}

static void
judge_locale(const struct source_facts *s, const struct target_facts *t, struct preflight_report *r)
{
    const struct pg_server *a = &s->common.server, *b = &t->common.server;
    if (!same_locale(a->collate, b->collate) || !same_locale(a->ctype, b->ctype)) {
        preflight_add(r, t->name, "locale", PREFLIGHT_WARNING,
            "the source's locale is %s (%s), the target's %s (%s): text sorts, compares and "
            "changes case "
            "in another way",
            a->collate, a->ctype, b->collate, b->ctype);
        preflight_todo(r,
            "create the target database with LC_COLLATE '%s' LC_CTYPE '%s' TEMPLATE "
            "template0, unless the change is wanted",
            a->collate, a->ctype);
    } else {
        preflight_add(r, t->name, "locale", PREFLIGHT_OK, "%s", b->collate);
    }
}

/* --- what the schema needs ----------------------------------------------------------------------
 */

static void
judge_extensions(
    const struct source_facts *s, const struct target_facts *t, struct preflight_report *r)
{
    struct preflight_names missing = preflight_missing(r, &s->extensions, &t->available);
    if (missing.len > 0) {
        preflight_add(r, t->name, "extensions", PREFLIGHT_BLOCKING,
            "the server does not have %zu extension%s of the source: %s", missing.len,
            missing.len == 1 ? "" : "s", preflight_list(r, &missing));
        preflight_todo(r,
            "install the extension packages on the target's machine, or drop the extensions "
            "on the source");
        return;
    }
    struct preflight_names refused = preflight_missing(r, &s->extensions, &t->installable);
    if (refused.len > 0) {
        preflight_add(r, t->name, "extensions", PREFLIGHT_WARNING,
            "role '%s' may not be allowed to create %zu extension%s: %s", t->common.server.user,
            refused.len, refused.len == 1 ? "" : "s", preflight_list(r, &refused));
        preflight_todo(r, "let a superuser CREATE EXTENSION there first, or connect as one");
        return;
    }
    preflight_add(r, t->name, "extensions", PREFLIGHT_OK, "%zu of the source, all available",
        s->extensions.len);
}

static void
judge_collations(
    const struct source_facts *s, const struct target_facts *t, struct preflight_report *r)
{
    struct preflight_names missing = preflight_missing(r, &s->collations, &t->collations);
    if (missing.len == 0) {
        preflight_add(r, t->name, "collations", PREFLIGHT_OK, "%zu in use on the source, all known",
            s->collations.len);
        return;
    }
    preflight_add(r, t->name, "collations", PREFLIGHT_WARNING,
        "the server does not know %zu collation%s that columns of the source use: %s", missing.len,
        missing.len == 1 ? "" : "s", preflight_list(r, &missing));
    preflight_todo(r,
        "install the locale or ICU on the target's machine and call "
        "pg_import_system_collations('pg_catalog'); the tables cannot be created else");
}

/* Without those that are going to be made. */
static struct preflight_names
not_made(const struct preflight_input *in, const struct source_facts *s,
    const struct target_facts *t, const struct preflight_names *names, struct preflight_report *r)
{
    if (in->config->schema.roles == ROLES_OFF || !t->globals.may_create_roles) {
        return *names;
    }
    struct preflight_names made = preflight_missing(r, &s->globals.roles, &t->roles);
    return preflight_missing(r, names, &made);
}

static void
judge_roles_missing(const struct preflight_names *missing, const struct target_facts *t,
    const char *id, const char *what, const char *setting, struct preflight_report *r)
{
    preflight_add(r, t->name, id, PREFLIGHT_BLOCKING,
        "%zu role%s that %s on the source %s on the target: %s", missing->len,
        missing->len == 1 ? "" : "s", what, missing->len == 1 ? "is missing" : "are missing",
        preflight_list(r, missing));
    preflight_todo(r,
        "CREATE ROLE them there, let schema.roles make them, or leave that out with %s: false",
        setting);
}

static void
judge_roles(const struct preflight_input *in, const struct source_facts *s,
    const struct target_facts *t, struct preflight_report *r)
{
    const struct config *c = in->config;
    if (c->schema.owner) {
        struct preflight_names missing = preflight_missing(r, &s->owners, &t->roles);
        struct preflight_names foreign = preflight_missing(r, &s->owners, &t->assumable);
        missing = not_made(in, s, t, &missing, r);
        foreign = not_made(in, s, t, &foreign, r);
        if (missing.len > 0) {
            judge_roles_missing(&missing, t, "owner-roles", "objects belong to", "schema.owner", r);
        } else if (foreign.len > 0 && !t->common.server.superuser) {
            preflight_add(r, t->name, "owner-roles", PREFLIGHT_BLOCKING,
                "role '%s' may not give objects to %zu of the roles that own them on the source: "
                "%s",
                t->common.server.user, foreign.len, preflight_list(r, &foreign));
            preflight_todo(r,
                "GRANT these roles TO \"%s\" on the target, or leave ownership out with "
                "schema.owner: false",
                t->common.server.user);
        } else {
            preflight_add(r, t->name, "owner-roles", PREFLIGHT_OK, "%zu on the source, all there",
                s->owners.len);
        }
    }
    if (c->schema.grants) {
        struct preflight_names missing = preflight_missing(r, &s->grantees, &t->roles);
        missing = not_made(in, s, t, &missing, r);
        if (missing.len > 0) {
            judge_roles_missing(
                &missing, t, "grant-roles", "privileges are granted to", "schema.grants", r);
        } else {
            preflight_add(r, t->name, "grant-roles", PREFLIGHT_OK, "%zu on the source, all there",
                s->grantees.len);
        }
    }
}

static void
judge_creating(
    const struct preflight_input *in, const struct target_facts *t, struct preflight_report *r)
{
    const struct pg_server *server = &t->common.server;
    if (!t->may_create_schema) {
        preflight_add(r, t->name, "create-right", PREFLIGHT_BLOCKING,
            "role '%s' may not create schemas in database '%s'", server->user, server->database);
        preflight_todo(
            r, "GRANT CREATE ON DATABASE \"%s\" TO \"%s\"", server->database, server->user);
    } else if (in->config->schema.copy && t->no_create.len > 0) {
        preflight_add(r, t->name, "create-right", PREFLIGHT_BLOCKING,
            "role '%s' may not create objects in schema%s %s", server->user,
            t->no_create.len == 1 ? "" : "s", preflight_list(r, &t->no_create));
        preflight_todo(r, "GRANT ALL ON SCHEMA ... TO \"%s\", for each of them", server->user);
    } else {
        preflight_add(r, t->name, "create-right", PREFLIGHT_OK, "the role may create the schema");
    }
}

/* --- what is there already ----------------------------------------------------------------------
 */

static void
judge_no_objects(
    const struct source_facts *s, const struct target_facts *t, struct preflight_report *r)
{
    struct preflight_names both = preflight_common(r, &s->objects, &t->objects);
    if (both.len == 0) {
        preflight_add(
            r, t->name, "target-empty", PREFLIGHT_OK, "nothing of the source is there yet");
        return;
    }
    preflight_add(r, t->name, "target-empty", PREFLIGHT_BLOCKING,
        "%zu of the source's objects %s there already: %s", both.len, both.len == 1 ? "is" : "are",
        preflight_list(r, &both));
    preflight_todo(r,
        "move into an empty database, drop them, or set schema.copy: false to fill tables "
        "that are there and empty");
}

static bool
carries_rows(const struct pg_table *t)
{
    return t->kind == 'r';
}

/* Tables that carry rows on the source and are not on the target. */
static struct preflight_names
tables_missing(
    const struct source_facts *s, const struct target_facts *t, struct preflight_report *r)
{
    /* Tables come ordered by schema and name; as "schema.name" their order may be another. */
    struct preflight_names wanted = preflight_tables_where(r, &s->tables, carries_rows);
    struct preflight_names missing = {
        arena_alloc(&r->arena, (wanted.len + 1) * sizeof(*missing.items)), 0};
    for (size_t i = 0; i < wanted.len; i++) {
        struct preflight_names one = {&wanted.items[i], 1};
        if (preflight_missing(r, &one, &t->objects).len == 1) {
            missing.items[missing.len++] = wanted.items[i];
        }
    }
    return missing;
}

static void
judge_tables_there(
    const struct source_facts *s, const struct target_facts *t, struct preflight_report *r)
{
    struct preflight_names missing = tables_missing(s, t, r);
    if (missing.len > 0) {
        preflight_add(r, t->name, "target-tables", PREFLIGHT_BLOCKING,
            "%zu table%s missing, and the sink starts without a copy: %s", missing.len,
            missing.len == 1 ? " is" : "s are", preflight_list(r, &missing));
        preflight_todo(r, "restore the target from a backup of the source, or let it start with a "
                          "copy");
    } else {
        preflight_add(r, t->name, "target-tables", PREFLIGHT_OK, "the tables are there");
    }
}

static void
judge_empty_tables(
    const struct source_facts *s, const struct target_facts *t, struct preflight_report *r)
{
    struct preflight_names missing = tables_missing(s, t, r);
    if (missing.len > 0) {
        preflight_add(r, t->name, "target-tables", PREFLIGHT_BLOCKING,
            "%zu table%s missing, and schema.copy is false: %s", missing.len,
            missing.len == 1 ? " is" : "s are", preflight_list(r, &missing));
        preflight_todo(r, "create them, exclude them, or set schema.copy: true");
    } else if (t->not_empty.len > 0) {
        preflight_add(r, t->name, "target-tables", PREFLIGHT_BLOCKING,
            "%zu table%s rows already: %s", t->not_empty.len,
            t->not_empty.len == 1 ? " holds" : "s hold", preflight_list(r, &t->not_empty));
        preflight_todo(r, "TRUNCATE them, or move into another database");
    } else {
        preflight_add(r, t->name, "target-tables", PREFLIGHT_OK, "the tables are there and empty");
    }
}

static void
judge_leftovers(const struct target_facts *t, struct preflight_report *r)
{
    if (t->leftovers.len == 0) {
        return;
    }
    preflight_add(r, t->name, "target-leftovers", PREFLIGHT_BLOCKING,
        "an earlier run of this name left its progress on the target, which would make this one "
        "skip "
        "changes: %s",
        preflight_list(r, &t->leftovers));
    preflight_todo(r, "`tidegate cleanup` removes it; or choose another --name");
}

/* --- applying changes ---------------------------------------------------------------------------
 */

/* Connections that apply. */
static uint32_t
apply_jobs(const struct config *c, const char *sink)
{
    for (size_t i = 0; i < c->sinks_len; i++) {
        if (strcmp(c->sinks[i].name, sink) == 0) {
            return c->sinks[i].apply_jobs;
        }
    }
    return 1;
}

static const char *
origins_setting(const struct target_facts *t)
{
    return t->common.server.version >= 180000 ? "max_active_replication_origins"
                                              : "max_replication_slots";
}

static void
judge_origin(
    const struct preflight_input *in, const struct target_facts *t, struct preflight_report *r)
{
    const char *user = t->common.server.user;
    int64_t jobs = apply_jobs(in->config, t->name);
    if (t->common.server.superuser || t->origin_callable) {
        if (t->origins_max > 0 && t->origins_max < jobs) {
            preflight_add(r, t->name, "replication-origin", PREFLIGHT_BLOCKING,
                "the server has room for %" PRId64
                " replication origins, and apply_jobs wants %" PRId64,
                t->origins_max, jobs);
            preflight_todo(
                r, "lower apply_jobs, or raise %s and restart the server", origins_setting(t));
            return;
        }
        if (t->origins_max > 0 && jobs > 1) {
            preflight_add(r, t->name, "replication-origin", PREFLIGHT_OK,
                "progress is kept in table tidegate.progress, which several connections share");
            return;
        }
        if (t->origins_max > 0) {
            preflight_add(r, t->name, "replication-origin", PREFLIGHT_OK,
                "progress is kept by a replication origin");
            return;
        }
        preflight_add(r, t->name, "replication-origin", PREFLIGHT_WARNING,
            "the server has no room for replication origins: progress is kept in table "
            "tidegate.progress");
        preflight_todo(r,
            "works; to spare a write for each transaction raise %s and restart the server",
            origins_setting(t));
        return;
    }
    preflight_add(r, t->name, "replication-origin", PREFLIGHT_WARNING,
        "role '%s' may not use replication origins: progress is kept in table tidegate.progress",
        user);
    preflight_todo(r,
        "works; to spare a write for each transaction let a superuser GRANT EXECUTE ON the "
        "functions "
        "pg_replication_origin_* TO \"%s\"",
        user);
}

static void
judge_replication_role(const struct target_facts *t, struct preflight_report *r)
{
    const char *user = t->common.server.user;
    if (t->role_settable) {
        preflight_add(r, t->name, "session-replication-role", PREFLIGHT_OK,
            "triggers and rules do not fire on replicated rows");
        return;
    }
    preflight_add(r, t->name, "session-replication-role", PREFLIGHT_WARNING,
        "role '%s' may not set session_replication_role: foreign keys, triggers and rules are "
        "created "
        "at the cutover, which takes longer",
        user);
    if (t->common.server.version >= 150000) {
        preflight_todo(r, "GRANT SET ON PARAMETER session_replication_role TO \"%s\"", user);
    } else {
        preflight_todo(
            r, "connect as a superuser (from PostgreSQL 15 on the right can be granted)");
    }
}

/* `auto` does without where it cannot be; `on` was asked for. */
static void
judge_two_phase(const struct preflight_input *in, const struct source_facts *s,
    const struct target_facts *t, struct preflight_report *r)
{
    if (in->config->source.two_phase != TWO_PHASE_ON) {
        return;
    }
    if (s->common.reachable && s->common.server.version < 150000) {
        preflight_add(r, t->name, "two-phase", PREFLIGHT_BLOCKING,
            "source.two_phase is on, and the source is older than PostgreSQL 15");
        preflight_todo(r, "set source.two_phase to auto or off");
    } else if (t->prepared_max <= 0) {
        preflight_add(r, t->name, "two-phase", PREFLIGHT_BLOCKING,
            "source.two_phase is on, and the target does not take prepared transactions");
        preflight_todo(r, "raise max_prepared_transactions there to that of the source and restart "
                          "the server, or set source.two_phase to auto or off");
    } else {
        preflight_add(r, t->name, "two-phase", PREFLIGHT_OK,
            "up to %" PRId64 " transactions can be prepared", t->prepared_max);
    }
}

static void
judge_connections(
    const struct preflight_input *in, const struct target_facts *t, struct preflight_report *r)
{
    int64_t wanted = (int64_t)in->config->copy.jobs + (int64_t)in->config->copy.index_jobs +
                     (int64_t)apply_jobs(in->config, t->name) + 3;
    int64_t left = t->common.connections_max - t->common.connections_used;
    if (left >= wanted) {
        preflight_add(r, t->name, "target-connections", PREFLIGHT_OK,
            "%" PRId64 " connections are free", left);
        return;
    }
    preflight_add(r, t->name, "target-connections", PREFLIGHT_WARNING,
        "%" PRId64 " connections are free, up to %" PRId64 " are wanted", left > 0 ? left : 0,
        wanted);
    preflight_todo(r, "lower copy.jobs and copy.index_jobs, or raise max_connections");
}

static void
judge_against_source(const struct preflight_input *in, const struct source_facts *s,
    const struct target_facts *t, struct preflight_report *r)
{
    judge_encoding(s, t, r);
    judge_locale(s, t, r);
    if (in->resume) {
        return;
    }
    if (in->attach) {
        judge_tables_there(s, t, r);
        judge_leftovers(t, r);
        return;
    }
    if (in->config->schema.copy) {
        judge_extensions(s, t, r);
        judge_collations(s, t, r);
        judge_roles(in, s, t, r);
        judge_no_objects(s, t, r);
    } else {
        judge_empty_tables(s, t, r);
    }
    judge_creating(in, t, r);
    judge_leftovers(t, r);
}

void
preflight_judge_target(const struct preflight_input *in, const struct source_facts *s,
    const struct target_facts *t, struct preflight_report *r)
{
    const struct pg_server *server = &t->common.server;
    if (!t->common.reachable) {
        preflight_add(
            r, t->name, "target-reachable", PREFLIGHT_BLOCKING, "%s", t->common.error.text);
        preflight_todo(r, "%s", t->common.error.hint);
        return;
    }
    preflight_add(r, t->name, "target-reachable", PREFLIGHT_OK, "database '%s' as '%s'",
        server->database, server->user);
    judge_version(s, t, r);
    judge_primary(s, t, r);
    if (s->common.reachable) {
        judge_against_source(in, s, t, r);
    }
    preflight_judge_target_globals(in, s, t, r);
    judge_origin(in, t, r);
    judge_replication_role(t, r);
    judge_two_phase(in, s, t, r);
    judge_connections(in, t, r);
}
