/* SPDX-License-Identifier: Apache-2.0
 *
 * A sink that takes everything and keeps only the count: for measuring what comes before it, and
 * for filling a spool without a target.
 */
#ifndef TG_SINKS_NULL_SINK_H
#define TG_SINKS_NULL_SINK_H

#include "sinks/sink.h"

extern const struct sink_ops sink_null_ops;

#endif
