# SPDX-License-Identifier: Apache-2.0
"""Two servers of the benchmark's own, with the same settings, and everything that runs against them."""
import os
import shutil
import signal
import sys
import tempfile

from lib import compare, paths, proc
from lib.server import Server

# The same for source and target, for us and for every peer; the report prints them.
OPTIONS = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "off",
    "shared_buffers": "1GB",
    "max_wal_size": "16GB",
    "checkpoint_timeout": "1h",
    "maintenance_work_mem": "512MB",
    "autovacuum": "off",
    "wal_sender_timeout": "0",
    "wal_receiver_timeout": "0",
    "max_replication_slots": "40",
    "max_wal_senders": "40",
    "max_connections": "100",
}
NEEDED = 20 << 30  # bytes of disk for the largest benchmark


def say(text):
    print(text, file=sys.stderr, flush=True)


class World:
    """with World(roles) as w: servers run inside, and nothing is left of them afterwards."""

    def __init__(self, options=None, short=False):
        self.root = tempfile.mkdtemp(prefix="tidegate-bench-")
        os.chmod(self.root, 0o755)
        self.options = dict(OPTIONS, **(options or {}))
        self.closers = []
        self.source = self.target = None
        self.short = short
        self.others = {}  # {role: pid} of what is nobody's: a role begins with _
        free = shutil.disk_usage(self.root).free
        if not short and free < NEEDED:
            say(f"bench: {free >> 30} GiB free at {self.root}, a full run wants {NEEDED >> 30}; TMPDIR= names another place")

    def __enter__(self):
        try:
            self.source = self._server("source")
            self.target = self._server("target")
        except BaseException:
            self.close()
            raise
        return self

    def _server(self, name):
        server = Server(name, self.root, options=self.options)
        self.closers.append(server.close)
        return server.start()

    def __exit__(self, *_):
        self.close()

    def close(self):
        # A second Ctrl-C must not leave a server behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            while self.closers:
                try:
                    self.closers.pop()()
                except Exception as e:  # noqa: BLE001  the others are closed all the same
                    say(f"bench: {e}")
        finally:
            shutil.rmtree(self.root, ignore_errors=True)
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def later(self, close):
        """To be called at the end, before what came earlier."""
        self.closers.append(close)

    def pids(self, *more):
        """{role: pid of its process tree}"""
        out = {"source": self.source.process.pid, "target": self.target.process.pid, **self.others}
        out.update(more)
        return out

    def path(self, name):
        return os.path.join(self.root, name)

    def settle(self):
        """What one contender left in memory is not written in the next one's time."""
        self.target.sql("checkpoint")
        self.source.sql("checkpoint")
        os.sync()

    def pgbench(self, db, *args):
        proc.run([paths.pg_tool("pgbench"), "-h", self.source.home, "-p", str(self.source.port), "-U", "postgres",
                  *args, db], timeout=3600)

    def version(self):
        return self.source.one("show server_version")

    def contents(self, server, db, without=()):
        """{table: (rows, hash)}"""
        return {t: found for t, found in compare.contents(server, db).items() if t not in without}


class Asker:
    """One open session: a question costs a round trip, not a process and a connection."""

    def __init__(self, server, db):
        self.session = server.session(db)

    def send(self, statement):
        self.session.stdin.write(statement + ";\n")
        self.session.stdin.flush()

    def one(self, query):
        """The single value of a query that gives exactly one line."""
        self.send(query)
        line = self.session.stdout.readline()
        if not line or line.startswith("ERROR"):
            raise RuntimeError(f"{query}: {line.strip() or 'the session ended'}")
        return line.strip()

    def close(self):
        if self.session.poll() is None:
            self.session.stdin.close()
            try:
                self.session.wait(10)
            except Exception:  # noqa: BLE001
                self.session.kill()
                self.session.wait(10)
        self.session.stdout.close()
