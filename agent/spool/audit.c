/* SPDX-License-Identifier: Apache-2.0
 *
 * Segments in order of the log, each with three questions: is it right in itself (replay), does it
 * continue the one before it (seam), and are the side files right that it links. What is left over
 * of the names then belongs to nobody.
 *
 * Files change beside a running agent: they are removed from the front, the newest one grows, a
 * sealed one is replaced by a smaller one. So a fault counts only when it is found again at the
 * same place after header and size were read anew: bytes that a later write calls durable were
 * complete before that write could be seen.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/parse.h"
#include "agent/spool/audit.intern.h"

#define ATTEMPTS       8
#define PROGRESS_EVERY (1u << 20)

/* --- telling ------------------------------------------------------------------------------------
 */

static void
tell(struct audit *a, const struct audit_finding *f)
{
    if (f->severity == AUDIT_DAMAGE) {
        a->out->damages++;
    } else {
        a->out->notes++;
    }
    if (a->o->finding != NULL) {
        a->o->finding(f, a->o->arg);
    }
}

void
audit_damage(struct audit *a, const char *file, const uint64_t *offset, const struct err *err)
{
    struct audit_finding f = {
        .severity = AUDIT_DAMAGE,
        .file = file,
        .has_offset = offset != NULL,
        .offset = offset != NULL ? *offset : 0,
        .text = err->text,
        .hint = err->hint,
    };
    tell(a, &f);
}

void
audit_note(struct audit *a, const char *file, const char *text)
{
    struct audit_finding f = {.severity = AUDIT_NOTE, .file = file, .text = text, .hint = ""};
    tell(a, &f);
}

void
audit_progress(struct audit *a)
{
    if (a->o->progress != NULL) {
        uint64_t done = a->done + a->file_done;
        a->o->progress(done < a->total ? done : a->total, a->total, a->o->arg);
    }
}

static void
on_record(const struct record *rec, bool repeated, void *arg)
{
    struct audit *a = arg;
    (void)repeated;
    a->payload += rec->payload.len;
    if (a->payload >= PROGRESS_EVERY) {
        a->file_done += a->payload;
        a->file_done = a->file_done < a->file_size ? a->file_done : a->file_size;
        a->payload = 0;
        audit_progress(a);
    }
}

static bool
on_link(const struct link *link, void *arg, struct err *err)
{
    struct audit *a = arg;
    (void)err;
    if (a->links_len == a->links_cap) {
        a->links_cap = a->links_cap ? a->links_cap * 2 : 64;
        a->links = x_realloc(a->links, a->links_cap * sizeof(*a->links));
    }
    a->links[a->links_len++] = *link;
    return true;
}

/* --- one segment --------------------------------------------------------------------------------
 */

struct looked {
    struct segment seg; /* size 0: the header is wrong */
    struct replay_result found;
    bool gone;
};

/* Opens, reads header and footer and all blocks. `found.end` says where it failed. */
static bool
look_once(struct audit *a, uint64_t number, bool newest, struct looked *out, struct err *err)
{
    char path[SEGMENT_PATH_MAX];
    const struct fs *fs = a->dir.fs;
    struct segment *seg = &out->seg;

    a->links_len = 0;
    *out = (struct looked){.gone = false};
    if (!directory_segment(&a->dir, number, newest, seg, &out->gone, err)) {
        out->found.end = seg->size < FOOTER_SIZE ? 0 : seg->size - FOOTER_SIZE;
        return false;
    }
    if (out->gone || !segment_path(a->dir.path, number, false, path, err)) {
        return out->gone;
    }
    int fd = fs->open(fs, path, O_RDONLY, 0);
    if (fd == -ENOENT) {
        out->gone = true;
        return true;
    }
    if (fd < 0) {
        return segment_io(err, fd, "open spool segment", path);
    }
    a->file_size = seg->size;
    a->file_done = a->payload = 0;
    struct replay in = {
        .fs = fs,
        .fd = fd,
        .path = path,
        .seg = seg,
        .keys = a->o->keys,
        .newest = newest,
        .each = on_record,
        .link = on_link,
        .arg = a,
    };
    bool ok = replay_segment(&in, &out->found, err);
    (void)fs->close(fs, fd);
    return ok;
}

static bool
look(struct audit *a, uint64_t number, bool newest, struct looked *out, struct err *err)
{
    uint64_t failed_at = UINT64_MAX;
    for (int i = 0; i < ATTEMPTS; i++) {
        err_clear(err);
        bool ok = look_once(a, number, newest, out, err);
        if (ok || err->class != ERR_FATAL || out->found.end == failed_at) {
            return ok;
        }
        failed_at = out->found.end;
    }
    return false;
}

/* The header repeats the state behind the segment before it. */
static bool
seam_fits(const struct audit *a, const struct segment *seg, struct err *err)
{
    const struct segment_header *h = &seg->header;
    uint64_t begin = a->found.order.open ? a->found.begin : h->number;
    char path[SEGMENT_PATH_MAX];
    if (!directory_seam(&a->dir, &a->before, seg, err)) {
        return false;
    }
    if (h->position == a->found.order.position && h->begin == begin) {
        return true;
    }
    return segment_path(a->dir.path, h->number, false, path, err) &&
           segment_damaged(
               err, path, 0, "the header does not fit the end of the segment before it");
}

static void
count(struct audit *a, const struct segment *seg, const struct replay_result *found)
{
    a->out->segments++;
    a->out->blocks += found->blocks;
    a->out->records += found->tally.records;
    a->out->transactions += found->tally.commits;
    a->out->bytes += seg->size;
    a->out->torn_bytes = found->torn;
    a->out->position = found->order.position;
}

