# SPDX-License-Identifier: Apache-2.0
"""`tidegate spool ls | cat | verify`: beside a running agent, after it, and over damaged files."""
import json
import os
import re
import struct
import subprocess
import sys
import time

import pytest

from lib import agent as agent_lib
from lib import paths, proc
from lib.proc import until

KEY = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
SECRET = "nobody@may.see"
INSPECT = os.path.join(paths.TESTS, "lib", "spool_inspect.py")

SCHEMA = """
create schema crm;
create table public.orders (id int primary key, email text, note text);
create table crm."odd.table" (id int primary key, email text);
alter table public.orders replica identity full;
"""


def spool_dir(agent):
    return os.path.join(agent.dir, "spool")


def held(world, settings=None):
    """A streaming agent whose sink is paused: everything that comes stays in the spool."""
    world.source.sql(SCHEMA, world.db)
    settings = agent_lib.merge({"spool": {"segment_size": "1MiB"}}, settings or {})
    agent = world.agent(settings, env={"SPOOL_KEY": KEY}).start()
    agent.streaming()
    assert agent.cmd("pause", "target").returncode == 0
    until(lambda: agent.status()["sinks"][0]["state"] == "paused", 10, "the pause")
    return agent


def sql(world, text):
    world.source.sql(text, world.db)


def durable(world, agent):
    """Waits until everything committed by now is durable in the spool."""
    lsn = world.source.one("select pg_current_wal_insert_lsn()", world.db)
    until(lambda: position(agent.status()["spool"]["durable_position"]) >= position(lsn), 30, "the spool")


def position(text):
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


