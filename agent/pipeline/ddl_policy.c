/* SPDX-License-Identifier: Apache-2.0
 *
 * Order of the questions: is it ours at all, did the source manage to tell it, does the
 * configuration want it, can it be repeated. So what the configuration ignores never stops a sink
 * for being unreadable.
 */
#include "agent/pipeline/ddl_policy.h"

#include <stdio.h>
#include <string.h>

static bool
has_word(const char *tag, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = strstr(tag, word); at; at = strstr(at + 1, word)) {
        if ((at == tag || at[-1] == ' ') && (at[n] == '\0' || at[n] == ' ')) {
            return true;
        }
    }
    return false;
}

struct word_class {
    const char *word;
    enum ddl_class class;
};

/* The first that the tag holds decides. */
static const struct word_class words[] = {
    {"DROP", DDL_DROPS},
    {"GRANT", DDL_GRANTS},
    {"REVOKE", DDL_GRANTS},
    {"ALTER DEFAULT PRIVILEGES", DDL_GRANTS},
    {"POLICY", DDL_GRANTS},
    {"SECURITY LABEL", DDL_GRANTS},
    {"VIEW", DDL_ROUTINES},
    {"TABLE", DDL_TABLES},
    {"SELECT INTO", DDL_TABLES},
    {"SCHEMA", DDL_TABLES},
    {"SEQUENCE", DDL_TABLES},
    {"INDEX", DDL_INDEXES},
    {"STATISTICS", DDL_INDEXES},
    {"TYPE", DDL_TYPES},
    {"DOMAIN", DDL_TYPES},
    {"COLLATION", DDL_TYPES},
    {"CONVERSION", DDL_TYPES},
    {"CAST", DDL_TYPES},
    {"OPERATOR", DDL_TYPES},
    {"TEXT SEARCH", DDL_TYPES},
    {"FUNCTION", DDL_ROUTINES},
    {"PROCEDURE", DDL_ROUTINES},
    {"ROUTINE", DDL_ROUTINES},
    {"AGGREGATE", DDL_ROUTINES},
    {"TRIGGER", DDL_ROUTINES},
    {"RULE", DDL_ROUTINES},
};

enum ddl_class
ddl_class_of(const char *tag)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (has_word(tag, words[i].word)) {
            return words[i].class;
        }
    }
    return DDL_OTHER;
}

const char *
ddl_class_name(enum ddl_class c)
{
    static const char *const names[DDL_CLASSES] = {[DDL_TABLES] = "tables",
        [DDL_INDEXES] = "indexes",
        [DDL_TYPES] = "types",
        [DDL_ROUTINES] = "routines",
        [DDL_GRANTS] = "grants",
        [DDL_DROPS] = "drops",
        [DDL_OTHER] = "other"};
    return names[c];
}

/* --- tables that are not carried ----------------------------------------------------------------
 */

struct touched {
    size_t ours, others;
};

static void
count_table(struct touched *t, const struct table_filter *f, const char *schema, const char *name)
{
    if (schema && name && table_filter_match(f, schema, name)) {
        t->ours++;
    } else {
        t->others++;
    }
}

static struct touched
tables_of(const struct ddl_message *m, const struct table_filter *f)
{
    struct touched t = {0};
    for (size_t i = 0; i < m->objects_len; i++) {
        const struct ddl_object *o = &m->objects[i];
        if (o->relkind == 'r' || o->relkind == 'p') {
            count_table(&t, f, o->table_schema, o->table);
        }
    }
    for (size_t i = 0; i < m->dropped_len; i++) {
        const struct ddl_dropped *d = &m->dropped[i];
        if (d->original && d->type && strcmp(d->type, "table") == 0) {
            count_table(&t, f, d->schema, d->name);
        }
    }
    return t;
}

static bool
set(struct ddl_judgement *j, enum ddl_verdict verdict, const char *why)
{
    j->verdict = verdict;
    snprintf(j->why, sizeof(j->why), "%s", why);
    return true;
}

static bool
is_for_others(const struct ddl_message *m, const struct table_filter *f, struct ddl_judgement *out)
{
    struct touched t = tables_of(m, f);
    if (t.others == 0) {
        return false;
    }
    if (t.ours == 0) {
        return set(out, DDL_PASS, "it is about tables that the migration leaves out");
    }
    return has_word(m->tag, "DROP") && set(out, DDL_STOP,
                                           "it drops tables that the migration carries together "
                                           "with others that it leaves out");
}

static bool
has_failed(const struct ddl_message *m, struct ddl_judgement *out)
{
    if (!m->failed) {
        return false;
    }
    set(out, DDL_STOP, "");
    snprintf(out->why, sizeof(out->why), "%s on the source: %.200s",
        m->unpublished ? "its table could not be brought into the feed"
                       : "the event trigger could not describe it",
        m->failed);
    return true;
}

void
ddl_judge(const struct ddl_message *m, const struct ddl_text *text,
    const struct table_filter *filter, const struct ddl_config *config, struct ddl_judgement *out)
{
    *out = (struct ddl_judgement){.verdict = DDL_APPLY, .class = ddl_class_of(m->tag)};
    if (is_for_others(m, filter, out) && out->verdict == DDL_PASS) {
        return;
    }
    enum ddl_policy policy = config->policy[out->class];
    policy = policy == DDL_POLICY_DEFAULT ? config->by_default : policy;
    if (policy == DDL_POLICY_IGNORE) {
        set(out, DDL_IGNORE, "the configuration ignores it");
    } else if (out->verdict == DDL_STOP || has_failed(m, out)) {
        return;
    } else if (text->kind == DDL_TEXT_NOTHING) {
        set(out, DDL_IGNORE, text->why);
    } else if (text->kind == DDL_TEXT_REFUSED) {
        set(out, DDL_STOP, text->why);
    } else if (policy == DDL_POLICY_STOP) {
        set(out, DDL_STOP, "the configuration wants to be asked");
    }
}
