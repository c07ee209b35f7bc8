# SPDX-License-Identifier: Apache-2.0
"""DDL while changes stream. Each file of ddl/ is run on the source; afterwards both sides must be equal.

Lines of a file that begin with `-- ` and one of these words say what else is expected:
  -- expect: stop WORDS     the sink stops, and its error has these words (a regular expression); may stand several times
  -- then: apply | skip     what the operator decides at that stop
  -- target: SQL            run on the target before the decision
  -- settings: {"ddl": ..}  the file gets a migration of its own, with these settings
"""
import glob
import json
import os
import re

import pytest

from lib.proc import until

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ddl")
FILES = sorted(os.path.basename(f)[:-4] for f in glob.glob(os.path.join(HERE, "*.sql")))


def read(name):
    with open(os.path.join(HERE, name + ".sql")) as f:
        return f.read()


def said(text, word):
    return re.findall(rf"^-- {word}: (.*)$", text, re.M)


def roles(world):
    for server in (world.source, world.target):
        for role in ("ddl_reader", "ddl_owner"):
            server.psql(f"do $$ begin create role {role}; exception when duplicate_object then null; end $$")


def sink(agent, n=0):
    status = agent.status()
    return status["sinks"][n] if status else {"state": None, "error": ""}


def waiting(agent):
    """{sink: the statement that waits there}"""
    done = agent.cmd("ddl", "list", "--json")
    return {w["sink"]: w for w in json.loads(done.stdout)["waiting"]} if done.returncode == 0 else {}


def stopped(agent, words, passed=(), name="target"):
    """Waits for a stop that is not among those passed; returns its place."""
    until(lambda: waiting(agent).get(name, {"place": None})["place"] not in {None, *passed}, 30, "the sink's stop")
    until(lambda: sink(agent)["state"] == "stopped", 30, "the sink's state")
    place = waiting(agent)[name]["place"]
    assert re.search(words, sink(agent)["error"], re.I), sink(agent)["error"]
    return place


@pytest.fixture(scope="module")
def module_world(shared, root):
    from conftest import _world
    w = _world(shared[0], shared[1], root, "ddl_cases")
    yield w
    w.close()
    for s in shared:
        s.drop_db(w.db)
    shared[1].psql("select pg_replication_origin_drop(roname) from pg_replication_origin "
                   "where roname like 'tidegate%'", check=False)


def began(world, settings=None):
    roles(world)
    world.source.psql("create table old (id int primary key, v text); insert into old values (1, 'x')", world.db)
    agent = world.agent(settings).start()
    agent.streaming()
    return agent


@pytest.fixture(scope="module")
def streaming(module_world):
    return began(module_world)


def play(world, agent, text):
    world.source.psql(text, world.db)
    decisions, target = said(text, "then"), said(text, "target")
    passed = []
    for i, words in enumerate(said(text, "expect")):
        passed.append(stopped(agent, words.removeprefix("stop "), passed))
        if i < len(target):
            world.target.psql(target[i], world.db)
        agent.cmd("ddl", decisions[i], check=True)
    agent.caught_up()
    world.assert_equal(with_sequences=False)


@pytest.mark.parametrize("name", [n for n in FILES if not said(read(n), "settings")])
def test_file(module_world, streaming, name):
    play(module_world, streaming, read(name))


@pytest.mark.parametrize("name", [n for n in FILES if said(read(n), "settings")])
def test_file_with_settings(world, name):
    text = read(name)
    play(world, began(world, json.loads(said(text, "settings")[0])), text)
