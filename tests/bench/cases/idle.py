# SPDX-License-Identifier: Apache-2.0
"""What an agent costs that has nothing to do: CPU and memory, connected and streaming."""
import time

from suite import contest
from suite.agents import BenchAgent

TITLE = "an idle agent"
SIZES = {"full": {"seconds": 30, "tables": 100}, "short": {"seconds": 4, "tables": 100}}


def run(world, size, result):
    world.source.create_db("bench")
    world.target.create_db("ours")
    world.source.sql(f"do $$ begin for i in 1..{size['tables']} loop execute format('create table t%s (id int primary key)', "
                     "i); end loop; end $$", "bench")
    agent = BenchAgent(world, "bench", world.source.uri("bench"), {"target": (world.target.uri("ours"), {})}).start()
    agent.streaming()
    time.sleep(3)
    took = [contest.measured(world.pids(("agent", agent.pid())), lambda: time.sleep(size["seconds"]),
                             memory_of=lambda: [agent.pid()]) for _ in range(2)]
    agent.check()
    result.measure("agent CPU, nothing happens", [r["cpu"]["agent"] / r["wall"] * 100 for r in took], "% of a core", 0.5, 0.2)
    result.measure(f"agent memory, {size['tables']} tables", [r["memory"] / 2**20 for r in took], "MiB", 128,
                   64 + size["tables"] * 16 / 1024)
