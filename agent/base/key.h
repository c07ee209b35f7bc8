/* SPDX-License-Identifier: Apache-2.0
 *
 * Secret keys of 32 bytes, and what is derived from them (HKDF-SHA256). A key lives in a page of
 * its own that stays out of core dumps and swap and is wiped when it is freed.
 *
 * Locking: a key and a ring are only read once they are made; any thread may use them.
 */
#ifndef TG_BASE_KEY_H
#define TG_BASE_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"

#define KEY_SIZE     32u
#define KEY_MAC_SIZE 32u

struct key;

/* 64 hexadecimal digits or base64 of 32 bytes. ERR_CONFIG for anything else; the text is never
 * shown. */
bool key_parse(const char *text, struct key **out, struct err *err) must_use;
void key_free(struct key *k); /* accepts NULL */
/* Names the key without giving it away; never 0. */
uint64_t key_id(const struct key *k);

/* The key that is written with, and those that are only read with. */
struct key_ring {
    struct key *current; /* NULL: nothing is encrypted */
    struct key **old;
    size_t old_len;
};

/* `current` may be NULL. ERR_CONFIG like key_parse. */
bool key_ring_new(const char *current, const char *const *old, size_t old_len,
    struct key_ring **out, struct err *err) must_use;
void key_ring_free(struct key_ring *ring); /* accepts NULL */
/* NULL: none has this id. `ring` may be NULL. */
const struct key *key_ring_find(const struct key_ring *ring, uint64_t id);

/* 32 bytes from the key, a salt and a purpose. Wipe them with key_wipe. */
bool key_derive(const struct key *k, struct slice salt, const char *info, uint8_t out[KEY_SIZE],
    struct err *err) must_use;
/* HMAC-SHA256 over the pieces one behind the other. */
bool key_mac(const uint8_t key[KEY_SIZE], const struct slice *pieces, size_t count,
    uint8_t out[KEY_MAC_SIZE], struct err *err) must_use;
/* Same time for any content. */
bool key_equal(const void *a, const void *b, size_t len);
void key_wipe(void *data, size_t len);
/* Bytes that nobody can foretell. */
bool key_random(void *out, size_t len, struct err *err) must_use;

#endif
