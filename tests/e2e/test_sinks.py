# SPDX-License-Identifier: Apache-2.0
"""Many sinks in one agent: each at its own pace, and none holds up another."""
import json
import sqlite3
import time

import pytest

from lib import compare, paths, proc
from lib.agent import assert_clear_error
from lib.proc import until


class Sinks:
    """A world whose target server holds further databases, and the configuration over them."""

    def __init__(self, world):
        self.world = world
        self.places = {"one": (world.target, world.db)}
        self.made = []

    def add(self, name, server=None):
        server = server or self.world.target
        db = f"{self.world.db}_{name}"
        server.create_db(db)
        self.made.append((server, db))
        self.places[name] = (server, db)
        return self

    def entry(self, name, **options):
        if options.get("type") == "null":
            return dict(options, name=name)
        server, db = self.places[name]
        return dict({"name": name, "type": "postgresql", "dsn": server.uri(db)}, **options)

    def agent(self, *entries, **settings):
        return self.world.agent(dict(settings, sinks=list(entries)))

    def reconfigure(self, agent, *entries):
        with open(agent.config) as f:
            settings = json.load(f)
        settings["sinks"] = list(entries)
        with open(agent.config, "w") as f:
            f.write(json.dumps(settings, indent=2))

    def assert_equal(self, *names, **kwargs):
        for name in names:
            server, db = self.places[name]
            compare.assert_equal(self.world.source, self.world.db, server, db, **kwargs)

    def close(self):
        self.world.close()
        for server, db in self.made:
            server.drop_db(db)


@pytest.fixture
def sinks(world):
    s = Sinks(world)
    yield s
    s.close()


def state(agent, name):
    return next(s for s in agent.status()["sinks"] if s["name"] == name)


def wait_state(agent, name, wanted, seconds=30):
    until(lambda: state(agent, name)["state"] == wanted, seconds, f"sink {name} {wanted}")


def cursors(agent):
    db = sqlite3.connect(f"file:{agent.dir}/state.db?mode=ro", uri=True)
    try:
        return dict(db.execute("select key, value from named_value where key like 'cursor_%'"))
    finally:
        db.close()


def test_two_targets_and_a_null_hold_the_same_in_the_end(sinks):
    w = sinks.world
    w.pgbench()
    writers = w.write(clients=2, rate=200)
    sinks.add("two")
    agent = sinks.agent(sinks.entry("one"), sinks.entry("two"), sinks.entry("gone", type="null"))
    agent.start()
    agent.streaming()
    time.sleep(2)
    names = [s["name"] for s in agent.status()["sinks"]]
    assert names == ["one", "two", "gone"]
    writers.stop()
    agent.caught_up()
    sinks.assert_equal("one", "two", with_sequences=False)
    assert agent.stop() == 0
    assert set(cursors(agent)) == {"cursor_one", "cursor_two", "cursor_gone"}


def test_a_cutover_without_event_triggers_asks_a_null_nothing(sinks):
    w = sinks.world
    w.source.psql("create table t (id int primary key); insert into t values (1)", w.db)
    agent = sinks.agent(sinks.entry("one"), sinks.entry("gone", type="null"), ddl={"capture": False}).start()
    agent.streaming()
    agent.cutover()
    sinks.assert_equal("one")


def test_a_cutover_opens_both_targets(sinks):
    w = sinks.world
    w.pgbench()
    w.write(clients=2, rate=100)
    sinks.add("two")
    agent = sinks.agent(sinks.entry("one"), sinks.entry("two"), sinks.entry("gone", type="null"))
    agent.start()
    agent.streaming()
    agent.cutover()
    sinks.assert_equal("one", "two")


def test_a_cutover_names_the_sink_that_lags(sinks):
    w = sinks.world
    w.pgbench()
    sinks.add("two")
    agent = sinks.agent(sinks.entry("one"), sinks.entry("two")).start()
    agent.streaming()
    server, db = sinks.places["two"]
    lock = server.hold("begin; lock table pgbench_history in access exclusive mode", db)
    w.source.sql("insert into pgbench_history (tid) values (0)", w.db)
    done = agent.cmd("cutover", "--timeout", "3s", timeout=30)
    lock.stdin.close()
    lock.wait(10)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "two" in done.stdout + done.stderr
    agent.streaming()
    agent.cutover()
    sinks.assert_equal("one", "two")


