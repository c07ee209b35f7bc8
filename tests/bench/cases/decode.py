# SPDX-License-Identifier: Apache-2.0
"""Receiving a frozen backlog: durably spooled by the agent, thrown away by pg_recvlogical.

Over TCP, and over the Unix socket that an agent on the source's own machine uses.
"""
from urllib.parse import quote

from cases.insert_batches import TABLE, load
from lib import paths
from lib.ports import free_port

from suite import contest, cpu, peers
from suite.agents import BenchAgent
from suite.result import OURS
from suite.stats import pair_ratios
from suite.world import say

TITLE = "receiving and spooling a backlog"
SIZES = {"full": {"rows": 2000000, "per_transaction": 1000}, "short": {"rows": 200000, "per_transaction": 1000}}
PEER = "pg_recvlogical into /dev/null"
ROUNDS = 2


def receive(world, dsn, slot, end):
    """With the options that the agent asks for."""
    major = world.version().split(".")[0]
    proto = {"14": 2, "15": 3}.get(major, 4)
    return peers.measured(world, peers.call(
        paths.pg_tool("pg_recvlogical"), "-d", dsn, "-S", slot, "--start", "--no-loop", "-f", "/dev/null", "-E", end,
        "-o", f"proto_version={proto}", "-o", "publication_names=bench_pub", "-o", "binary=true", "-o",
        "messages=true", "-o", "streaming=on"), "pg_recvlogical")


def spool(world, agent, end):
    """From the start of the process, like the peer's. No sink reads along: its target does not answer."""
    own = []

    def go():
        agent.start()
        agent.spooled(end)
        own.append(cpu.user_seconds(agent.pid()))
    try:
        run = contest.measured(world.pids(("agent", lambda: agent.pid())), go, memory_of=lambda: [agent.pid()])
        return dict(run, own=own[0])
    finally:
        agent.stop()


class Way:
    """One way to the source: a slot of the peer's and an agent for each round, made before the load."""

    def __init__(self, world, name, dsn):
        self.world, self.name, self.dsn, self.agents = world, name, dsn, []
        nobody = free_port()
        for n in range(ROUNDS):
            db = f"{name}{n}"
            world.target.create_db(db)
            agent = BenchAgent(world, db, dsn, {"far": ("${env:FAR}", {})})
            agent.agent.env["FAR"] = world.target.uri(db)
            agent.start("--until", "streaming")
            assert agent.agent.wait_exit(600) == 0, agent.agent.err()[-2000:]
            agent.forget_process()
            agent.agent.env["FAR"] = world.target.uri(db, port=nobody)
            self.agents.append(agent)
            world.source.sql(f"select pg_create_logical_replication_slot('peer_{db}', 'pgoutput')", "bench")

    def contest(self, result, end):
        def ours(n):
            self.world.settle()
            return spool(self.world, self.agents[n], end)

        def peer(n):
            self.world.settle()
            return receive(self.world, self.dsn, f"peer_{self.name}{n}", end)

        return contest.hold(result, say, {PEER: peer, OURS: ours}, ROUNDS)


def report(result, runs, size, over):
    what = f"{size['rows']:,} rows, {size['per_transaction']:,} a transaction{over}"
    result.compare(what, PEER, runs, gate=1.08, aim=1.03)
    if PEER in runs and OURS in runs:
        client = pair_ratios([r["cpu"]["agent"] for r in runs[OURS]], [r["cpu"]["pg_recvlogical"] for r in runs[PEER]],
                             False)
        result.measure("agent CPU to pg_recvlogical's" + over, [c for c in client if c is not None], "ratio", None, 0.5)
    if OURS in runs:
        result.measure("agent CPU, capture" + over, [r["cpu"]["agent"] / size["rows"] * 1e6 for r in runs[OURS]],
                       "s per million rows", 0.5, 0.3)
        # The rest is the kernel's: a packet a message to receive, and the spool's pages to write.
        result.measure("of it outside the kernel" + over, [r["own"] / size["rows"] * 1e6 for r in runs[OURS]],
                       "s per million rows", 0.5, 0.3)
        result.measure("agent memory, capture" + over, [r["memory"] / 2**20 for r in runs[OURS]], "MiB", 128)


def run(world, size, result):
    world.source.create_db("bench")
    world.source.sql(TABLE + "; create publication bench_pub for table t", "bench")
    tcp = Way(world, "tcp", world.source.uri("bench"))
    local = Way(world, "unix", world.source.uri("bench", host=quote(world.source.home, safe="")))
    load(world.source, **size)
    end = world.source.one("select pg_current_wal_insert_lsn()", "bench")
    world.source.sql("create table past_the_end (i int)", "bench")
    report(result, tcp.contest(result, end), size, "")
    report(result, local.contest(result, end), size, ", over a Unix socket")
