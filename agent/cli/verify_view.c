/* SPDX-License-Identifier: Apache-2.0
 *
 * What differs comes first and in full; what is equal is a number.
 */
#include "agent/cli/verify_view.h"

#include <inttypes.h>

#include "agent/base/json_writer.h"

static void
write_line(struct buf *out, const struct verify_table *t)
{
    buf_printf(out, "%-9s %s.%s", verify_verdict_name(t->verdict), t->schema, t->name);
    if (t->verdict == VERIFY_EQUAL) {
        buf_printf(out, ": %" PRIu64 " rows", t->source.rows);
    } else if (t->verdict == VERIFY_DIFFERENT) {
        buf_printf(out, ": %" PRIu64 " rows on the source, %" PRIu64 " on the target",
            t->source.rows, t->target.rows);
        if (t->source.rows == t->target.rows) {
            buf_str(out, ", with other content");
        }
    }
    buf_printf(out, "%s%s\n", t->note[0] != '\0' ? ": " : "", t->note);
}

void
verify_view_text(struct buf *out, const struct verify_report *r, bool all)
{
    uint64_t rows = 0;
    for (size_t i = 0; i < r->len; i++) {
        const struct verify_table *t = &r->tables[i];
        rows += t->verdict == VERIFY_EQUAL ? t->source.rows : 0;
        if (all || (t->verdict != VERIFY_EQUAL && t->verdict != VERIFY_SKIPPED)) {
            write_line(out, t);
        }
    }
    buf_printf(out, "%zu tables: %zu equal (%" PRIu64 " rows), %zu different", r->len, r->equal,
        rows, r->different);
    if (r->failed > 0) {
        buf_printf(out, ", %zu not compared", r->failed);
    }
    if (r->skipped > 0) {
        buf_printf(out, ", %zu unlogged and left out", r->skipped);
    }
    buf_str(out, "\n");
    if (r->live && r->different > 0) {
        buf_str(out,
            "an agent is streaming: a table that is written to all the time never stands still "
            "long enough;\nonly a comparison without writers is the last word\n");
    }
}

static void
write_side(struct json_writer *w, const char *key, const struct verify_side *s)
{
    json_key(w, key);
    json_object_begin(w);
    json_kv_u64(w, "rows", s->rows);
    json_kv_string(w, "hash", s->hash[0] != '\0' ? s->hash : NULL);
    json_object_end(w);
}

static bool
all_equal(const struct verify_report *r)
{
    return r->different == 0 && r->failed == 0;
}

static void
write_report(struct json_writer *w, const char *sink, const struct verify_report *r)
{
    json_object_begin(w);
    if (sink) {
        json_kv_string(w, "sink", sink);
    }
    json_kv_bool(w, "equal", all_equal(r));
    json_kv_bool(w, "live", r->live);
    json_kv_u64(w, "tables_equal", r->equal);
    json_kv_u64(w, "tables_different", r->different);
    json_kv_u64(w, "tables_failed", r->failed);
    json_kv_u64(w, "tables_skipped", r->skipped);
    json_key(w, "tables");
    json_array_begin(w);
    for (size_t i = 0; i < r->len; i++) {
        const struct verify_table *t = &r->tables[i];
        json_object_begin(w);
        json_kv_string(w, "schema", t->schema);
        json_kv_string(w, "name", t->name);
        json_kv_string(w, "verdict", verify_verdict_name(t->verdict));
        write_side(w, "source", &t->source);
        write_side(w, "target", &t->target);
        json_kv_u64(w, "rounds", t->rounds);
        json_kv_string(w, "note", t->note[0] != '\0' ? t->note : NULL);
        json_object_end(w);
    }
    json_array_end(w);
    json_object_end(w);
}

void
verify_view_json(struct buf *out, const struct verify_report *r)
{
    struct json_writer w;
    json_init(&w, out);
    write_report(&w, NULL, r);
}

void
verify_view_json_many(
    struct buf *out, const char *const *sinks, const struct verify_report *reports, size_t n)
{
    struct json_writer w;
    bool equal = true;
    for (size_t i = 0; i < n; i++) {
        equal = equal && all_equal(&reports[i]);
    }
    json_init(&w, out);
    json_object_begin(&w);
    json_kv_bool(&w, "equal", equal);
    json_key(&w, "sinks");
    json_array_begin(&w);
    for (size_t i = 0; i < n; i++) {
        write_report(&w, sinks[i], &reports[i]);
    }
    json_array_end(&w);
    json_object_end(&w);
}
