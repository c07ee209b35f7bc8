/* SPDX-License-Identifier: Apache-2.0
 *
 * Named points after each durable step and before each acknowledgement, compiled in by FAILPOINTS=1
 * only. Armed by the environment:
 * TIDEGATE_FAILPOINTS="spool.synced=kill:3,copy.committed=sleep:500" kill[:N]   kill -9 of this
 * process the Nth time the point is reached (default 1) sleep:MS   sleep at each pass exit[:N]
 * _exit(99) the Nth time
 * Before a kill the point's name goes to standard error, as the line "tidegate: killed at NAME".
 */
#ifndef TG_BASE_FAILPOINT_H
#define TG_BASE_FAILPOINT_H

#ifdef TIDEGATE_FAILPOINTS
#define FAILPOINT(name) failpoint_hit(name)
#else
#define FAILPOINT(name) ((void)0)
#endif

void failpoint_hit(const char *name);

#endif
