# SPDX-License-Identifier: Apache-2.0
"""Receiving a frozen backlog: durably spooled by the agent, thrown away by pg_recvlogical."""
from cases.insert_batches import TABLE, load
from lib import paths
from lib.server import free_port

from suite import contest, peers
from suite.agents import BenchAgent
from suite.result import OURS
from suite.stats import pair_ratios
from suite.world import say

TITLE = "receiving and spooling a backlog"
SIZES = {"full": {"rows": 3000000, "per_transaction": 1000}, "short": {"rows": 200000, "per_transaction": 1000}}
PEER = "pg_recvlogical into /dev/null"
ROUNDS = 2


def receive(world, slot, end):
    """With the options that the agent asks for."""
    major = world.version().split(".")[0]
    proto = {"14": 2, "15": 3}.get(major, 4)
    return peers.measured(world, peers.call(
        paths.pg_tool("pg_recvlogical"), "-d", world.source.uri("bench"), "-S", slot, "--start", "--no-loop", "-f",
        "/dev/null", "-E", end, "-o", f"proto_version={proto}", "-o", "publication_names=bench_pub", "-o",
        "binary=true", "-o", "messages=true", "-o", "streaming=on"), "pg_recvlogical")


def spool(world, agent, end):
    """From the start of the process, like the peer's. No sink reads along: its target does not answer."""
    def go():
        agent.start()
        agent.spooled(end)
    try:
        return contest.measured(world.pids(("agent", lambda: agent.pid())), go, memory_of=lambda: [agent.pid()])
    finally:
        agent.stop()


def run(world, size, result):
    world.source.create_db("bench")
    world.source.sql(TABLE + "; create publication bench_pub for table t", "bench")
    nobody = free_port()
    agents = []
    for n in range(ROUNDS):
        world.target.create_db(f"ours{n}")
        agent = BenchAgent(world, f"bench{n}", world.source.uri("bench"), {"far": ("${env:FAR}", {})})
        agent.agent.env["FAR"] = world.target.uri(f"ours{n}")
        agent.start("--until", "streaming")
        assert agent.agent.wait_exit(600) == 0, agent.agent.err()[-2000:]
        agent.forget_process()
        agent.agent.env["FAR"] = world.target.uri(f"ours{n}", port=nobody)
        agents.append(agent)
        world.source.sql(f"select pg_create_logical_replication_slot('peer{n}', 'pgoutput')", "bench")
    load(world.source, **size)
    end = world.source.one("select pg_current_wal_insert_lsn()", "bench")
    world.source.sql("create table past_the_end (i int)", "bench")

    def ours(n):
        world.settle()
        return spool(world, agents[n], end)

    def peer(n):
        world.settle()
        return receive(world, f"peer{n}", end)

    runs = contest.hold(result, say, {PEER: peer, OURS: ours}, ROUNDS)
    what = f"{size['rows']:,} rows, {size['per_transaction']:,} a transaction"
    result.compare(what, PEER, runs, gate=1.08, aim=1.03)
    if PEER in runs and OURS in runs:
        client = pair_ratios([r["cpu"]["agent"] for r in runs[OURS]], [r["cpu"]["pg_recvlogical"] for r in runs[PEER]],
                             False)
        result.measure("agent CPU to pg_recvlogical's", [c for c in client if c is not None], "ratio", None, 0.5)
    if OURS in runs:
        result.measure("agent CPU, capture", [r["cpu"]["agent"] / size["rows"] * 1e6 for r in runs[OURS]],
                       "s per million rows", 0.5, 0.3)
        result.measure("agent memory, capture", [r["memory"] / 2**20 for r in runs[OURS]], "MiB", 128)
