/* SPDX-License-Identifier: Apache-2.0
 *
 * One hot path, so many times, for callgrind to count its instructions; two lengths of run
 * subtracted leave the path alone:
 *
 *   hotpath capture KIND ROUNDS DIRECTORY   messages of the feed into records, into a spool
 *   hotpath decode  KIND ROUNDS             messages into records, into changes
 *   hotpath read    KIND ROUNDS DIRECTORY   the spool that capture left, read and decoded
 *   hotpath apply   KIND ROUNDS DSN         messages into changes, into the PostgreSQL sink
 *
 * KIND is insert or update; a round is a transaction of FEED_ROWS rows.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/parse.h"
#include "agent/spool/spool.h"
#include "decoders/decoder.h"
#include "sinks/sink.h"
#include "tests/bench/feed.h"

#define SYNC_BYTES (8ULL << 20) /* as the capture thread */

struct path {
    struct bench_feed feed;
    struct pg_feed records;
    struct spool *spool;
    struct decoder *decoder;
    struct sink *sink;
    uint64_t rows; /* that came out at the end */
};

typedef bool (*record_fn)(struct path *p, const struct record *rec, struct err *err);

static bool
to_spool(struct path *p, const struct record *rec, struct err *err)
{
    p->rows += rec->kind == RECORD_DATA;
    return spool_append(p->spool, rec, err) &&
           (spool_unsynced(p->spool) < SYNC_BYTES || spool_sync(p->spool, err));
}

static bool
to_change(struct path *p, const struct record *rec, struct err *err)
{
    struct change change;
    bool produced;
    if (!decoder_feed(p->decoder, rec, &change, &produced, err)) {
        return false;
    }
    p->rows += produced && (change.kind == CHANGE_INSERT || change.kind == CHANGE_UPDATE);
    return !produced || !p->sink || sink_apply(p->sink, &change, err);
}

static bool
take(struct path *p, struct feed_message m, record_fn out, struct err *err)
{
    struct pg_message message = bench_feed_message(&p->feed, m);
    struct record rec;
    bool keep;
    if (!pg_feed_take(&p->records, &message, &rec, &keep, err)) {
        return false;
    }
    return !keep || out(p, &rec, err);
}

static bool
transaction(struct path *p, record_fn out, bool first, struct err *err)
{
    bench_feed_turn(&p->feed);
    bool ok = take(p, p->feed.begin, out, err);
    ok = ok && (!first || take(p, p->feed.relation, out, err));
    for (uint32_t n = 0; ok && n < FEED_ROWS; n++) {
        ok = take(p, p->feed.rows[n], out, err);
    }
    return ok && take(p, p->feed.commit, out, err);
}

static bool
feed(struct path *p, uint64_t rounds, record_fn out, struct err *err)
{
    bool ok = true;
    for (uint64_t n = 0; ok && n < rounds; n++) {
        ok = transaction(p, out, n == 0, err);
    }
    return ok;
}

static bool
open_spool(struct path *p, const char *directory, struct err *err)
{
    struct spool_options o = {.path = directory, .feed_id = 1};
    return spool_open(&o, &p->spool, err);
}

static bool
capture(struct path *p, uint64_t rounds, const char *directory, struct err *err)
{
    return open_spool(p, directory, err) && spool_set_start(p->spool, 1, err) &&
           feed(p, rounds, to_spool, err) && spool_sync(p->spool, err);
}

static bool
decode(struct path *p, uint64_t rounds, const char *unused, struct err *err)
{
    (void)unused;
    return decoder_find("pgoutput")->open(&p->decoder, err) && feed(p, rounds, to_change, err);
}

/* Up to the end of so many transactions. */
static bool
read_back(struct path *p, uint64_t rounds, const char *directory, struct err *err)
{
    struct spool_reader *reader = NULL;
    bool ok = decoder_find("pgoutput")->open(&p->decoder, err) && open_spool(p, directory, err) &&
              spool_reader_open(p->spool, 1, &reader, err);
    for (uint64_t left = rounds; ok && left > 0;) {
        struct record rec;
        bool got;
        ok = spool_reader_next(reader, &rec, &got, err);
        if (ok && !got) {
            ok = err_set(err, ERR_FATAL, "the spool has fewer transactions");
        }
        ok = ok && to_change(p, &rec, err);
        left -= ok && rec.kind == RECORD_COMMIT;
    }
    spool_reader_close(reader);
    return ok;
}

static bool
apply(struct path *p, uint64_t rounds, const char *dsn, struct err *err)
{
    struct sink_params params = {.name = "bench",
        .dsn = dsn,
        .origin = "tidegate_hotpath",
        .group_transactions = 500,
        .group_bytes = 4 << 20,
        .inflight_bytes = 256 << 10,
        .prepared_statements = 8192,
        .timeout_us = 600000000};
    struct sink_progress progress;
    uint64_t resume;
    return decoder_find("pgoutput")->open(&p->decoder, err) &&
           sink_find("postgresql")->open(&params, 1, &p->sink, &resume, err) &&
           feed(p, rounds, to_change, err) && sink_flush(p->sink, err) &&
           sink_sync(p->sink, &progress, err);
}

static const struct {
    const char *name;
    bool (*run)(struct path *p, uint64_t rounds, const char *where, struct err *err);
    bool where;
} paths[] = {
    {"capture", capture, true},
    {"decode", decode, false},
    {"read", read_back, true},
    {"apply", apply, true},
};

static int
usage(void)
{
    fprintf(stderr, "hotpath capture|decode|read|apply insert|update ROUNDS [DIRECTORY|DSN]\n");
    return 2;
}

int
main(int argc, char **argv)
{
    static struct path p;
    struct err err = ERR_INIT;
    uint64_t rounds;
    if (argc < 4 || !parse_u64(argv[3], 1, 1000000, &rounds)) {
        return usage();
    }
    enum feed_kind kind = strcmp(argv[2], "update") == 0 ? FEED_UPDATE : FEED_INSERT;
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        if (strcmp(paths[i].name, argv[1]) != 0 || argc != 4 + paths[i].where) {
            continue;
        }
        bool ok =
            bench_feed_init(&p.feed, kind, &err) && paths[i].run(&p, rounds, argv[argc - 1], &err);
        if (!ok) {
            fprintf(stderr, "hotpath: %s %s\n", err.text, err.hint);
        }
        printf("{\"rows\": %" PRIu64 "}\n", p.rows);
        sink_free(p.sink);
        decoder_free(p.decoder);
        spool_close(p.spool);
        bench_feed_done(&p.feed);
        return ok && p.rows == rounds * FEED_ROWS ? 0 : 1;
    }
    return usage();
}
