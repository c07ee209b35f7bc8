/* SPDX-License-Identifier: Apache-2.0
 *
 * Members that are missing, or of another type, are as if they said nothing; what a decision needs
 * is looked at where it is decided. The tag is needed always.
 */
#include "agent/pipeline/ddl_message.h"

#include <jansson.h>

#include "agent/base/arena.h"

static const char *
text_of(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

static bool
true_of(const json_t *o, const char *key)
{
    return json_is_true(json_object_get(o, key));
}

static uint32_t
number_of(const json_t *o, const char *key)
{
    json_int_t v = json_integer_value(json_object_get(o, key));
    return v > 0 && v <= UINT32_MAX ? (uint32_t)v : 0;
}

static void
read_objects(struct ddl_message *m, const json_t *list)
{
    m->objects = x_zalloc((json_array_size(list) + 1) * sizeof(*m->objects));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *o = json_array_get(list, i);
        const char *kind = text_of(o, "relkind");
        m->objects[m->objects_len++] = (struct ddl_object){.type = text_of(o, "type"),
            .schema = text_of(o, "schema"),
            .identity = text_of(o, "identity"),
            .table_schema = text_of(o, "table_schema"),
            .table = text_of(o, "table"),
            .relkind = kind ? kind[0] : 0,
            .relation = number_of(o, "relation"),
            .temporary = true_of(o, "temp")};
    }
}

static void
read_dropped(struct ddl_message *m, const json_t *list)
{
    m->dropped = x_zalloc((json_array_size(list) + 1) * sizeof(*m->dropped));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *o = json_array_get(list, i);
        m->dropped[m->dropped_len++] = (struct ddl_dropped){.type = text_of(o, "type"),
            .schema = text_of(o, "schema"),
            .name = text_of(o, "name"),
            .identity = text_of(o, "identity"),
            .oid = number_of(o, "oid"),
            .original = true_of(o, "original"),
            .temporary = true_of(o, "temp")};
    }
}

static struct ddl_table *
read_tables(const json_t *list, size_t *len)
{
    struct ddl_table *out = x_zalloc((json_array_size(list) + 1) * sizeof(*out));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *o = json_array_get(list, i);
        struct ddl_table t = {.publication = text_of(o, "publication"),
            .schema = text_of(o, "schema"),
            .name = text_of(o, "name"),
            .reason = text_of(o, "reason"),
            .oid = number_of(o, "oid")};
        if (t.publication && t.schema && t.name) {
            out[(*len)++] = t;
        }
    }
    return out;
}

static void
read_missing(struct ddl_message *m, const json_t *list)
{
    m->missing = x_zalloc((json_array_size(list) + 1) * sizeof(*m->missing));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *o = json_array_get(list, i);
        struct sink_ddl_value x = {.schema = text_of(o, "schema"),
            .table = text_of(o, "name"),
            .column = text_of(o, "column"),
            .value = text_of(o, "value")};
        if (x.schema && x.table && x.column) {
            m->missing[m->missing_len++] = x;
        }
    }
}

static void
read_settings(struct ddl_message *m, json_t *object)
{
    const char *name;
    json_t *value;
    m->settings = x_zalloc((json_object_size(object) + 1) * sizeof(*m->settings));
    json_object_foreach(object, name, value)
    {
        if (json_is_string(value)) {
            m->settings[m->settings_len++] =
                (struct sink_ddl_setting){.name = name, .value = json_string_value(value)};
        }
    }
}

static void
read_texts(struct ddl_message *m, const json_t *o)
{
    m->token = text_of(o, "token");
    m->tag = text_of(o, "tag");
    m->query = text_of(o, "query");
    m->context = text_of(o, "context");
    m->instead = text_of(o, "instead");
    m->failed = text_of(o, "failed");
    m->unpublished = true_of(o, "unpublished");
    m->user = text_of(o, "user");
    m->role = text_of(o, "role");
    m->search_path = text_of(o, "search_path");
    m->nth = number_of(o, "nth");
}

bool
ddl_message_parse(struct slice content, struct ddl_message *out, struct err *err)
{
    *out = (struct ddl_message){0};
    json_error_t why;
    json_t *o = json_loadb((const char *)content.data, content.len, JSON_ALLOW_NUL, &why);
    if (!json_is_object(o)) {
        json_decref(o);
        return err_set(err, ERR_FATAL, "a message '" DDL_PREFIX "' of the source is not readable");
    }
    json_int_t version = json_integer_value(json_object_get(o, "v"));
    if (version != 1 || !text_of(o, "tag")) {
        json_decref(o);
        err_set(err, ERR_FATAL, "a message '" DDL_PREFIX "' of the source has version %lld",
            (long long)version);
        return err_hint(err, "another version of tidegate made the schema 'tidegate_ddl' there");
    }
    out->json = o;
    read_texts(out, o);
    read_objects(out, json_object_get(o, "objects"));
    read_dropped(out, json_object_get(o, "dropped"));
    out->copies = read_tables(json_object_get(o, "copy"), &out->copies_len);
    out->news = read_tables(json_object_get(o, "new"), &out->news_len);
    read_missing(out, json_object_get(o, "missing"));
    read_settings(out, json_object_get(o, "settings"));
    return true;
}

void
ddl_message_done(struct ddl_message *m)
{
    x_free(m->objects);
    x_free(m->dropped);
    x_free(m->copies);
    x_free(m->news);
    x_free(m->missing);
    x_free(m->settings);
    json_decref(m->json);
    *m = (struct ddl_message){0};
}
