# SPDX-License-Identifier: Apache-2.0
"""Servers, networks and disks that fail around the spool. Each story ends in equality, judged by SQL, or in
a refusal that names the file and the place in it.

TIDEGATE_SEED repeats the places of a run.
"""
import os
import random
import re
import shutil
import time

import pytest

from lib.agent import patience
from lib.proc import until

SEED = int(os.environ.get("TIDEGATE_SEED", random.randrange(1 << 30)))

CONFIRMED = ("select coalesce(pg_wal_lsn_diff(pg_current_wal_insert_lsn(), confirmed_flush_lsn), -1)::bigint "
             "from pg_replication_slots where database = current_database()")


class Writers:
    """Goes on writing to the source, also after it was gone."""

    def __init__(self, world, **kwargs):
        self.world, self.kwargs = world, kwargs
        self.now = world.write(**kwargs)

    def again(self):
        self.now.wait()
        self.now = self.world.write(**self.kwargs)

    def running(self):
        return self.now.running()


def finish(world, agent):
    agent.streaming(timeout=120)
    agent.caught_up(timeout=120)
    agent.cutover(timeout=60)
    world.assert_equal()


def unconfirmed(world):
    """Bytes of the source's log that it was not told to be safe."""
    return int(world.source.one(CONFIRMED, world.db))


# --- servers and networks -----------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [20, pytest.param(180, marks=pytest.mark.long)])
def test_target_away_under_load_does_not_hold_the_source_back(seconds, own_world):
    world = own_world()
    world.pgbench()
    agent = world.agent().start()
    agent.streaming()
    writers = Writers(world, clients=2, rate=400)
    world.target.stop("immediate")
    end = time.monotonic() + seconds
    size = agent.status()["spool"]["bytes"]
    worst = 0
    while time.monotonic() < end:
        time.sleep(1)
        assert agent.running(), agent.err()[-3000:]
        worst = max(worst, unconfirmed(world))
    status = agent.status()
    assert status["spool"]["bytes"] > size
    assert status["source"]["connected"] and not status["source"]["blocked"]
    assert worst < 8 << 20, f"{worst} bytes were not confirmed"
    world.target.start()
    finish(world, agent)
    agent.assert_memory()
    assert not writers.running()


def test_source_dies_again_and_again_under_load(own_world):
    """Every end is an immediate one; what was committed there is here, what was not is not."""
    world = own_world()
    world.pgbench()
    agent = world.agent().start()
    agent.streaming()
    writers = Writers(world, clients=4)
    for _ in range(4):
        time.sleep(1.5)
        world.source.restart("immediate")
        assert agent.running(), agent.err()[-3000:]
        writers.again()
    time.sleep(1)
    finish(world, agent)


def test_source_dies_while_the_target_is_away(own_world):
    world = own_world()
    world.pgbench()
    agent = world.agent().start()
    agent.streaming()
    writers = Writers(world, clients=4)
    world.target.stop("immediate")
    time.sleep(1)
    world.source.restart("immediate")
    writers.again()
    time.sleep(1)
    agent.kill()
    world.source.restart("immediate")
    writers.again()
    agent.start()
    time.sleep(1)
    world.target.start()
    finish(world, agent)


@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize("way", ["up", "down"])
def test_network_that_passes_one_direction_alone(side, way, world):
    """Bytes go one way and not the other, long enough for every time-out; then all go again."""
    world.pgbench()
    proxies = {"source": world.proxy(world.source), "target": world.proxy(world.target)}
    writers = Writers(world, clients=2, rate=200)
    agent = world.agent(
        {"network": {"timeout": "3s"}},
        source_dsn=world.source.uri(world.db, port=proxies["source"].port),
        target_dsn=world.target.uri(world.db, port=proxies["target"].port)).start()
    agent.streaming()
    proxies[side].freeze(way)
    time.sleep(7)
    assert agent.running(), agent.err()[-3000:]
    if side == "target":
        assert unconfirmed(world) < 8 << 20
    proxies[side].thaw()
    proxies[side].cut()  # what hung in between is lost
    finish(world, agent)
    assert not writers.running()


# --- the disk -----------------------------------------------------------------------------------


def segments(agent):
    where = os.path.join(agent.dir, "spool")
    return sorted(os.path.join(where, n) for n in os.listdir(where) if n.endswith(".seg"))


def flip(path, at, bit=3):
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ (1 << bit)]))


