/* SPDX-License-Identifier: Apache-2.0
 *
 * The list of decoders: a new one is one include and one line in `decoders`.
 */
#include <stddef.h>
#include <string.h>

#include "decoders/decoder.h"
#include "decoders/pgoutput.h"

static const struct decoder_ops *const decoders[] = {
    &pgoutput_decoder,
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

const struct decoder_ops *const *
decoder_all(void)
{
    return decoders;
}
