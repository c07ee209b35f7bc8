/* SPDX-License-Identifier: Apache-2.0
 *
 * The process begins here and nothing else does: commands live in agent/cli, plugins in the
 * registries of sources, decoders and sinks.
 */
#include "agent/cli/cli.h"

int
main(int argc, char **argv)
{
    return cli_main(argc, argv);
}
