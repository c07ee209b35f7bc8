/* SPDX-License-Identifier: Apache-2.0
 *
 * One writer, readers that follow it by their events, retirement behind them and packing between
 * them, on a real file system; every fifth transaction is streamed. Run it under the thread
 * sanitizer, too.
 */
#include <poll.h>
#include <stdatomic.h>

#include "agent/base/stop.h"
#include "agent/base/thread.h"
#include "tests/lib/tmpdir.h"
#include "tests/unit/agent/spool/spool_util.h"

#define TRANSACTIONS 3000
#define READERS      3

struct shared {
    struct spool *spool;
    _Atomic uint64_t applied[READERS]; /* positions */
};

struct follower {
    struct shared *shared;
    int index;
    uint64_t transactions, rows, sum, last;
    struct err err;
    bool failed;
    struct thread thread;
};

/* Position of transaction i is i * 10, it has i % 7 rows with payloads made of i. */
static void
follow(void *arg)
{
    struct follower *f = arg;
    struct spool_reader *r;
    struct record rec;
    bool got;
    f->failed = !spool_reader_open(f->shared->spool, 0, &r, &f->err);
    while (!f->failed && f->last < TRANSACTIONS * 10) {
        f->failed = !spool_reader_next(r, &rec, &got, &f->err);
        if (f->failed) {
            break;
        }
        if (!got) {
            struct pollfd p = {.fd = spool_reader_fd(r), .events = POLLIN};
            f->failed = poll(&p, 1, 20000) != 1;
            continue;
        }
        for (size_t i = 0; i < rec.payload.len; i++) {
            f->sum += rec.payload.data[i];
        }
        f->rows += rec.kind == RECORD_DATA;
        if (rec.kind == RECORD_COMMIT) {
            f->failed = rec.position != f->last + 10;
            f->last = rec.position;
            f->transactions++;
            atomic_store(&f->shared->applied[f->index], rec.position);
            if (f->index == 0 && f->transactions % 8 == 0) { /* a slow one */
                clock_system.sleep_us(&clock_system, 500);
            }
        }
        (void)spool_reader_behind(r);
    }
    spool_reader_close(r);
}

struct packing {
    struct spool *spool;
    struct stop stop;
    struct err err;
    bool failed;
    struct thread thread;
};

static void
pack(void *arg)
{
    struct packing *p = arg;
    while (!p->failed && !stop_sleep(&p->stop, 500)) {
        bool did;
        p->failed = !spool_pack_one(p->spool, 1, &p->stop, &did, &p->err);
    }
}

static void
write_all(struct spool *s, struct shared *shared, uint64_t *rows, uint64_t *sum)
{
    struct err err = ERR_INIT;
    uint8_t bytes[300];
    for (uint64_t i = 1; i <= TRANSACTIONS; i++) {
        uint32_t stream = i % 5 == 0 ? (uint32_t)i : 0;
        struct record rec;
        struct record begin = {
            .kind = RECORD_BEGIN, .stream = stream, .position = i * 10 - 5, .received_us = 1};
        if (stream == 0) {
            ok(spool_append(s, &begin, &err));
        }
        for (uint64_t row = 0; row < i % 7; row++) {
            size_t len = (i * 31 + row * 7) % sizeof(bytes);
            memset(bytes, (int)i, len);
            rec = (struct record){.kind = RECORD_DATA, .received_us = 2, .payload = {bytes, len}};
            rec.xid = rec.stream = stream;
            ok(spool_append(s, &rec, &err));
            *rows += 1;
            *sum += (i & 255) * len;
        }
        if (stream != 0) {
            ok(spool_append(s, &begin, &err));
        }
        rec = (struct record){.kind = RECORD_COMMIT, .position = i * 10, .received_us = 3};
        ok(spool_append(s, &rec, &err));
        if (i % 3 == 0) {
            ok(spool_flush(s, &err));
        }
        if (i % 200 == 0) {
            uint64_t lowest = UINT64_MAX;
            for (int k = 0; k < READERS; k++) {
                uint64_t p = atomic_load(&shared->applied[k]);
                lowest = p < lowest ? p : lowest;
            }
            ok(spool_sync(s, &err));
            ok(spool_retire(s, lowest, &err));
        }
    }
    ok(spool_sync(s, &err));
}

static void
readers_keep_up_with_a_writer_retirement_and_packing(void **state)
{
    (void)state;
    char *dir = tmpdir_new();
    struct spool_options o = {
        .path = dir,
        .feed_id = 1,
        .segment_size = 20000,
        .block_size = 2000,
        .keys = util_keys,
    };
    struct shared shared = {.spool = open_spool(&o)};
    struct follower f[READERS] = {{0}};
    struct packing packing = {.spool = shared.spool};
    struct err err = ERR_INIT;
    uint64_t rows = 0, sum = 0;
    for (int i = 0; i < READERS; i++) {
        f[i].shared = &shared;
        f[i].index = i;
        ok(thread_start(&f[i].thread, "follower", follow, &f[i], &err));
    }
    assert_true(stop_init(&packing.stop));
    ok(thread_start(&packing.thread, "packer", pack, &packing, &err));
    write_all(shared.spool, &shared, &rows, &sum);
    for (int i = 0; i < READERS; i++) {
        thread_join(&f[i].thread);
        if (f[i].failed) {
            fail_msg("reader %d at %" PRIu64 ": %s", i, f[i].last, f[i].err.text);
        }
        assert_int_equal(f[i].transactions, TRANSACTIONS);
        assert_int_equal(f[i].rows, rows);
        assert_int_equal(f[i].sum, sum);
    }
    stop_request(&packing.stop);
    thread_join(&packing.thread);
    stop_done(&packing.stop);
    if (packing.failed) {
        fail_msg("packing: %s", packing.err.text);
    }
    struct spool_stats stats;
    for (int i = 0; i < 100; i++) {
        ok(spool_retire(shared.spool, TRANSACTIONS * 10, &err));
    }
    spool_stats(shared.spool, &stats);
    assert_int_equal(stats.segments, 1);
    assert_true(stats.packed_segments > 0);
    spool_close(shared.spool);
    tmpdir_remove(dir);
}

static int
run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_keep_up_with_a_writer_retirement_and_packing),
    };
    return cmocka_run_group_tests_name("spool threads", tests, NULL, NULL);
}

int
main(void)
{
    int failed = run();
    return failed + run_encrypted(run);
}
