/* SPDX-License-Identifier: Apache-2.0
 *
 * PostgreSQL's built-in logical decoding plugin as a decoder. Only registry.c includes this.
 */
#ifndef TG_DECODERS_PGOUTPUT_H
#define TG_DECODERS_PGOUTPUT_H

#include "decoders/decoder.h"

extern const struct decoder_ops pgoutput_decoder;

#endif
