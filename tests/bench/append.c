/* SPDX-License-Identifier: Apache-2.0
 *
 * Appends synthetic transactions to a spool as fast as it takes them and makes them durable, as the
 * capture thread does; prints bytes on disk and seconds. Its peer is dd with conv=fdatasync:
 *
 *   append DIRECTORY MEBIBYTES RECORD_BYTES RECORDS_PER_TRANSACTION
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/parse.h"
#include "agent/spool/spool.h"

#define SYNC_BYTES (8ULL << 20) /* as the capture thread */

struct load {
    struct spool *spool;
    uint8_t payload[1 << 16];
    size_t bytes;
    uint64_t rows, position;
};

static bool
append(struct load *l, enum record_kind kind, uint64_t position, size_t len, struct err *err)
{
    struct record rec = {
        .kind = kind,
        .xid = kind == RECORD_BEGIN ? 7 : 0,
        .position = position,
        .received_us = clock_wall_us(&clock_system),
        .payload = slice_of(l->payload, len),
    };
    return spool_append(l->spool, &rec, err);
}

static bool
transaction(struct load *l, struct err *err)
{
    uint64_t commit = l->position + l->rows * 128;
    bool ok = append(l, RECORD_BEGIN, commit, 21, err);
    for (uint64_t i = 0; ok && i < l->rows; i++) {
        l->position += 128;
        l->payload[0] = (uint8_t)i;
        ok = append(l, RECORD_DATA, l->position, l->bytes, err);
    }
    l->position = commit + 8;
    return ok && append(l, RECORD_COMMIT, l->position, 26, err);
}

static bool
run(struct load *l, uint64_t goal, struct err *err)
{
    struct spool_stats stats = {0};
    while (stats.bytes < goal) {
        if (!transaction(l, err)) {
            return false;
        }
        if (spool_unsynced(l->spool) >= SYNC_BYTES && !spool_sync(l->spool, err)) {
            return false;
        }
        spool_stats(l->spool, &stats);
    }
    return spool_sync(l->spool, err);
}

int
main(int argc, char **argv)
{
    static struct load load = {.position = 0x1000000};
    struct err err = ERR_INIT;
    uint64_t mebibytes, bytes;
    if (argc != 5 || !parse_u64(argv[2], 1, 1 << 20, &mebibytes) ||
        !parse_u64(argv[3], 1, sizeof(load.payload), &bytes) ||
        !parse_u64(argv[4], 1, 1000000000, &load.rows)) {
        fprintf(stderr, "append DIRECTORY MEBIBYTES RECORD_BYTES RECORDS_PER_TRANSACTION\n");
        return 2;
    }
    load.bytes = bytes;
    for (size_t i = 0; i < sizeof(load.payload); i++) {
        load.payload[i] = (uint8_t)(i * 31);
    }
    struct spool_options o = {.path = argv[1], .feed_id = 1};
    int64_t began = clock_mono_us(&clock_system);
    bool ok = spool_open(&o, &load.spool, &err) && spool_set_start(load.spool, 1, &err) &&
              run(&load, mebibytes << 20, &err);
    if (!ok) {
        fprintf(stderr, "append: %s\n", err.text);
        return 1;
    }
    struct spool_stats stats;
    spool_stats(load.spool, &stats);
    printf("{\"bytes\": %" PRIu64 ", \"records\": %" PRIu64 ", \"seconds\": %.3f}\n", stats.bytes,
        stats.records, (double)(clock_mono_us(&clock_system) - began) / 1e6);
    spool_close(load.spool);
    return 0;
}