def test_one_target_is_away_and_the_other_goes_on(own_world, make_server):
    w = own_world()
    w.pgbench()
    second = make_server("second")
    s = Sinks(w).add("two", second)
    agent = s.agent(s.entry("one"), s.entry("two"),
                    spool={"min_free": "16MiB", "segment_size": "1MiB"}).start()
    agent.streaming()
    writers = w.write(clients=2)
    second.stop("fast")
    before = agent.status()
    until(lambda: agent.status()["spool"]["segments"] > before["spool"]["segments"], 60,
          "another segment: retirement waits for sink two")
    writers.stop()
    lsn = w.source.one("select pg_current_wal_insert_lsn()", w.db)
    until(lambda: position(state(agent, "one")["durable_position"]) >= position(lsn), 30,
          "sink one passes the writers")
    now = agent.status()
    assert state(agent, "two")["state"] != "failed"
    assert now["spool"]["segments"] > before["spool"]["segments"], "retirement waits for sink two"
    second.start()
    agent.caught_up()
    s.assert_equal("one", "two", with_sequences=False)
    w.source.sql("insert into pgbench_history (tid) values (0)", w.db)
    until(lambda: agent.status()["spool"]["segments"] <= 2, 30, "retirement goes on")
    assert agent.stop() == 0


def position(text):
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


def test_a_sink_that_failed_is_resumed_and_holds_up_nobody(sinks):
    w = sinks.world
    w.pgbench()
    sinks.add("two")
    agent = sinks.agent(sinks.entry("one"), sinks.entry("two")).start()
    agent.streaming()
    server, db = sinks.places["two"]
    server.sql("alter table pgbench_history add constraint odd check (tid <> 77)", db)
    w.source.sql("insert into pgbench_history (tid) values (77)", w.db)
    wait_state(agent, "two", "failed")
    assert "odd" in state(agent, "two")["error"]
    w.source.sql("insert into pgbench_history (tid) values (78)", w.db)
    until(lambda: sinks.places["one"][0].one(
        "select count(*) from pgbench_history where tid = 78", w.db) == "1", 20, "sink one goes on")
    assert agent.cmd("cutover", "--dry-run").returncode != 0
    server.sql("alter table pgbench_history drop constraint odd", db)
    assert agent.cmd("resume", "two").returncode == 0
    wait_state(agent, "two", "running")
    agent.caught_up()
    sinks.assert_equal("one", "two", with_sequences=False)
    agent.streaming()
    agent.cutover()
    sinks.assert_equal("one", "two")


def test_an_aim_is_not_reached_when_a_sink_has_failed(sinks):
    w = sinks.world
    w.pgbench()
    sinks.add("two")
    agent = sinks.agent(sinks.entry("one"), sinks.entry("two"))
    assert agent.run("--until", "copied") == 0
    server, db = sinks.places["two"]
    server.sql("alter table pgbench_history add constraint odd check (tid <> 77)", db)
    w.source.sql("insert into pgbench_history (tid) values (77)", w.db)
    lsn = w.source.one("select pg_current_wal_insert_lsn()", w.db)
    w.source.sql("insert into pgbench_history (tid) values (78)", w.db)
    assert agent.run("--until-lsn", lsn) == 1
    assert_clear_error(agent.err(), "sink 'two' stopped", "odd")
    assert w.target.one("select count(*) from pgbench_history where tid = 77", w.db) == "1"
    server.sql("alter table pgbench_history drop constraint odd", db)
    assert agent.run("--until-lsn", lsn) == 0
    assert server.one("select count(*) from pgbench_history where tid = 77", db) == "1"


def test_the_last_sink_that_fails_ends_the_agent(sinks):
    w = sinks.world
    w.pgbench()
    sinks.add("two")
    agent = sinks.agent(sinks.entry("one"), sinks.entry("two")).start()
    agent.streaming()
    for name in ("one", "two"):
        server, db = sinks.places[name]
        server.sql("alter table pgbench_history add constraint odd check (tid <> 77)", db)
    w.source.sql("insert into pgbench_history (tid) values (77)", w.db)
    assert agent.wait_exit(30) == 1
    assert "odd" in agent.err()


