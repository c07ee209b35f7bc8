/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs a child program (pg_dump, pg_restore) to its end: no shell, stdin from /dev/null, stderr
 * collected, stdout to a file or collected. A secret goes to the child as a file descriptor, so it
 * stands neither in `ps` nor on a disk.
 */
#ifndef TG_BASE_PROC_H
#define TG_BASE_PROC_H

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/base/stop.h"

struct proc {
    const char *const
        *argv;              /* NULL-terminated; argv[0] is searched in PATH unless it has a slash */
    const char *const *env; /* NULL-terminated "NAME=VALUE" added to our environment; may be NULL */
    const char *stdout_path; /* file created/truncated with mode 0600; NULL: collect into `out` */
    struct buf *out;         /* may be NULL: discarded */
    struct buf *stderr_out;  /* may not be NULL; what passes its ceiling is dropped */
    /* When not NULL: handed over as an anonymous file of mode 0600, and `secret_env` (e.g.
     * "PGPASSFILE") set to its path /dev/fd/N in the child. */
    const char *secret;
    const char *secret_env;
};

/* True when the child ended with status 0. A stop request ends the child by SIGTERM, then SIGKILL
 * after 5 s, and gives ERR_CANCELLED. A program that cannot be started is ERR_CONFIG. Other
 * failures are ERR_FATAL with the last line of stderr that speaks of an error, or else its last
 * line, in the text. */
bool proc_run(const struct proc *p, const struct stop *stop, struct err *err) must_use;

#endif
