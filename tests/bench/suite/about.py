# SPDX-License-Identifier: Apache-2.0
"""Where and with what a benchmark was run: without it a figure means nothing."""
import os
import platform
import re
import subprocess

from lib import paths


def _first(path, pattern):
    try:
        with open(path) as f:
            found = re.search(pattern, f.read(), re.M)
        return found.group(1).strip() if found else None
    except OSError:
        return None


def machine():
    memory = _first("/proc/meminfo", r"^MemTotal:\s+(\d+) kB")
    return {
        "cores": os.cpu_count(),
        "processor": _first("/proc/cpuinfo", r"^model name\s*:\s*(.+)$") or platform.machine(),
        "memory_gib": round(int(memory) / 2**20) if memory else None,
        "kernel": platform.release(),
        "system": _first("/etc/os-release", r'^PRETTY_NAME="(.*)"'),
    }


def _said(*argv):
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=20)
        return done.stdout.strip().split("\n")[0] or None
    except OSError:
        return None


GIT = ["git", "-c", "safe.directory=*", "-C", paths.TOP]
PROGRAM = ["Makefile", "agent", "config", "decoders", "sinks"]  # what it is built of


def commit():
    """The tree that was measured; with '+' when it holds what is not committed."""
    name = _said(*GIT, "rev-parse", "--short", "HEAD")
    return name and name + ("+" if _said(*GIT, "status", "--porcelain", "-uno") else "")


def same_program(one, other):
    """Whether two commits differ in nothing that the program is built of."""
    done = subprocess.run([*GIT, "diff", "--quiet", one, other, "--", *PROGRAM], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL)
    return done.returncode == 0


def all_of(world):
    return {
        "machine": machine(),
        "versions": {"tidegate": _said(paths.binary(), "--version"), "commit": commit(),
                     "postgresql": world.version()},
        "settings": world.options,
    }