def test_a_sink_added_later_by_copy(sinks):
    w = sinks.world
    w.pgbench()
    writers = w.write(clients=2, rate=200)
    agent = sinks.agent(sinks.entry("one")).start()
    agent.streaming()
    assert agent.stop() == 0
    sinks.add("two")
    sinks.reconfigure(agent, sinks.entry("two"), sinks.entry("one"))
    agent.start()
    until(lambda: agent.status() and state(agent, "two")["state"] == "running", 60, "sink two")
    time.sleep(1)
    writers.stop()
    agent.caught_up()
    sinks.assert_equal("one", "two", with_sequences=False)
    agent.streaming()
    agent.cutover()
    sinks.assert_equal("one", "two")


def test_a_sink_added_later_from_the_spool(sinks):
    """Its target is a backup of the source taken while the agent was holding still."""
    w = sinks.world
    w.pgbench()
    agent = sinks.agent(sinks.entry("one")).start()
    agent.streaming()
    w.source.sql("insert into pgbench_history (tid) values (1)", w.db)
    agent.caught_up()
    assert agent.stop() == 0
    sinks.add("two")
    server, db = sinks.places["two"]
    clone(w, server, db)
    lsn = w.source.one("select pg_current_wal_insert_lsn()", w.db)
    w.source.sql("insert into pgbench_history (tid) values (2)", w.db)
    agent.start()
    agent.caught_up()
    w.source.sql("insert into pgbench_history (tid) values (3)", w.db)
    agent.caught_up()
    assert agent.stop() == 0
    sinks.reconfigure(agent, sinks.entry("one"), sinks.entry("two", start=lsn))
    agent.start()
    until(lambda: agent.status() and state(agent, "two")["state"] == "running", 30, "sink two")
    agent.streaming()
    agent.caught_up()
    sinks.assert_equal("one", "two", with_sequences=False, with_schema=False)
    agent.cutover()
    sinks.assert_equal("one", "two", with_schema=False)


def clone(w, server, db):
    dump = proc.run([paths.pg_tool("pg_dump"), "-d", w.source.uri(w.db)]).stdout
    server.psql(dump, db)


def test_a_position_outside_of_the_spool_is_refused_and_the_others_go_on(sinks):
    w = sinks.world
    w.pgbench()
    agent = sinks.agent(sinks.entry("one")).start()
    agent.streaming()
    assert agent.stop() == 0
    sinks.add("two").add("three")
    sinks.reconfigure(agent, sinks.entry("one"), sinks.entry("two", start="0/1"),
                      sinks.entry("three", start="FFFF/0"))
    agent.start()
    agent.streaming()
    wait_state(agent, "two", "failed")
    assert "oldest position that the spool still holds" in state(agent, "two")["error"]
    assert "the spool ends at" in state(agent, "three")["error"]
    w.source.sql("insert into pgbench_history (tid) values (1)", w.db)
    until(lambda: sinks.places["one"][0].one("select count(*) from pgbench_history", w.db) == "1",
          20, "sink one goes on")
    assert agent.stop() == 0


def test_a_sink_that_is_removed_is_forgotten_and_one_that_comes_back_is_new(sinks):
    w = sinks.world
    w.pgbench()
    sinks.add("two")
    agent = sinks.agent(sinks.entry("one"), sinks.entry("two")).start()
    agent.streaming()
    assert agent.stop() == 0
    sinks.reconfigure(agent, sinks.entry("two"))
    agent.start()
    agent.streaming()
    assert "sink 'one' is gone from the configuration" in agent.err()
    w.source.sql("insert into pgbench_history (tid) values (1)", w.db)
    agent.caught_up()
    sinks.assert_equal("two", with_sequences=False)
    assert agent.stop() == 0
    assert set(cursors(agent)) == {"cursor_two"}
    sinks.reconfigure(agent, sinks.entry("one"), sinks.entry("two"))
    agent.start()
    agent.streaming()
    wait_state(agent, "one", "failed")
    assert "there already" in state(agent, "one")["error"]
    assert agent.stop() == 0


