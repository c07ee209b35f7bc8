/* SPDX-License-Identifier: Apache-2.0
 *
 * What an operator does with dead letters: looks at them, has them applied again, throws them away.
 * The same for a running agent and for a data directory at rest; only where the sink stands is
 * known from elsewhere.
 *
 * Locking: any thread; one replay at a time.
 */
#ifndef TG_PIPELINE_LETTER_DESK_H
#define TG_PIPELINE_LETTER_DESK_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/clock.h"
#include "agent/base/key.h"
#include "agent/store/letters.h"
#include "config/config.h"
#include "decoders/decoder.h"

struct letter_desk {
    const struct config *config;
    struct store *store;
    const struct key_ring *keys;
    const struct clock *clock;
    /* Position up to which the sink holds everything durably: letters behind it may come again. */
    bool (*passed)(void *arg, const char *sink, uint64_t *out, struct err *err);
    void *arg;
};

/* Asks the sink itself; arg is the desk. For a data directory that no agent holds. */
bool letter_desk_ask_sink(void *arg, const char *sink, uint64_t *out, struct err *err);

/* Decoder of the letters' records: that of the migration's plugin. NULL: see err. */
const struct decoder_ops *letter_desk_decoder(
    const struct letter_desk *d, struct err *err) must_use;

struct letter_choice {
    const char *sink;      /* NULL: all */
    uint64_t id;           /* 0: all */
    struct position after; /* those behind it in the order of their sink */
    uint32_t max;          /* so many at most */
    bool body;
};

struct letter_view {
    const struct letter *letter;
    struct slice error, key; /* texts */
    struct slice body;       /* as letter_decode takes it; empty unless asked for */
    bool truncate;
};

/* In order of sink and position; *more: there are others behind the last one shown. What is shown
 * is borrowed for the call. */
typedef bool letter_desk_visit(const struct letter_view *v, void *arg, struct err *err);
bool letter_desk_list(const struct letter_desk *d, const struct letter_choice *c, bool *more,
    letter_desk_visit *visit, void *arg, struct err *err) must_use;

/* What became of one letter: applied, or kept because of `why`. */
typedef void letter_desk_told(const struct letter *l, const struct err *why, void *arg);
/* Applies those chosen, of one sink, in order. One that is refused again stays, and so do later
 * ones of the same rows; the rest goes on. False when the target or the store cannot be used; what
 * was told before holds. */
bool letter_desk_replay(const struct letter_desk *d, const struct letter_choice *c, bool *more,
    letter_desk_told *told, void *arg, struct err *err) must_use;

#endif
