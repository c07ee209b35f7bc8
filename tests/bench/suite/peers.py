# SPDX-License-Identifier: Apache-2.0
"""Programs that do the same work as the agent, run to their end: what they are called with is all there is to them."""
import os
import re
import shlex
import shutil
import subprocess

from lib import paths, proc

from . import contest, cpu
from .contest import Failed

LIMIT = 3600


def new_children():
    """A function that returns the children of this process which were not there when it was made."""
    me = os.getpid()
    before = {pid for pid, (parent, _) in cpu.processes().items() if parent == me}
    return lambda: [pid for pid, (parent, _) in cpu.processes().items() if parent == me and pid not in before]


def measured(world, script, role):
    """A run of a shell script of peers' commands; their CPU time is under `role`."""
    def go():
        try:
            proc.run(["sh", "-c", "set -e\n" + script], timeout=LIMIT, start_new_session=True)
        except (RuntimeError, subprocess.TimeoutExpired) as e:
            raise Failed(str(e)[-400:].replace("\n", " "))
    return contest.measured(world.pids(), go, children=role, memory_of=new_children())


def call(*words):
    return " ".join(shlex.quote(w) for w in words)


def psql(uri, command):
    return call(paths.pg_tool("psql"), "-Xqd", uri, "-v", "ON_ERROR_STOP=1", "-c", command)


def pipe(source, target, out, into):
    """COPY to COPY through two psql; the status of the first would be lost in a plain pipe of sh."""
    return f"{{ {psql(source, out)} || kill $$; }} | {psql(target, into)}"


def pgcopydb():
    """(program, version), or (None, why not)."""
    name = os.environ.get("PGCOPYDB") or shutil.which("pgcopydb")
    if not name:
        return None, "not installed; tests/lib/deps.sh bench installs Debian's, PGCOPYDB= names another"
    try:
        done = subprocess.run([name, "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=20)
    except OSError as e:
        return None, str(e)
    found = re.search(r"version (\S+)", done.stdout)
    return (name, found.group(1)) if found else (None, f"{name} says no version")
