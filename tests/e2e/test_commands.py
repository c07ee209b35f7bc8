# SPDX-License-Identifier: Apache-2.0
"""The command line that scripts and operators rely on: results, exit codes, JSON."""
import json
import os
import re
import time

import pytest

from lib.agent import command
from lib.proc import until


def test_run_until_copied(world):
    world.script("data", "sakila", "schema.sql")
    world.script("data", "sakila", "data.sql")
    agent = world.agent()
    assert agent.run("--until", "copied") == 0, agent.err()
    world.assert_equal(with_sequences=False)


def test_run_until_streaming_then_again(world):
    world.pgbench()
    agent = world.agent()
    assert agent.run("--until", "streaming") == 0, agent.err()
    world.source.sql("insert into pgbench_history (tid) select generate_series(1, 500)", world.db)
    assert agent.run("--until", "streaming") == 0, agent.err()
    world.assert_equal(with_sequences=False)


def test_run_until_lsn_on_a_source_that_goes_quiet(world):
    world.pgbench()
    agent = world.agent()
    assert agent.run("--until", "streaming") == 0, agent.err()
    world.source.sql("insert into pgbench_history (tid) select generate_series(1, 700)", world.db)
    lsn = world.source.one("select pg_current_wal_insert_lsn()", world.db)
    assert agent.run("--until-lsn", lsn, timeout=30) == 0, agent.err()
    world.assert_equal(with_sequences=False)


def test_sigterm_ends_cleanly_in_every_phase(world):
    world.pgbench(scale=2)
    agent = world.agent()
    for pause in (0.1, 0.3, 0.8):
        agent.start()
        time.sleep(pause)
        assert agent.stop() == 0, agent.err()[-3000:]
    agent.start()
    agent.streaming()
    assert agent.stop() == 0
    world.assert_equal(with_sequences=False)


def test_status(world):
    world.pgbench()
    agent = world.agent()
    assert agent.cmd("status").returncode == 4
    assert agent.cmd("wait", "--caught-up", "--timeout", "2s").returncode == 4
    agent.start()
    agent.streaming()
    agent.caught_up()
    status = agent.status()
    assert status["phase"] == "streaming"
    assert {"type", "connected", "position", "lag_bytes"} <= status["source"].keys()
    assert {"bytes", "segments", "durable_position", "oldest_unread_seconds"} <= status["spool"].keys()
    assert {"tables_total", "tables_done", "rows", "bytes", "bytes_total", "eta_seconds"} \
        <= status["copy"].keys()
    assert status["copy"]["tables_done"] == status["copy"]["tables_total"] == 4
    (sink,) = status["sinks"]
    assert {"name", "type", "state", "applied_position", "lag_bytes", "lag_seconds", "transactions",
            "rows", "error"} <= sink.keys()
    assert (sink["name"], sink["type"], sink["state"]) == ("target", "postgresql", "running")
    assert status["source"]["connected"] is True
    assert re.fullmatch(r"[0-9A-F]+/[0-9A-F]+", status["source"]["position"])
    page = agent.cmd("status")
    assert page.returncode == 0 and "streaming" in page.stdout
    assert agent.stop() == 0
    assert agent.cmd("status", "--json").returncode == 4


def test_wait(world):
    world.pgbench()
    agent = world.agent().start()
    agent.streaming()
    # --caught-up covers what was committed before the command began, also on a source that goes quiet.
    for n in range(3):
        world.source.sql("insert into pgbench_history (tid) select generate_series(1, 300)", world.db)
        agent.caught_up(timeout=15)
        count = "select count(*) from pgbench_history"
        assert world.source.one(count, world.db) == world.target.one(count, world.db)
    world.source.sql("insert into pgbench_history (tid) select generate_series(1, 300)", world.db)
    agent.wait("--lsn", world.source.one("select pg_current_wal_insert_lsn()", world.db), timeout=15)
    assert world.source.one(count, world.db) == world.target.one(count, world.db)
    assert agent.cmd("wait", "--lsn", "FFFFFFF/0", "--timeout", "1s").returncode == 3
    assert agent.cmd("wait", "--phase", "done", "--timeout", "1s").returncode == 3


