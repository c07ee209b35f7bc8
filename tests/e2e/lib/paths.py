# SPDX-License-Identifier: Apache-2.0
"""Where things are: the tree, the program under test, server binaries, and who may run servers."""
import os
import pwd
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
TESTS = os.path.join(TOP, "tests")
DATA = os.path.join(TESTS, "data")
SQL = os.path.join(TESTS, "e2e", "sql")
PG_MAJOR = 15
PG_BIN = f"/usr/lib/postgresql/{PG_MAJOR}/bin"


def binary():
    """The program under test; TIDEGATE_BIN names another build (sanitizers)."""
    path = os.environ.get("TIDEGATE_BIN") or os.path.join(TOP, "tidegate")
    return os.path.abspath(path)


def pg_tool(name):
    """A client program of Debian's PostgreSQL: psql, pg_dump, pgbench."""
    return os.path.join(PG_BIN, name)


def server_bin(major):
    """Directory with initdb and postgres of a major version; None when it cannot be had here."""
    if major == PG_MAJOR and f"TIDEGATE_TEST_PG_BINDIR_{major}" not in os.environ:
        return PG_BIN
    script = os.path.join(TESTS, "lib", "fetch_pg.sh")
    got = subprocess.run([script, str(major)], capture_output=True, text=True)
    if got.returncode != 0:
        print(got.stderr.strip(), file=sys.stderr)
        return None
    return got.stdout.strip()


def server_user():
    """PostgreSQL refuses to run as root: then an unprivileged account that is there already."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("running as root and there is neither a user 'postgres' nor 'nobody'")
