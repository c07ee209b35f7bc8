/* SPDX-License-Identifier: Apache-2.0
 *
 * Dead letters: changes that a sink was refused and that wait for the operator, in the state
 * database. What returns true is durable. (sink, position) is unique, so that the same change
 * parked again after a crash is one letter.
 *
 * `head` and `body` are opaque here and hold everything that comes from rows; the rest is in clear.
 *
 * Locking: any thread; the store's own mutex.
 */
#ifndef TG_STORE_LETTERS_H
#define TG_STORE_LETTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/change/position.h"
#include "agent/store/store.h"

#define LETTER_TOKEN_SIZE 33

struct letter {
    uint64_t id; /* given by letters_put, never given again */
    char sink[64];
    struct position position; /* of the change */
    uint32_t xid;
    char relation[132]; /* "schema.table"; of a TRUNCATE the first one */
    char operation[16];
    char sqlstate[6];
    char token[LETTER_TOKEN_SIZE]; /* 32 random digits: known to no other letter anywhere */
    int64_t parked_us;             /* Unix time */
    struct slice head;             /* what lists need */
    struct slice body;             /* what a replay needs; empty in letters_each */
};

/* *id: the letter's. A letter of the same sink and position stays as it is, and *id is that one's.
 */
bool letters_put(struct store *s, const struct letter *l, uint64_t *id, struct err *err) must_use;
/* In order of sink and position; sink NULL: of all. `visit` may not call the store; it returns
 * false, with err filled, to end. What it is shown is borrowed for the call. */
typedef bool letters_visit(const struct letter *l, void *arg, struct err *err);
bool letters_each(
    struct store *s, const char *sink, letters_visit *visit, void *arg, struct err *err) must_use;
/* The body of one, appended to `out`; *found false: there is no such letter. */
bool letters_body(
    struct store *s, uint64_t id, struct buf *out, bool *found, struct err *err) must_use;
/* *removed false: there was no such letter. */
bool letters_remove(struct store *s, uint64_t id, bool *removed, struct err *err) must_use;
bool letters_count(struct store *s, const char *sink, uint64_t *n, struct err *err) must_use;
/* Grows with every letter that is removed: who keeps something in memory about letters looks again
 * when it has moved. */
uint64_t letters_generation(struct store *s);

#endif