def cat(agent, *args, expect=0):
    done = agent.cmd("spool", "cat", *args)
    assert done.returncode == expect, (done.stdout[-2000:], done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def verify(agent, *args, expect):
    done = agent.cmd("spool", "verify", "--json", *args)
    assert done.returncode == expect, (done.stdout, done.stderr)
    return json.loads(done.stdout)


def ls(agent, expect=0):
    done = agent.cmd("spool", "ls", "--json")
    assert done.returncode == expect, (done.stdout, done.stderr)
    return json.loads(done.stdout)


def fill(world, megabytes, start=1000, rows=100):
    """Transactions of `rows` KiB each, in one session."""
    sql(world, ";\n".join(
        f"insert into public.orders (id, email) select {start + i * rows} + g, "
        f"(select string_agg(md5(random()::text), '') from generate_series(1, 32) where g > 0) "
        f"from generate_series(1, {rows}) g" for i in range(megabytes * 1000 // rows)))


def flip(path, at, bits=4):
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ bits]))


def blocks(path):
    """[(offset, length)] of the valid block headers at the front of an unpacked file."""
    with open(path, "rb") as f:
        data = f.read()
    at, found = 128, []
    while data[at:at + 4] == b"TGBK":
        length = struct.unpack_from("<I", data, at + 40)[0]
        found.append((at, length))
        at += 64 + length
    return found


# --- ls ------------------------------------------------------------------------------------------


def test_ls_tells_segments_cursors_and_totals(world):
    agent = held(world)
    sql(world, "insert into public.orders values (1, 'a', 'b')")
    fill(world, 3)
    durable(world, agent)
    now = ls(agent)
    states = [s["state"] for s in now["segments"]]
    assert len(states) >= 3 and states[-1] == "open" and set(states[:-1]) == {"sealed"}
    assert now["totals"]["transactions"] >= 31
    assert now["totals"]["segment_bytes"] == sum(
        os.path.getsize(os.path.join(spool_dir(agent), s["file"])) for s in now["segments"])
    assert now["cursors_from"] == "agent"
    sink, = now["sinks"]
    assert sink["name"] == "target"
    assert sink["position"] == agent.status()["sinks"][0]["durable_position"]
    assert 3_000_000 < sink["behind_bytes"] < now["totals"]["segment_bytes"]
    text = agent.cmd("spool", "ls")
    assert text.returncode == 0 and "as the running agent says" in text.stdout
    assert agent.cmd("resume", "target").returncode == 0
    agent.caught_up()
    assert ls(agent)["sinks"][0]["behind_bytes"] < 100_000
    assert agent.stop() == 0
    after = ls(agent)
    assert after["cursors_from"] == "store"
    assert agent_lib.command("spool", "ls", spool_dir(agent)).returncode == 0


# --- cat -----------------------------------------------------------------------------------------


def test_cat_chooses_by_position_transaction_table_and_kind(world):
    agent = held(world)
    for i in range(5):
        sql(world, f"begin; insert into public.orders values ({i}, 'a{i}', 'n'); "
                   f"insert into crm.\"odd.table\" values ({i}, 'b{i}'); commit")
    sql(world, "update public.orders set note = 'x' where id = 1")
    sql(world, "delete from public.orders where id = 2; truncate crm.\"odd.table\"")
    durable(world, agent)
    every = cat(agent)
    commits = [c["position"] for c in every if c["kind"] == "commit"]
    assert len(commits) == 8
    # Behind the second, up to and with the fourth; one byte less leaves it out.
    some = cat(agent, "--from", commits[1], "--to", commits[3])
    assert [c["position"] for c in some if c["kind"] == "commit"] == commits[2:4]
    assert [c["kind"] for c in some if c["kind"] != "mark"] == ["begin", "insert", "insert", "commit"] * 2
    less = position(commits[3]) - 1
    some = cat(agent, "--from", commits[1], "--to", f"{less >> 32:X}/{less & 0xFFFFFFFF:X}")
    assert [c["position"] for c in some if c["kind"] == "commit"] == commits[2:3]
    assert [c for c in cat(agent, "--from", commits[-1]) if c["kind"] != "mark"] == []

    begin = [c for c in every if c["kind"] == "begin"][3]
    one = cat(agent, "--xid", str(begin["xid"]))
    assert [c["kind"] for c in one] == ["begin", "insert", "insert", "commit"]
    assert {c["xid"] for c in one} == {begin["xid"]}

    odd = cat(agent, "--table", 'crm."odd.table"')
    assert [c["kind"] for c in odd] == ["begin", "insert", "commit"] * 5 + ["begin", "truncate", "commit"]
    rest = cat(agent, "--op", "update,delete")
    assert [c["kind"] for c in rest] == ["begin", "update", "commit", "begin", "delete", "commit"]
    assert rest[1]["old"]["note"] == "n" and rest[1]["new"]["note"] == "x"
    assert len(cat(agent, "--limit", "3")) == 3
    assert agent.cmd("spool", "cat", "--op", "inzert").returncode == 2
    assert agent.cmd("spool", "cat", "--raw", "--mask", "email").returncode == 2
    early = agent.cmd("spool", "cat", "--from", "0/1")
    assert early.returncode == 1 and "reach back" in early.stderr
    # The same without the agent.
    agent.kill()
    assert [c for c in cat(agent) if c["kind"] != "mark"][:len(every)] == [c for c in every if c["kind"] != "mark"]


def test_a_masked_column_is_never_in_the_output(world):
    agent = held(world)
    sql(world, f"insert into public.orders values (1, '{SECRET}', 'note'), (2, null, 'n2')")
    sql(world, f"update public.orders set email = 'next-' || email, note = 'seen' where id = 1")
    sql(world, f"insert into crm.\"odd.table\" values (1, '{SECRET}')")
    sql(world, "delete from public.orders")
    durable(world, agent)
    assert SECRET in agent.cmd("spool", "cat").stdout
    done = agent.cmd("spool", "cat", "--mask", "email")
    assert done.returncode == 0 and SECRET not in done.stdout + done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    update, = [c for c in lines if c["kind"] == "update"]
    assert update["old"]["email"] == update["new"]["email"] == "***"
    assert update["new"]["note"] == "seen"
    assert len([c for c in lines if c["kind"] == "delete" and c["old"]["email"] == "***"]) == 2
    one = agent.cmd("spool", "cat", "--mask", "public.orders.email", "--mask", "phone")
    assert one.stdout.count(SECRET) == 1 and '"table":"crm.odd.table"' in one.stdout
    assert "'phone' has hidden nothing" in one.stderr


def test_follow_shows_what_is_appended(world):
    agent = held(world)
    sql(world, "insert into public.orders values (1, 'a', 'first')")
    durable(world, agent)
    out = os.path.join(agent.home, "followed")
    with open(out, "wb") as f:
        follower = proc.spawn([paths.binary(), "spool", "cat", "--follow", "-c", agent.config], stdout=f,
                              stderr=subprocess.PIPE, env=agent_lib.environment(agent.env))

    def inserted():
        with open(out) as f:
            text = f.read()
        return [json.loads(line) for line in text.splitlines()[:text.count("\n")] if '"insert"' in line]

    try:
        until(lambda: len(inserted()) == 1, 10, "the first row")
        sql(world, "insert into public.orders values (2, 'a', 'second')")
        until(lambda: len(inserted()) == 2, 10, "the second row")
        fill(world, 3)  # goes over several segments
        until(lambda: len(inserted()) == 2 + 3000, 30, "all rows")
        assert follower.poll() is None
    finally:
        follower.terminate()
        error = follower.communicate(timeout=10)[1]
    assert error == b""
    assert [r["new"]["id"] for r in inserted()] == [r["new"]["id"] for r in cat(agent, "--op", "insert")
                                                    if r["kind"] == "insert"]


def test_tools_beside_a_busy_agent_see_no_damage(world):
    world.pgbench(scale=1)
    agent = world.agent({"spool": {"segment_size": "1MiB", "keep": 0}}).start()
    agent.streaming()
    writers = world.write(clients=4)
    end = time.monotonic() + 12
    rounds = 0
    while time.monotonic() < end:
        done = agent.cmd("spool", "verify")
        assert done.returncode == 0, (done.stdout, done.stderr)
        done = agent.cmd("spool", "ls")
        assert done.returncode == 0, (done.stdout, done.stderr)
        done = agent.cmd("spool", "cat", "--op", "truncate")
        assert done.returncode != 6, done.stderr
        rounds += 1
    assert rounds > 5 and writers.running() and agent.running()


# --- damage --------------------------------------------------------------------------------------


def test_verify_names_every_damaged_segment_and_goes_on(world):
    agent = held(world)
    fill(world, 5)
    durable(world, agent)
    agent.kill()
    sealed = [s["file"] for s in ls(agent)["segments"] if s["state"] == "sealed"]
    assert verify(agent, expect=0)["ok"]
    hurt = [sealed[0], sealed[2]]
    offsets = {}
    for name in hurt:
        path = os.path.join(spool_dir(agent), name)
        at, length = blocks(path)[1]
        flip(path, at + 64 + length // 2)
        offsets[name] = at
    found = verify(agent, expect=6)
    assert {f["file"]: f["offset"] for f in found["findings"] if f["severity"] == "damage"} == offsets
    assert found["damages"] == 2 and found["segments"] == len(ls(agent)["segments"]) - 2
    done = agent.cmd("spool", "verify")
    assert done.returncode == 6 and all(name in done.stdout for name in hurt) and "HINT" in done.stderr


def test_cat_prints_what_is_readable_then_the_damage(world):
    agent = held(world)
    fill(world, 3)
    durable(world, agent)
    agent.kill()
    every = [c for c in cat(agent) if c["kind"] == "insert"]
    name = ls(agent)["segments"][1]["file"]
    path = os.path.join(spool_dir(agent), name)
    flip(path, blocks(path)[1][0] + 70)
    done = agent.cmd("spool", "cat", "--op", "insert")
    assert done.returncode == 6
    assert name in done.stderr and re.search(r"at byte \d+", done.stderr)
    shown = [json.loads(line) for line in done.stdout.splitlines() if '"insert"' in line]
    assert 0 < len(shown) < len(every) and shown == every[:len(shown)]
    # A header that is wrong is found before anything is read: still, what stands in front of it is shown.
    flip(path, 20)
    done = agent.cmd("spool", "cat", "--op", "insert")
    assert done.returncode == 6 and name in done.stderr
    assert done.stdout.count('"insert"') > 0
    found = ls(agent, expect=6)
    assert [s["state"] for s in found["segments"]][1] == "damaged" and len(found["segments"]) >= 3


def test_end_of_the_open_segment_is_damage_below_what_was_durable(world):
    agent = held(world)
    sql(world, "insert into public.orders values (1, 'a', 'b')")
    sql(world, "insert into public.orders values (2, 'a', 'b')")
    durable(world, agent)
    assert agent.stop() == 0
    name = ls(agent)["segments"][-1]["file"]
    path = os.path.join(spool_dir(agent), name)
    # Bytes behind the end that nobody ever promised are a torn tail.
    with open(path, "ab") as f:
        f.write(b"torn")
    found = verify(agent, expect=0)
    assert found["torn_bytes"] >= 4 and found["durable"]
    at, length = blocks(path)[-1]
    flip(path, at + 64 + length // 2)
    found = verify(agent, expect=6)
    damage, = [f for f in found["findings"] if f["severity"] == "damage"]
    assert damage["file"] == name and damage["offset"] == at and "durable up to" in damage["text"]
    # Whoever knows nothing of the agent can say what must be there.
    done = agent_lib.command("spool", "verify", spool_dir(agent))
    assert done.returncode == 0 and "--durable" in done.stdout
    done = agent_lib.command("spool", "verify", "--durable", found["durable"], spool_dir(agent))
    assert done.returncode == 6


def test_unknown_and_missing_files_are_named(world):
    agent = held(world)
    fill(world, 4)
    durable(world, agent)
    agent.kill()
    with open(os.path.join(spool_dir(agent), "notes.txt"), "w") as f:
        f.write("x")
    found = verify(agent, expect=0)
    assert [f["file"] for f in found["findings"]] == ["notes.txt"]
    name = ls(agent)["segments"][1]["file"]
    os.rename(os.path.join(spool_dir(agent), name), os.path.join(agent.home, name))
    found = verify(agent, expect=6)
    assert name in [f["file"] for f in found["findings"] if f["severity"] == "damage"]


# --- side files, compression, encryption; the second reader --------------------------------------

LARGE = ("begin; insert into public.orders select g, repeat(md5(g::text), 4), 'large' from generate_series(1, 20000) g; "
         "savepoint s; insert into public.orders select g, 'void', 'void' from generate_series(30001, 32000) g; "
         "rollback to savepoint s; insert into public.orders values (90000, 'last', 'large'); commit")


def streamed(world, **settings):
    """Held, and a transaction in the spool that came while it was open."""
    agent = held(world, settings)
    sql(world, "insert into public.orders values (0, 'before', 'b')")
    sql(world, LARGE)
    sql(world, "insert into public.orders values (99999, 'after', 'b')")
    durable(world, agent)
    return agent


def test_side_file_is_listed_read_and_its_damage_found(own_world):
    world = own_world(source={"options": {"logical_decoding_work_mem": "64kB"}})
    agent = streamed(world)
    side, = [s for s in ls(agent)["side_files"] if s["state"] == "linked"]
    begin = [c for c in cat(agent, "--op", "insert") if c["kind"] == "begin" and c["xid"] == side["xid"]]
    assert len(begin) == 1
    rows = [c["new"]["note"] for c in cat(agent, "--xid", str(side["xid"])) if c["kind"] == "insert"]
    assert rows == ["large"] * 20001
    assert verify(agent, expect=0)["side_files"] == 1
    agent.kill()
    path = os.path.join(spool_dir(agent), side["file"])
    at, length = blocks(path)[2]
    flip(path, at + 64 + length // 2)
    found = verify(agent, expect=6)
    damage, = [f for f in found["findings"] if f["severity"] == "damage"]
    assert damage["file"] == side["file"] and str(at) in damage["text"]
    done = agent.cmd("spool", "cat")
    assert done.returncode == 6 and side["file"] in done.stderr
    assert 0 < done.stdout.count('"large"') < 20001 and '"after"' not in done.stdout
    os.unlink(path)
    assert side["file"] in json.dumps(verify(agent, expect=6)["findings"])


@pytest.mark.parametrize("settings", [
    {},
    {"spool": {"compression": "zstd"}},
    {"spool": {"encryption_key": "${env:SPOOL_KEY}"}},
    {"spool": {"encryption_key": "${env:SPOOL_KEY}", "compression": "zstd"}},
], ids=["plain", "compressed", "encrypted", "both"])
def test_second_reader_sees_the_same(own_world, settings):
    """tests/lib/spool_inspect.py is written from FORMAT.md alone."""
    world = own_world(source={"options": {"logical_decoding_work_mem": "64kB"}})
    agent = streamed(world, **settings)
    fill(world, 6, start=200000, rows=20)  # small enough not to be streamed
    durable(world, agent)
    if "compression" in settings.get("spool", {}):
        until(lambda: any(s["state"] == "packed" for s in ls(agent)["segments"]), 60, "a packed segment")
    assert agent.stop() == 0
    assert verify(agent, expect=0)["ok"]
    done = proc.run([sys.executable, INSPECT, "--key", KEY, "--records", spool_dir(agent)])
    theirs = [json.loads(line) for line in done.stdout.splitlines()]
    ours = cat(agent, "--raw")

    def facts(r):
        return (r["kind"], r["position"] if isinstance(r["position"], int) else position(r["position"]),
                r.get("xid"), r.get("key"), r["payload"])

    first = next(i for i, r in enumerate(theirs) if r["kind"] not in ("mark", "schema"))
    mine = next(i for i, r in enumerate(ours) if r["kind"] not in ("mark", "schema"))
    assert len(ours) > 20000
    assert [facts(r) for r in ours[mine:]] == [facts(r) for r in theirs[first:]]
    if "encryption_key" in settings.get("spool", {}):
        for name in os.listdir(spool_dir(agent)):
            with open(os.path.join(spool_dir(agent), name), "rb") as f:
                content = f.read()
            assert b"large" not in content and b"before" not in content
        # Without the key: no damage, but a clear word.
        done = agent_lib.command("spool", "verify", spool_dir(agent))
        assert done.returncode == 1 and "key" in done.stderr
        assert agent_lib.command("spool", "ls", spool_dir(agent)).returncode == 0
