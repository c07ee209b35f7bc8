/* SPDX-License-Identifier: Apache-2.0
 *
 * `tidegate spool cat`: the changes that a spool holds, as lines of JSON.
 */
#ifndef TG_CLI_CMD_SPOOL_CAT_H
#define TG_CLI_CMD_SPOOL_CAT_H

int cmd_spool_cat(int argc, char **argv);

#endif