def test_verify(world):
    world.pgbench()
    agent = world.agent().start()
    agent.streaming()
    agent.caught_up()
    done = agent.cmd("verify")
    assert done.returncode == 0, done.stdout + done.stderr
    world.target.sql("delete from pgbench_tellers where tid = 3", world.db)
    done = agent.cmd("verify")
    assert done.returncode == 5, done.stdout + done.stderr
    assert "pgbench_tellers" in done.stdout
    done = agent.cmd("verify", "--json")
    assert done.returncode == 5 and json.loads(done.stdout)


def test_pause_and_resume(world):
    world.pgbench()
    agent = world.agent().start()
    agent.streaming()
    done = agent.cmd("pause", "target")
    assert done.returncode == 0, done.stderr
    until(lambda: agent.status()["sinks"][0]["state"] == "paused", 10, "the pause")
    world.source.sql("insert into pgbench_history (tid) select generate_series(1, 300)", world.db)
    assert agent.cmd("wait", "--caught-up", "--timeout", "2s").returncode == 3
    assert world.target.one("select count(*) from pgbench_history", world.db) == "0"
    # The source is not held back by it.
    assert agent.cmd("resume", "target").returncode == 0
    agent.caught_up(timeout=15)
    assert world.target.one("select count(*) from pgbench_history", world.db) == "300"


def test_check(world):
    world.pgbench()
    agent = world.agent()
    done = agent.cmd("check")
    assert done.returncode == 0, done.stdout + done.stderr
    findings = json.loads(agent.cmd("check", "--json").stdout)
    assert findings
    # It looked only.
    assert world.source.one("select count(*) from pg_replication_slots where database = "
                            f"'{world.db}'") == "0"
    assert world.source.one("select count(*) from pg_publication", world.db) == "0"


def test_check_says_what_blocks(own_world):
    world = own_world(source={"options": {"wal_level": "replica"}})
    world.pgbench()
    agent = world.agent()
    done = agent.cmd("check")
    assert done.returncode == 1
    assert "wal_level" in done.stdout + done.stderr
    assert agent.run(timeout=20) == 1
    assert "wal_level" in agent.err()
    assert world.target.one("select count(*) from pg_class where relname like 'pgbench%'", world.db) == "0"


def test_target_that_is_not_empty_is_refused(world):
    world.pgbench()
    world.target.sql("create table pgbench_tellers (x integer); insert into pgbench_tellers values (1)",
                     world.db)
    agent = world.agent()
    assert agent.cmd("check").returncode == 1
    assert agent.run(timeout=20) == 1
    assert "pgbench_tellers" in agent.err()
    assert world.target.sql("select * from pgbench_tellers", world.db) == [["1"]]


def test_tables_can_be_left_out(world):
    world.pgbench()
    world.source.sql("create schema other; create table other.x (a int primary key);"
                     "insert into other.x values (1); create table audit_log (a int primary key);"
                     "insert into audit_log values (1)", world.db)
    agent = world.agent({"tables": {"include": ["public.*"], "exclude": ["public.audit_log"]}}).start()
    agent.streaming()
    world.source.sql("insert into other.x values (2); insert into audit_log values (2)", world.db)
    world.source.sql("insert into pgbench_history (tid) values (1)", world.db)
    agent.caught_up()
    assert world.target.one("select count(*) from pgbench_history", world.db) == "1"
    for name in ("other.x", "audit_log"):
        if world.target.one(f"select to_regclass('{name}') is not null", world.db) == "t":
            assert world.target.one(f"select count(*) from {name}", world.db) == "0"


def test_spool_is_readable_offline(world):
    world.pgbench()
    agent = world.agent()
    assert agent.run("--until", "streaming") == 0
    world.source.sql("insert into pgbench_history (tid) select generate_series(1, 200)", world.db)
    assert agent.run("--until", "streaming") == 0
    for what in ("ls", "verify", "cat"):
        done = agent.cmd("spool", what)
        assert done.returncode == 0, (what, done.stdout, done.stderr)
    assert agent.cmd("spool", "ls").stdout.strip()


def damage(agent, at):
    """Turns 64 bytes of the largest spool file around; `at` counts from the end when negative."""
    files = [os.path.join(where, name) for where, _, names in os.walk(agent.dir) for name in names
             if "spool" in where]
    largest = max(files, key=lambda path: os.stat(path).st_blocks)
    with open(largest, "r+b") as f:
        content = f.read().rstrip(b"\0")  # segments are preallocated
        at = at if at >= 0 else len(content) + at
        f.seek(at)
        f.write(bytes(b ^ 0xFF for b in content[at:at + 64]))
    return os.path.basename(largest)


