# SPDX-License-Identifier: Apache-2.0
"""The spool's writer alone, fed from memory, to dd with one fdatasync at the end, on the same disk."""
import json
import os
import shutil

from lib import proc

from suite import contest, peers
from suite.result import OURS
from suite.world import say

TITLE = "appending to the spool"
SIZES = {"full": {"mebibytes": 2048, "record_bytes": 120}, "short": {"mebibytes": 256, "record_bytes": 120}}
PEER = "dd conv=fdatasync"


def run(world, size, result):
    path = world.path("append")
    program = os.environ["TIDEGATE_APPEND"]

    def clean():
        shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        os.sync()

    def dd(_):
        os.sync()
        got = peers.measured(world, f"dd if=/dev/zero of={path} bs=1M count={size['mebibytes']} conv=fdatasync 2>&1",
                             "dd")
        clean()
        return got

    def ours(_):
        os.sync()
        said = []
        got = contest.measured(world.pids(), lambda: said.append(proc.run(
            [program, path, str(size["mebibytes"]), str(size["record_bytes"]), "1000"], timeout=3600).stdout),
            children="agent", memory_of=peers.new_children())
        written = json.loads(said[0])["bytes"]
        assert written >= size["mebibytes"] << 20, said
        clean()
        return got

    runs = contest.hold(result, say, {PEER: dd, OURS: ours}, rounds=3)
    result.compare(f"{size['mebibytes']} MiB of records of {size['record_bytes']} bytes", PEER, runs, gate=1 / 0.85,
                   aim=1 / 0.95)
