# SPDX-License-Identifier: Apache-2.0
"""A throw-away PostgreSQL server: its own data directory, a free port on 127.0.0.1, a socket beside it.

The postmaster is a direct child, so its end is seen and awaited. The superuser is always 'postgres'.
"""
import os
import shutil
import signal
import subprocess
import tempfile
from urllib.parse import quote

from . import paths, proc
from .ports import free_port

# Durability of the test servers themselves is not what is tested; a crash of the machine is not either.
DEFAULTS = {
    "wal_level": "logical",
    "max_wal_senders": "20",
    "max_replication_slots": "60",  # origins of agents that are gone take room, too
    "max_connections": "60",
    "max_prepared_transactions": "5",
    "shared_buffers": "64MB",
    "max_wal_size": "4GB",
    "fsync": "off",
    "log_line_prefix": "'%m [%p] %q%u@%d '",
    "log_checkpoints": "off",
    "autovacuum_naptime": "5s",
    "wal_sender_timeout": "10s",
}

# For `options` of psql(): the test writes although the database is fenced.
UNFENCED = "-c default_transaction_read_only=off"
BOOTSTRAP_PASSWORD = "bootstrap-only"


def literal(text):
    """A string as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


class Server:
    """start() .. close(); every other method works between these two."""

    _bin_copies = {}

    def __init__(self, name, root, major=paths.PG_MAJOR, options=None, auth="trust"):
        self.name = name
        self.major = major
        self.auth = auth
        self.user = paths.server_user()
        self.home = tempfile.mkdtemp(prefix=f"{name}-", dir=root)
        self.data = os.path.join(self.home, "data")
        self.log = os.path.join(self.home, "log")
        self.port = free_port()
        self.options = dict(DEFAULTS, **(options or {}))
        self.env = {}  # of the server, beside the usual
        self.process = None
        self.bin = self._usable_bin(root)
        os.chmod(self.home, 0o755)
        if self.user:
            os.chown(self.home, self.user.pw_uid, self.user.pw_gid)
        self._initdb()

    # --- life ----------------------------------------------------------------------------------

    def _usable_bin(self, root):
        """The binaries' directory; a copy where the servers' user may not enter the tree."""
        path = paths.server_bin(self.major)
        if path is None:
            raise FileNotFoundError(f"no binaries of PostgreSQL {self.major}")
        if not self.user or subprocess.run(
            ["test", "-x", os.path.join(path, "postgres")],
            user=self.user.pw_uid, group=self.user.pw_gid, extra_groups=[],
        ).returncode == 0:
            return path
        if path not in self._bin_copies:
            copy = os.path.join(root, f"pg-{self.major}")
            shutil.copytree(os.path.dirname(path), copy, symlinks=True)
            os.chmod(copy, 0o755)
            self._bin_copies[path] = os.path.join(copy, "bin")
        return self._bin_copies[path]

    def _initdb(self):
        pwfile = os.path.join(self.home, "pw")
        with open(pwfile, "w") as f:
            f.write(BOOTSTRAP_PASSWORD + "\n")
        if self.user:
            os.chown(pwfile, self.user.pw_uid, self.user.pw_gid)
        proc.run(
            [os.path.join(self.bin, "initdb"), "-D", self.data, "-U", "postgres", "-N",
             "-E", "UTF8", "--locale=C.UTF-8", "--auth-local=trust", f"--auth-host={self.auth}",
             "--pwfile", pwfile],
            user=self.user, cwd=self.home,
            env={"PATH": "/usr/bin:/bin", "HOME": self.home, "LC_ALL": "C.UTF-8"},
        )
        os.unlink(pwfile)
        with open(os.path.join(self.data, "postgresql.auto.conf"), "a") as f:
            f.write("listen_addresses = '127.0.0.1'\n")
            f.write(f"port = {self.port}\n")
            f.write(f"unix_socket_directories = '{self.home}'\n")
            for key, value in self.options.items():
                f.write(f"{key} = {value}\n")

    def start(self, wait=True):
        assert self.process is None
        with open(self.log, "ab") as log:
            self.process = proc.spawn(
                [os.path.join(self.bin, "postgres"), "-D", self.data],
                death_signal=signal.SIGQUIT, user=self.user, cwd=self.home,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env={"PATH": "/usr/bin:/bin", "HOME": self.home, "LC_ALL": "C.UTF-8", **self.env},
            )
        if wait:
            proc.until(self._ready, 60, f"start of server {self.name}")
        return self

    def _ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"server {self.name} ended: {self.log_tail()}")
        return self.psql("select 1", check=False).returncode == 0

    def stop(self, mode="fast"):
        if self.process is None:
            return
        signals = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
        self.process.send_signal(signals[mode])
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(30)
        self.process = None

    def restart(self, mode="fast"):
        self.stop(mode)
        self.start()

    def close(self):
        if self.process is not None:
            self.stop("immediate")
        shutil.rmtree(self.home, ignore_errors=True)

    def log_tail(self, size=3000):
        try:
            with open(self.log, errors="replace") as f:
                return f.read()[-size:]
        except OSError:
            return ""

    # --- talking to it -------------------------------------------------------------------------

    def uri(self, db="postgres", user="postgres", password=None, host="127.0.0.1", port=None,
            **params):
        who = quote(user, safe="")
        if password is not None:
            who += ":" + quote(password, safe="")
        tail = "&".join(f"{k}={quote(str(v), safe='')}" for k, v in params.items())
        return f"postgresql://{who}@{host}:{port or self.port}/{quote(db, safe='')}" + (
            "?" + tail if tail else "")

    def _env(self, **extra):
        env = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        env.update(PGHOST=self.home, PGPORT=str(self.port), PGUSER="postgres", PGCONNECT_TIMEOUT="10")
        env.update(extra)
        return env

    def psql(self, sql, db="postgres", user="postgres", check=True, timeout=120, options=""):
        return proc.run(
            [paths.pg_tool("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", db, "-f", "-"],
            input=sql, check=check, timeout=timeout,
            env=self._env(PGUSER=user, PGOPTIONS=options),
        )

    def sql(self, sql, db="postgres", **kwargs):
        """Rows as lists of strings (NULL is ''); columns are split at '|'."""
        out = self.psql(sql, db, **kwargs).stdout
        return [line.split("|") for line in out.splitlines()]

    def one(self, sql, db="postgres", **kwargs):
        """The single value of a query, as a string."""
        rows = self.sql(sql, db, **kwargs)
        assert len(rows) == 1 and len(rows[0]) == 1, rows
        return rows[0][0]

    def script(self, path, db="postgres", **kwargs):
        with open(path) as f:
            return self.psql(f.read(), db, **kwargs)

    def session(self, db="postgres", user="postgres"):
        """An open psql: write statements to .stdin, close it to end. For locks and open transactions."""
        return proc.spawn(
            [paths.pg_tool("psql"), "-X", "-q", "-A", "-t", "-d", db, "-v", "ON_ERROR_STOP=1"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            bufsize=1, env=self._env(PGUSER=user),
        )

    def hold(self, statements, db="postgres"):
        """Runs statements in an open session and returns it once they are done."""
        s = self.session(db)
        s.stdin.write(statements.rstrip(";\n") + ";\nselect 'held';\n")
        s.stdin.flush()
        for line in s.stdout:
            if line.strip() == "held":
                return s
        raise RuntimeError(f"session ended before it held: {statements}")

    def create_db(self, name, owner=None):
        self.sql(f'create database "{name}"' + (f' owner "{owner}"' if owner else ""))

    def drop_db(self, name):
        """With everything of tidegate's that would keep it alive."""
        self.sql(
            "select pg_terminate_backend(active_pid) from pg_replication_slots "
            f"where database = {literal(name)} and active", check=False)
        slots = (f"select pg_drop_replication_slot(slot_name) from pg_replication_slots "
                 f"where database = {literal(name)}")
        proc.until(lambda: self.psql(slots, check=False).returncode == 0, 15, "drop of slots")
        self.psql(f'drop database if exists "{name}" with (force)', check=False)

    def create_role(self, name, password=None, attributes="login"):
        clause = f" password {literal(password)}" if password else ""
        self.sql(f'create role "{name}" {attributes}{clause}')
