/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the preflight: facts, as gathered from the servers (preflight_source.c,
 * preflight_target.c, preflight_local.c), and the pure functions that turn them into findings
 * (preflight_judge_*.c).
 *
 * Ownership: lists and strings of facts live in the arena that gathering was given.
 */
#ifndef TG_PREFLIGHT_FACTS_H
#define TG_PREFLIGHT_FACTS_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/arena.h"
#include "agent/base/err.h"
#include "agent/base/fs.h"
#include "agent/pg/catalog.h"
#include "agent/pg/slot.h"
#include "agent/preflight/preflight.h"

/* Sorted by byte value where a function says so. */
struct preflight_names {
    const char **items;
    size_t len;
};

/* What every PostgreSQL server is asked. */
struct server_facts {
    bool reachable;
    struct err error; /* when it is not */
    struct pg_server server;
    int64_t connections_max; /* for roles that are no superuser */
    int64_t connections_used;
};

struct session_facts {
    const char *who; /* "pid 4711 (user app, database shop)", "prepared transaction 'x' (...)" */
    int64_t age_s;
};

struct sessions {
    struct session_facts *items;
    size_t len;
};

/* Of a plugin besides pgoutput. */
struct plugin_facts {
    bool asked;
    bool available; /* a slot with it could be made, or its making had to wait for others */
    struct err error;
    bool told_elsewhere;            /* the error is another finding's */
    bool tried;                     /* its options were: of wal2json */
    bool options, strings;          /* it knows those that are needed; numbers as strings */
    struct preflight_names numbers; /* columns that can hold both NaN and NULL */
};

/* Of the database's default. */
struct collation_facts {
    const char *provider; /* "libc", "icu de-DE" */
    const char *version;  /* of what the server has now; "": none is known */
};

/* Lists are sorted; those of versions hold "name version". */
struct source_globals {
    struct preflight_names roles, superusers; /* that the database needs */
    bool reads_passwords;
    struct preflight_names subscriptions;
    struct preflight_names hidden_mappings; /* "u of server s": options that we may not see */
    struct preflight_names label_providers, tablespaces;
    struct preflight_names extensions, collations;
    struct collation_facts collation;
};

struct target_globals {
    bool may_create_roles;
    struct preflight_names tablespaces;
    struct preflight_names extensions, collations;
    struct collation_facts collation;
    /* Of tables that are there and are to be filled: */
    struct preflight_names row_security, closed_sequences;
};

struct source_facts {
    struct server_facts common;
    struct plugin_facts plugin;
    bool replication_works; /* a replication connection was made */
    struct err replication_error;
    char wal_level[16];
    int64_t slots_max, slots_used, senders_max, senders_used;
    int64_t slot_wal_keep_mb; /* -1: no limit */
    int64_t slot_idle_s;      /* idle_replication_slot_timeout; 0: none, or older than 18 */
    int64_t sender_timeout_ms;
    bool may_publish;                          /* CREATE on the database */
    bool may_alter_database, may_end_sessions; /* what the fence needs */
    bool may_catch_ddl;                        /* event triggers can be created */
    bool sees_sessions;                        /* of other roles */
    uint64_t database_bytes;
    int64_t large_objects, closed_objects; /* closed: that we may not read */
    bool reads_object_pages;               /* SELECT on pg_largeobject */
    struct pg_slot slot;
    bool publication_exists;
    struct pg_tables tables;             /* that match the filter; freed by source_facts_done */
    struct preflight_names unreadable;   /* tables and sequences without SELECT */
    struct preflight_names row_security; /* tables whose policies apply to us */
    struct preflight_names foreign_tables;
    struct preflight_names references;       /* tables with columns that name objects (regclass) */
    struct preflight_names extensions;       /* but plpgsql */
    struct preflight_names collations;       /* of the system's, used by columns: "de-x-icu" */
    struct preflight_names owners, grantees; /* roles, sorted */
    struct preflight_names objects; /* "public.orders", "function public.f(integer)"; sorted */
    struct sessions transactions;   /* open for a while, and with a transaction id */
    struct sessions prepared;
    struct source_globals globals;
};

struct target_facts {
    struct server_facts common;
    PGconn *conn;     /* between the two halves of gathering; NULL: none */
    const char *name; /* of the sink */
    bool may_create_schema;
    struct preflight_names no_create; /* existing schemas of the source without CREATE for us */
    bool origin_callable;             /* every replication origin function that apply needs */
    int64_t origins_max, prepared_max;
    bool role_settable;               /* session_replication_role */
    struct preflight_names available; /* extensions, sorted */
    struct preflight_names
        installable;                   /* installed already, trusted, or we are superuser; sorted */
    struct preflight_names collations; /* sorted */
    struct preflight_names roles;      /* sorted */
    struct preflight_names assumable;  /* roles to which we may give objects; sorted */
    struct preflight_names objects;    /* as of the source; sorted */
    struct preflight_names not_empty;  /* tables of the source that hold rows here; sorted */
    struct preflight_names leftovers;  /* of an earlier run under our name */
    struct target_globals globals;
};

