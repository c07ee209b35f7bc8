/* SPDX-License-Identifier: Apache-2.0
 *
 * Cipher contexts are set up once per key; each piece brings its nonce.
 *
 *   seal_bytes:  "TGSB"  key id(8)  salt(16)  nonce(12)  cipher text  tag(16)
 */
#include "agent/base/seal.h"

#include <openssl/evp.h>
#include <string.h>

#include "agent/base/arena.h"

#define NONCE_SIZE     12u
#define TAG_SIZE       16u
#define BYTES_SALT     16u
#define BYTES_HEAD     (4u + 8u + BYTES_SALT)
#define BYTES_OVERHEAD (BYTES_HEAD + SEAL_OVERHEAD)

static const uint8_t magic[4] = {'T', 'G', 'S', 'B'};

struct sealer {
    EVP_CIPHER_CTX *seal, *open;
};

bool
sealer_new(const uint8_t key[KEY_SIZE], struct sealer **out, struct err *err)
{
    struct sealer *s = x_zalloc(sizeof(*s));
    s->seal = EVP_CIPHER_CTX_new();
    s->open = EVP_CIPHER_CTX_new();
    *out = NULL;
    if (s->seal == NULL || s->open == NULL ||
        EVP_EncryptInit_ex(s->seal, EVP_aes_256_gcm(), NULL, key, NULL) != 1 ||
        EVP_DecryptInit_ex(s->open, EVP_aes_256_gcm(), NULL, key, NULL) != 1) {
        sealer_free(s);
        return err_set(err, ERR_FATAL, "libcrypto has no AES-256-GCM");
    }
    *out = s;
    return true;
}

void
sealer_free(struct sealer *s)
{
    if (s != NULL) {
        EVP_CIPHER_CTX_free(s->seal);
        EVP_CIPHER_CTX_free(s->open);
        x_free(s);
    }
}

bool
sealer_seal(struct sealer *s, struct slice aad, const struct slice *plain, size_t pieces,
    uint8_t *out, struct err *err)
{
    int n = 0;
    uint8_t *at = out + NONCE_SIZE;
    if (!key_random(out, NONCE_SIZE, err)) {
        return false;
    }
    bool ok = EVP_EncryptInit_ex(s->seal, NULL, NULL, NULL, out) == 1 &&
              EVP_EncryptUpdate(s->seal, NULL, &n, aad.data, (int)aad.len) == 1;
    for (size_t i = 0; ok && i < pieces; i++) {
        if (plain[i].len == 0) {
            continue;
        }
        ok = EVP_EncryptUpdate(s->seal, at, &n, plain[i].data, (int)plain[i].len) == 1;
        at += plain[i].len;
    }
    ok = ok && EVP_EncryptFinal_ex(s->seal, at, &n) == 1 &&
         EVP_CIPHER_CTX_ctrl(s->seal, EVP_CTRL_GCM_GET_TAG, (int)TAG_SIZE, at) == 1;
    return ok || err_set(err, ERR_FATAL, "libcrypto cannot encrypt");
}

bool
sealer_open(struct sealer *s, struct slice aad, struct slice sealed, uint8_t *out)
{
    uint8_t tag[TAG_SIZE];
    int n = 0;
    if (sealed.len < SEAL_OVERHEAD) {
        return false;
    }
    size_t len = sealed.len - SEAL_OVERHEAD;
    memcpy(tag, sealed.data + NONCE_SIZE + len, sizeof(tag));
    return EVP_DecryptInit_ex(s->open, NULL, NULL, NULL, sealed.data) == 1 &&
           EVP_DecryptUpdate(s->open, NULL, &n, aad.data, (int)aad.len) == 1 &&
           (len == 0 ||
               EVP_DecryptUpdate(s->open, out, &n, sealed.data + NONCE_SIZE, (int)len) == 1) &&
           EVP_CIPHER_CTX_ctrl(s->open, EVP_CTRL_GCM_SET_TAG, (int)TAG_SIZE, tag) == 1 &&
           EVP_DecryptFinal_ex(s->open, out + len, &n) == 1;
}

static bool
sealer_for(const struct key *k, const uint8_t *salt, const char *purpose, struct sealer **out,
    struct err *err)
{
    uint8_t derived[KEY_SIZE];
    bool ok = key_derive(k, slice_of(salt, BYTES_SALT), purpose, derived, err) &&
              sealer_new(derived, out, err);
    key_wipe(derived, sizeof(derived));
    return ok;
}

bool
seal_bytes(
    const struct key *k, const char *purpose, struct slice plain, struct buf *out, struct err *err)
{
    struct sealer *s = NULL;
    uint64_t id = key_id(k);
    uint8_t *head = NULL;
    if (plain.len < INT32_MAX - BYTES_OVERHEAD) {
        head = buf_reserve(out, plain.len + BYTES_OVERHEAD);
    }
    if (head == NULL) {
        return err_set(err, ERR_DATA, "%zu bytes are too many to be encrypted", plain.len);
    }
    memcpy(head, magic, sizeof(magic));
    for (size_t i = 0; i < sizeof(id); i++) {
        head[4 + i] = (uint8_t)(id >> (8 * i));
    }
    bool ok = key_random(head + 12, BYTES_SALT, err) &&
              sealer_for(k, head + 12, purpose, &s, err) &&
              sealer_seal(s, slice_of(head, BYTES_HEAD), &plain, 1, head + BYTES_HEAD, err);
    sealer_free(s);
    if (ok) {
        out->len += plain.len + BYTES_OVERHEAD;
    }
    return ok;
}

bool
unseal_bytes(const struct key_ring *ring, const char *purpose, struct slice sealed, struct buf *out,
    struct err *err)
{
    struct sealer *s = NULL;
    uint64_t id = 0;
    if (sealed.len < BYTES_OVERHEAD || sealed.len > INT32_MAX ||
        memcmp(sealed.data, magic, sizeof(magic)) != 0) {
        return err_set(err, ERR_FATAL, "these are no encrypted bytes");
    }
    for (size_t i = 0; i < sizeof(id); i++) {
        id |= (uint64_t)sealed.data[4 + i] << (8 * i);
    }
    const struct key *k = key_ring_find(ring, id);
    if (k == NULL) {
        (void)err_set(err, ERR_CONFIG, "encrypted with a key that is not configured");
        return err_hint(err, "set spool.encryption_key, or add it to spool.old_encryption_keys");
    }
    size_t len = sealed.len - BYTES_OVERHEAD;
    uint8_t *to = buf_reserve(out, len + 1);
    if (to == NULL) {
        return err_set(err, ERR_DATA, "%zu bytes are too many to be decrypted", len);
    }
    struct slice body = slice_of(sealed.data + BYTES_HEAD, sealed.len - BYTES_HEAD);
    bool ok = sealer_for(k, sealed.data + 12, purpose, &s, err);
    if (ok && !sealer_open(s, slice_of(sealed.data, BYTES_HEAD), body, to)) {
        key_wipe(to, len);
        ok = err_set(
            err, ERR_FATAL, "encrypted bytes were changed, or are meant for something else");
    }
    sealer_free(s);
    if (ok) {
        out->len += len;
    }
    return ok;
}
