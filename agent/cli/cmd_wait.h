/* SPDX-License-Identifier: Apache-2.0
 *
 * `tidegate wait`: returns when the running agent has reached something.
 */
#ifndef TG_CLI_CMD_WAIT_H
#define TG_CLI_CMD_WAIT_H

int cmd_wait(int argc, char **argv);

#endif
