/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent's state in Prometheus' text exposition format 0.0.4. Pure.
 */
#ifndef TG_CONTROL_PROMETHEUS_H
#define TG_CONTROL_PROMETHEUS_H

#include "agent/base/buf.h"
#include "agent/pipeline/status.h"

#define PROMETHEUS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

void prometheus_write(struct buf *out, const struct agent_status *s);

#endif
