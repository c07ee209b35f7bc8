/* SPDX-License-Identifier: Apache-2.0
 *
 * Contract of a decoder: the bytes of a feed become changes. Pure: no I/O, no clock, no log, so
 * that it can be fuzzed and replayed. It reads nothing past its input, whatever the input is.
 *
 * Callers use the inline functions; nothing else touches the ops table. registry.c is the only file
 * that names decoders.
 */
#ifndef TG_DECODERS_DECODER_H
#define TG_DECODERS_DECODER_H

#include <assert.h>
#include <stdbool.h>

#include "agent/base/err.h"
#include "agent/change/change.h"
#include "agent/change/record.h"

/* Every decoder's own struct begins with this. */
struct decoder {
    const struct decoder_ops *ops;
};

struct decoder_ops {
    const char *name;    /* "pgoutput" */
    const char *summary; /* one line for help and reference */
    uint32_t content;    /* by which a spool names it: agent/spool/FORMAT.md */
    bool (*open)(struct decoder **out, struct err *err);
    /* Takes one record. *produced tells whether *out was filled (SCHEMA records fill nothing); what
     * it points to is borrowed until the next feed() or reset(), and values and strings may lie in
     * the record's payload: keep that as long. Damaged input is ERR_FATAL with message type and
     * offset in the text. */
    bool (*feed)(struct decoder *d, const struct record *rec, struct change *out, bool *produced,
        struct err *err);
    /* Forgets the open transaction and all relations, as at the start of a feed. */
    void (*reset)(struct decoder *d);
    void (*free)(struct decoder *d); /* accepts NULL */
};

static inline bool must_use
decoder_feed(struct decoder *d, const struct record *rec, struct change *out, bool *produced,
    struct err *err)
{
    assert(d && rec && out && produced && err);
    return d->ops->feed(d, rec, out, produced, err);
}
static inline void
decoder_reset(struct decoder *d)
{
    d->ops->reset(d);
}
static inline void
decoder_free(struct decoder *d)
{
    if (d) {
        d->ops->free(d);
    }
}

/* NULL when there is no decoder of that name. */
const struct decoder_ops *decoder_find(const char *name);
/* ... of that number. */
const struct decoder_ops *decoder_of_content(uint32_t content);
/* NULL-terminated. */
const struct decoder_ops *const *decoder_all(void);

#endif
