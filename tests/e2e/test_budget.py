# SPDX-License-Identifier: Apache-2.0
"""The spool's disk: what stays for a while, what happens as it fills, and that a full one loses nothing."""
import os
import subprocess
import time

import pytest

from lib.proc import until

# Small files and low thresholds, so that a few megabytes are enough to see every stage.
SMALL = {"max_size": "24MiB", "segment_size": "1MiB", "warn_at": 40, "compress_at": 60, "pause_at": 80,
         "compression": "none"}


def spool_of(agent):
    return agent.status()["spool"]


def update_some(world, batch):
    """One transaction of about 300 kB in the spool."""
    world.source.sql("update pgbench_accounts set abalance = abalance + 1 "
                     f"where aid % 40 = {batch % 40}", world.db)


def fill_until(world, agent, condition, batches=400):
    """Writes until condition(status) holds; returns that status and the stages seen on the way."""
    stages = []
    for batch in range(batches):
        update_some(world, batch)
        status = agent.status()
        if not stages or stages[-1] != status["spool"]["stage"]:
            stages.append(status["spool"]["stage"])
        if condition(status):
            return status, stages
    raise AssertionError(f"not reached, stages {stages}: {status}\n{agent.err()[-2000:]}")


def test_stages_up_to_the_pause_and_on_again(own_world):
    """With the target away: warning, pressure, pause. The connection outlives the source's own
    time-out, the source is written to all the while, and all of it arrives."""
    world = own_world(source={"options": {"wal_sender_timeout": "4s"}})
    world.pgbench()
    agent = world.agent({"spool": SMALL}).start()
    agent.streaming()
    world.target.stop("immediate")
    status, stages = fill_until(world, agent, lambda s: s["source"]["blocked"])
    assert stages[-1] == "pause" and "warn" in stages, stages
    assert status["source"]["connected"]
    assert "paused" in status["source"]["error"]
    assert status["spool"]["used_percent"] >= 80
    assert status["spool"]["left_bytes"] == 0
    assert status["spool"]["limit_bytes"] == 24 << 20
    assert "% full" in agent.err() and "max_slot_wal_keep_size" in agent.err()

    walsender = ("select count(*) from pg_stat_replication where application_name like 'tidegate%' "
                 "and state = 'streaming'")
    since = "select min(backend_start) from pg_stat_replication where application_name like 'tidegate%'"
    began = world.source.one(since)
    retained = []
    batch = 0
    for _ in range(2):
        end = time.monotonic() + 4
        while time.monotonic() < end:
            update_some(world, batch)
            batch += 1
        later = agent.status()
        retained.append(later["source"]["retained_bytes"])
    assert later["source"]["blocked"] and later["source"]["connected"]
    assert later["source"]["confirmed_position"] == status["source"]["confirmed_position"]
    assert later["spool"]["bytes"] == status["spool"]["bytes"]
    assert 0 < retained[0] < retained[1], retained
    assert world.source.one(walsender) == "1"
    assert world.source.one(since) == began
    page = agent.cmd("status").stdout
    assert "PAUSED" in page and "stage pause" in page

    world.target.start()
    agent.caught_up(timeout=90)
    until(lambda: not agent.status()["source"]["blocked"], 10, "the end of the pause")
    assert "capture goes on" in agent.err()
    assert world.source.one(since) == began
    agent.cutover()
    world.assert_equal()


def test_transaction_larger_than_what_is_left_is_taken_to_its_end(world):
    """The pause waits for the end of the transaction, so that the sinks can have all of it."""
    world.pgbench()
    agent = world.agent({"spool": {**SMALL, "max_size": "48MiB", "pause_at": 60, "compress_at": 50}})
    agent.start().streaming()
    assert agent.cmd("pause", "target").returncode == 0
    for _ in range(3):  # 12 MB each: the third begins below the pause and ends above it
        world.source.sql("update pgbench_accounts set abalance = abalance + 1", world.db)
    until(lambda: agent.status()["source"]["blocked"], 30, "the pause")
    until(lambda: agent.status()["spool"]["used_percent"] > 70, 5, "the transaction's end")
    assert agent.cmd("resume", "target").returncode == 0
    agent.caught_up(timeout=60)
    agent.cutover()
    world.assert_equal()


