# SPDX-License-Identifier: Apache-2.0
"""From the slot to the target in one go, to what the run itself allows: its slowest stage alone, or all CPU time spread
over all cores, whichever is more."""
import os

from cases.insert_batches import TABLE, load
from suite.agents import BenchAgent
from suite.backlog import NATIVE, Backlog
from suite.result import OURS

TITLE = "end to end"
SIZES = {"full": {"rows": 2000000, "per_transaction": 1000}, "short": {"rows": 150000, "per_transaction": 1000}}
THROUGH = "tidegate, slot to target"
ROUNDS = 2


def run(world, size, result):
    backlog = Backlog(world, result, lambda server: server.sql(TABLE, "bench"), rounds=ROUNDS)
    through = []
    for n in range(ROUNDS):
        world.target.create_db(f"through{n}")
        agent = BenchAgent(world, f"through{n}", world.source.uri("bench"),
                           {"target": (world.target.uri(f"through{n}"), {})}).start()
        agent.streaming()
        agent.freeze()
        through.append(agent)
    backlog.load(lambda server: load(server, **size))
    capture = backlog.capture(size["rows"])
    runs = backlog.contest({THROUGH: lambda n: backlog.go(through[n], f"through{n}")},
                           {f"through{n}": THROUGH for n in range(ROUNDS)})
    what = f"{size['rows']:,} rows, {size['per_transaction']:,} a transaction"
    result.compare(what + ", from a full spool", NATIVE, runs, times=True)
    result.compare(what + ", from the slot", NATIVE, runs, times=True, ours=THROUGH)
    if OURS in runs and THROUGH in runs:
        # The better of two: a stage that was held up once makes no bound that is easy to keep.
        slowest = max(capture["wall"], min(r["wall"] for r in runs[OURS]))
        bounds = [max(slowest, sum(r["cpu"].values()) / os.cpu_count()) for r in runs[THROUGH]]
        result.measure("time to the run's own bound", [r["wall"] / b for r, b in zip(runs[THROUGH], bounds)], "ratio", 1.15,
                       1.07)
        result.measure("the bound", bounds, "s")
