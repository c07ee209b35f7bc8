/* SPDX-License-Identifier: Apache-2.0
 *
 * Where steps that go on after a failure name what failed.
 */
#ifndef TG_SNAPSHOT_REPORTER_H
#define TG_SNAPSHOT_REPORTER_H

#include <stdint.h>

#include "agent/base/err.h"

struct reporter {
    void (*line)(const char *line, void *arg);
    void *arg;
    uint32_t failed; /* how many */
};

/* Names and counts the error, and clears it. */
void reporter_take(struct reporter *r, struct err *err);

#endif
