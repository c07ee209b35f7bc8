# SPDX-License-Identifier: Apache-2.0
"""Transactions of pgbench: three updates and an insert each, eight clients."""
from suite.backlog import Backlog

TITLE = "apply of pgbench transactions"
SIZES = {"full": {"scale": 20, "transactions": 300000}, "short": {"scale": 2, "transactions": 20000}}


def run(world, size, result):
    backlog = Backlog(world, result, lambda _: world.pgbench("bench", "-i", "-q", "-s", str(size["scale"])))
    backlog.load(lambda _: world.pgbench("bench", "-n", "-M", "prepared", "-c", "8", "-t",
                                         str(size["transactions"] // 8)))
    rows = size["transactions"] * 4
    backlog.capture(rows)
    runs = backlog.contest()
    backlog.report(f"{size['transactions']:,} transactions, scale {size['scale']}, from a full spool", runs, rows,
                   1.5, 2.5)
