/* SPDX-License-Identifier: Apache-2.0
 *
 * The audit in progress, shared by audit.c (segments) and audit_side.c (side files).
 */
#ifndef TG_SPOOL_AUDIT_INTERN_H
#define TG_SPOOL_AUDIT_INTERN_H

#include "agent/spool/audit.h"
#include "agent/spool/directory.h"
#include "agent/spool/replay.h"
#include "agent/spool/side.h"
#include "agent/spool/survey.h"

struct audit {
    const struct audit_options *o;
    struct audit_result *out;
    struct directory_options dir;
    struct survey survey; /* of a side file `known`: it was looked at, or nobody can say */

    uint64_t done, total; /* bytes, for progress */
    uint64_t payload;     /* of the file that is being read, since the last progress */
    uint64_t file_size, file_done;

    bool have_before; /* `before` and `found` are those of the segment in front */
    struct segment before;
    struct replay_result found;

    struct link *links; /* LINK records of the segment looked at last */
    size_t links_len, links_cap;
};

/* `offset` may be NULL. */
void audit_damage(struct audit *a, const char *file, const uint64_t *offset, const struct err *err);
void audit_note(struct audit *a, const char *file, const char *text);
void audit_progress(struct audit *a);

/* The side files that the segment links; `whole`: all of its LINK records are known. False: the
 * audit cannot go on. */
bool audit_sides(struct audit *a, const struct segment *seg, bool whole, struct err *err) must_use;
/* Names the side files that no LINK leads to. */
void audit_orphans(struct audit *a);

#endif
