/* SPDX-License-Identifier: Apache-2.0
 *
 * Three tables and a line of totals; in JSON the same under four keys.
 */
#include "agent/cli/spool_listing.h"

#include <inttypes.h>

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/base/json_writer.h"
#include "agent/base/parse.h"

static void *
grow(void *items, size_t len, size_t *cap, size_t size)
{
    if (len < *cap) {
        return items;
    }
    *cap = *cap ? *cap * 2 : 64;
    return x_realloc(items, *cap * size);
}

void
spool_listing_segment(const struct spool_segment_info *info, void *arg)
{
    struct spool_listing *l = arg;
    l->segments = grow(l->segments, l->segments_len, &l->segments_cap, sizeof *l->segments);
    struct spool_segment_info *copy = &l->segments[l->segments_len++];
    *copy = *info;
    copy->file = x_strdup(info->file);
    copy->damage = info->damage ? x_strdup(info->damage) : NULL;
}

void
spool_listing_side(const struct spool_side_info *info, void *arg)
{
    struct spool_listing *l = arg;
    l->sides = grow(l->sides, l->sides_len, &l->sides_cap, sizeof *l->sides);
    struct spool_side_info *copy = &l->sides[l->sides_len++];
    *copy = *info;
    copy->file = x_strdup(info->file);
    copy->damage = info->damage ? x_strdup(info->damage) : NULL;
}

static void
free_text(const char *s)
{
    x_free((void *)(uintptr_t)s);
}

void
spool_listing_done(struct spool_listing *l)
{
    for (size_t i = 0; i < l->segments_len; i++) {
        free_text(l->segments[i].file);
        free_text(l->segments[i].damage);
    }
    for (size_t i = 0; i < l->sides_len; i++) {
        free_text(l->sides[i].file);
        free_text(l->sides[i].damage);
    }
    x_free(l->segments);
    x_free(l->sides);
    *l = (struct spool_listing){0};
}

/* --- common -------------------------------------------------------------------------------------
 */

struct totals {
    uint64_t bytes, side_bytes, records, transactions;
    uint64_t first_position, last_position;
    size_t open_sides;
};

static struct totals
add_up(const struct spool_listing *l)
{
    struct totals t = {0};
    for (size_t i = 0; i < l->segments_len; i++) {
        const struct spool_segment_info *s = &l->segments[i];
        t.bytes += s->bytes;
        t.records += s->records;
        t.transactions += s->transactions;
        t.first_position = t.first_position ? t.first_position : s->first_position;
        t.last_position = s->last_position ? s->last_position : t.last_position;
    }
    for (size_t i = 0; i < l->sides_len; i++) {
        t.side_bytes += l->sides[i].bytes;
        t.open_sides += l->sides[i].segment == 0;
    }
    return t;
}

static const char *
state_of(const struct spool_segment_info *s)
{
    if (s->damage) {
        return "DAMAGED";
    }
    if (s->packed) {
        return "packed";
    }
    return s->sealed ? "sealed" : "open";
}

/* The first half of the id is enough to tell keys apart. */
static const char *
key_prefix(uint64_t id, char out[FORMAT_SIZE])
{
    if (id == 0) {
        return "-";
    }
    snprintf(out, FORMAT_SIZE, "%08" PRIx32, (uint32_t)(id >> 32));
    return out;
}

static const char *
time_text(int64_t us, char out[CLOCK_ISO_SIZE])
{
    if (us == 0) {
        return "-";
    }
    clock_format_iso(us, out);
    return out;
}

static const char *
lsn_text(uint64_t lsn, char out[FORMAT_SIZE])
{
    return lsn ? format_lsn(lsn, out) : "-";
}

/* --- for people ---------------------------------------------------------------------------------
 */

