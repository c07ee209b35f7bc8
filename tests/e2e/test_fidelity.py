# SPDX-License-Identifier: Apache-2.0
"""Whatever a database contains arrives, by the copy and by the stream: the cases are files of tests/e2e/fidelity.

Cases that need the same surroundings share a database and a migration; a failure names the case. TIDEGATE_CASE=pattern
runs those alone.
"""
import json
import os
import re
import zlib

import pytest

from lib import agent as agent_lib
from lib import fidelity, paths, server

PAIRS = [(15, 15), (15, 18), (18, 18), (14, 17)]
DUMP_MAJOR = paths.PG_MAJOR  # no newer pg_dump is here: newer sources are copied into tables that are there
CASES = fidelity.load()
TABLE = os.path.join(paths.TOP, "agent", "FIDELITY.md")


def everyday(source, target, cases):
    """The pair 15 to 15; of 18 to 18 the large group, and what is new there. All the rest is long."""
    if any(c.head.get("speed") == "long" for c in cases):
        return False
    new = not any(c.runs_on(15, 15) for c in cases)
    return (source, target) == (15, 15) or ((source, target) == (18, 18) and (cases[0].group() == "main" or new))


def groups(kind):
    """(source, target, group) as parameters; kind: which cases."""
    out = []
    for source, target in PAIRS:
        for group in sorted({c.group() for c in CASES if c.runs_on(source, target) and kind(c)}):
            members = [c for c in CASES if c.group() == group and c.runs_on(source, target)]
            marks = [] if everyday(source, target, members) else [pytest.mark.long]
            out.append(pytest.param(source, target, group, id=f"{source}-{target}-{group}", marks=marks))
    return out


@pytest.fixture(scope="session")
def cluster(root, shared):
    """cluster(major, side): a server for all fidelity tests of this process."""
    made = {(shared[0].major, "source"): shared[0], (shared[1].major, "target"): shared[1]}

    def get(major, side):
        if (major, side) not in made:
            made[(major, side)] = server.Server(f"{side}{major}", root, major=major).start()
        return made[(major, side)]

    yield get
    for s in made.values():
        if s not in shared:
            s.close()


def drop(world):
    """Databases, and origins, which belong to the cluster."""
    world.close()
    for s in (world.source, world.target):
        s.drop_db(world.db)
    world.target.psql("select pg_replication_origin_drop(roname) from pg_replication_origin "
                      "where roname like 'tidegate%'", check=False)


class Migration:
    """One database with the schemas of several cases, and its target."""

    def __init__(self, world, cases):
        self.world, self.cases = world, cases
        self.broken = {}  # case: lines
        head = cases[0].head
        source_enc, target_enc = head.get("encoding"), head.get("target encoding", "UTF8")
        fidelity.create_database(world.source, world.db, source_enc)
        fidelity.create_database(world.target, world.db, target_enc if source_enc else None)
        no_encoding = "SQL_ASCII" in (source_enc, target_enc)
        self.sides = [fidelity.Side(s, world.db, no_encoding) for s in (world.source, world.target)]
        self.settings = json.loads(head["settings"]) if "settings" in head else {}
        self.prepared = world.source.major > DUMP_MAJOR or any(c.blocks["target"] for c in cases)
        if self.prepared:
            self.settings = agent_lib.merge({"schema": {"copy": False}}, self.settings)

    def blame(self, case, line):
        self.broken.setdefault(case, []).append(line)

    def create(self):
        for case in self.cases:
            fidelity.create(self.world.source, self.world.db, case, ("schema", "rows"))
            if self.prepared:
                own = ("target",) if case.blocks["target"] else ("schema",)
                fidelity.create(self.world.target, self.world.db, case, own)
                if not case.blocks["target"]:
                    fidelity.empty(self.world.target, self.world.db, case)

    def findings(self, agent):
        """[(id, verdict, text)] of `tidegate check`."""
        done = agent.cmd("check", "--json")
        return [(f["id"], f["verdict"], f["text"]) for f in json.loads(done.stdout)["findings"]]

    def expect_findings(self, agent):
        wanted = [(c.name, f) for c in self.cases for f in c.findings]
        if not wanted:
            return
        found = self.findings(agent)
        for case, finding in wanted:
            if not any(i == finding and v != "ok" for i, v, _ in found):
                self.blame(case, f"check does not announce it: no finding '{finding}'")

    def compare(self, when):
        for case, lines in fidelity.differences(*self.sides, self.cases, when).items():
            self.broken.setdefault(case, []).extend(lines)

    def letters(self, agent):
        """Refused changes, each blamed on its case; true when there were any."""
        done = agent.cmd("dead-letters", "list", "--json", check=True)
        letters = json.loads(done.stdout)
        for letter in letters[:50]:
            text = json.dumps(letter)
            owner = next((c.name for c in self.cases if f'"{c.name}"' in text or f"{c.name}." in text), "?")
            self.blame(owner, f"refused: {text[:700]}")
        return bool(letters)

    def run(self):
        """The whole migration. What the target refuses is parked, so that other cases go on."""
        self.create()
        agent = self.world.agent(self.settings)
        with open(agent.config) as f:
            config = json.load(f)
        config["sinks"][0].setdefault("on_error", "dead_letter")
        with open(agent.config, "w") as f:
            json.dump(config, f)
        self.expect_findings(agent)
        agent.start()
        agent.streaming(timeout=120)
        self.compare("copy")
        for case in self.cases:
            fidelity.stream(self.world.source, self.world.db, case)
        agent.caught_up(timeout=120)
        if self.letters(agent):
            agent.stop()
        else:
            agent.cutover()
        self.compare("stream")
        return agent

    def assert_whole(self):
        text = "\n".join(f"case {case}:\n    " + "\n    ".join(lines) for case, lines in self.broken.items())
        assert not self.broken, "\n" + text


