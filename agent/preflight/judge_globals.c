/* SPDX-License-Identifier: Apache-2.0
 *
 * Verdicts about what stands beside the tables: what is carried by choice, what cannot be, and what
 * differs between the servers without being noticed until it matters.
 */
#include "agent/preflight/facts.h"

#define SOURCE "source"

static const char *
plural(size_t n)
{
    return n == 1 ? "" : "s";
}

static void
judge_subscriptions(
    const struct preflight_input *in, const struct source_facts *s, struct preflight_report *r)
{
    const struct preflight_names *n = &s->globals.subscriptions;
    bool make = in->config->schema.subscriptions == SUBSCRIPTIONS_DISABLED;
    if (n->len == 0) {
        return;
    }
    if (make && s->common.server.superuser) {
        preflight_add(r, SOURCE, "subscriptions", PREFLIGHT_WARNING,
            "%zu subscription%s made at the cutover, disabled and without a slot: %s", n->len,
            n->len == 1 ? " is" : "s are", preflight_list(r, n));
        preflight_todo(r, "what they bring until then arrives as rows; after the cutover create "
                          "their slots, ALTER SUBSCRIPTION ... SET (slot_name) and ENABLE");
    } else {
        preflight_add(r, SOURCE, "subscriptions", PREFLIGHT_WARNING,
            "%zu subscription%s not carried%s: %s", n->len, n->len == 1 ? " is" : "s are",
            make ? ", because only a superuser may read them" : "", preflight_list(r, n));
        preflight_todo(r, "create them on the target after the cutover (schema.subscriptions: "
                          "disabled prepares them there)");
    }
}

static void
judge_passwords(
    const struct preflight_input *in, const struct source_facts *s, struct preflight_report *r)
{
    if (in->config->schema.roles != ROLES_WITH_PASSWORDS || in->resume) {
        return;
    }
    if (s->globals.reads_passwords) {
        preflight_add(r, SOURCE, "role-passwords", PREFLIGHT_OK, "the role may read passwords");
        return;
    }
    preflight_add(r, SOURCE, "role-passwords", PREFLIGHT_BLOCKING,
        "role '%s' may not read the passwords of roles (pg_authid)", s->common.server.user);
    preflight_todo(r, "connect as a superuser, or set schema.roles: without_passwords");
}

void
preflight_judge_source_globals(
    const struct preflight_input *in, const struct source_facts *s, struct preflight_report *r)
{
    const struct source_globals *g = &s->globals;
    if (!s->common.reachable) {
        return;
    }
    judge_subscriptions(in, s, r);
    judge_passwords(in, s, r);
    if (in->resume || !in->config->schema.copy) {
        return;
    }
    if (g->hidden_mappings.len > 0) {
        preflight_add(r, SOURCE, "user-mappings", PREFLIGHT_WARNING,
            "the options of %zu user mapping%s cannot be seen, and come without passwords: %s",
            g->hidden_mappings.len, plural(g->hidden_mappings.len),
            preflight_list(r, &g->hidden_mappings));
        preflight_todo(r, "ALTER USER MAPPING them on the target, or connect as a superuser");
    }
    if (g->label_providers.len > 0) {
        preflight_add(r, SOURCE, "security-labels", PREFLIGHT_WARNING,
            "there are security labels of %s: they arrive where the target has loaded that "
            "provider, and are left out else",
            preflight_list(r, &g->label_providers));
        preflight_todo(r, "load the provider on the target (shared_preload_libraries)");
    }
}

/* --- the target ---------------------------------------------------------------------------------
 */

static void
judge_roles(const struct preflight_input *in, const struct source_facts *s,
    const struct target_facts *t, struct preflight_report *r)
{
    struct preflight_names missing = preflight_missing(r, &s->globals.roles, &t->roles);
    struct preflight_names super = preflight_missing(r, &s->globals.superusers, &t->roles);
    if (in->config->schema.roles == ROLES_OFF) {
        return;
    }
    if (missing.len == 0) {
        preflight_add(r, t->name, "roles", PREFLIGHT_OK, "every role of the database is there");
    } else if (!t->globals.may_create_roles) {
        preflight_add(r, t->name, "roles", PREFLIGHT_BLOCKING,
            "role '%s' may not create the %zu role%s that are missing: %s", t->common.server.user,
            missing.len, plural(missing.len), preflight_list(r, &missing));
        preflight_todo(r,
            "ALTER ROLE \"%s\" CREATEROLE there, or create them and set schema.roles: "
            "off",
            t->common.server.user);
    } else if (super.len > 0) {
        preflight_add(r, t->name, "roles", PREFLIGHT_WARNING,
            "%zu role%s will be created; superusers only on the source, which come without that "
            "attribute: %s",
            missing.len, plural(missing.len), preflight_list(r, &super));
        preflight_todo(
            r, "ALTER ROLE ... SUPERUSER on the target afterwards, where that is wanted");
    } else {
        preflight_add(r, t->name, "roles", PREFLIGHT_OK, "%zu will be created: %s", missing.len,
            preflight_list(r, &missing));
    }
}

