# SPDX-License-Identifier: Apache-2.0
"""Fixtures. Everything started here ends here, also on Ctrl-C and SIGTERM."""
import itertools
import os
import re
import shutil
import signal
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib import agent as agent_lib  # noqa: E402
from lib import compare, load, paths, proc, proxy, server  # noqa: E402

_numbers = itertools.count(1)


def pytest_configure(config):
    config.addinivalue_line("markers", "long: takes more than 40 s; `make test-long` runs these")
    config.addinivalue_line("markers", "crash: kills the agent; `make test-crash` runs these harder")

    def terminated(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, terminated)


def pytest_sessionstart(session):
    if not session.config.option.collectonly and not os.access(paths.binary(), os.X_OK):
        pytest.exit(f"no program at {paths.binary()}: run 'make' first", 2)


@pytest.fixture(scope="session")
def root():
    """Temporary directory that every account may enter; TIDEGATE_KEEP=1 leaves it."""
    path = tempfile.mkdtemp(prefix="tidegate-e2e-")
    os.chmod(path, 0o755)
    yield path
    if not os.environ.get("TIDEGATE_KEEP"):
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def shared(root):
    """Two servers for all tests that neither restart them nor change their settings."""
    servers = []
    try:
        for name in ("source", "target"):
            s = server.Server(name, root)
            servers.append(s)
            s.start()
        yield servers
    finally:
        for s in servers:
            s.close()


@pytest.fixture
def make_server(root):
    """make_server(name, major=, options=, auth=): a server of the test's own."""
    made = []

    def make(name, **kwargs):
        s = server.Server(name, root, **kwargs)
        made.append(s)
        return s.start()

    yield make
    for s in made:
        s.close()


class World:
    """A source and a target database, and short ways to fill, migrate and compare them."""

    def __init__(self, source, target, db, home):
        self.source, self.target, self.db, self.home = source, target, db, home
        self.closing = []

    def pgbench(self, scale=1):
        load.pgbench_init(self.source, self.db, scale)

    def script(self, *parts):
        self.source.script(os.path.join(paths.TESTS, *parts), self.db)

    def write(self, **kwargs):
        """A pgbench that writes to the source until it is stopped or fenced."""
        return self._own(load.Pgbench(self.source, self.db, **kwargs))

    def repeat(self, path, **kwargs):
        return self._own(load.Repeat(self.source, self.db, path, **kwargs))

    def proxy(self, to):
        return self._own(proxy.Proxy(to.port))

    def hold(self, where, statements):
        return where.hold(statements, self.db)

    def agent(self, settings=None, source_dsn=None, target_dsn=None, name=None, env=None):
        n = next(_numbers)
        name = name or f"{re.sub('[^a-z0-9]', '', self.db.lower())}_{n}"
        a = agent_lib.Agent(
            os.path.join(self.home, name), source_dsn or self.source.uri(self.db),
            target_dsn or self.target.uri(self.db), name, settings, env)
        return self._own(a)

    def _own(self, thing):
        self.closing.append(thing)
        return thing

    def assert_equal(self, **kwargs):
        compare.assert_equal(self.source, self.db, self.target, self.db, **kwargs)

    def analyzed(self, table):
        """How often ANALYZE, not autovacuum, was run on the target's table by sessions of the agent that have ended."""
        ours = ("select count(*) from pg_stat_activity where datname = current_database() "
                "and application_name like 'tidegate%'")
        proc.until(lambda: self.target.one(ours, self.db) == "0", 30, "the end of the agent's sessions on the target")
        return int(self.target.one(
            f"select analyze_count from pg_stat_user_tables where relname = '{table}'", self.db))

    def close(self):
        reports = []
        for thing in reversed(self.closing):
            thing.close()
            if isinstance(thing, agent_lib.Agent) and os.path.exists(thing.err_path):
                print(f"--- stderr of agent {thing.name} (last lines)\n{thing.err()[-6000:]}")
                reports += thing.sanitizer_reports()
        assert not reports, reports


def _world(source, target, root, db, create=True):
    home = os.path.join(root, db)
    os.makedirs(home, exist_ok=True)
    if create:
        source.create_db(db)
        target.create_db(db)
    return World(source, target, db, home)


@pytest.fixture
def world(shared, root):
    """Fresh empty databases of one name on the shared servers."""
    w = _world(shared[0], shared[1], root, f"app_{next(_numbers)}")
    yield w
    w.close()
    for s in shared:
        s.drop_db(w.db)
    # Origins belong to the cluster, not to the database.
    shared[1].psql("select pg_replication_origin_drop(roname) from pg_replication_origin "
                   "where roname like 'tidegate%'", check=False)


@pytest.fixture(scope="module")
def lasting_world(shared, root):
    """The same for all tests of a file that ask for it."""
    w = _world(shared[0], shared[1], root, f"app_{next(_numbers)}")
    yield w
    w.close()
    for s in shared:
        s.drop_db(w.db)
    shared[1].psql("select pg_replication_origin_drop(roname) from pg_replication_origin "
                   "where roname like 'tidegate%'", check=False)


@pytest.fixture
def own_world(make_server, root):
    """own_world(source={...}, target={...}): databases on servers of the test's own."""
    made = []

    def make(source=None, target=None):
        w = _world(make_server("source", **(source or {})), make_server("target", **(target or {})),
                   root, f"app_{next(_numbers)}")
        made.append(w)
        return w

    yield make
    for w in made:
        w.close()


@pytest.fixture
def on_servers(root):
    """on_servers(source, target, db): a World over databases that the test makes itself."""
    made = []

    def make(source, target, db, create=False):
        w = _world(source, target, root, db, create)
        made.append(w)
        return w

    yield make
    for w in made:
        w.close()


def pytest_terminal_summary(terminalreporter):
    """One line that scripts add up."""
    def count(*kinds):
        return sum(len(terminalreporter.stats.get(kind, ())) for kind in kinds)

    terminalreporter.write_line(
        f"e2e: {count('passed')} passed, {count('failed', 'error')} failed, {count('skipped')} skipped")
