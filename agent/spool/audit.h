/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads every byte of a spool directory and tells everything that FORMAT.md does not allow, not
 * only the first fault: behind a damaged segment it goes on with the next one. Repairs nothing,
 * works beside a running agent: what is removed meanwhile is left out, what is being written is a
 * torn tail.
 */
#ifndef TG_SPOOL_AUDIT_H
#define TG_SPOOL_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/fs.h"

enum audit_severity {
    AUDIT_NOTE,   /* nothing is lost: a file that nobody needs */
    AUDIT_DAMAGE, /* something that was kept cannot be read, or is not what was written */
};

struct audit_finding {
    enum audit_severity severity;
    const char *file; /* in the directory */
    bool has_offset;
    uint64_t offset; /* in the file */
    const char *text, *hint;
};

struct key_ring;

struct audit_options {
    const struct fs *fs; /* NULL: fs_system */
    const char *path;
    const struct key_ring *keys; /* of encrypted files; may be NULL */
    uint64_t durable; /* position that the spool is known to reach: what ends below it is damaged.
                         Ask for it before the audit. 0: unknown */
    /* All may be NULL. What a finding points to is borrowed during the call. */
    void (*finding)(const struct audit_finding *f, void *arg);
    void (*progress)(uint64_t done, uint64_t total, void *arg); /* bytes; often */
    void *arg;
};

struct audit_result {
    uint64_t segments, sides, blocks, records, transactions, bytes; /* that are right */
    uint64_t damages, notes;
    uint64_t torn_bytes; /* behind the last valid block of the newest segment: not an error */
    uint64_t position;   /* of the last COMMIT or MARK; 0: not known */
};

/* False when the spool cannot be looked at: no directory, a key that is not there, another version.
 * Damage alone is no failure: see `damages`. */
bool audit_spool(const struct audit_options *o, struct audit_result *out, struct err *err) must_use;

#endif