static void
judge_tablespaces(
    const struct source_facts *s, const struct target_facts *t, struct preflight_report *r)
{
    struct preflight_names missing =
        preflight_missing(r, &s->globals.tablespaces, &t->globals.tablespaces);
    if (missing.len > 0) {
        preflight_add(r, t->name, "tablespaces", PREFLIGHT_WARNING,
            "the server does not have %zu tablespace%s of the source: what lies there comes into "
            "the "
            "default one: %s",
            missing.len, plural(missing.len), preflight_list(r, &missing));
        preflight_todo(r, "CREATE TABLESPACE them there first, if the rows are to lie apart");
    }
}

/* "name version" on both sides: names that both have, with another version. */
static struct preflight_names
other_versions(struct preflight_report *r, const struct preflight_names *want,
    const struct preflight_names *have)
{
    struct preflight_names differ = preflight_missing(r, want, have);
    struct preflight_names out = {arena_alloc(&r->arena, (differ.len + 1) * sizeof(*out.items)), 0};
    for (size_t i = 0; i < differ.len; i++) {
        const char *name = differ.items[i];
        size_t len = (size_t)(strrchr(name, ' ') - name) + 1;
        for (size_t k = 0; k < have->len; k++) {
            if (strncmp(have->items[k], name, len) == 0 && !strchr(have->items[k] + len, ' ')) {
                out.items[out.len++] =
                    arena_printf(&r->arena, "%s (there %s)", name, have->items[k] + len);
                break;
            }
        }
    }
    return out;
}

static void
judge_versions(
    const struct source_facts *s, const struct target_facts *t, struct preflight_report *r)
{
    struct preflight_names extensions =
        other_versions(r, &s->globals.extensions, &t->globals.extensions);
    struct preflight_names collations =
        other_versions(r, &s->globals.collations, &t->globals.collations);
    if (extensions.len > 0) {
        preflight_add(r, t->name, "extension-versions", PREFLIGHT_WARNING,
            "%zu extension%s another version: %s", extensions.len,
            extensions.len == 1 ? " has" : "s have", preflight_list(r, &extensions));
        preflight_todo(r,
            "nothing, when that is the version you want; else ALTER EXTENSION ... "
            "UPDATE on the source, or CREATE EXTENSION ... VERSION on the target first");
    }
    const struct collation_facts *a = &s->globals.collation, *b = &t->globals.collation;
    if (strcmp(a->provider, b->provider) != 0) {
        preflight_add(r, t->name, "collation-provider", PREFLIGHT_WARNING,
            "the source's default collation is of %s, the target's of %s: text sorts and compares "
            "in another way",
            a->provider, b->provider);
        preflight_todo(r, "create the target database with the LOCALE_PROVIDER and locale of the "
                          "source, unless the change is wanted");
    } else if (a->version[0] && b->version[0] && strcmp(a->version, b->version) != 0) {
        preflight_add(r, t->name, "collation-version", PREFLIGHT_WARNING,
            "the default collation has version %s on the source and %s on the target: some text "
            "may "
            "sort in another way",
            a->version, b->version);
        preflight_todo(r, "indexes are built anew and need nothing; look at range partitions by "
                          "text, and at what the application expects of the order");
    }
    if (collations.len > 0) {
        preflight_add(r, t->name, "collation-versions", PREFLIGHT_WARNING,
            "%zu collation%s that columns use %s another version: %s", collations.len,
            plural(collations.len), collations.len == 1 ? "has" : "have",
            preflight_list(r, &collations));
        preflight_todo(r, "indexes are built anew and need nothing; look at range partitions by "
                          "text, and at what the application expects of the order");
    }
}

static void
judge_existing_tables(const struct target_facts *t, struct preflight_report *r)
{
    const struct preflight_names *policies = &t->globals.row_security;
    const struct preflight_names *closed = &t->globals.closed_sequences;
    if (policies->len > 0) {
        preflight_add(r, t->name, "target-row-security", PREFLIGHT_BLOCKING,
            "row security would refuse rows of %zu table%s to role '%s': %s", policies->len,
            plural(policies->len), t->common.server.user, preflight_list(r, policies));
        preflight_todo(r, "ALTER ROLE \"%s\" BYPASSRLS there", t->common.server.user);
    }
    if (closed->len > 0) {
        preflight_add(r, t->name, "target-sequences", PREFLIGHT_BLOCKING,
            "role '%s' may not set %zu sequence%s: %s", t->common.server.user, closed->len,
            plural(closed->len), preflight_list(r, closed));
        preflight_todo(r, "GRANT UPDATE ON SEQUENCE ... TO \"%s\"", t->common.server.user);
    }
}

void
preflight_judge_target_globals(const struct preflight_input *in, const struct source_facts *s,
    const struct target_facts *t, struct preflight_report *r)
{
    if (!s->common.reachable || !t->common.reachable || in->resume) {
        return;
    }
    if (in->config->schema.copy && !in->attach) {
        judge_roles(in, s, t, r);
        judge_tablespaces(s, t, r);
    }
    judge_versions(s, t, r);
    judge_existing_tables(t, r);
}
