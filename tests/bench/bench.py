#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Wall-clock ratios of tidegate to a peer, on the same two servers, in the same run, in order A B B A.

    tests/bench/bench.py copy   [--scale 50]             whole database, to pg_dump -Fd -j2 + pg_restore -j2
    tests/bench/bench.py apply  [--transactions 64000]   a backlog, to a native subscription (binary)
    tests/bench/bench.py drain  [--rows 2000000]         a backlog received and durably spooled, to pg_recvlogical -f /dev/null
    tests/bench/bench.py append [--mebibytes 2048]       synthetic records, to dd conv=fdatasync on the same disk

Contents are compared outside the timed window. Prints a table, and JSON with --json.
"""
import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from lib import compare, paths, proc  # noqa: E402
from lib.agent import Agent  # noqa: E402
from lib.server import Server  # noqa: E402

OPTIONS = {
    "fsync": "on",
    "shared_buffers": "1GB",
    "max_wal_size": "16GB",
    "checkpoint_timeout": "1h",
    "maintenance_work_mem": "512MB",
    "autovacuum": "off",
    "synchronous_commit": "off",
    "wal_sender_timeout": "60s",
}


def say(text):
    print(text, file=sys.stderr, flush=True)


def timed(action):
    began = time.monotonic()
    action()
    return time.monotonic() - began


def equal(source, sdb, target, tdb):
    left, right = compare.contents(source, sdb), compare.contents(target, tdb)
    assert left == right, "contents differ"


def pgbench(server, db, *args):
    proc.run([paths.pg_tool("pgbench"), "-h", server.home, "-p", str(server.port), "-U", "postgres",
              *args, db], timeout=3600)


class Bench:
    def __init__(self, root):
        self.root = root
        self.source = Server("source", root, options=OPTIONS).start()
        self.target = Server("target", root, options=OPTIONS).start()
        self.agents = 0

    def close(self):
        self.source.close()
        self.target.close()

    def agent(self, sdb, tdb):
        self.agents += 1
        home = os.path.join(self.root, f"agent{self.agents}")
        return Agent(home, self.source.uri(sdb), self.target.uri(tdb), f"bench{self.agents}")

    def fresh_target(self, db):
        self.target.drop_db(db)
        self.target.create_db(db)
        self.target.sql("checkpoint")
        self.source.sql("checkpoint")


def cleanup(agent):
    done = agent.cmd("cleanup", "--yes")
    assert done.returncode == 0, done.stderr


# --- copy ----------------------------------------------------------------------------------------

def copy_peer(b):
    dump = os.path.join(b.root, "dump")
    shutil.rmtree(dump, ignore_errors=True)
    proc.run([paths.pg_tool("pg_dump"), "-Fd", "-j2", "-f", dump, "-d", b.source.uri("bench")],
             timeout=3600)
    proc.run([paths.pg_tool("pg_restore"), "-j2", "-d", b.target.uri("copied"), dump], timeout=3600)


def bench_copy(b, args):
    b.source.create_db("bench")
    pgbench(b.source, "bench", "-i", "-q", "-s", str(args.scale))
    b.source.sql("vacuum analyze", "bench")
    times = {"peer": [], "tidegate": []}
    for who in ("peer", "tidegate", "tidegate", "peer"):
        b.fresh_target("copied")
        if who == "peer":
            took = timed(lambda: copy_peer(b))
        else:
            agent = b.agent("bench", "copied")
            codes = []
            took = timed(lambda: codes.append(agent.run("--until", "copied", timeout=3600)))
            assert codes == [0], agent.err()[-3000:]
            say(f"  memory {agent.rss / 2**20:.0f} MiB")
            cleanup(agent)
        equal(b.source, "bench", b.target, "copied")
        say(f"  {who}: {took:.2f} s")
        times[who].append(took)
    return f"copy, scale {args.scale}, to pg_dump -j2 + pg_restore -j2", times


# --- apply ---------------------------------------------------------------------------------------

def native_start(b):
    b.source.sql("create publication native_pub for all tables", "bench")
    schema = proc.run([paths.pg_tool("pg_dump"), "-s", "--no-publications", "-d",
                       b.source.uri("bench")]).stdout
    b.target.psql(schema, "native")
    b.source.sql("select pg_create_logical_replication_slot('native_sub', 'pgoutput')", "bench")
    b.target.sql(f"create subscription native_sub connection '{b.source.uri('bench')}' publication "
                 "native_pub with (binary = true, copy_data = true, create_slot = false, "
                 "enabled = true)", "native")
    ready = "select count(*) = 0 from pg_subscription_rel where srsubstate <> 'r'"
    proc.until(lambda: b.target.one(ready, "native") == "t", 600, "native table sync")


def native_apply(b, lsn):
    b.target.sql("alter subscription native_sub enable", "native")
    done = ("select coalesce(pg_replication_origin_progress('pg_' || oid, false) >= "
            f"'{lsn}', false) from pg_subscription where subname = 'native_sub'")
    while b.target.one(done, "native") != "t":
        time.sleep(0.02)


def native_disable(b):
    b.target.sql("alter subscription native_sub disable", "native")
    gone = "select count(*) from pg_stat_replication where application_name = 'native_sub'"
    proc.until(lambda: b.source.one(gone) == "0", 30, "end of the native walsender")


def bench_apply(b, args):
    for server, db in ((b.source, "bench"), (b.target, "native"), (b.target, "ours")):
        server.create_db(db)
    pgbench(b.source, "bench", "-i", "-q", "-s", str(args.scale))
    # Without a key neither side could carry updates; history only gets inserts.
    native_start(b)
    agent = b.agent("bench", "ours")
    assert agent.run("--until", "streaming", timeout=600) == 0, agent.err()[-3000:]
    times = {"peer": [], "tidegate": []}
    for order in (("peer", "tidegate"), ("tidegate", "peer")):
        native_disable(b)
        say(f"  {args.transactions} transactions")
        pgbench(b.source, "bench", "-n", "-M", "prepared", "-c", "8", "-t",
                str(args.transactions // 8))
        # The mark is the last commit: whoever has it has everything.
        b.source.sql("begin; update pgbench_branches set filler = 'end' where bid = 1; commit", "bench")
        lsn = b.source.one("select pg_current_wal_lsn()", "bench")
        b.source.sql("update pgbench_branches set filler = 'next' where bid = 1", "bench")
        b.source.sql("checkpoint")
        b.target.sql("checkpoint")
        for who in order:
            if who == "peer":
                took = timed(lambda: native_apply(b, lsn))
            else:
                codes = []
                took = timed(lambda: codes.append(agent.run("--until-lsn", lsn, timeout=3600)))
                assert codes == [0], agent.err()[-3000:]
                say(f"  memory {agent.rss / 2**20:.0f} MiB")
            say(f"  {who}: {took:.2f} s")
            times[who].append(took)
        assert agent.run("--until-lsn", b.source.one("select pg_current_wal_lsn() - 8", "bench")) == 0
        proc.until(lambda: compare.contents(b.target, "native") == compare.contents(b.source, "bench"),
                   60, "native equality")
        equal(b.source, "bench", b.target, "ours")
    b.target.sql("alter subscription native_sub disable", "native")
    return f"apply {args.transactions} pgbench transactions, to a native subscription", times


# --- drain ---------------------------------------------------------------------------------------

def drain_peer(b, slot, lsn):
    version = b.source.one("show server_version_num")
    proto = {"14": 2, "15": 3}.get(version[:2], 4)
    began = os.times()
    proc.run([paths.pg_tool("pg_recvlogical"), "-d", b.source.uri("bench"), "-S", slot, "--start",
              "--no-loop", "-f", "/dev/null", "-E", lsn, "-o", f"proto_version={proto}",
              "-o", "publication_names=bench_pub", "-o", "binary=true", "-o", "messages=true",
              "-o", "streaming=on"], timeout=3600)
    ended = os.times()
    return ended.children_user + ended.children_system - began.children_user - began.children_system


def cpu_of(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def lsn_value(text):
    high, low = text.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def drain_ours(b, agent, lsn):
    """Until the agent says that it is durable; the target is down all the time."""
    agent.start()
    while True:
        status = agent.status()
        if status and lsn_value(status["spool"]["durable_position"]) >= lsn_value(lsn):
            break
        assert agent.running(), agent.err()[-3000:]
        time.sleep(0.05)
    cpu = cpu_of(agent.process.pid)
    say(f"  memory {agent.rss / 2**20:.0f} MiB")
    return cpu


def bench_drain(b, args):
    b.source.create_db("bench")
    b.target.create_db("ours")
    b.source.sql("create table t (id bigint primary key, a int, b text, c timestamptz, d numeric)", "bench")
    b.source.sql("create publication bench_pub for all tables", "bench")
    agents = [b.agent("bench", "ours") for _ in range(2)]
    for agent in agents:
        assert agent.run("--until", "streaming", timeout=600) == 0, agent.err()[-3000:]
        b.target.drop_db("ours")
        b.target.create_db("ours")
    for n in range(2):
        b.source.sql(f"select pg_create_logical_replication_slot('peer{n}', 'pgoutput')", "bench")
    b.target.stop()
    b.source.sql(
        "do $$ begin for i in 1.." + str(args.rows // args.per_transaction) + " loop insert into t select "
        f"(i - 1) * {args.per_transaction} + g, g, 'some text of forty bytes to fill the row ' || g, now(), "
        f"g * 1.25 from generate_series(1, {args.per_transaction}) g; commit; end loop; end $$", "bench")
    lsn = b.source.one("select pg_current_wal_lsn()", "bench")
    b.source.sql("create table past_the_end (i int); checkpoint", "bench")
    times, cpu = {"peer": [], "tidegate": []}, {"peer": [], "tidegate": []}
    turns = {"peer": [lambda n=n: cpu["peer"].append(drain_peer(b, f"peer{n}", lsn)) for n in range(2)],
             "tidegate": [lambda a=a: cpu["tidegate"].append(drain_ours(b, a, lsn)) for a in agents]}
    for who in ("peer", "tidegate", "tidegate", "peer"):
        took = timed(turns[who].pop(0))
        for agent in agents:
            if agent.running():
                agent.kill()
        say(f"  {who}: {took:.2f} s, CPU {cpu[who][-1]:.2f} s")
        times[who].append(took)
    shape = f"{args.rows} rows, {args.per_transaction} a transaction"
    return [(f"receive and durably spool {shape}, to pg_recvlogical -f /dev/null", times),
            (f"the same, CPU seconds of the receiver", cpu)]


# --- append --------------------------------------------------------------------------------------

def bench_append(b, args):
    times = {"peer": [], "tidegate": []}
    for who in ("peer", "tidegate", "tidegate", "peer", "peer", "tidegate"):
        path = os.path.join(b.root, "append")
        os.sync()
        if who == "peer":
            took = timed(lambda: proc.run(["dd", "if=/dev/zero", f"of={path}", "bs=1M",
                                           f"count={args.mebibytes}", "conv=fdatasync"], timeout=3600))
        else:
            took = json.loads(proc.run([os.environ["TIDEGATE_APPEND"], path, str(args.mebibytes),
                                        str(args.record_bytes), "1000"], timeout=3600).stdout)["seconds"]
        shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        say(f"  {who}: {took:.2f} s, {args.mebibytes / took:.0f} MiB/s")
        times[who].append(took)
    return f"append {args.mebibytes} MiB of {args.record_bytes} byte records, to dd conv=fdatasync", times


def report(name, times, as_json):
    ratios = [t / p for t, p in zip(times["tidegate"], times["peer"])]
    result = {"benchmark": name, "machine": f"{os.cpu_count()} cores, {platform.machine()}",
              "peer_s": times["peer"], "tidegate_s": times["tidegate"], "ratios": ratios}
    if as_json:
        print(json.dumps(result))
        return
    print(name)
    for who in ("peer", "tidegate"):
        print(f"  {who:9} {min(times[who]):8.2f} .. {max(times[who]):.2f} s")
    print(f"  ratio     {min(ratios):8.2f} .. {max(ratios):.2f}   (below 1: tidegate is faster)")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("benchmark", choices=("copy", "apply", "drain", "append", "all"))
    parser.add_argument("--scale", type=int, default=50)
    parser.add_argument("--transactions", type=int, default=64000)
    parser.add_argument("--rows", type=int, default=2000000)
    parser.add_argument("--per-transaction", type=int, default=1000)
    parser.add_argument("--mebibytes", type=int, default=2048)
    parser.add_argument("--record-bytes", type=int, default=120)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    every = {"copy": bench_copy, "apply": bench_apply, "drain": bench_drain, "append": bench_append}
    for run in every.values() if args.benchmark == "all" else [every[args.benchmark]]:
        root = tempfile.mkdtemp(prefix="tidegate-bench-")
        os.chmod(root, 0o755)
        b = None
        try:
            b = Bench(root)
            results = run(b, args)
            for result in results if isinstance(results, list) else [results]:
                report(*result, args.json)
        finally:
            if b:
                b.close()
            shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
