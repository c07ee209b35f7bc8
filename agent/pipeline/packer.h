/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes sealed segments of the spool smaller in the background, on a thread of its own that gives
 * way to all others.
 *
 * Locking: start and free from one thread.
 */
#ifndef TG_PIPELINE_PACKER_H
#define TG_PIPELINE_PACKER_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/stop.h"
#include "agent/spool/spool.h"
#include "config/config.h"

struct packer;

struct packer_options {
    struct spool *spool;
    enum spool_compression compression;
    bool (*pressing)(void *arg); /* is room scarce? From the packer's thread; NULL: never */
    void *arg;
    const struct stop *stop;
};

/* *out stays NULL when nothing is ever to be packed. */
bool packer_start(const struct packer_options *o, struct packer **out, struct err *err) must_use;
/* Joins the thread (the stop was requested before). Accepts NULL. */
void packer_free(struct packer *p);

/* What to do now. */
struct packer_plan {
    bool pack;
    int64_t pause_us; /* before the next look, when there was nothing to pack */
};
struct packer_plan packer_decide(enum spool_compression compression, bool pressing);

#endif
