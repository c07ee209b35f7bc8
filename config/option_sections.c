/* SPDX-License-Identifier: Apache-2.0
 *
 * What stands above the options of each section, in their order.
 */
#include "config/options.h"

const struct option_section option_sections[] = {
    {"", "What this migration is called and where it keeps its state."},
    {"source",
        "The database that is moved. Its rows are only read; tidegate makes a replication slot "
        "and a publication there, may set replica identities, and fences it at cutover."},
    {"tables",
        "Which tables are moved. A pattern is `schema.table` with `*` (any characters) and "
        "`?` (one character); without a dot it means a table in schema `public`. A name with "
        "a dot in it stands in double quotes, as in SQL."},
    {"schema", "What of the schema is created on the target before the copy."},
    {"ddl",
        "Statements that change the schema while the migration runs. `apply` executes them on the "
        "target at exactly their place in the feed; `stop` holds the sink there until `tidegate "
        "ddl apply` or `tidegate ddl skip` decides; `ignore` leaves them out, with a line in the "
        "log. Where rows look different afterwards, ignoring ends in an error about the rows."},
    {"copy", "The bulk copy of what the tables held when the migration began."},
    {"spool",
        "The log on disk that keeps every change of the source from the first moment until all "
        "sinks have it. The source is confirmed what is safe here, so its own disk does not fill "
        "while a target is slow or down."},
    {"sinks[]", "Where the changes go: a list, one entry for each target. Every sink has its own "
                "position and its own speed."},
    {"sequences", "Sequences, whose values the change feed does not carry. The cutover sets them; "
                  "until then they are kept near."},
    {"control", "How `tidegate status`, `wait`, `cutover` and scripts reach the running agent."},
    {"cutover", "The moment when the target takes over."},
    {"network", "How long silence is borne, and how long a lost connection is tried again."},
    {"log", "Messages, which go to the standard error output."},
};
const size_t option_section_count = sizeof(option_sections) / sizeof(option_sections[0]);
