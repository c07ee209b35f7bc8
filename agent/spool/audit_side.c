/* SPDX-License-Identifier: Apache-2.0
 *
 * A side file is asked for by a LINK, never by its name. Segments are removed before the side files
 * that they link: so one that is missing is damage only while its segment is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "agent/spool/audit.intern.h"

#define ATTEMPTS 2

static bool
exists(const struct audit *a, const char *path)
{
    int fd = a->dir.fs->open(a->dir.fs, path, O_RDONLY, 0);
    if (fd >= 0) {
        (void)a->dir.fs->close(a->dir.fs, fd);
    }
    return fd != -ENOENT;
}

static bool
verify_one(struct audit *a, const struct segment *seg, const struct link *link, bool *gone,
    struct err *err)
{
    char path[SEGMENT_PATH_MAX];
    struct side_where where = {
        .fs = a->dir.fs,
        .dir = a->dir.path,
        .keys = a->o->keys,
        .feed_id = seg->header.feed_id,
        .segment = seg->header.number,
        .link = *link,
    };
    *gone = false;
    for (int i = 0; i < ATTEMPTS; i++) {
        struct side_verdict found = {0};
        err_clear(err);
        if (side_verify(&where, &found, err)) {
            a->out->sides++;
            a->out->blocks += found.blocks;
            a->out->records += found.records;
            a->out->bytes += found.bytes;
            return true;
        }
        struct err ignored = ERR_INIT;
        if (err->class != ERR_FATAL ||
            !segment_path(a->dir.path, seg->header.number, false, path, &ignored)) {
            return false;
        }
        if (!exists(a, path)) {
            *gone = true;
            return true;
        }
    }
    return false;
}

bool
audit_sides(struct audit *a, const struct segment *seg, bool whole, struct err *err)
{
    uint64_t number = seg->header.number;
    for (size_t i = 0; i < a->links_len; i++) {
        const struct link *link = &a->links[i];
        struct survey_side *side = survey_find_side(&a->survey, number, link->serial);
        bool gone = false;
        if (!verify_one(a, seg, link, &gone, err)) {
            char name[SIDE_NAME_MAX];
            if (err->class != ERR_FATAL) {
                return false;
            }
            side_name(number, link->serial, name);
            audit_damage(a, name, NULL, err);
            err_clear(err);
        }
        if (side != NULL) {
            side->known = true;
        }
        a->done += link->bytes;
        audit_progress(a);
    }
    for (size_t i = 0; !whole && i < a->survey.sides_len; i++) {
        struct survey_side *side = &a->survey.sides[i];
        side->known |= side->segment == number;
    }
    return true;
}

void
audit_orphans(struct audit *a)
{
    const struct survey_list *l = &a->survey.segments;
    uint64_t first = l->len > 0 ? l->items[0] : UINT64_MAX;
    uint64_t newest = l->len > 0 ? l->items[l->len - 1] : 0;
    for (size_t i = 0; i < a->survey.sides_len; i++) {
        const struct survey_side *side = &a->survey.sides[i];
        char name[SIDE_NAME_MAX], path[SEGMENT_PATH_MAX];
        struct err ignored = ERR_INIT;
        /* Open ones belong to the running agent; the newest segment may get its LINK just now. */
        if (side->known || side->segment == 0 || side->segment > newest ||
            !side_path(a->dir.path, side->segment, side->serial, path, &ignored) ||
            !exists(a, path)) {
            continue;
        }
        side_name(side->segment, side->serial, name);
        if (side->segment < first) {
            audit_note(a, name, "its segment is gone; the next start removes it");
        } else if (side->segment == newest) {
            audit_note(a, name,
                "no record leads to this side file yet, or ever; the next start "
                "removes it");
        } else {
            audit_note(a, name, "no record leads to this side file: nobody reads or removes it");
        }
    }
}
