/* SPDX-License-Identifier: Apache-2.0
 *
 * The option table as a JSON Schema, for editors that complete and check while one types. It is
 * compact first, from the JSON writer, and then indented, so that a change of one option is a
 * change of a few lines in the file.
 */
#include <string.h>

#include "agent/base/json_writer.h"
#include "agent/base/parse.h"
#include "config/describe.h"
#include "config/options.h"
#include "config/value.h"

/* Newlines and two spaces for each level; strings pass untouched. `in` is what json_writer made. */
static void
indent_json(const char *in, struct buf *out)
{
    int depth = 0;
    bool string = false;
    for (const char *p = in; *p; p++) {
        if (string) {
            buf_u8(out, (uint8_t)*p);
            if (*p == '\\') {
                buf_u8(out, (uint8_t) * ++p);
            } else {
                string = *p != '"';
            }
            continue;
        }
        bool opens = *p == '{' || *p == '[';
        bool closes = *p == '}' || *p == ']';
        bool empty = opens && (p[1] == '}' || p[1] == ']');
        if (closes && p[-1] != '{' && p[-1] != '[') {
            buf_printf(out, "\n%*s", 2 * (depth - 1), "");
        }
        depth += opens - closes;
        buf_u8(out, (uint8_t)*p);
        string = *p == '"';
        if ((opens && !empty) || *p == ',') {
            buf_printf(out, "\n%*s", 2 * depth, "");
        } else if (*p == ':') {
            buf_u8(out, ' ');
        }
    }
    buf_u8(out, '\n');
}

static void
string_with_pattern(struct json_writer *w, const char *pattern)
{
    json_kv_string(w, "type", "string");
    if (pattern) {
        struct buf anchored;
        buf_init(&anchored, 1024);
        buf_printf(&anchored, "^(%s)$", pattern);
        json_kv_string(w, "pattern", buf_cstr(&anchored));
        buf_done(&anchored);
    }
}

static void
words(struct json_writer *w, const struct option *o)
{
    json_key(w, "enum");
    json_array_begin(w);
    for (const struct option_word *word = o->words; word->word; word++) {
        json_string(w, word->word);
    }
    json_array_end(w);
}

/* The value itself, without references. */
static void
plain_value(struct json_writer *w, const struct option *o)
{
    switch (o->type) {
    case OPTION_STRING:
    case OPTION_PATH:
        string_with_pattern(w, o->pattern);
        return;
    case OPTION_BOOL:
        json_kv_string(w, "type", "boolean");
        return;
    case OPTION_NUMBER:
        json_kv_string(w, "type", "integer");
        json_kv_u64(w, "minimum", o->min);
        json_kv_u64(w, "maximum", o->max);
        return;
    case OPTION_SIZE:
        string_with_pattern(w, "[0-9]+(B|[kKMGTP]B|[KMGTP]iB)");
        return;
    case OPTION_DURATION:
        string_with_pattern(w, "[0-9]+(us|ms|s|m|h|d)");
        return;
    case OPTION_WORD:
        words(w, o);
        return;
    case OPTION_LIST:
        json_kv_string(w, "type", "array");
        json_key(w, "items");
        json_object_begin(w);
        json_kv_string(w, "type", "string");
        json_object_end(w);
        return;
    }
}

static bool
any_string(const struct option *o)
{
    return o->type == OPTION_LIST || o->type == OPTION_PATH ||
           (o->type == OPTION_STRING && !o->pattern);
}

/* 0 stands without a unit in sizes and durations that allow it. */
static void
alternatives(struct json_writer *w, const struct option *o)
{
    json_key(w, "anyOf");
    json_array_begin(w);
    json_object_begin(w);
    plain_value(w, o);
    json_object_end(w);
    if (o->zero || (o->type == OPTION_SIZE && o->min == 0)) {
        json_object_begin(w);
        json_key(w, "const");
        json_u64(w, 0);
        json_object_end(w);
    }
    json_object_begin(w);
    json_kv_string(w, "$ref", "#/definitions/reference");
    json_object_end(w);
    json_array_end(w);
}

static void
property(struct json_writer *w, const struct option *o)
{
    json_key(w, option_key(o));
    json_object_begin(w);
    uint64_t number = 0;
    json_kv_string(w, "description", o->doc);
    if (o->def && o->type != OPTION_LIST) {
        json_key(w, "default");
        if (o->type == OPTION_BOOL) {
            json_bool(w, strcmp(o->def, "true") == 0);
        } else if (parse_u64(o->def, 0, UINT64_MAX, &number)) {
            json_u64(w, number);
        } else {
            json_string(w, o->def);
        }
    }
    if (any_string(o)) {
        plain_value(w, o);
    } else {
        alternatives(w, o);
    }
    json_object_end(w);
}

static void
properties(struct json_writer *w, const char *section)
{
    size_t len = strlen(section);
    for (size_t i = 0; i < option_count; i++) {
        const struct option *o = &option_table[i];
        if (option_section_len(o) == len && strncmp(o->path, section, len) == 0 &&
            !(o->flags & OPTION_PLANNED)) {
            property(w, o);
        }
    }
}

static void
mapping(struct json_writer *w, const char *section)
{
    json_kv_bool(w, "additionalProperties", false);
    json_key(w, "properties");
    json_object_begin(w);
    properties(w, section);
    json_object_end(w);
}

static void
sinks(struct json_writer *w, const struct option_section *section)
{
    json_key(w, "sinks");
    json_object_begin(w);
    json_kv_string(w, "description", section->doc);
    json_kv_string(w, "type", "array");
    json_kv_u64(w, "maxItems", CONFIG_SINKS_MAX);
    json_key(w, "items");
    json_object_begin(w);
    json_kv_string(w, "type", "object");
    json_key(w, "required");
    json_array_begin(w);
    json_string(w, "name");
    json_array_end(w);
    mapping(w, section->path);
    json_object_end(w);
    json_object_end(w);
}

static void
section_object(struct json_writer *w, const struct option_section *section)
{
    json_key(w, section->path);
    json_object_begin(w);
    json_kv_string(w, "description", section->doc);
    json_key(w, "type");
    json_array_begin(w);
    json_string(w, "object");
    json_string(w, "null");
    json_array_end(w);
    mapping(w, section->path);
    json_object_end(w);
}

void
describe_schema(struct buf *out)
{
    struct buf compact;
    struct json_writer w;
    buf_init(&compact, DESCRIBE_MAX);
    json_init(&w, &compact);
    json_object_begin(&w);
    json_kv_string(&w, "$schema", "http://json-schema.org/draft-07/schema#");
    json_kv_string(&w, "title", "tidegate.yaml");
    json_key(&w, "definitions");
    json_object_begin(&w);
    json_key(&w, "reference");
    json_object_begin(&w);
    json_kv_string(&w, "type", "string");
    json_kv_string(&w, "pattern", "\\$\\{(env|file):[^}]+\\}");
    json_object_end(&w);
    json_object_end(&w);
    json_kv_string(&w, "type", "object");
    json_kv_bool(&w, "additionalProperties", false);
    json_key(&w, "properties");
    json_object_begin(&w);
    for (size_t s = 0; s < option_section_count; s++) {
        const struct option_section *section = &option_sections[s];
        if (section->path[0] == '\0') {
            properties(&w, "");
        } else if (strchr(section->path, '[')) {
            sinks(&w, section);
        } else {
            section_object(&w, section);
        }
    }
    json_object_end(&w);
    json_object_end(&w);
    indent_json(buf_cstr(&compact), out);
    buf_done(&compact);
}