static void
segments_text(struct buf *out, const struct spool_listing *l)
{
    char bytes[FORMAT_SIZE], first[FORMAT_SIZE], last[FORMAT_SIZE], key[FORMAT_SIZE];
    char from[CLOCK_ISO_SIZE], to[CLOCK_ISO_SIZE];
    buf_printf(out, "%-16s %10s %-7s %-8s %-18s %-18s %10s %10s  %-24s %s\n", "SEGMENT", "SIZE",
        "STATE", "KEY", "FIRST COMMIT", "LAST COMMIT", "COMMITS", "RECORDS", "RECEIVED FROM", "TO");
    for (size_t i = 0; i < l->segments_len; i++) {
        const struct spool_segment_info *s = &l->segments[i];
        buf_printf(out, "%-16s %10s %-7s %-8s %-18s %-18s %10" PRIu64 " %10" PRIu64 "  %-24s %s\n",
            s->file, format_bytes(s->bytes, bytes), state_of(s), key_prefix(s->key_id, key),
            lsn_text(s->first_position, first), lsn_text(s->last_position, last), s->transactions,
            s->records, time_text(s->first_received_us, from), time_text(s->last_received_us, to));
    }
}

static void
sides_text(struct buf *out, const struct spool_listing *l)
{
    char bytes[FORMAT_SIZE], key[FORMAT_SIZE], segment[FORMAT_SIZE];
    if (l->sides_len == 0) {
        return;
    }
    buf_printf(out, "\n%-27s %10s %-7s %-8s %11s %11s\n", "SIDE FILE", "SIZE", "STATE", "KEY",
        "SEGMENT", "TRANSACTION");
    for (size_t i = 0; i < l->sides_len; i++) {
        const struct spool_side_info *s = &l->sides[i];
        snprintf(segment, sizeof segment, "%" PRIu64, s->segment);
        buf_printf(out, "%-27s %10s %-7s %-8s %11s %11" PRIu64 "\n", s->file,
            format_bytes(s->bytes, bytes),
            s->damage         ? "DAMAGED"
            : s->segment == 0 ? "open"
                              : "linked",
            key_prefix(s->key_id, key), s->segment == 0 ? "-" : segment, s->xid);
    }
}

static void
cursors_text(struct buf *out, const struct spool_cursors *c)
{
    char position[FORMAT_SIZE], behind[FORMAT_SIZE];
    if (c->problem.class != ERR_NONE) {
        buf_printf(out, "\nhow far the sinks are behind is not known: %s\n", c->problem.text);
    }
    if (c->from == CURSORS_UNKNOWN) {
        return;
    }
    if (c->sinks_len > 0) {
        buf_printf(out, "\n%-27s %-18s %10s\n", "SINK", "POSITION", "BEHIND");
    }
    for (size_t i = 0; i < c->sinks_len; i++) {
        const struct spool_cursor *k = &c->sinks[i];
        buf_printf(out, "%-27s %-18s %10s\n", k->name, lsn_text(k->position, position),
            k->has_behind ? format_bytes(k->behind, behind) : "-");
    }
    buf_str(out, c->from == CURSORS_AGENT
                     ? "cursors as the running agent says\n"
                     : "no agent answers: cursors as it has stored them last\n");
}

static void
totals_text(struct buf *out, const struct spool_listing *l)
{
    char bytes[FORMAT_SIZE], side[FORMAT_SIZE], first[FORMAT_SIZE], last[FORMAT_SIZE];
    struct totals t = add_up(l);
    buf_printf(out,
        "\n%zu segment%s with %s, %zu side file%s with %s (%zu open), %" PRIu64
        " transactions, %" PRIu64 " records",
        l->segments_len, l->segments_len == 1 ? "" : "s", format_bytes(t.bytes, bytes),
        l->sides_len, l->sides_len == 1 ? "" : "s", format_bytes(t.side_bytes, side), t.open_sides,
        t.transactions, t.records);
    /* Without the key the first one of the newest segment is not known. */
    if (t.first_position) {
        buf_printf(out, ", commits from %s to %s", format_lsn(t.first_position, first),
            format_lsn(t.last_position, last));
    } else if (t.last_position) {
        buf_printf(out, ", commits up to %s", format_lsn(t.last_position, last));
    }
    buf_str(out, "\n");
}

void
spool_listing_text(struct buf *out, const struct spool_listing *l)
{
    segments_text(out, l);
    sides_text(out, l);
    cursors_text(out, &l->cursors);
    totals_text(out, l);
}

/* --- JSON ---------------------------------------------------------------------------------------
 */

static void
kv_lsn(struct json_writer *w, const char *key, uint64_t lsn)
{
    char text[FORMAT_SIZE];
    json_kv_string(w, key, lsn ? format_lsn(lsn, text) : NULL);
}