def test_pressure_compresses_and_more_than_the_limit_fits_in(world):
    """The same stages with compression: more than the limit fits in, because it becomes smaller."""
    world.pgbench()
    agent = world.agent({"spool": {**SMALL, "compression": "pressure"}}).start()
    agent.streaming()
    assert agent.cmd("pause", "target").returncode == 0
    for batch in range(110):
        update_some(world, batch)
        if batch % 10 == 0:
            # With the sink paused only compression makes room: a pause that ends was ended by it.
            until(lambda: not agent.status()["source"]["blocked"], 60, "room")
    spool = spool_of(agent)
    assert spool["packed_segments"] > 0 and spool["saved_bytes"] > 5 << 20, spool
    assert agent.cmd("resume", "target").returncode == 0
    agent.caught_up(timeout=60)
    agent.cutover()
    world.assert_equal()


def test_changes_that_every_sink_has_stay_for_a_while(world):
    world.pgbench()
    agent = world.agent({"spool": {"segment_size": "1MiB", "keep": "8s"}}).start()
    agent.streaming()
    for batch in range(20):
        update_some(world, batch)
    agent.caught_up()
    time.sleep(3)
    spool = spool_of(agent)
    assert spool["segments"] > 3 and spool["kept_bytes"] > 3 << 20, spool
    assert spool["stage"] == "ok"
    until(lambda: spool_of(agent)["segments"] <= 2, 25, "the end of keep")
    assert spool_of(agent)["kept_bytes"] < 2 << 20
    agent.cutover()
    world.assert_equal()


def test_what_is_kept_is_bounded_by_size(world):
    world.pgbench()
    agent = world.agent({"spool": {"segment_size": "1MiB", "keep": "1h", "keep_size": "4MiB"}}).start()
    agent.streaming()
    for batch in range(40):
        update_some(world, batch)
    agent.caught_up()
    # Nothing is kept before the target has made something durable.
    until(lambda: 2 << 20 < spool_of(agent)["kept_bytes"] <= 4 << 20, 15, "the size that is kept")


def test_what_is_kept_makes_room_before_anything_is_paused(world):
    world.pgbench()
    agent = world.agent({"spool": {**SMALL, "keep": "1h"}}).start()
    agent.streaming()
    for batch in range(100):
        update_some(world, batch)
        if batch % 10 == 0:
            agent.caught_up()
            assert spool_of(agent)["bytes"] <= 24 << 20
    agent.caught_up()
    until(lambda: spool_of(agent)["kept_bytes"] > 2 << 20, 15, "something that is kept")
    assert "paused" not in agent.err() and "no room" not in agent.err(), agent.err()[-2000:]
    agent.cutover()
    world.assert_equal()


@pytest.fixture
def own_disk(root):
    """A file system of 48 MB for the spool alone."""
    path = os.path.join(root, "own-disk")
    os.makedirs(path, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tidegate-test", path],
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        pytest.skip(f"this machine does not let tests mount a file system: {done.stderr.strip()}")
    yield path
    subprocess.run(["umount", "-l", path], check=True)


def fill(path):
    """Takes every byte that the disk has left."""
    with open(path, "ab", buffering=0) as f:
        chunk = b"x" * (1 << 20)
        while True:
            try:
                f.write(chunk)
            except OSError:
                if len(chunk) <= 4096:
                    return
                chunk = chunk[:len(chunk) // 4]


@pytest.mark.parametrize("min_free", ["0", "4MiB"])
def test_disk_filled_by_somebody_else_in_the_middle_of_load(min_free, world, own_disk):
    """No byte is left on the disk of the spool while changes come in; later there is room again."""
    world.pgbench()
    writers = world.write(clients=4)
    agent = world.agent({"spool": {"path": os.path.join(own_disk, "spool"), "min_free": min_free,
                                   "segment_size": "1MiB"}}).start()
    agent.streaming()
    foreign = os.path.join(own_disk, "foreign")
    for _ in range(2):
        end = time.monotonic() + 4
        while time.monotonic() < end:  # also what retirement gives back
            fill(foreign)
            time.sleep(0.2)
        assert agent.running(), agent.err()[-3000:]
        status = agent.status()
        assert status["source"]["blocked"] and status["spool"]["stage"] == "pause", status
        assert "free space" in agent.err()
        assert writers.running()
        os.unlink(foreign)
        agent.caught_up(timeout=60)
        assert not agent.status()["source"]["blocked"]
    # Also through a restart while nothing can be written.
    end = time.monotonic() + 2
    while time.monotonic() < end:
        fill(foreign)
        time.sleep(0.2)
    assert agent.status()["source"]["blocked"]
    agent.kill()
    agent.start()
    until(lambda: (agent.status() or {"source": {}})["source"].get("connected"), 20, "a connection")
    os.unlink(foreign)
    agent.caught_up(timeout=60)
    agent.streaming()
    agent.cutover()
    writers.wait()
    world.assert_equal()
