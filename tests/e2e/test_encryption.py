# SPDX-License-Identifier: Apache-2.0
"""With a key for the spool nothing of a row stands on the disk in clear, and no other key opens it."""
import os
import time

from lib.agent import assert_clear_error

KEYS = ["%064x" % (0x1111 * n) for n in (1, 2)]
MARKER = "4417-1234-5678-9113"
SPOOL = {"segment_size": "1MiB", "compression": "zstd", "encryption_key": "${env:KEY}"}


def files_with(marker, directory):
    found = []
    for where, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(where, name)
            if os.path.isfile(path):
                with open(path, "rb") as f:
                    if marker.encode() in f.read():
                        found.append(path)
    return found


def packed(spool):
    """Segments whose header has the flag PACKED."""
    count = 0
    for name in os.listdir(spool):
        if name.endswith(".seg"):
            with open(os.path.join(spool, name), "rb") as f:
                head = f.read(128)
            count += len(head) == 128 and head[92] & 1
    return count


def fill(world, first, rows):
    world.source.sql(f"insert into card select g, '{MARKER}' || repeat(' {MARKER}', 40) "
                     f"from generate_series({first}, {first + rows - 1}) g", world.db)


def test_nothing_in_clear_and_keys_that_change(world):
    world.source.sql("create table card (id integer primary key, number text)", world.db)
    agent = world.agent({"spool": SPOOL}, env={"KEY": KEYS[0]}).start()
    agent.streaming()
    with open(f"/proc/{agent.process.pid}/limits") as f:
        assert any(line.split()[:5] == ["Max", "core", "file", "size", "0"] for line in f)
    # The target does not take anything for a while: the spool fills, and is packed.
    held = world.hold(world.target, "begin; lock table card")
    for i in range(8):
        fill(world, 1 + 1000 * i, 1000)
    deadline = time.monotonic() + 60
    spool = os.path.join(agent.dir, "spool")
    while not packed(spool) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert packed(spool) > 0
    assert len([n for n in os.listdir(spool) if n.endswith(".seg")]) > 3
    assert files_with(MARKER, agent.dir) == []
    agent.kill()

    assert agent.run(env={"KEY": KEYS[1]}) != 0
    assert_clear_error(agent.err(), "encrypted", "spool.old_encryption_keys")
    assert KEYS[0] not in agent.err() and KEYS[1] not in agent.err()

    held.stdin.close()
    held.wait(30)
    with open(agent.config) as f:
        text = f.read()
    with open(agent.config, "w") as f:
        f.write(text.replace('"encryption_key": "${env:KEY}"',
                             '"encryption_key": "${command:echo $KEY}", "old_encryption_keys": ["${env:OLD}"]'))
    agent.start(env={"KEY": KEYS[1], "OLD": KEYS[0]})
    agent.streaming()
    fill(world, 100001, 500)
    agent.caught_up(timeout=60)
    assert files_with(MARKER, agent.dir) == []
    agent.cutover()
    world.assert_equal()
