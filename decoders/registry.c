/* SPDX-License-Identifier: Apache-2.0
 *
 * The list of decoders: a new one is one include and one line in `decoders`.
 */
#include <stddef.h>
#include <string.h>

#include "decoders/decoder.h"
#include "decoders/pgoutput.h"
#include "decoders/test_decoding.h"
#include "decoders/wal2json.h"

static const struct decoder_ops *const decoders[] = {
    &pgoutput_decoder,
    &wal2json_decoder,
    &test_decoding_decoder,
    NULL,
};

const struct decoder_ops *
decoder_find(const char *name)
{
    for (size_t i = 0; decoders[i]; i++) {
        if (strcmp(decoders[i]->name, name) == 0) {
            return decoders[i];
        }
    }
    return NULL;
}

const struct decoder_ops *
decoder_of_content(uint32_t content)
{
    for (size_t i = 0; decoders[i]; i++) {
        if (decoders[i]->content == content) {
            return decoders[i];
        }
    }
    return NULL;
}

const struct decoder_ops *const *
decoder_all(void)
{
    return decoders;
}