/* What was confirmed to the source must be there. */
static void
check_end(struct audit *a, const char *name, const struct replay_result *found)
{
    char end[FORMAT_SIZE], known[FORMAT_SIZE];
    struct err err = ERR_INIT;
    if (a->o->durable <= found->order.position) {
        return;
    }
    (void)err_set(&err, ERR_FATAL,
        "spool segment '%s/%s' is damaged at byte %" PRIu64
        ": the spool ends here, at %s, but was durable up to %s",
        a->dir.path, name, found->end, format_lsn(found->order.position, end),
        format_lsn(a->o->durable, known));
    (void)err_hint(&err, "what is missing was confirmed to the source and does not come again; "
                         "keep the directory for analysis, check the disk, and start over with a "
                         "new spool and a new copy");
    audit_damage(a, name, &found->end, &err);
}

/* False: the audit cannot go on. */
static bool
audit_segment(struct audit *a, uint64_t number, bool newest, struct err *err)
{
    struct looked l;
    char name[SEGMENT_NAME_MAX];

    segment_name(number, false, name);
    bool ok = look(a, number, newest, &l, err);
    if (!ok && err->class != ERR_FATAL) {
        return false;
    }
    if (ok && l.gone) {
        a->have_before = false;
        return true;
    }
    if (!ok) {
        audit_damage(a, name, &l.found.end, err);
    } else if (a->have_before && !seam_fits(a, &l.seg, err)) {
        uint64_t at = 0;
        audit_damage(a, name, &at, err);
    }
    err_clear(err);
    a->have_before = ok;
    if (ok) {
        a->before = l.seg;
        a->found = l.found;
        count(a, &l.seg, &l.found);
        if (newest) {
            check_end(a, name, &l.found);
        }
    }
    a->done += l.seg.size;
    a->file_done = 0;
    audit_progress(a);
    l.seg.header.number = number;
    return audit_sides(a, &l.seg, ok, err);
}

/* --- the directory ------------------------------------------------------------------------------
 */

/* A number between two others that is not there: removed while we looked, with all before it? */
static bool
tell_missing(struct audit *a, uint64_t before, uint64_t number, struct err *err)
{
    struct survey now;
    char name[SEGMENT_NAME_MAX];
    bool ok = survey_read(a->dir.fs, a->dir.path, &now, err);
    if (ok && now.segments.len > 0 && now.segments.items[0] <= before) {
        struct err missing = ERR_INIT;
        segment_name(before + 1, false, name);
        (void)err_set(&missing, ERR_FATAL,
            "spool '%s' is damaged: segment %" PRIu64 "%s is missing", a->dir.path, before + 1,
            number == before + 2 ? "" : ", and more behind it,");
        (void)err_hint(
            &missing, "bring the file back, or start over with a new spool and a new copy");
        audit_damage(a, name, NULL, &missing);
    }
    survey_done(&now);
    return ok;
}

static bool
audit_segments(struct audit *a, struct err *err)
{
    const struct survey_list *l = &a->survey.segments;
    for (size_t i = 0; i < l->len; i++) {
        if (i > 0 && l->items[i] != l->items[i - 1] + 1) {
            a->have_before = false;
            if (!tell_missing(a, l->items[i - 1], l->items[i], err)) {
                return false;
            }
        }
        if (!audit_segment(a, l->items[i], i + 1 == l->len, err)) {
            return false;
        }
    }
    if (l->len == 0 && a->o->durable != 0) {
        char known[FORMAT_SIZE];
        struct err empty = ERR_INIT;
        (void)err_set(&empty, ERR_FATAL,
            "spool '%s' is damaged: it has no segment, but was durable up to %s", a->dir.path,
            format_lsn(a->o->durable, known));
        audit_damage(a, "", NULL, &empty);
    }
    return true;
}

static void
tell_unknown(struct audit *a)
{
    for (size_t i = 0; i < a->survey.unknown_len; i++) {
        audit_note(a, a->survey.unknown[i], "this file does not belong to a spool");
    }
}

static void
add_size(struct audit *a, const char *name)
{
    const struct fs *fs = a->dir.fs;
    char path[SEGMENT_PATH_MAX];
    uint64_t size = 0;
    struct err ignored = ERR_INIT;
    bool fits = segment_path_of(a->dir.path, name, path, &ignored);
    int fd = fits ? fs->open(fs, path, O_RDONLY, 0) : -1;
    if (fd >= 0) {
        a->total += fs->size(fs, fd, &size) < 0 ? 0 : size;
        (void)fs->close(fs, fd);
    }
}

static void
measure(struct audit *a)
{
    char name[SIDE_NAME_MAX];
    if (a->o->progress == NULL) {
        return;
    }
    for (size_t i = 0; i < a->survey.segments.len; i++) {
        segment_name(a->survey.segments.items[i], false, name);
        add_size(a, name);
    }
    for (size_t i = 0; i < a->survey.sides_len; i++) {
        if (a->survey.sides[i].segment != 0) {
            side_name(a->survey.sides[i].segment, a->survey.sides[i].serial, name);
            add_size(a, name);
        }
    }
}

bool
audit_spool(const struct audit_options *o, struct audit_result *out, struct err *err)
{
    struct audit a = {
        .o = o,
        .out = out,
        .dir = {.fs = o->fs != NULL ? o->fs : &fs_system,
            .path = o->path,
            .live = true,
            .keys = o->keys},
    };
    *out = (struct audit_result){0};
    bool ok = survey_read(a.dir.fs, o->path, &a.survey, err);
    if (ok) {
        measure(&a);
        ok = audit_segments(&a, err);
    }
    if (ok) {
        audit_orphans(&a);
        tell_unknown(&a);
    }
    x_free(a.links);
    survey_done(&a.survey);
    return ok;
}
