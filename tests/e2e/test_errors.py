# SPDX-License-Identifier: Apache-2.0
"""Bad input and bad luck: one clear error with a hint, a non-zero exit, and nothing lost."""
import os
import subprocess
import time

import pytest

from lib import load, paths
from lib.agent import assert_clear_error
from lib.ports import free_port

PASSWORD = "s3cr3t/Pa ss:w@rd%"


@pytest.fixture(scope="module")
def scram(root):
    from lib.server import Server
    s = Server("scram", root, auth="scram-sha-256")
    s.start()
    s.create_role("mover", PASSWORD, "login superuser")
    yield s
    s.close()


def fails(agent, *words, timeout=30):
    assert agent.run(timeout=timeout) == 1
    assert_clear_error(agent.err(), *words)


def test_wrong_password(scram, on_servers, shared):
    world = on_servers(scram, shared[1], "wrongpw")
    agent = world.agent(source_dsn=scram.uri("postgres", "mover", "not-the-password"),
                        target_dsn=shared[1].uri("postgres"))
    fails(agent, "password", "mover")
    assert "not-the-password" not in agent.err()


def test_unreachable_host(world):
    world.pgbench()
    port = free_port()
    agent = world.agent({"network": {"give_up": "2s"}}, target_dsn=world.target.uri(world.db, port=port))
    fails(agent, str(port))


def test_unknown_database(world):
    agent = world.agent(source_dsn=world.source.uri("no_such_database"))
    fails(agent, "no_such_database")


def test_connection_string_that_is_none(world):
    agent = world.agent(source_dsn="postgresql://[bad")
    code = agent.run(timeout=20)
    assert code in (1, 2)
    assert "source" in agent.err().lower()


def test_missing_right(world):
    world.pgbench()
    role = f"weak_{world.db}"
    world.source.create_role(role)
    agent = world.agent(source_dsn=world.source.uri(world.db, role))
    fails(agent, "replication", role)
    world.source.sql(f"drop role {role}")


def test_slot_dropped_by_somebody(world):
    world.pgbench()
    agent = world.agent()
    assert agent.run("--until", "streaming") == 0
    world.source.sql("select pg_drop_replication_slot(slot_name) from pg_replication_slots "
                     f"where database = '{world.db}'")
    fails(agent, "slot", f"tidegate_{agent.name}")
    # No new slot was put in its place behind the operator's back: changes in between would be missing.
    assert world.source.one("select count(*) from pg_replication_slots where database = "
                            f"'{world.db}'") == "0"


def test_table_dropped_on_the_target(world):
    world.pgbench()
    agent = world.agent().start()
    agent.streaming()
    world.target.sql("drop table pgbench_history", world.db)
    world.source.sql("insert into pgbench_history (tid) values (7)", world.db)
    assert agent.wait_exit(30) == 1
    assert_clear_error(agent.err(), "pgbench_history")
    # Put back, the run goes on and the change is there.
    definition = ("create table pgbench_history (tid int, bid int, aid int, delta int, mtime timestamp, "
                  "filler char(22), hid bigint primary key)")
    world.target.sql(definition, world.db)
    agent.start()
    agent.caught_up()
    assert world.target.one("select tid from pgbench_history", world.db) == "7"


def test_change_that_does_not_fit_is_named(world):
    """A conflict stops the sink with relation, key, operation and position; nothing is skipped."""
    world.pgbench()
    agent = world.agent().start()
    agent.streaming()
    world.target.sql("set session_replication_role = replica; insert into pgbench_branches values (77, 0, 'x')",
                     world.db)
    world.source.sql("insert into pgbench_branches values (77, 1, 'y')", world.db)
    world.source.sql("insert into pgbench_branches values (78, 1, 'z')", world.db)
    assert agent.wait_exit(30) == 1
    assert_clear_error(agent.err(), "pgbench_branches", "77", "insert", r"[0-9A-F]+/[0-9A-F]+", "23505")
    assert world.target.one("select count(*) from pgbench_branches where bid = 78", world.db) == "0"
    world.target.sql("delete from pgbench_branches where bid = 77", world.db)
    agent.start()
    agent.streaming()
    agent.cutover()
    world.assert_equal()


def test_row_missing_on_the_target_is_not_skipped(world):
    world.pgbench()
    agent = world.agent().start()
    agent.streaming()
    world.target.sql("delete from pgbench_tellers where tid = 5", world.db)
    world.source.sql("update pgbench_tellers set tbalance = 99 where tid = 5", world.db)
    assert agent.wait_exit(30) == 1
    assert_clear_error(agent.err(), "pgbench_tellers", "5", "update")


def test_second_agent_on_the_same_directory(world):
    world.pgbench()
    agent = world.agent().start()
    agent.streaming()
    second = agent.cmd("run", timeout=30)
    assert second.returncode == 1
    assert_clear_error(second.stderr, "data")
    assert agent.running()
    agent.caught_up()


