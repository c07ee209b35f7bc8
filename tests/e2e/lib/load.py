# SPDX-License-Identifier: Apache-2.0
"""Writers: pgbench, and a psql that repeats a script. Both go on until stopped or refused."""
import os
import signal
import subprocess
import threading

from . import paths, proc

PGBENCH_KEY = "alter table pgbench_history add column hid bigserial primary key"


def pgbench_init(server, db, scale=1, history_key=True):
    proc.run([paths.pg_tool("pgbench"), "-i", "-q", "-s", str(scale), server.uri(db)])
    if history_key:
        server.sql(PGBENCH_KEY, db)


class Pgbench:
    """pgbench in the background. It ends by itself when the server refuses its writes (the fence)."""

    def __init__(self, server, db, clients=4, rate=None, seconds=600, user="postgres", script=None):
        argv = [paths.pg_tool("pgbench"), "-n", "-c", str(clients), "-j", "1", "-T", str(seconds),
                "-P", "1"]
        if rate:
            argv += ["--rate", str(rate)]
        if script:
            argv += ["-f", script]
        argv += [server.uri(db, user=user)]
        self.process = proc.spawn(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True)
        self.output = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.output.append(line)

    def running(self):
        return self.process.poll() is None

    def stop(self):
        if self.running():
            self.process.send_signal(signal.SIGINT)
        self.wait()

    def wait(self, timeout=30):
        self.process.wait(timeout)
        self.reader.join(5)
        return "".join(self.output)

    close = stop


class Repeat:
    """Runs an SQL script again and again in fresh transactions; `rounds` says how often it went through.

    The text {i} in the script becomes the number of the round.
    """

    def __init__(self, server, db, path, pause=0.0):
        with open(path) as f:
            self.text = f.read()
        self.server, self.db, self.pause = server, db, pause
        self.rounds = 0
        self.error = None
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._loop, daemon=True)
        self.thread.start()

    def _loop(self):
        while not self.ended.is_set():
            done = self.server.psql(self.text.replace("{i}", str(self.rounds)), self.db, check=False)
            if done.returncode != 0:
                self.error = done.stderr
                return
            self.rounds += 1
            self.ended.wait(self.pause)

    def running(self):
        return self.thread.is_alive()

    def stop(self):
        self.ended.set()
        self.thread.join(60)

    close = stop


def rss_high_water(pid):
    """Peak resident memory of a process in bytes; None when it has ended."""
    try:
        with open(f"/proc/{pid}/status") as f:
            for line in f:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def cmdlines():
    """Command lines of all processes, as `ps` shows them."""
    out = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                out.append(f.read().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return out
