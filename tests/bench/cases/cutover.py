# SPDX-License-Identifier: Apache-2.0
"""How long nobody may write: from the last commit on the source to a target that takes over, as the agent reports it.

Clients write until the fence ends their sessions; rows are counted on both sides. Once with everything on one machine,
once with a target that is far away (suite/far.py), where each question costs the way there and back.
"""
import json
import subprocess

from lib import paths

from suite.agents import BenchAgent
from suite.contest import Failed
from suite.far import Far
from suite.world import say

TITLE = "cutover"
SIZES = {"full": {"scale": 5, "tables": 100, "milliseconds": 10, "rounds": 2},
         "short": {"scale": 1, "tables": 5, "milliseconds": 10, "rounds": 1}}


def prepare(world, size):
    world.source.create_db("base")
    world.pgbench("base", "-i", "-q", "-s", str(size["scale"]))
    world.source.sql(f"do $$ begin for i in 1..{size['tables']} loop execute format('create table t%s (id bigserial primary "
                     "key, note text)', i); end loop; end $$", "base")


def write(world, db):
    """Clients that go on until they are cut off."""
    writer = subprocess.Popen([paths.pg_tool("pgbench"), "-h", world.source.home, "-p", str(world.source.port), "-U", "postgres",
                               "-n", "-M", "prepared", "-c", "2", "-R", "200", "-T", "600", db],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    world.later(writer.kill)
    return writer


def cut_over(world, name, port):
    """The report of one migration's end."""
    world.source.sql(f"create database {name} template base")
    world.target.create_db(name)
    agent = BenchAgent(world, name, world.source.uri(name), {"target": (world.target.uri(name, port=port), {})}).start()
    agent.streaming()
    writer = write(world, name)
    agent.until(lambda: int(world.source.one("select count(*) from pgbench_history", name)) > 200, 60, "writes")
    done = agent.agent.cmd("cutover", "--json", timeout=120)
    writer.kill()
    writer.wait()
    if done.returncode != 0:
        raise Failed(f"the cutover: exit {done.returncode}: {done.stderr[-400:]}")
    report = json.loads(done.stdout)
    say(f"  {name}: {report['write_downtime_ms']:.0f} ms")
    return report["write_downtime_ms"]


def run(world, size, result):
    prepare(world, size)
    far = Far(world, world.target.port, size["milliseconds"]).port
    for what, name, port, gate, aim in (("write downtime", "near", None, 1000, 250),
                                        (f"write downtime, {2 * size['milliseconds']} ms to the target and back", "far", far,
                                         2000, 500)):
        took = [cut_over(world, f"{name}{n}", port) for n in range(size["rounds"])]
        result.measure(what, took, "ms", gate, aim)
