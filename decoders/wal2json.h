/* SPDX-License-Identifier: Apache-2.0
 *
 * The plugin wal2json, format version 2, as a decoder. Only registry.c includes this.
 */
#ifndef TG_DECODERS_WAL2JSON_H
#define TG_DECODERS_WAL2JSON_H

#include "decoders/decoder.h"

extern const struct decoder_ops wal2json_decoder;

#endif