@pytest.fixture
def migration(cluster, on_servers):
    """migration(source, target, group): its databases, dropped afterwards."""
    made = []

    def make(source, target, group):
        cases = [c for c in CASES if c.group() == group and c.runs_on(source, target)]
        # Short: the agent's socket has this name in its path twice, and such a path has 100 bytes.
        db = f"f{source}{target}" + re.sub(r"[^a-z0-9]", "", group)[:12] + f"{zlib.crc32(group.encode()):x}"[:3]
        world = on_servers(cluster(source, "source"), cluster(target, "target"), db)
        made.append(world)
        return Migration(world, cases)

    yield make
    for world in made:
        drop(world)


@pytest.mark.parametrize("source, target, group", groups(lambda c: not {"refused", "stops"} & c.head.keys()))
def test_migrated(migration, source, target, group):
    m = migration(source, target, group)
    m.run()
    m.assert_whole()


@pytest.mark.long
def test_all_in_text(cluster, on_servers):
    """One column that names an object makes the whole feed one of text; the binary one is that of every day."""
    world = on_servers(cluster(15, "source"), cluster(15, "target"), "f_text")
    m = Migration(world, [c for c in CASES if c.group() in ("main", "text") and c.runs_on(15, 15)])
    try:
        m.run()
    finally:
        drop(world)
    m.assert_whole()


@pytest.mark.parametrize("source, target, group", groups(lambda c: "refused" in c.head))
def test_refused_before_the_start(migration, source, target, group):
    m = migration(source, target, group)
    m.create()
    agent = m.world.agent(m.settings)
    blocking = [i for i, verdict, _ in m.findings(agent) if verdict == "blocking"]
    assert m.cases[0].head["refused"] in blocking, blocking


@pytest.mark.parametrize("source, target, group", groups(lambda c: "stops" in c.head))
def test_stops_with_a_clear_error(migration, source, target, group):
    """The copy is whole, and what the stream brings is refused aloud: nothing is skipped or changed on the way."""
    m = migration(source, target, group)
    m.create()
    agent = m.world.agent(m.settings)
    agent.start()
    agent.streaming()
    m.compare("copy")
    for case in m.cases:
        fidelity.stream(m.world.source, m.world.db, case)
    assert agent.wait_exit(60) == 1
    agent_lib.assert_clear_error(agent.err(), m.cases[0].head["stops"], m.cases[0].name)
    m.assert_whole()


def test_the_table_names_every_case():
    """agent/FIDELITY.md: each row names cases that are there, and no case is left out."""
    with open(TABLE, encoding="utf-8") as f:
        rows = [line for line in f if line.startswith("| ") and not line.startswith(("| item", "| ---"))]
    named = set()
    for row in rows:
        cells = [cell.strip() for cell in row.strip().strip("|").split("|")]
        assert len(cells) == 5, row
        cases = re.findall(r"`([a-z0-9_]+)\.sql`", cells[4])
        tests = re.findall(r"`(test_[a-z_]+\.py)`", cells[4])
        assert cases or tests, f"no test stands behind: {row}"
        for name in tests:
            assert os.path.exists(os.path.join(paths.TESTS, "e2e", name)), row
        named.update(cases)
    there = {f[:-4] for f in os.listdir(fidelity.CASES) if f.endswith(".sql")}
    assert named - there == set(), "named, but not there"
    assert there - named == set(), "not in the table"
