/* SPDX-License-Identifier: Apache-2.0
 *
 * `tidegate spool verify`: every checksum and every rule of a spool.
 */
#ifndef TG_CLI_CMD_SPOOL_VERIFY_H
#define TG_CLI_CMD_SPOOL_VERIFY_H

int cmd_spool_verify(int argc, char **argv);

#endif
