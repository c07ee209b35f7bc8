# SPDX-License-Identifier: Apache-2.0
"""CPU seconds by role, from /proc: a process, all that descend from it, and those of them that have ended.

A backend that ends is reaped by its postmaster, whose cutime and cstime then hold it; one that runs is counted by its
own utime and stime. So the sum over a tree only grows, whatever comes and goes in it. Resolution is a tick (10 ms).
"""
import os
import threading
import time

TICK = os.sysconf("SC_CLK_TCK")


def parse_stat(text):
    """(parent, CPU ticks, of it from children that were waited for) of a line of /proc/PID/stat."""
    # The name stands in parentheses and may hold blanks and parentheses itself.
    fields = text.rsplit(")", 1)[1].split()
    own, waited = int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])
    return int(fields[1]), own + waited, waited


def processes():
    """{pid: (parent, ticks)} of all processes."""
    out = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as f:
                parent, ticks, _ = parse_stat(f.read())
        except (OSError, IndexError):
            continue
        out[int(pid)] = (parent, ticks)
    return out


def tree(root, everything):
    """The pids of root and all that descend from it."""
    children = {}
    for pid, (parent, _) in everything.items():
        children.setdefault(parent, []).append(pid)
    out, todo = [], [root] if root in everything else []
    while todo:
        pid = todo.pop()
        out.append(pid)
        todo += children.get(pid, [])
    return out


def tree_seconds(root, everything):
    return sum(everything[pid][1] for pid in tree(root, everything)) / TICK


def parse_user(text):
    """Seconds that a line of /proc/PID/stat says were spent outside the kernel."""
    return int(text.rsplit(")", 1)[1].split()[11]) / TICK


def user_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        return parse_user(f.read())


def machine(text=None):
    """(busy, stolen, all) seconds of all cores together since the machine started."""
    if text is None:
        with open("/proc/stat") as f:
            text = f.readline()
    v = [int(x) for x in text.split()[1:9]]
    v += [0] * (8 - len(v))
    user, nice, system, idle, iowait, irq, softirq, steal = v
    busy = user + nice + system + irq + softirq
    return busy / TICK, steal / TICK, (busy + idle + iowait + steal) / TICK


def resident(pid):
    """Bytes of a process that are in memory and its own, or mapped files; None when it is gone."""
    try:
        with open(f"/proc/{pid}/status") as f:
            lines = dict(line.split(":", 1) for line in f if ":" in line)
        return (int(lines["RssAnon"].split()[0]) + int(lines["RssFile"].split()[0])) * 1024
    except (OSError, KeyError, ValueError):
        return None


class MemoryWatch:
    """The largest sum over a process tree, looked at every 50 ms from another thread.

    `roots` is a function that returns pids: of a pipe there are several, and they come late.
    """

    def __init__(self, roots):
        self.roots, self.peak = roots, 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._loop, daemon=True)
        self.thread.start()

    def look(self):
        everything = processes()
        pids = {pid for root in self.roots() if root for pid in tree(root, everything)}
        self.peak = max(self.peak, sum(resident(pid) or 0 for pid in pids))

    def _loop(self):
        while not self.ended.is_set():
            self.look()
            self.ended.wait(0.05)

    def stop(self):
        self.ended.set()
        self.thread.join()
        return self.peak


class Window:
    """with Window({"source": pid, ...}) as w: ...   Then w.wall, w.cpu, w.other and w.steal say what it took.

    A pid may be a function, which gives None while the process is not there: one that is started inside counts whole.
    `other` is the share of the machine that went to nobody of the roles, `steal` the share its host kept.
    Processes that were waited for inside (a peer's) are under "peer" when `children` is given.
    """

    def __init__(self, roles, children=None):
        self.roles, self.children = roles, children

    def _seconds(self, everything):
        pids = {role: pid() if callable(pid) else pid for role, pid in self.roles.items()}
        return {role: tree_seconds(pid, everything) if pid else 0.0 for role, pid in pids.items()}

    def __enter__(self):
        self.before = self._seconds(processes())
        self.waited = os.times()
        self.machine = machine()
        self.began = time.monotonic()
        return self

    def __exit__(self, *_):
        self.wall = time.monotonic() - self.began
        now = machine()
        waited = os.times()
        self.cpu = {role: max(0.0, now_spent - self.before[role])
                    for role, now_spent in self._seconds(processes()).items()}
        if self.children:
            self.cpu[self.children] = (waited.children_user - self.waited.children_user
                                       + waited.children_system - self.waited.children_system)
        whole = max(now[2] - self.machine[2], 1e-9)
        self.other = min(1.0, max(0.0, now[0] - self.machine[0] - sum(self.cpu.values())) / whole)
        self.steal = max(0.0, now[1] - self.machine[1]) / whole
