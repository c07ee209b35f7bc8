/* SPDX-License-Identifier: Apache-2.0
 *
 * The plugin test_decoding as a decoder. Only registry.c includes this.
 */
#ifndef TG_DECODERS_TEST_DECODING_H
#define TG_DECODERS_TEST_DECODING_H

#include "decoders/decoder.h"

extern const struct decoder_ops test_decoding_decoder;

#endif
