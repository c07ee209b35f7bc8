# SPDX-License-Identifier: Apache-2.0
"""Cleanup leaves both servers as if tidegate had never been there."""
import os

LEFT_ON_SOURCE = {
    "slots": "select slot_name from pg_replication_slots where slot_name like 'tidegate%' "
             "and database = current_database()",
    "publications": "select pubname from pg_publication",
    "schemas": "select nspname from pg_namespace where nspname like 'tidegate%'",
    "event triggers": "select evtname from pg_event_trigger",
    "database settings": "select setconfig from pg_db_role_setting "
                         "where setdatabase = (select oid from pg_database where datname = current_database())",
}
LEFT_ON_TARGET = {
    "origins": "select roname from pg_replication_origin where roname like 'tidegate%'",
    "schema": "select nspname from pg_namespace where nspname = 'tidegate'",
}
IDENTITIES = ("select relname, relreplident from pg_class where relkind in ('r', 'p') "
              "and relnamespace = 'public'::regnamespace order by 1")


def leftovers(world):
    out = []
    for server, queries in ((world.source, LEFT_ON_SOURCE), (world.target, LEFT_ON_TARGET)):
        for what, query in queries.items():
            out += [f"{server.name}: {what}: {row}" for row in server.sql(query, world.db)]
    return out


def cleanup(world, agent, *args):
    said = agent.cmd("cleanup", "--yes", *args)
    assert said.returncode == 0, said.stdout + said.stderr
    assert leftovers(world) == []
    assert not os.path.exists(os.path.join(agent.dir, "state.db"))
    return said.stdout


def test_in_the_middle_of_streaming(world):
    world.script("e2e", "sql", "types.sql")
    before = world.source.sql(IDENTITIES, world.db)
    agent = world.agent().start()
    agent.streaming()
    assert world.source.sql(IDENTITIES, world.db) != before  # tables without a key got FULL
    assert agent.stop() == 0
    # What a kill leaves of a table that was on its way back into the stream, and what several connections have.
    for more in ("resync", "job2", "job16"):
        world.target.sql(f"select pg_replication_origin_create('tidegate_{agent.name}/{more}')", world.db)
    said = cleanup(world, agent)
    assert agent.name in said
    assert world.source.sql(IDENTITIES, world.db) == before


def test_after_a_cutover(world):
    world.pgbench()
    agent = world.agent().start()
    agent.streaming()
    agent.cutover()
    # The database that was left stays closed to writers until the operator opens it.
    done = agent.cmd("cleanup", "--yes")
    assert done.returncode == 0 and "--lift-fence" in done.stdout
    assert [line for line in leftovers(world) if "settings" not in line] == []
    cleanup(world, agent, "--lift-fence")
    # The migrated data stays.
    assert world.target.one("select count(*) from pgbench_accounts", world.db) == "100000"


def test_after_a_kill_during_copy(world):
    world.pgbench(scale=3)
    agent = world.agent().start()
    agent.wait("--phase", "snapshot")
    agent.kill()
    cleanup(world, agent)


def test_twice_is_fine(world):
    world.pgbench()
    agent = world.agent()
    assert agent.run("--until", "copied") == 0
    cleanup(world, agent)
    cleanup(world, agent)


def test_refuses_while_the_agent_runs(world):
    world.pgbench()
    agent = world.agent().start()
    agent.streaming()
    said = agent.cmd("cleanup", "--yes")
    assert said.returncode != 0
    assert agent.running()
    agent.caught_up()


def test_without_yes_nothing_happens(world):
    world.pgbench()
    agent = world.agent()
    assert agent.run("--until", "copied") == 0
    said = agent.cmd("cleanup")
    assert "slot" in said.stdout + said.stderr
    assert leftovers(world)
    cleanup(world, agent)
