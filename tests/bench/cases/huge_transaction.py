# SPDX-License-Identifier: Apache-2.0
"""One transaction of very many inserted rows, streamed while it is open."""
from cases.insert_batches import ROW, TABLE
from suite.backlog import Backlog
from suite.result import OURS

TITLE = "apply of one huge transaction"
SIZES = {"full": {"rows": 5000000}, "short": {"rows": 300000}}


def run(world, size, result):
    backlog = Backlog(world, result, lambda server: server.sql(TABLE, "bench"))
    backlog.load(lambda server: server.psql(
        f"insert into t select {ROW} from generate_series(1, {size['rows']}::bigint) g", "bench", timeout=3600))
    backlog.capture(size["rows"])
    runs = backlog.contest()
    backlog.report(f"one transaction, {size['rows']:,} rows, from a full spool", runs, size["rows"], 1.5, 2.3)
    if OURS in runs:
        result.measure("agent memory, one huge transaction", [r["memory"] / 2**20 for r in runs[OURS]], "MiB", 80)
