/* SPDX-License-Identifier: Apache-2.0
 *
 * Facts of two servers between which nothing stands in the way: each test spoils one of them.
 */
#ifndef TG_TESTS_PIPELINE_PREFLIGHT_FIXTURE_H
#define TG_TESTS_PIPELINE_PREFLIGHT_FIXTURE_H

#include "agent/preflight/facts.h"
#include "tests/lib/unit.h"

struct preflight_fixture {
    struct config config;
    struct preflight_input in;
    struct source_facts source;
    struct target_facts target;
    struct local_facts local;
    struct pg_table tables[2];
    struct preflight_report report;
    struct arena arena; /* what the facts point to */
};

static inline char *
keep_text(struct preflight_fixture *f, const char *text)
{
    return arena_strdup(&f->arena, text);
}

static inline struct preflight_names
keep_names(struct preflight_fixture *f, const char *const *names, size_t n)
{
    struct preflight_names out = {arena_alloc(&f->arena, n * sizeof(*names)), n};
    memcpy(out.items, names, n * sizeof(*names));
    return out;
}

#define NAMES(...)                                                                                 \
    keep_names(f, (const char *const[]){__VA_ARGS__},                                              \
        sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static inline void
healthy_server(struct server_facts *s, int version, const char *database)
{
    *s = (struct server_facts){.reachable = true,
        .server = {.version = version, .system_id = (uint64_t)version, .replication_role = true},
        .connections_max = 97,
        .connections_used = 5};
    snprintf(s->server.database, sizeof(s->server.database), "%s", database);
    snprintf(s->server.user, sizeof(s->server.user), "mover");
    snprintf(s->server.encoding, sizeof(s->server.encoding), "UTF8");
    snprintf(s->server.collate, sizeof(s->server.collate), "en_US.utf8");
    snprintf(s->server.ctype, sizeof(s->server.ctype), "en_US.utf8");
}

static inline void
healthy_config(struct preflight_fixture *f)
{
    f->config.name = keep_text(f, "shop");
    f->config.source.slot = keep_text(f, "tidegate_shop");
    f->config.source.publication = keep_text(f, "tidegate_shop");
    f->config.tables.without_identity = IDENTITY_FULL;
    f->config.schema.copy = f->config.schema.owner = f->config.schema.grants = true;
    f->config.ddl.capture = true;
    f->config.copy.jobs = 4;
    f->config.copy.index_jobs = 2;
    f->config.spool.path = keep_text(f, "/spool");
    f->config.spool.min_free = 1 << 30;
    f->config.cutover.fence = FENCE_READ_ONLY;
    f->in.config = &f->config;
}

static inline void
healthy_source(struct preflight_fixture *f)
{
    struct source_facts *s = &f->source;
    healthy_server(&s->common, 150008, "shop");
    s->replication_works = true;
    snprintf(s->wal_level, sizeof(s->wal_level), "logical");
    s->slots_max = s->senders_max = 10;
    s->slot_wal_keep_mb = -1;
    s->sender_timeout_ms = 60000;
    s->may_publish = s->may_alter_database = s->may_end_sessions = s->sees_sessions = true;
    s->may_catch_ddl = true;
    s->database_bytes = (uint64_t)10 << 30;
    f->tables[0] = (struct pg_table){.oid = 1,
        .schema = "public",
        .name = "orders",
        .kind = 'r',
        .identity = 'd',
        .identity_usable = true,
        .owned = true,
        .bytes = 8192};
    f->tables[1] = f->tables[0];
    f->tables[1].oid = 2;
    f->tables[1].name = "lines";
    s->tables = (struct pg_tables){f->tables, 2};
    s->extensions = NAMES("hstore", "pg_trgm");
    s->owners = NAMES("mover");
    s->objects = NAMES("public.lines", "public.orders");
    s->globals.collation = (struct collation_facts){"libc", "2.36"};
}

static inline void
healthy_target(struct preflight_fixture *f)
{
    struct target_facts *t = &f->target;
    healthy_server(&t->common, 160003, "shop");
    t->name = "cloud";
    t->may_create_schema = t->origin_callable = t->role_settable = true;
    t->origins_max = 10;
    t->available = NAMES("hstore", "pg_trgm", "postgis");
    t->installable = NAMES("hstore", "pg_trgm");
    t->roles = NAMES("app", "mover");
    t->assumable = NAMES("mover");
    t->globals.collation = (struct collation_facts){"libc", "2.36"};
    t->globals.may_create_roles = true;
}

static inline int
preflight_setup(void **state)
{
    struct preflight_fixture *f = calloc(1, sizeof(*f));
    arena_init(&f->arena, 4096, 0);
    healthy_config(f);
    healthy_source(f);
    healthy_target(f);
    f->local = (struct local_facts){.tools_found = true,
        .spool_writable = true,
        .spool_path = "/spool",
        .space = {.total = (uint64_t)100 << 30, .free = (uint64_t)50 << 30}};
    preflight_report_init(&f->report);
    *state = f;
    return 0;
}

static inline int
preflight_teardown(void **state)
{
    struct preflight_fixture *f = *state;
    preflight_report_done(&f->report);
    arena_done(&f->arena);
    free(f);
    return 0;
}

/* The finding has this verdict; a text of something to do exactly when it is not ok. */
static inline const struct preflight_finding *
assert_verdict(struct preflight_fixture *f, const char *id, enum preflight_verdict v)
{
    static const struct preflight_finding none = {.id = "", .text = "", .todo = ""};
    const struct preflight_finding *found = preflight_find(&f->report, NULL, id);
    if (!found) {
        fail_msg("there is no finding '%s'", id);
        return &none;
    }
    if (found->verdict != v) {
        fail_msg("'%s' is %s: %s", id, preflight_verdict_name(found->verdict), found->text);
    }
    assert_int_equal(found->todo[0] != '\0', v != PREFLIGHT_OK);
    return found;
}

static inline void
assert_says(const struct preflight_finding *found, const char *part)
{
    if (!strstr(found->text, part) && !strstr(found->todo, part)) {
        fail_msg("'%s' is neither in '%s' nor in '%s'", part, found->text, found->todo);
    }
}

/* Nothing but ok, and only for a healthy pair. */
static inline void
assert_all_ok(struct preflight_fixture *f)
{
    for (size_t i = 0; i < f->report.len; i++) {
        const struct preflight_finding *found = &f->report.items[i];
        if (found->verdict != PREFLIGHT_OK) {
            fail_msg(
                "'%s' is %s: %s", found->id, preflight_verdict_name(found->verdict), found->text);
        }
    }
    assert_true(f->report.len > 0);
}

#define PREFLIGHT_TEST(name)                                                                       \
    cmocka_unit_test_setup_teardown(name, preflight_setup, preflight_teardown)

#endif
