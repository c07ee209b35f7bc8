# SPDX-License-Identifier: Apache-2.0
"""Transactions of one inserted row each."""
from suite.backlog import Backlog, many_commits
from cases.insert_batches import ROW, TABLE

TITLE = "apply of single-row transactions"
SIZES = {"full": {"rows": 1000000}, "short": {"rows": 50000}}


def run(world, size, result):
    backlog = Backlog(world, result, lambda server: server.sql(TABLE, "bench"))
    # The same row as in a batch, with i for its number.
    insert = f"insert into t select {ROW} from (values (i)) v (g)"
    backlog.load(lambda server: server.psql(many_commits(insert, size["rows"]), "bench", timeout=3600))
    backlog.capture(size["rows"])
    runs = backlog.contest()
    backlog.report(f"{size['rows']:,} transactions, from a full spool", runs, size["rows"], 2, 4)
