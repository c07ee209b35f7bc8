/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums say whether the disk gave back what was written; the checks of order and counts behind them
 * say whether the writer was right. Only the first kind of fault can be a torn tail: a block whose
 * sums match was written whole, so a fault of the second kind is always damage.
 */
#include "agent/spool/replay.h"

#include "agent/spool/scan.h"

#define REPLAY_BUFFER (256u * 1024)

struct run {
    const struct replay *in;
    struct replay_result *out;
    struct segment seg; /* as the file itself says */
    bool newest;        /* a torn tail is allowed */
    struct codec codec;
    struct index index;
    struct scan sc;
    bool any_live; /* a block that is not a carried one was met */
    struct err *err;
};

/* In place of a reason: `err` says it all already. */
static const char said[] = "";

static const char *
check_link(const struct run *run, const struct record *rec)
{
    struct link link;
    const char *why = link_decode(rec->payload, &link);
    if (why == NULL && run->in->link != NULL && !run->in->link(&link, run->in->arg, run->err)) {
        why = said;
    }
    return why;
}

static const char *
check_record(struct run *run, const struct record *rec, bool repeated)
{
    struct replay_result *out = run->out;
    if (!repeated) {
        const char *why = order_fault(&out->order, rec);
        if (why != NULL) {
            return why;
        }
        order_step(&out->order, rec);
        tally_add(&out->tally, rec);
        if (rec->kind == RECORD_BEGIN || !out->order.open) {
            out->begin = run->seg.header.number;
        }
    }
    if (run->in->each != NULL) {
        run->in->each(rec, repeated, run->in->arg);
    }
    return rec->kind == RECORD_LINK ? check_link(run, rec) : NULL;
}

/* All records of a block, and that its header speaks the truth about them. */
static const char *
check_block(struct run *run, const struct block_header *h, struct slice payload)
{
    const uint8_t *at = payload.data, *end = payload.data + payload.len;
    struct record_base base = {0, h->received_us, false};
    struct record rec;
    bool repeated, schema = false;
    bool carried = (h->flags & BLOCK_CARRIED) != 0;
    uint64_t commits = run->out->tally.commits;

    if (carried && run->any_live) {
        return "carried schemas behind other records";
    }
    run->any_live = !carried;
    for (uint32_t i = 0; i < h->records; i++) {
        const char *why = record_decode(&at, end, &base, &rec, &repeated);
        if (why == NULL && repeated != carried) {
            why = "repeated records stand only in carried blocks";
        }
        if (why == NULL) {
            why = check_record(run, &rec, repeated);
        }
        if (why != NULL) {
            return why;
        }
        schema |= rec.kind == RECORD_SCHEMA || rec.kind == RECORD_LINK;
    }
    if (at != end) {
        return "more bytes than records in a block";
    }
    if (run->out->order.position != h->position ||
        run->out->tally.commits - commits != h->commits ||
        run->out->order.open != ((h->flags & BLOCK_OPEN) != 0) ||
        schema != ((h->flags & BLOCK_SCHEMA) != 0) || h->synced > h->offset) {
        return "the block's header does not fit its records";
    }
    return NULL;
}

static const char *
check_footer(const struct run *run, const struct segment_footer *f)
{
    struct tally found = run->out->tally;
    const struct tally *told = &f->tally;
    if (found.records != told->records || found.commits != told->commits ||
        found.first_position != told->first_position ||
        found.last_position != told->last_position || found.first_close != told->first_close ||
        found.first_received_us != told->first_received_us ||
        found.last_received_us != told->last_received_us ||
        f->position != run->out->order.position || f->open != run->out->order.open) {
        return "the segment's footer does not fit its records";
    }
    return NULL;
}

/* Something that is not valid stands at run->sc.at. */
static bool
judge_tail(struct run *run, const char *why, struct err *err)
{
    bool witness = !run->newest || run->sc.certain;
    if (!witness && scan_find_witness(&run->sc, &witness) == SCAN_ERROR) {
        return segment_io(err, run->sc.rc, "read spool segment", run->in->path);
    }
    if (witness) {
        return segment_damaged(err, run->in->path, run->sc.at, why);
    }
    run->out->torn = run->sc.limit - run->sc.at;
    return true;
}

/* NULL: the footer ends the file, and its index tells of the blocks that were found. */
static const char *
check_index(const struct run *run, const struct segment_footer *f, const struct index *ix)
{
    const struct index *found = &run->index;
    size_t entries = (size_t)found->entries * INDEX_ENTRY_SIZE;
    if (f->offset != run->sc.log + index_size(f->entries)) {
        return "the footer belongs to another place";
    }
    if (ix->entries != found->entries ||
        (entries > 0 && memcmp(ix->bytes + INDEX_HEADER_SIZE, found->bytes + INDEX_HEADER_SIZE,
                            entries) != 0)) {
        return "the segment's index does not fit its blocks";
    }
    return check_footer(run, f);
}