def test_a_rename_is_refused(sinks):
    w = sinks.world
    w.pgbench()
    agent = sinks.agent(sinks.entry("one")).start()
    agent.streaming()
    assert agent.stop() == 0
    sinks.places["other"] = sinks.places["one"]
    sinks.reconfigure(agent, sinks.entry("other"))
    assert agent.run() == 1
    assert_clear_error(agent.err(), "'one'", "'other'")
    sinks.reconfigure(agent, sinks.entry("one"))
    agent.start()
    agent.streaming()
    assert agent.stop() == 0


def test_a_sink_added_later_from_the_oldest_of_the_spool(sinks):
    """Its target is as the source was when the spool began."""
    w = sinks.world
    w.source.sql("create table t (id int primary key, v text)", w.db)
    agent = sinks.agent(sinks.entry("one")).start()
    agent.streaming()
    assert agent.stop() == 0
    sinks.add("two")
    server, db = sinks.places["two"]
    clone(w, server, db)
    w.source.sql("insert into t select i, 'x' from generate_series(1, 100) i", w.db)
    agent.start()
    agent.caught_up()
    assert agent.stop() == 0
    sinks.reconfigure(agent, sinks.entry("two", start="spool"), sinks.entry("one"))
    agent.start()
    agent.streaming()
    wait_state(agent, "two", "running")
    agent.caught_up()
    sinks.assert_equal("one", "two", with_sequences=False)
    assert agent.stop() == 0


def test_check_verify_and_cleanup_look_at_every_sink(sinks):
    w = sinks.world
    w.pgbench()
    sinks.add("two")
    agent = sinks.agent(sinks.entry("one"), sinks.entry("two"))
    found = json.loads(agent.cmd("check", "--json").stdout)["findings"]
    assert {"one", "two"} <= {f["where"] for f in found}
    agent.start()
    agent.streaming()
    assert agent.cmd("verify").returncode == 0
    server, db = sinks.places["two"]
    server.sql("update pgbench_branches set bbalance = 12345", db)
    done = agent.cmd("verify", "--json")
    assert done.returncode == 5, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert [(s["sink"], s["equal"]) for s in report["sinks"]] == [("one", True), ("two", False)]
    assert agent.cmd("verify", "--sink", "one").returncode == 0
    assert agent.stop() == 0
    done = agent.cmd("cleanup", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "'one'" in done.stdout + done.stderr and "'two'" in done.stdout + done.stderr
    assert server.sql("select roname from pg_replication_origin where roname like 'tidegate%'") == []
    for server, db in sinks.places.values():
        assert server.sql("select 1 from pg_namespace where nspname = 'tidegate'", db) == []


def test_two_sinks_in_one_database_are_refused(sinks):
    w = sinks.world
    w.pgbench()
    sinks.places["again"] = sinks.places["one"]
    other = sinks.entry("again")
    other["dsn"] += "?application_name=x"
    agent = sinks.agent(sinks.entry("one"), other)
    assert agent.run() == 1
    assert_clear_error(agent.err(), "same database", "'one'", "'again'")


@pytest.mark.crash
def test_killed_in_every_state(sinks):
    w = sinks.world
    w.pgbench()
    writers = w.write(clients=2, rate=200)
    sinks.add("two")
    agent = sinks.agent(sinks.entry("one"), sinks.entry("two"), sinks.entry("gone", type="null"))
    for pause in (0.3, 0.8, 1.5, 2.5, 0.5):
        agent.start()
        time.sleep(pause)
        agent.kill()
    sinks.add("three")
    sinks.reconfigure(agent, sinks.entry("three"), sinks.entry("gone", type="null"),
                      sinks.entry("two"), sinks.entry("one"))
    for pause in (0.4, 0.8, 1.5):
        agent.start()
        time.sleep(pause)
        agent.kill()
    agent.start()
    until(lambda: agent.status() and
          all(s["state"] == "running" for s in agent.status()["sinks"]), 60, "all sinks run")
    writers.stop()
    agent.caught_up()
    sinks.assert_equal("one", "two", "three", with_sequences=False)
    agent.streaming()
    agent.cutover()
    sinks.assert_equal("one", "two", "three")
