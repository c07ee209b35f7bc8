/* SPDX-License-Identifier: Apache-2.0
 *
 * `tidegate status`: what the running agent is doing.
 */
#ifndef TG_CLI_CMD_STATUS_H
#define TG_CLI_CMD_STATUS_H

int cmd_status(int argc, char **argv);

#endif