/* The blocks are over and what follows says it is index and footer. */
static bool
replay_footer(struct run *run, struct err *err)
{
    const struct index_file in = {run->in->fs, run->in->fd, NULL};
    struct segment_footer f;
    struct index ix = {0};
    const char *why = NULL;
    int rc = 0;
    bool ok = segment_read_footer(run->in->fs, run->in->fd, &run->seg, &f, &why, &rc);

    if (ok && why == NULL && f.index != run->sc.at) {
        why = "an index that is not at the end of the segment";
    }
    ok = ok && (why != NULL || index_read(&in, &f, &ix, &why, &rc));
    if (!ok) {
        index_done(&ix);
        return segment_io(err, rc, "read spool segment", run->in->path);
    }
    if (why != NULL) {
        index_done(&ix);
        return judge_tail(run, why, err);
    }
    why = codec_check_footer(&run->codec, &f, index_bytes(&ix));
    why = why ? why : check_index(run, &f, &ix);
    index_done(&ix);
    if (why != NULL) {
        return segment_damaged(err, run->in->path, run->sc.at, why);
    }
    run->out->sealed = true;
    run->out->log_end = f.offset + FOOTER_SIZE;
    return true;
}

static void
note_block(struct run *run, const struct block_header *h, uint64_t place)
{
    struct index_entry e = {h->position, h->offset, place};
    run->out->blocks++;
    index_add(&run->index, &e);
    /* In a packed file log offsets are no places. */
    if (!segment_packed(&run->seg) && h->synced > run->seg.header.base + run->out->synced) {
        run->out->synced = h->synced - run->seg.header.base;
    }
}

static bool
replay_blocks(struct run *run, struct err *err)
{
    for (;;) {
        struct block_header h;
        struct slice payload;
        enum scan_result r = scan_peek(&run->sc, &h);
        uint64_t at = run->sc.at;
        if (r == SCAN_OK) {
            r = scan_payload(&run->sc, &h, &payload);
        }
        run->out->end = at;
        switch (r) {
        case SCAN_END:
            if (!run->newest) {
                return segment_damaged(err, run->in->path, at, "the segment has no footer");
            }
            return true;
        case SCAN_FOOTER:
            return replay_footer(run, err);
        case SCAN_INVALID:
            return judge_tail(run, run->sc.why, err);
        case SCAN_ERROR:
            return segment_io(err, run->sc.rc, "read spool segment", run->in->path);
        case SCAN_OK:
            break;
        }
        const char *why = check_block(run, &h, payload);
        if (why == said) {
            return false;
        }
        if (why != NULL) {
            return segment_damaged(err, run->in->path, at, why);
        }
        note_block(run, &h, at);
    }
}

/* The file may have been packed since somebody looked at it last. */
static bool
look_again(struct run *run, struct err *err)
{
    const struct replay *in = run->in;
    struct segment_header h;
    if (!segment_read_header(in->fs, in->fd, in->path, in->seg->header.number, &h, err)) {
        return false;
    }
    run->seg = *in->seg;
    if (h.flags != in->seg->header.flags) {
        int rc = in->fs->size(in->fs, in->fd, &run->seg.size);
        if (rc < 0) {
            return segment_io(err, rc, "size of spool segment", in->path);
        }
    }
    run->seg.header = h;
    run->newest = in->newest && !segment_packed(&run->seg);
    return codec_open(&run->codec, in->keys, &h, in->path, err);
}

bool
replay_segment(const struct replay *in, struct replay_result *out, struct err *err)
{
    struct run run = {.in = in, .out = out, .err = err};

    *out = (struct replay_result){0};
    if (!look_again(&run, err)) {
        return false;
    }
    const struct segment_header *h = &run.seg.header;
    *out = (struct replay_result){
        .order = {.position = h->position, .open = h->begin != h->number},
        .begin = h->begin,
    };
    scan_init(&run.sc, in->fs, REPLAY_BUFFER);
    scan_file(&run.sc, in->fd, h->base, run.seg.size);
    scan_codec(&run.sc, &run.codec);
    bool ok = replay_blocks(&run, err);
    scan_done(&run.sc);
    codec_done(&run.codec);
    if (in->index != NULL) {
        *in->index = run.index;
    } else {
        index_done(&run.index);
    }
    return ok;
}
