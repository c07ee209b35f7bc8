# SPDX-License-Identifier: Apache-2.0
"""One transaction that updates many rows by one statement."""
from cases.insert_batches import ROW, TABLE
from suite.backlog import Backlog

TITLE = "apply of one transaction of updated rows"
SIZES = {"full": {"rows": 500000}, "short": {"rows": 60000}}


def run(world, size, result):
    def base(server):
        server.sql(TABLE, "bench")
        server.psql(f"insert into t select {ROW} from generate_series(1, {size['rows']}) g", "bench", timeout=600)

    backlog = Backlog(world, result, base)
    backlog.load(lambda server: server.psql("update t set a = a + 1, c = now()", "bench", timeout=3600))
    backlog.capture(size["rows"])
    runs = backlog.contest()
    backlog.report(f"one transaction, {size['rows']:,} rows updated, from a full spool", runs, size["rows"], 1.5, 2.5)
