/* SPDX-License-Identifier: Apache-2.0
 *
 * `tidegate config`: everything about the configuration that needs no server.
 */
#ifndef TG_CLI_CMD_CONFIG_H
#define TG_CLI_CMD_CONFIG_H

/* argv[0] is "config". Returns the exit code: 0, or 2 for a configuration or command line in error.
 */
int cmd_config(int argc, char **argv);

#endif
