# SPDX-License-Identifier: Apache-2.0
"""Apply of a frozen backlog: the same changes, from the same state, by a subscription and by the agent's sinks.

    all slots are made · the load runs and stops · the agent takes it into its spool (timed: capture) · checkpoint ·
    native, tidegate, tidegate, native: each into a database of its own on the same target server (timed: apply) ·
    the contents of all of them are compared with the source's

The load's last commit writes a mark. A contender is done when its database shows the mark, which one open session asks
for fifty times a second, for all of them in the same way: with commits in source order, who has it has everything.
"""
import concurrent.futures
import time

from lib import compare, paths, proc

from . import contest
from .agents import BenchAgent
from .contest import Failed
from .native import Subscription
from .result import OURS
from .world import Asker, say

NATIVE = "native subscription"
MARK = "create table bench_mark (id int primary key, n bigint not null); insert into bench_mark values (1, 0), (2, 0)"
POLL = 0.02
LIMIT = 1800  # seconds for one contender; the slowest full run takes a fraction of it


class Backlog:
    """base(server) fills database "bench" of the source; `variants` is {contender: options of its sink}; `ports` has
    the target's for those of them that take another way to it, and under NATIVE the subscription's to the source."""

    def __init__(self, world, result, base, variants=None, rounds=2, skip_tables=(), ports=None):
        began = time.monotonic()
        self.world, self.result, self.rounds = world, result, rounds
        self.variants = variants or {OURS: {}}
        self.ports = ports or {}
        self.skip_tables = list(skip_tables)  # of the load's own; everybody leaves them out
        world.source.create_db("bench")
        base(world.source)
        world.source.sql(MARK, "bench")
        tables = [t for t in compare.tables(world.source, "bench") if t not in self.skip_tables]
        world.source.sql(f"create publication bench_pub for table {', '.join(tables)}", "bench")
        world.settle()
        self.subscriptions = self._subscriptions()
        self.sinks = {name: [f"s{n}{r}" for r in range(rounds)] for n, name in enumerate(self.variants)}
        self.agent = self._agent()
        say(f"  set-up: {time.monotonic() - began:.1f} s")

    def _subscriptions(self):
        w = self.world
        w.target.create_db("base")
        left_out = "".join(f"-T {t} " for t in self.skip_tables)
        proc.run(["sh", "-c", f"'{paths.pg_tool('pg_dump')}' --no-publications {left_out}-d '{w.source.uri('bench')}' | "
                  f"'{paths.pg_tool('psql')}' -Xqd '{w.target.uri('base')}' -v ON_ERROR_STOP=1 -o /dev/null"],
                 timeout=3600)
        made = []
        for r in range(self.rounds):
            w.target.sql(f"create database native{r} template base")
            made.append(Subscription(w, f"native{r}", f"native{r}", self.ports.get(NATIVE)))
        w.target.sql("drop database base")
        return made

    def _agent(self):
        sinks = {}
        for variant, names in self.sinks.items():
            for name in names:
                self.world.target.create_db(name)
                sinks[name] = (self.world.target.uri(name, port=self.ports.get(variant)), self.variants[variant])
        agent = BenchAgent(self.world, "bench", self.world.source.uri("bench"), sinks,
                           {"tables": {"exclude": self.skip_tables}}).start()
        agent.streaming()
        for name in sinks:
            agent.command("pause", name)
        agent.until(lambda: all(agent.sink(n)["state"] == "paused" for n in sinks), 60, "pause")
        agent.freeze()
        return agent

    def _places(self):
        """{database of the target: whose it is}"""
        places = {sub.db: NATIVE for sub in self.subscriptions}
        places.update({name: variant for variant, names in self.sinks.items() for name in names})
        return places

    def on_targets(self, *statements):
        """The same in every contender's database, before any of them has begun."""
        for db in self._places():
            for statement in statements:
                self.world.target.sql(statement, db)

    # --- load and capture ----------------------------------------------------------------------

    def load(self, action):
        """Runs the load and marks its end."""
        began = time.monotonic()
        action(self.world.source)
        source = self.world.source
        source.sql("update bench_mark set n = 1 where id = 1", "bench")
        self.end = source.one("select pg_current_wal_insert_lsn()", "bench")
        # Something behind it, so that the end is no border of what the source has to say.
        source.sql("update bench_mark set n = 1 where id = 2", "bench")
        self.world.settle()
        say(f"  load: {time.monotonic() - began:.1f} s")

    def capture(self, rows):
        """The backlog into the spool, sinks paused: a run, and what it costs the agent. `spooled` is then the size of
        the spool, in bytes."""
        agent = self.agent

        def go():
            agent.thaw()
            agent.spooled(self.end)

        run = contest.measured(self.world.pids(("agent", agent.pid())), go, memory_of=lambda: [agent.pid()])
        self.spooled = agent.status()["spool"]["bytes"]
        agent.freeze()
        say(f"  capture: {run['wall']:.2f} s, agent CPU {run['cpu']['agent']:.2f}")
        self.result.measure("agent CPU, capture", run["cpu"]["agent"] / rows * 1e6, "s per million rows", 0.5, 0.3)
        self.result.measure("agent memory, capture", run["memory"] / 2**20, "MiB", 128)
        self.result.measure("capture", run["wall"], "s")
        return run

    # --- apply ---------------------------------------------------------------------------------

    def _wait_for_mark(self, asker, broken):
        """`broken` says why it can never come, or nothing; asked once a second."""
        end, look = time.monotonic() + LIMIT, time.monotonic() + 1
        while asker.one("select n from bench_mark where id = 1") != "1":
            now = time.monotonic()
            if now > look:
                reason = broken()
                if reason:
                    raise Failed(reason)
                look = now + 1
            if now > end:
                raise Failed(f"not done within {LIMIT} s")
            time.sleep(POLL)

    def run_native(self, r):
        sub = self.subscriptions[r]
        self.world.settle()
        asker = Asker(self.world.target, sub.db)

        def go():
            asker.send(sub.enable_sql())
            self._wait_for_mark(asker, lambda: sub.errors() != "0" and "the subscription's apply failed")

        try:
            asker.one("select n from bench_mark where id = 1")
            run = contest.measured(self.world.pids(), go)
            self._behind_the_mark(asker)
        finally:
            asker.close()
            sub.disable()
        return run

    def run_ours(self, name):
        return self.go(self.agent, name, lambda: self.agent.command("resume", name))

    def go(self, agent, db, begin=lambda: None):
        """From begin(), or from the end of its frost, until the sink into `db` shows the mark. A sink of our own is
        thawed first: it is its pause that ends in the timed window."""
        paused = agent is self.agent
        if paused:
            agent.thaw()
            agent.until(lambda: agent.status() is not None, 60, "an answer")
        self.world.settle()
        time.sleep(0.5)
        asker = Asker(self.world.target, db)

        def failure():
            agent.check()
            states = (agent.status() or {"sinks": []})["sinks"]
            broken = [f"sink {s['name']} failed: {s['error']}" for s in states if s["state"] == "failed"]
            return broken and broken[0]

        def window():
            agent.thaw()
            begin()
            self._wait_for_mark(asker, failure)

        try:
            asker.one("select n from bench_mark where id = 1")
            run = contest.measured(self.world.pids(("agent", agent.pid())), window, memory_of=lambda: [agent.pid()])
            self._behind_the_mark(asker)
        finally:
            asker.close()
            agent.freeze()
        return run

    def _behind_the_mark(self, asker):
        end = time.monotonic() + 60
        while asker.one("select n from bench_mark where id = 2") != "1":
            if time.monotonic() > end:
                raise Failed("what comes behind the mark does not arrive")
            time.sleep(POLL)

    def contest(self, more=None, more_places=None, before_comparison=lambda: None):
        """`more`: further contenders {name: function(round)}; `more_places` {database: contender} are compared too."""
        contenders = {NATIVE: self.run_native}
        for variant, names in self.sinks.items():
            contenders[variant] = lambda r, names=names: self.run_ours(names[r])
        contenders.update(more or {})
        runs = contest.hold(self.result, say, contenders, self.rounds)
        before_comparison()
        began = time.monotonic()
        self._compare(runs, more_places or {})
        say(f"  comparison: {time.monotonic() - began:.1f} s")
        return runs

    def _compare(self, runs, more_places):
        """Who does not hold what the source holds has no figures."""
        w = self.world
        places = {db: who for db, who in {**self._places(), **more_places}.items() if who in runs}
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            wanted = pool.submit(w.contents, w.source, "bench", self.skip_tables)
            found = {db: pool.submit(w.contents, w.target, db) for db in places}
        for db, who in places.items():
            left, right = wanted.result(), found[db].result()
            differ = sorted(t for t in left.keys() | right.keys() if left.get(t) != right.get(t))
            if differ and who in runs:
                del runs[who]
                self.result.skip(who, f"its contents differ from the source's in {', '.join(differ[:3])}")
                say(f"  {who}: {db} differs in {len(differ)} tables: "
                    + "; ".join(f"{t} source {left.get(t)} target {right.get(t)}" for t in differ[:3]))

    def report(self, what, runs, rows, gate, aim, ours=OURS):
        """The usual lines of an apply benchmark."""
        self.result.compare(what, NATIVE, runs, gate=gate, aim=aim, times=True, ours=ours)
        if ours not in runs:
            return
        tail = "" if ours == OURS else f" ({ours})"
        self.result.measure("agent CPU, apply" + tail, [r["cpu"]["agent"] / rows * 1e6 for r in runs[ours]],
                            "s per million rows", 1.0, 0.5)
        self.result.measure("agent memory, apply" + tail, [r["memory"] / 2**20 for r in runs[ours]], "MiB", 128)


def many_commits(sql, times, per_commit=1):
    """A DO block that runs `sql` (with i counting from 1) and commits every per_commit rounds."""
    every = "" if per_commit == 1 else f"if i % {per_commit} = 0 then commit; end if;"
    return (f"do $do$ begin for i in 1..{times} loop {sql}; {every or 'commit;'} end loop; end $do$")