def test_data_directory_of_another_migration(world):
    world.pgbench()
    agent = world.agent()
    assert agent.run("--until", "streaming") == 0
    other = world.agent({"dir": agent.dir})
    code = other.run(timeout=30)
    assert code in (1, 2)
    assert_clear_error(other.err(), agent.name)  # it says whose directory this is


def test_other_source_behind_the_same_directory(world, make_server):
    """The connection string now leads to another server: its positions mean something else."""
    world.pgbench()
    agent = world.agent()
    assert agent.run("--until", "streaming") == 0
    stranger = make_server("stranger")
    stranger.create_db(world.db)
    load.pgbench_init(stranger, world.db)
    assert agent.run(timeout=30, env={"SOURCE_DSN": stranger.uri(world.db)}) == 1
    assert_clear_error(agent.err())


def test_source_and_target_are_the_same_database(world):
    world.pgbench()
    agent = world.agent(target_dsn=world.source.uri(world.db))
    assert agent.run(timeout=20) == 2
    assert "same" in agent.err()
    # The same place by another name is seen when both are asked.
    other = world.agent(target_dsn=world.source.uri(world.db, host="localhost"))
    fails(other, "same")
    assert world.source.one("select count(*) from pgbench_accounts", world.db) == "100000"


@pytest.fixture
def small_disk(root):
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    path = os.path.join(root, "small")
    os.makedirs(path, exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", path]).returncode != 0:
        pytest.skip("mount is not allowed here")
    yield path
    subprocess.run(["umount", "-l", path], check=True)


def test_full_disk(world, small_disk):
    """The spool fills its disk while the sink stands still; with room again everything arrives."""
    world.pgbench()
    agent = world.agent({"spool": {"path": os.path.join(small_disk, "spool"), "min_free": "1MiB",
                                   "segment_size": "1MiB"}}).start()
    agent.streaming()
    assert agent.cmd("pause", "target").returncode == 0
    for _ in range(4):
        world.source.sql("update pgbench_accounts set abalance = abalance + 1", world.db)
    end = time.monotonic() + 30
    while agent.running() and time.monotonic() < end and "room" not in agent.err().lower() \
            and "space" not in agent.err().lower() and "full" not in agent.err().lower():
        time.sleep(0.2)
    assert_clear_error(agent.err(), "room|space|full|free")
    if agent.running():
        agent.stop()
    # The source still has what was not confirmed.
    subprocess.run(["mount", "-o", "remount,size=400m", small_disk], check=True)
    agent.start()
    agent.streaming()
    agent.cmd("resume", "target")
    agent.cutover()
    world.assert_equal()


# --- secrets ------------------------------------------------------------------------------------


def everything_written(agent):
    for where, _, names in os.walk(agent.home):
        for name in names:
            path = os.path.join(where, name)
            if os.path.isfile(path) and path != agent.config:
                with open(path, "rb") as f:
                    yield path, f.read()


def test_password_is_never_shown(scram, on_servers, root):
    scram.create_db("secret_source", "mover")
    scram.create_db("secret_target", "mover")
    load.pgbench_init(scram_socket(scram), "secret_source")
    world = on_servers(scram, scram, "secret_source")
    agent = world.agent(
        {"log": {"level": "debug"}},
        source_dsn=scram.uri("secret_source", "mover", PASSWORD),
        target_dsn=scram.uri("secret_target", "mover", PASSWORD))
    agent.start()
    seen = set()
    end = time.monotonic() + 20
    while time.monotonic() < end and (agent.status() or {}).get("phase") != "streaming":
        seen.update(line for line in load.cmdlines() if leaks(line))
        assert agent.running(), agent.err()[-2000:]
    agent.streaming()
    assert not seen
    agent.cutover()
    for path, content in everything_written(agent):
        assert not leaks(content.decode("latin-1")), path
    scram.drop_db("secret_source")
    scram.drop_db("secret_target")


def test_password_on_the_command_line_leaves_ps(scram, on_servers):
    scram.create_db("ps_source", "mover")
    scram.create_db("ps_target", "mover")
    world = on_servers(scram, scram, "ps_source")
    load.pgbench_init(scram_socket(scram), "ps_source")
    agent = world.agent()
    agent.start("--source", scram.uri("ps_source", "mover", PASSWORD),
                "--target", scram.uri("ps_target", "mover", PASSWORD))
    agent.streaming()
    assert [line for line in load.cmdlines() if leaks(line)] == []
    assert agent.stop() == 0
    scram.drop_db("ps_source")
    scram.drop_db("ps_target")


def leaks(text):
    from urllib.parse import quote
    return PASSWORD in text or quote(PASSWORD, safe="") in text


def scram_socket(server):
    """The same server as pgbench -i can reach it: by its socket, where every user is trusted."""
    class Local:
        def uri(self, db):
            return f"host={server.home} port={server.port} user=postgres dbname={db}"

        def sql(self, *args, **kwargs):
            return server.sql(*args, **kwargs)
    return Local()
