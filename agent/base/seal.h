/* SPDX-License-Identifier: Apache-2.0
 *
 * Authenticated encryption (AES-256-GCM, a random nonce each time). struct sealer is for many
 * pieces under one derived key, the blocks of a file; seal_bytes is for one piece that is kept by
 * itself, like a value in a database.
 */
#ifndef TG_BASE_SEAL_H
#define TG_BASE_SEAL_H

#include "agent/base/key.h"

#define SEAL_OVERHEAD 28u /* nonce 12, tag 16 */

/* Locking: one thread at a time. */
struct sealer;

bool sealer_new(const uint8_t key[KEY_SIZE], struct sealer **out, struct err *err) must_use;
void sealer_free(struct sealer *s); /* accepts NULL */
/* Nonce, cipher text and tag to `out`: as long as the pieces together and SEAL_OVERHEAD. `aad` is
 * not encrypted, but the same bytes are needed to open. */
bool sealer_seal(struct sealer *s, struct slice aad, const struct slice *plain, size_t pieces,
    uint8_t *out, struct err *err) must_use;
/* sealed.len - SEAL_OVERHEAD bytes to `out`. False: this was not sealed with this key and this
 * `aad`; nothing in `out` may be used. */
bool sealer_open(struct sealer *s, struct slice aad, struct slice sealed, uint8_t *out) must_use;

/* Appends `plain`, encrypted, to `out`. `purpose` says what it is ("tidegate dead letter"): what
 * was sealed for one purpose does not open for another. */
bool seal_bytes(const struct key *k, const char *purpose, struct slice plain, struct buf *out,
    struct err *err) must_use;
/* Appends what was sealed. ERR_CONFIG: the ring does not have its key. ERR_FATAL: it was changed.
 * `ring` may be NULL. */
bool unseal_bytes(const struct key_ring *ring, const char *purpose, struct slice sealed,
    struct buf *out, struct err *err) must_use;

#endif
