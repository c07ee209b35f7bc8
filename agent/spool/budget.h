/* SPDX-License-Identifier: Apache-2.0
 *
 * How near a spool is to its limits, as pure functions of numbers: no clock, no files, no log. The
 * pipeline asks them once a second and acts (agent/pipeline/room.h).
 *
 *   OK -> WARN -> COMPRESS -> PAUSE     each at a per cent of what the spool may take; a stage is
 *                                       left only some per cent below the place where it begins
 */
#ifndef TG_SPOOL_BUDGET_H
#define TG_SPOOL_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum budget_stage { BUDGET_OK, BUDGET_WARN, BUDGET_COMPRESS, BUDGET_PAUSE };
const char *budget_stage_name(enum budget_stage s); /* "ok", "warn", "compress", "pause" */
bool budget_stage_parse(const char *name, enum budget_stage *out);

struct budget_limits {
    uint64_t max_size;                       /* bytes of the spool; 0: only the disk counts */
    uint64_t min_free;                       /* bytes of the disk that stay untouched */
    uint32_t warn_at, compress_at, pause_at; /* per cent, not descending; 0: no such stage */
};

struct budget_use {
    uint64_t used; /* bytes of the spool */
    uint64_t kept; /* those of them that nobody waits for: they go as soon as they are in the way */
    bool disk_known; /* `free` has content */
    uint64_t free;   /* bytes of the file system */
};

struct budget {
    enum budget_stage stage;
    uint32_t percent;  /* of `limit`, without what is kept; at most 100 */
    uint64_t limit;    /* bytes that the spool may take now; UINT64_MAX: unknown, no limit */
    uint64_t left;     /* bytes until PAUSE; UINT64_MAX: there is no limit */
    uint64_t over;     /* bytes of `kept` that are in the way: without them it would not warn */
    bool disk_decides; /* the disk is nearer to its end than max_size */
};

/* `present` is the stage up to now. */
void budget_judge(const struct budget_limits *l, const struct budget_use *u,
    enum budget_stage present, struct budget *out);

/* Growth over the last minute. Zero is a new one. */
#define BUDGET_RATE_SAMPLES 16
struct budget_rate {
    struct {
        int64_t at_us;
        uint64_t bytes;
    } samples[BUDGET_RATE_SAMPLES]; /* ring */
    size_t next, count;
};

/* `bytes`: used without kept, so that what was retired counts against what came. Looks that follow
 * each other closely cost nothing. */
void budget_rate_add(struct budget_rate *r, int64_t mono_us, uint64_t bytes);
/* Seconds until `left` bytes are used up at the present growth; -1: it does not grow, or it is not
 * yet known. */
double budget_seconds_left(const struct budget_rate *r, uint64_t left);

#endif