static void
kv_time(struct json_writer *w, const char *key, int64_t us)
{
    char iso[CLOCK_ISO_SIZE];
    clock_format_iso(us, iso);
    json_kv_string(w, key, us ? iso : NULL);
}

static void
kv_key(struct json_writer *w, uint64_t id)
{
    char text[FORMAT_SIZE];
    snprintf(text, sizeof text, "%016" PRIx64, id);
    json_kv_string(w, "key_id", id ? text : NULL);
}

static void
segment_json(struct json_writer *w, const struct spool_segment_info *i)
{
    json_object_begin(w);
    json_kv_string(w, "file", i->file);
    json_kv_u64(w, "number", i->number);
    json_kv_u64(w, "bytes", i->bytes);
    json_kv_string(w, "state", i->damage ? "damaged" : state_of(i));
    kv_key(w, i->key_id);
    kv_lsn(w, "first_position", i->first_position);
    kv_lsn(w, "last_position", i->last_position);
    json_kv_u64(w, "transactions", i->transactions);
    json_kv_u64(w, "records", i->records);
    kv_time(w, "first_received", i->first_received_us);
    kv_time(w, "last_received", i->last_received_us);
    json_kv_string(w, "error", i->damage);
    json_object_end(w);
}

static void
side_json(struct json_writer *w, const struct spool_side_info *i)
{
    json_object_begin(w);
    json_kv_string(w, "file", i->file);
    json_kv_u64(w, "serial", i->serial);
    json_key(w, "segment");
    if (i->segment) {
        json_u64(w, i->segment);
    } else {
        json_null(w);
    }
    json_kv_u64(w, "xid", i->xid);
    json_kv_u64(w, "bytes", i->bytes);
    json_kv_string(w, "state", i->damage ? "damaged" : i->segment ? "linked" : "open");
    kv_key(w, i->key_id);
    json_kv_string(w, "error", i->damage);
    json_object_end(w);
}

static void
cursors_json(struct json_writer *w, const struct spool_cursors *c)
{
    static const char *const from[] = {
        [CURSORS_UNKNOWN] = NULL, [CURSORS_AGENT] = "agent", [CURSORS_STORE] = "store"};
    json_kv_string(w, "cursors_from", from[c->from]);
    json_key(w, "sinks");
    json_array_begin(w);
    for (size_t i = 0; i < c->sinks_len; i++) {
        const struct spool_cursor *k = &c->sinks[i];
        json_object_begin(w);
        json_kv_string(w, "name", k->name);
        kv_lsn(w, "position", k->position);
        json_key(w, "behind_bytes");
        if (k->has_behind) {
            json_u64(w, k->behind);
        } else {
            json_null(w);
        }
        json_object_end(w);
    }
    json_array_end(w);
}

static void
totals_json(struct json_writer *w, const struct spool_listing *l)
{
    struct totals t = add_up(l);
    json_key(w, "totals");
    json_object_begin(w);
    json_kv_u64(w, "segments", l->segments_len);
    json_kv_u64(w, "segment_bytes", t.bytes);
    json_kv_u64(w, "side_files", l->sides_len);
    json_kv_u64(w, "side_file_bytes", t.side_bytes);
    json_kv_u64(w, "transactions", t.transactions);
    json_kv_u64(w, "records", t.records);
    kv_lsn(w, "first_position", t.first_position);
    kv_lsn(w, "last_position", t.last_position);
    json_object_end(w);
}

void
spool_listing_json(struct buf *out, const struct spool_listing *l)
{
    struct json_writer w;
    json_init(&w, out);
    json_object_begin(&w);
    json_key(&w, "segments");
    json_array_begin(&w);
    for (size_t i = 0; i < l->segments_len; i++) {
        segment_json(&w, &l->segments[i]);
    }
    json_array_end(&w);
    json_key(&w, "side_files");
    json_array_begin(&w);
    for (size_t i = 0; i < l->sides_len; i++) {
        side_json(&w, &l->sides[i]);
    }
    json_array_end(&w);
    cursors_json(&w, &l->cursors);
    totals_json(&w, l);
    json_object_end(&w);
}