struct local_facts {
    bool tools_found;
    struct err tools_error;
    bool spool_writable;
    const char *spool_path;
    struct fs_space space; /* of the spool's file system */
};

/* False only when a server that answered breaks off or refuses a question. */
bool preflight_gather_source(const struct preflight_input *in, struct arena *a,
    struct source_facts *out, struct err *err) must_use;
void preflight_source_facts_done(struct source_facts *f);
/* In two halves: what needs no more than the target itself, on any thread, with an arena that no
 * other uses; then what compares it with the source. The second one ends the session. */
bool preflight_gather_target(const struct preflight_input *in, const struct sink_config *sink,
    struct arena *a, struct target_facts *out, struct err *err) must_use;
bool preflight_compare_target(const struct preflight_input *in, const struct source_facts *source,
    struct arena *a, struct target_facts *out, struct err *err) must_use;
void preflight_target_facts_done(struct target_facts *f);
/* Without a source the programs that would have to fit it are not looked for. */
void preflight_gather_local(const struct preflight_input *in, const struct source_facts *source,
    struct arena *a, struct local_facts *out);

/* Pure. Judging a server that was not reached adds the one finding that says so. */
void preflight_judge_source(
    const struct preflight_input *in, const struct source_facts *s, struct preflight_report *r);
void preflight_judge_plugin(
    const struct preflight_input *in, const struct source_facts *s, struct preflight_report *r);
void preflight_judge_tables(
    const struct preflight_input *in, const struct source_facts *s, struct preflight_report *r);
void preflight_judge_target(const struct preflight_input *in, const struct source_facts *s,
    const struct target_facts *t, struct preflight_report *r);
void preflight_judge_local(const struct preflight_input *in, const struct source_facts *s,
    const struct local_facts *l, struct preflight_report *r);

void preflight_judge_source_globals(
    const struct preflight_input *in, const struct source_facts *s, struct preflight_report *r);
void preflight_judge_target_globals(const struct preflight_input *in, const struct source_facts *s,
    const struct target_facts *t, struct preflight_report *r);
/* Behind the rest of the source's facts: the list of tables is used. */
bool preflight_gather_plugin(const struct preflight_input *in, struct arena *a,
    struct source_facts *out, struct err *err) must_use;

/* --- for gathering ------------------------------------------------------------------------------
 */

bool preflight_connect(const struct config *config, const char *dsn, PGconn **out,
    struct server_facts *facts, struct err *err) must_use;
bool preflight_read_names(PGconn *conn, const char *what, const char *sql, struct arena *a,
    struct preflight_names *out, struct err *err) must_use;
bool preflight_gather_source_globals(
    PGconn *conn, struct arena *a, struct source_globals *g, struct err *err) must_use;
bool preflight_gather_target_globals(
    PGconn *conn, struct arena *a, struct target_globals *g, struct err *err) must_use;
/* Of tables that are there already. */
bool preflight_compare_target_globals(const struct preflight_input *in, PGconn *conn,
    const struct source_facts *source, struct arena *a, struct target_globals *g,
    struct err *err) must_use;
bool preflight_read_collation(
    PGconn *conn, struct arena *a, struct collation_facts *out, struct err *err) must_use;
/* "public.orders" */
const char *preflight_qualified(struct arena *a, const char *schema, const char *name);
/* Names of all that a schema restore would create, sorted; both servers are asked the same. */
bool preflight_read_objects(PGconn *conn, const struct config *config, struct arena *a,
    struct preflight_names *out, struct err *err) must_use;

/* --- for judging --------------------------------------------------------------------------------
 */

/* Adds a finding; id and where are kept as they are. */
void preflight_add(struct preflight_report *r, const char *where, const char *id,
    enum preflight_verdict v, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* What to do about the finding added last. */
void preflight_todo(struct preflight_report *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* "a, b, c and 12 more", in the report's arena. */
const char *preflight_list(struct preflight_report *r, const struct preflight_names *n);
/* Of both sorted: those of `want` that `have` lacks, or that it has too. In the report's arena. */
struct preflight_names preflight_missing(struct preflight_report *r,
    const struct preflight_names *want, const struct preflight_names *have);
struct preflight_names preflight_common(struct preflight_report *r,
    const struct preflight_names *want, const struct preflight_names *have);
/* The same from tables that fulfil a condition. */
struct preflight_names preflight_tables_where(struct preflight_report *r,
    const struct pg_tables *tables, bool (*test)(const struct pg_table *t));

#endif
