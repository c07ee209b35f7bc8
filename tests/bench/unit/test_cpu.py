# SPDX-License-Identifier: Apache-2.0
"""Reading /proc: what may stand in a name, who belongs to a tree, and that ended children stay counted."""
import os
import subprocess

from lib.proc import until
from suite import cpu

STAT = "17 (a b) c) S 4 17 17 0 -1 4194560 1 2 3 4 30 12 5 7 20 0 1 0 100"


def test_a_name_may_hold_blanks_and_parentheses():
    assert cpu.parse_stat(STAT) == (4, 54, 12)
    assert cpu.parse_user(STAT) == 30 / cpu.TICK


def test_a_tree_is_everybody_below():
    everything = {1: (0, 5), 2: (1, 6), 3: (2, 7), 4: (1, 8), 9: (0, 100)}
    assert sorted(cpu.tree(1, everything)) == [1, 2, 3, 4]
    assert cpu.tree_seconds(2, everything) == 13 / cpu.TICK
    assert cpu.tree(77, everything) == []


def test_machine_counts_what_the_host_kept():
    busy, stolen, whole = cpu.machine("cpu  100 0 50 800 20 10 5 15 0 0")
    assert (busy, stolen, whole) == (165 / cpu.TICK, 15 / cpu.TICK, 1000 / cpu.TICK)


def test_a_child_that_ended_is_still_counted():
    before = cpu.tree_seconds(os.getpid(), cpu.processes())
    subprocess.run(["sh", "-c", "i=0; while [ $i -lt 60000 ]; do i=$((i + 1)); done"], check=True)
    assert cpu.tree_seconds(os.getpid(), cpu.processes()) > before


def test_a_window_gives_each_role_its_own():
    idle = subprocess.Popen(["sleep", "30"])
    try:
        with cpu.Window({"idle": idle.pid}, children="peer") as w:
            subprocess.run(["sh", "-c", "i=0; while [ $i -lt 60000 ]; do i=$((i + 1)); done"], check=True)
    finally:
        idle.kill()
        idle.wait()
    assert w.cpu["idle"] == 0
    assert w.cpu["peer"] > 0
    assert 0 <= w.other <= 1 and 0 <= w.steal <= 1


def test_memory_watch_sees_a_process_that_comes_late():
    found = []
    watch = cpu.MemoryWatch(lambda: found)
    child = subprocess.Popen(["sleep", "30"])
    found.append(child.pid)
    try:
        until(lambda: watch.peak > 0, 30, "a look at the process")
    finally:
        child.kill()
        child.wait()
    assert watch.stop() > 0
