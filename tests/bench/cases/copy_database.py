# SPDX-License-Identifier: Apache-2.0
"""Copy of a whole database with indexes and constraints, two jobs for everybody."""
import shutil

from lib import paths

from suite import contest, peers
from suite.agents import BenchAgent
from suite.contest import Failed
from suite.result import OURS
from suite.world import say

TITLE = "copy of a whole database"
SIZES = {"full": {"scale": 50}, "short": {"scale": 5}}
DUMP = "pg_dump -Fd -j2, pg_restore -j2"
DUMP_PLAIN = "pg_dump -Fd -Z0 -j2, pg_restore -j2"
JOBS = {"copy": {"jobs": 2, "index_jobs": 2}}


class Copies:
    """Contenders that fill database "copied", which is new for each of them, and are then compared.

    `port` is that of a longer way to the target.
    """

    def __init__(self, world, port=None):
        self.world, self.port, self.agents = world, port, 0
        self.wanted = None

    def target(self):
        return self.world.target.uri("copied", port=self.port)

    def fresh(self, schema=None):
        self.world.target.drop_db("copied")
        self.world.target.create_db("copied")
        if schema:
            self.world.target.sql(schema, "copied")
        self.world.settle()

    def verify(self):
        self.wanted = self.wanted or self.world.contents(self.world.source, "bench")
        if self.world.contents(self.world.target, "copied") != self.wanted:
            raise Failed("its contents differ from the source's")

    def dump(self, *options):
        def run(_):
            self.fresh()
            directory = self.world.path("dump")
            try:
                got = peers.measured(self.world, "\n".join((
                    peers.call(paths.pg_tool("pg_dump"), "-Fd", "-j2", *options, "-f", directory, "-d",
                               self.world.source.uri("bench")),
                    peers.call(paths.pg_tool("pg_restore"), "-j2", "-d", self.target(), directory))),
                    "pg_dump")
            finally:
                shutil.rmtree(directory, ignore_errors=True)
            self.verify()
            return got
        return run

    def pgcopydb(self, program):
        def run(_):
            self.fresh()
            directory = self.world.path("pgcopydb")
            try:
                got = peers.measured(self.world, peers.call(
                    program, "clone", "--table-jobs", "2", "--index-jobs", "2", "--dir", directory, "--source",
                    self.world.source.uri("bench"), "--target", self.target()), "pgcopydb")
            finally:
                shutil.rmtree(directory, ignore_errors=True)
            self.verify()
            return got
        return run

    def agent(self, settings):
        def run(_):
            self.fresh()
            self.agents += 1
            w = self.world
            agent = BenchAgent(w, f"bench{self.agents}{'far' if self.port else ''}", w.source.uri("bench"),
                               {"copied": (self.target(), {})}, settings)
            codes = []

            def go():
                agent.start("--until", "copied")
                codes.append(agent.agent.wait_exit(peers.LIMIT))

            got = contest.measured(w.pids(), go, children="agent", memory_of=peers.new_children())
            if codes != [0]:
                raise Failed(f"the agent ended with {codes}: {agent.agent.err()[-400:]}")
            self.verify()
            agent.forget()
            return got
        return run


def add_pgcopydb(copies, contenders, result):
    """Adds it where there is one; its name in the tables."""
    program, version = peers.pgcopydb()
    name = f"pgcopydb {version} clone, 2+2 jobs"
    if program:
        contenders[name] = copies.pgcopydb(program)
    else:
        result.skip("pgcopydb", version)
    return name


def run(world, size, result):
    world.source.create_db("bench")
    world.pgbench("bench", "-i", "-q", "-s", str(size["scale"]))
    world.source.sql("vacuum analyze", "bench")
    copies = Copies(world)
    contenders = {DUMP: copies.dump(), OURS: copies.agent(JOBS), DUMP_PLAIN: copies.dump("-Z0")}
    other = add_pgcopydb(copies, contenders, result)
    runs = contest.hold(result, say, contenders)
    what = f"pgbench scale {size['scale']}, indexes and constraints included"
    result.compare(what, DUMP, runs, gate=0.80, aim=0.65)
    result.compare(what, DUMP_PLAIN, runs)
    result.compare(what, other, runs, gate=0.95, aim=0.85)
    result.measure("agent memory, copy", [r["memory"] / 2**20 for r in runs.get(OURS, [])], "MiB", 128)