def filled(world, settings=None):
    """An agent that has ended, with a spool of several segments that the sink has not had."""
    world.pgbench()
    agent = world.agent({"spool": {"segment_size": "1MiB", "compression": "none", **(settings or {})}}).start()
    agent.streaming()
    assert agent.cmd("pause", "target").returncode == 0
    until(lambda: agent.status()["sinks"][0]["state"] == "paused", 10, "the pause")
    for batch in range(24):
        world.source.sql("update pgbench_accounts set abalance = abalance + 1 "
                         f"where aid % 40 = {batch}", world.db)
    until(lambda: unconfirmed(world) < 4096, 20, "the confirmation")
    assert agent.stop() == 0
    assert len(os.listdir(os.path.join(agent.dir, "spool"))) > 4
    return agent


def refusal(agent, path):
    """The agent must not run on; what it said about the damage: (file, offset)."""
    agent.start()
    try:
        code = agent.wait_exit(30)
    except AssertionError:
        raise AssertionError(f"it runs on over a damaged spool:\n{agent.err()[-3000:]}")
    assert code == 1
    found = re.findall(r"'([^']*\.(?:seg|side))' is damaged at byte (\d+)", agent.err())
    assert found, agent.err()[-3000:]
    assert found[-1][0] == path, found
    return int(found[-1][1])


@pytest.mark.parametrize("kind", ["payload", "header of a block", "footer", "header of the file"])
def test_bit_flipped_in_a_sealed_segment_is_refused_by_name(kind, world):
    agent = filled(world)
    assert len(segments(agent)) > 3
    path = segments(agent)[-3]
    size = os.path.getsize(path)
    at = {"payload": size // 2, "footer": size - 100, "header of the file": 30}.get(kind)
    if at is None:
        with open(path, "rb") as f:
            at = f.read().index(b"TGBK", size // 3) + 20
    flip(path, at)
    said = refusal(agent, path)
    assert abs(said - at) <= (1 << 20), (said, at)
    verify = agent.cmd("spool", "verify")
    assert verify.returncode == 6 and os.path.basename(path) in verify.stdout + verify.stderr
    # The refusal has changed nothing: with the right bit all is well.
    flip(path, at)
    agent.start()
    finish(world, agent)


@pytest.mark.parametrize("kind", ["payload", "header of a block", "header of the file", "cut off"])
def test_bit_flipped_in_a_side_file_is_refused_by_name(kind, own_world):
    """The changes of a transaction that came while it was open stand in a file of their own."""
    world = own_world(source={"options": {"logical_decoding_work_mem": "64kB"}})
    agent = filled(world)
    where = os.path.join(agent.dir, "spool")
    names = sorted(n for n in os.listdir(where) if n.endswith(".side"))
    assert names, os.listdir(where)
    path = os.path.join(where, names[len(names) // 2])
    size = os.path.getsize(path)
    with open(path, "rb") as f:
        whole = f.read()
    if kind == "cut off":
        os.truncate(path, size - 10)
    else:
        flip(path, {"payload": size // 2, "header of the file": 30}.get(kind, whole.index(b"TGBK") + 20))
    refusal(agent, path)
    verify = agent.cmd("spool", "verify")
    assert verify.returncode == 6 and os.path.basename(path) in verify.stdout + verify.stderr
    with open(path, "wb") as f:
        f.write(whole)
    agent.start()
    finish(world, agent)


def test_bits_flipped_in_the_open_segment_are_refused_or_do_no_harm(world):
    """Wherever the bit is: the agent refuses, or it cuts what looks torn and finds that it was confirmed, or
    nothing that anybody needs was hit and all ends equal."""
    agent = filled(world)
    print(f"TIDEGATE_SEED={SEED}")
    dice = random.Random(SEED)
    path = segments(agent)[-1]
    size = os.path.getsize(path)
    spool = os.path.join(agent.dir, "spool")
    aside = os.path.join(agent.home, "aside")
    shutil.copytree(spool, aside)
    with open(path, "rb") as f:
        last = f.read().rindex(b"TGBK")
    places = [0, 30, 140, last + 4, last + 40, last + 70, size - 1]
    places += [dice.randrange(size) for _ in range(3)]
    refused = 0
    for at in places:
        flip(path, at, dice.randrange(8))
        agent.start()
        try:
            code = agent.wait_exit(6)
        except AssertionError:
            code = None
        if code is None:
            # It lives: then nothing may be missing.
            agent.cmd("resume", "target")
            agent.caught_up(timeout=30)
            assert agent.stop() == 0
        else:
            assert code == 1
            tail = agent.err()[-1500:]
            assert os.path.basename(path) in tail or "spool" in tail, tail
            refused += 1
        shutil.rmtree(spool)
        shutil.copytree(aside, spool)
    assert refused >= 5, f"{refused} of {len(places)} refused\n{agent.err()[-3000:]}"
    agent.start()
    finish(world, agent)
