/* SPDX-License-Identifier: Apache-2.0
 *
 * The decoder of plugins that name tables and columns in each message: all of it but the parser.
 * Only the plugins' own files include this.
 */
#ifndef TG_DECODERS_PLUGIN_DECODER_H
#define TG_DECODERS_PLUGIN_DECODER_H

#include "decoders/decoder.h"
#include "decoders/plugin_message.h"

struct decoder *plugin_decoder_new(const struct decoder_ops *ops, plugin_parse *parse);
/* As in struct decoder_ops. */
bool plugin_decoder_feed(struct decoder *d, const struct record *rec, struct change *out,
    bool *produced, struct err *err);
void plugin_decoder_reset(struct decoder *d);
void plugin_decoder_free(struct decoder *d);

#endif