def test_damaged_spool_is_found(world):
    world.pgbench()
    agent = world.agent()
    for _ in range(3):
        assert agent.run("--until", "streaming") == 0
        world.source.sql("insert into pgbench_history (tid) select generate_series(1, 2000)", world.db)
    name = damage(agent, at=20000)
    done = agent.cmd("spool", "verify")
    assert done.returncode == 6, (done.stdout, done.stderr)
    assert name in done.stdout + done.stderr


def test_damage_of_what_was_confirmed_stops_the_run(world):
    """The end of the spool is damaged after the source was told that it is safe: that is no torn tail."""
    world.pgbench()
    agent = world.agent().start()
    agent.streaming()
    assert agent.cmd("pause", "target").returncode == 0
    until(lambda: agent.status()["sinks"][0]["state"] == "paused", 10, "the pause")
    world.source.sql("insert into pgbench_history (tid) select generate_series(1, 2000)", world.db)
    lsn = world.source.one("select pg_current_wal_insert_lsn()", world.db)
    until(lambda: world.source.one(
        f"select bool_and(confirmed_flush_lsn >= '{lsn}') from pg_replication_slots "
        f"where database = '{world.db}'") == "t", 20, "the confirmation")
    agent.kill()
    damage(agent, at=-20000)
    agent.start()
    agent.cmd("resume", "target")
    try:
        code = agent.wait_exit(15)
    except AssertionError:
        code = None
    assert code == 1, "it runs on without the changes that were confirmed and lost"
    assert "spool" in agent.err()


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["run", "--help"], ["cutover", "--help"],
                                  ["config", "reference"], ["config", "schema"], ["config", "example"]])
def test_words_about_itself(args):
    done = command(*args)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() and not done.stderr.strip()


@pytest.mark.parametrize("args", [["frobnicate"], ["run", "--sorce", "x"], ["run", "--until", "tomorrow"],
                                  ["run", "--until-lsn", "zz"], ["wait", "--timeout", "soon"], []])
def test_wrong_usage_exits_2(args, tmp_path):
    done = command(*args, cwd=tmp_path)
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    assert done.stderr.strip()


def test_example_configuration_is_accepted(tmp_path):
    (tmp_path / "tidegate.yaml").write_text(command("config", "example").stdout)
    (tmp_path / "key").write_text("k" * 32)
    env = {"SOURCE_DSN": "postgresql://a@h/b", "TARGET_DSN": "postgresql://a@i/b"}
    done = command("config", "check", cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr


BAD_CONFIGS = {
    "unknown key": ("name: a\nsource: {dsn: x}\ncopi: {jobs: 2}\nsinks: [{dsn: y}]\n", [":3", "copi", "copy"]),
    "unknown nested key": ("name: a\nsource:\n  dns: x\n", [":3", "dns", "dsn"]),
    "not a number": ("name: a\ncopy:\n  jobs: many\n", [":3", "jobs"]),
    "out of range": ("name: a\ncopy:\n  jobs: 100000\n", [":3", "jobs"]),
    "size without sense": ("name: a\nspool:\n  max_size: 12parsec\n", [":3", "max_size"]),
    "unset variable": ("name: a\nsource:\n  dsn: ${env:TIDEGATE_NOT_SET_ANYWHERE}\n",
                       [":3", "TIDEGATE_NOT_SET_ANYWHERE"]),
    "missing secret file": ("name: a\nsource:\n  dsn: ${file:/nowhere/at/all}\n", [":3", "/nowhere/at/all"]),
    "not YAML": ("name: [a\n", [":"]),
    "name that cannot name a slot": ("name: 'Größe; drop table x'\nsource: {dsn: x}\nsinks: [{dsn: y}]\n",
                                     [":1", "name"]),
}


@pytest.mark.parametrize("what", BAD_CONFIGS)
def test_configuration_errors_name_the_place(what, tmp_path):
    text, words = BAD_CONFIGS[what]
    (tmp_path / "tidegate.yaml").write_text(text)
    for args in (["config", "check"], ["run"]):
        done = command(*args, cwd=tmp_path)
        assert done.returncode == 2, (done.returncode, done.stderr)
        assert "tidegate.yaml" in done.stderr
        for word in words:
            assert word in done.stderr, (word, done.stderr)
