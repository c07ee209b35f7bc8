# SPDX-License-Identifier: Apache-2.0
"""Contenders in turn, A B B A, each run measured in the same way; one that fails is named and left out."""
from . import cpu


class Failed(Exception):
    """A contender could not do what it was asked to: it is left out, with this as the reason."""


def order(names, rounds):
    """A B C, C B A, A B C, ...: what comes first in one round comes last in the next."""
    return [list(names) if n % 2 == 0 else list(reversed(names)) for n in range(rounds)]


def measured(roles, action, children=None, memory_of=None):
    """Runs action() in a window of its own; the result is what the JSON calls a run.

    A role that begins with _ is no contender's: its time is not other load, and counts for nobody.
    `memory_of` returns the pids whose memory counts; a peer that lives in the servers has none.
    """
    watch = cpu.MemoryWatch(memory_of) if memory_of else None
    try:
        with cpu.Window(roles, children) as w:
            action()
    finally:
        peak = watch.stop() if watch else None
    spent = {role: seconds for role, seconds in w.cpu.items() if not role.startswith("_")}
    return {"wall": w.wall, "cpu": spent, "other": w.other, "steal": w.steal, "memory": peak}


def hold(result, say, contenders, rounds=2):
    """`contenders` is {name: function(round) that returns a run, or raises Failed}. Returns {name: [run, ...]} of those
    that finished every round; the others are in result's list of those left out."""
    runs = {name: [] for name in contenders}
    for n, names in enumerate(order(contenders, rounds)):
        for name in names:
            if name not in runs:
                continue
            try:
                run = contenders[name](n)
            except Failed as e:
                result.skip(name, str(e))
                say(f"  {name}: left out, {e}")
                del runs[name]
                continue
            say(f"  {name}: {run['wall']:.2f} s, CPU "
                + ", ".join(f"{role} {v:.2f}" for role, v in run["cpu"].items())
                + (f", memory {run['memory'] / 2**20:.0f} MiB" if run["memory"] else ""))
            runs[name].append(run)
    return runs
