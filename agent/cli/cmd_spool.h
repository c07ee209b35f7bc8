/* SPDX-License-Identifier: Apache-2.0
 *
 * `tidegate spool ls|cat|verify`: a spool read from its files alone.
 */
#ifndef TG_CLI_CMD_SPOOL_H
#define TG_CLI_CMD_SPOOL_H

int cmd_spool(int argc, char **argv);

#endif
