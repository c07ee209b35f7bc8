/* SPDX-License-Identifier: Apache-2.0
 *
 * The page of a key is mapped apart, so that the kernel can be told what not to do with it. That it
 * could be told is not checked: a key that might be swapped is better than an agent that does not
 * start where the limit of locked memory is low.
 */
#include "agent/base/key.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>
#include <string.h>
#include <sys/mman.h>

#include "agent/base/arena.h"

#define HEX_DIGITS    (2 * KEY_SIZE)
#define BASE64_LENGTH 44u
#define BASE64        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
#define INFO_ID       "tidegate key id"

struct key {
    uint8_t bytes[KEY_SIZE];
    uint64_t id;
};

static bool
crypto_failed(struct err *err, const char *what)
{
    return err_set(err, ERR_FATAL, "libcrypto cannot %s", what);
}

static bool
from_hex(const char *text, uint8_t out[KEY_SIZE])
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    if (strlen(text) != HEX_DIGITS) {
        return false;
    }
    for (size_t i = 0; i < HEX_DIGITS; i++) {
        const char *d = strchr(digits, text[i]);
        if (d == NULL) {
            return false;
        }
        unsigned value = (unsigned)(d - digits) % 16;
        out[i / 2] = (uint8_t)(i % 2 == 0 ? value << 4 : out[i / 2] | value);
    }
    return true;
}

static bool
from_base64(const char *text, uint8_t out[KEY_SIZE])
{
    uint8_t bytes[KEY_SIZE + 1];
    if (strlen(text) != BASE64_LENGTH || strspn(text, BASE64) != BASE64_LENGTH - 1 ||
        text[BASE64_LENGTH - 1] != '=') {
        return false;
    }
    int n = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)BASE64_LENGTH);
    if (n == (int)sizeof(bytes)) {
        memcpy(out, bytes, KEY_SIZE);
    }
    key_wipe(bytes, sizeof(bytes));
    return n == (int)sizeof(bytes);
}

static bool
make_id(struct key *k, struct err *err)
{
    uint8_t bytes[KEY_SIZE];
    if (!key_derive(k, slice_of(NULL, 0), INFO_ID, bytes, err)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(k->id); i++) {
        k->id |= (uint64_t)bytes[i] << (8 * i);
    }
    k->id = k->id ? k->id : 1;
    key_wipe(bytes, sizeof(bytes));
    return true;
}

bool
key_parse(const char *text, struct key **out, struct err *err)
{
    *out = NULL;
    struct key *k =
        mmap(NULL, sizeof(*k), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (k == MAP_FAILED) {
        return err_set(err, ERR_RETRY, "no memory for a key");
    }
    (void)madvise(k, sizeof(*k), MADV_DONTDUMP);
    (void)madvise(k, sizeof(*k), MADV_WIPEONFORK);
    (void)mlock(k, sizeof(*k));
    if (!from_hex(text, k->bytes) && !from_base64(text, k->bytes)) {
        key_free(k);
        (void)err_set(err, ERR_CONFIG,
            "an encryption key is 32 bytes as 64 hexadecimal digits or as base64, this is neither");
        return err_hint(err, "`openssl rand -hex 32` makes one");
    }
    if (!make_id(k, err)) {
        key_free(k);
        return false;
    }
    *out = k;
    return true;
}

void
key_free(struct key *k)
{
    if (k != NULL) {
        key_wipe(k, sizeof(*k));
        (void)munmap(k, sizeof(*k));
    }
}

uint64_t
key_id(const struct key *k)
{
    return k->id;
}

bool
key_ring_new(const char *current, const char *const *old, size_t old_len, struct key_ring **out,
    struct err *err)
{
    struct key_ring *ring = x_zalloc(sizeof(*ring));
    bool ok = current == NULL || key_parse(current, &ring->current, err);

    *out = NULL;
    ring->old = x_zalloc((old_len + 1) * sizeof(struct key *));
    for (size_t i = 0; ok && i < old_len; i++) {
        ok = key_parse(old[i], &ring->old[i], err);
        ring->old_len += ok;
    }
    if (!ok) {
        key_ring_free(ring);
        return false;
    }
    *out = ring;
    return true;
}

void
key_ring_free(struct key_ring *ring)
{
    if (ring == NULL) {
        return;
    }
    for (size_t i = 0; i < ring->old_len; i++) {
        key_free(ring->old[i]);
    }
    key_free(ring->current);
    x_free(ring->old);
    x_free(ring);
}

const struct key *
key_ring_find(const struct key_ring *ring, uint64_t id)
{
    if (ring == NULL) {
        return NULL;
    }
    if (ring->current != NULL && ring->current->id == id) {
        return ring->current;
    }
    for (size_t i = 0; i < ring->old_len; i++) {
        if (ring->old[i]->id == id) {
            return ring->old[i];
        }
    }
    return NULL;
}

/* OSSL_PARAM takes pointers that are not const, and does not write through them. */
static OSSL_PARAM
octets(const char *name, const void *data, size_t len)
{
    return OSSL_PARAM_construct_octet_string(name, (void *)(uintptr_t)data, len);
}

bool
key_derive(const struct key *k, struct slice salt, const char *info, uint8_t out[KEY_SIZE],
    struct err *err)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[5];
    size_t n = 0;
    params[n++] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0);
    params[n++] = octets(OSSL_KDF_PARAM_KEY, k->bytes, KEY_SIZE);
    params[n++] = octets(OSSL_KDF_PARAM_INFO, info, strlen(info));
    if (salt.len > 0) {
        params[n++] = octets(OSSL_KDF_PARAM_SALT, salt.data, salt.len);
    }
    params[n] = OSSL_PARAM_construct_end();

    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    bool ok = ctx != NULL && EVP_KDF_derive(ctx, out, KEY_SIZE, params) == 1;
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    return ok || crypto_failed(err, "derive a key");
}

bool
key_mac(const uint8_t key[KEY_SIZE], const struct slice *pieces, size_t count,
    uint8_t out[KEY_MAC_SIZE], struct err *err)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[2] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end()};
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;
    size_t len = 0;
    bool ok = ctx != NULL && EVP_MAC_init(ctx, key, KEY_SIZE, params) == 1;
    for (size_t i = 0; ok && i < count; i++) {
        ok = EVP_MAC_update(ctx, pieces[i].data, pieces[i].len) == 1;
    }
    ok = ok && EVP_MAC_final(ctx, out, &len, KEY_MAC_SIZE) == 1 && len == KEY_MAC_SIZE;
    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(mac);
    return ok || crypto_failed(err, "compute an HMAC");
}

bool
key_equal(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}

void
key_wipe(void *data, size_t len)
{
    OPENSSL_cleanse(data, len);
}

bool
key_random(void *out, size_t len, struct err *err)
{
    return RAND_bytes(out, (int)len) == 1 || crypto_failed(err, "give random bytes");
}
