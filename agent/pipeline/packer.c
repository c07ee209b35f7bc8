/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread runs at the lowest priority that still gets some time on a busy machine: an idle one
 * might hold the spool's lock and not get the processor to give it back.
 */
#include "agent/pipeline/packer.h"

#include <sys/resource.h>

#include "agent/base/arena.h"
#include "agent/base/log.h"
#include "agent/base/thread.h"

#define STAGE       "packer"
#define LEVEL       3
#define NICE        19
#define LOOK_US     (2 * (int64_t)1000000)
#define HURRY_US    ((int64_t)250000)
#define AFTER_ERROR (30 * (int64_t)1000000)

struct packer {
    struct packer_options o;
    struct thread thread;
    bool failing; /* the last try failed, and it was said */
};

struct packer_plan
packer_decide(enum spool_compression compression, bool pressing)
{
    bool pack =
        compression == COMPRESSION_ZSTD || (compression == COMPRESSION_PRESSURE && pressing);
    return (struct packer_plan){.pack = pack, .pause_us = pack && pressing ? HURRY_US : LOOK_US};
}

/* Returns the pause before the next look. */
static int64_t
look(struct packer *p)
{
    struct err err = ERR_INIT;
    bool did = false;
    bool pressing = p->o.pressing != NULL && p->o.pressing(p->o.arg);
    struct packer_plan plan = packer_decide(p->o.compression, pressing);
    if (!plan.pack) {
        return plan.pause_us;
    }
    if (!spool_pack_one(p->o.spool, LEVEL, p->o.stop, &did, &err)) {
        if (!p->failing) {
            log_err(LOG_WARN, STAGE, &err);
        }
        p->failing = true;
        return AFTER_ERROR;
    }
    if (did && p->failing) {
        log_info(STAGE, "compressing works again");
        p->failing = false;
    }
    return did ? 0 : plan.pause_us;
}

static void
run(void *arg)
{
    struct packer *p = arg;
    int64_t pause = 0;
    /* On Linux this is the priority of the calling thread alone. */
    (void)setpriority(PRIO_PROCESS, 0, NICE);
    while (!stop_sleep(p->o.stop, pause)) {
        pause = look(p);
    }
}

bool
packer_start(const struct packer_options *o, struct packer **out, struct err *err)
{
    *out = NULL;
    if (o->compression == COMPRESSION_NONE) {
        return true;
    }
    struct packer *p = x_zalloc(sizeof(*p));
    p->o = *o;
    *out = p;
    return thread_start(&p->thread, STAGE, run, p, err);
}

void
packer_free(struct packer *p)
{
    if (p) {
        thread_join(&p->thread);
        x_free(p);
    }
}
