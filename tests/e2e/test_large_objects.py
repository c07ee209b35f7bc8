# SPDX-License-Identifier: Apache-2.0
"""Large objects: what the copy carried, and what the cutover brings over since. The kinds are in
sql/large_objects.sql, what happens to them in sql/large_objects_churn.sql."""
import os
import re

import pytest

from lib import paths
from lib.agent import downtime_ms
from lib.proc import until

OBJECTS = """
select m.oid, pg_get_userbyid(lomowner), coalesce(obj_description(m.oid, 'pg_largeobject'), '-'),
    coalesce((select string_agg(a::text, ',' order by a::text) from aclexplode(m.lomacl) x,
      format('%s=%s', x.grantee::regrole, x.privilege_type) a where x.grantee <> m.lomowner), '-'),
    length(lo_get(m.oid)), md5(lo_get(m.oid))
from pg_largeobject_metadata m order by 1
"""


def objects(server, db):
    return server.sql(OBJECTS, db)


def churn(world):
    world.source.script(os.path.join(paths.SQL, "large_objects_churn.sql"), world.db)


def assert_same_objects(world):
    a, b = objects(world.source, world.db), objects(world.target, world.db)
    assert a == b, [row for row in a if row not in b] + ["--"] + [row for row in b if row not in a]


def step(done, name):
    return re.search(rf"^{name} +ok .*", done.stdout, re.M).group(0)


def test_changes_are_brought_over_at_the_cutover(world):
    world.script("e2e", "sql", "large_objects.sql")
    owner = f"lo_owner_{world.db}"
    for s in (world.source, world.target):
        s.create_role(owner)
    # On the target before: none of ours, so it stays.
    world.target.sql("select lo_from_bytea(5, 'of the target')", world.db)
    agent = world.agent().start()
    agent.streaming()
    churn(world)
    world.source.sql(f"alter large object 20010 owner to {owner}", world.db)
    done = agent.cutover()
    downtime_ms(done)
    assert "of the target" == world.target.one("select convert_from(lo_get(5), 'UTF8')", world.db)
    world.target.sql("select lo_unlink(5)", world.db)
    assert_same_objects(world)
    world.assert_equal()
    # Only what was written since the first look is read behind the fence.
    assert re.search(r"lo ahead .* 2[0-9] new, ", step(done, "lo ahead")), done.stdout
    assert " 0 new, 0 changed, 0 removed" in step(done, "lo"), done.stdout
    assert " 0 compared" in step(done, "lo"), done.stdout
    for s in (world.source, world.target):
        s.psql(f"set default_transaction_read_only = off; drop owned by {owner}", world.db, check=False)
        s.psql(f"drop role {owner}", check=False)


def test_under_writes(world):
    """Objects change until the fence ends the writer; none of the changes is lost."""
    world.source.sql("create table done (n serial primary key, lo oid);"
                     "select lo_from_bytea(g, repeat('x', 3000)::bytea) from generate_series(50001, 50200) g", world.db)
    script = os.path.join(world.home, "churn.sql")
    with open(script, "w") as f:
        f.write("\\set o random(50001, 50200)\n\\set at random(0, 6000)\n"
                "begin;\nselect lo_put(:o, :at, decode(md5(random()::text), 'hex'));\n"
                "insert into done (lo) values (lo_from_bytea(0, decode(md5(random()::text), 'hex')));\n"
                "with gone as (delete from done where n in (select n from done where n % 3 = 0 limit 1 for update skip locked)"
                " returning lo) select lo_unlink(lo) from gone;\nend;\n")
    os.chmod(script, 0o644)
    agent = world.agent().start()
    agent.streaming()
    writers = world.write(clients=2, script=script)
    agent.caught_up()
    assert writers.running()
    agent.cutover()
    assert int(world.source.one("select count(*) from done", world.db)) > 0
    assert_same_objects(world)
    world.assert_equal()


@pytest.fixture
def plain(shared, on_servers):
    """Nobody may read pg_largeobject: everything is compared, by the functions that anybody may call."""
    source, target = shared
    for s, attributes in ((source, "login replication"), (target, "login")):
        s.create_role("lo_mover", attributes=attributes)
        s.create_db("lo_plain", "lo_mover")
    source.sql("grant pg_signal_backend to lo_mover")
    world = on_servers(source, target, "lo_plain")
    yield world
    world.close()
    for s in shared:
        s.drop_db("lo_plain")
        s.psql("drop owned by lo_mover; drop role lo_mover", check=False)


def test_without_the_right_to_read_the_catalog(plain):
    plain.source.psql("create table t (a integer primary key);"
                      "select lo_from_bytea(g, decode(repeat(md5(g::text), 70000), 'hex')) from generate_series(20001, 20004) g",
                      plain.db, user="lo_mover")
    agent = plain.agent(source_dsn=plain.source.uri(plain.db, "lo_mover"),
                        target_dsn=plain.target.uri(plain.db, "lo_mover"))
    check = agent.cmd("check")
    assert check.returncode == 0 and re.search(r"large-objects.*pg_largeobject", check.stdout, re.S), check.stdout
    agent.start()
    agent.streaming()
    plain.source.psql("select lo_put(20002, 1100000, 'changed'); select lo_unlink(20003); select lo_from_bytea(20009, 'new')",
                      plain.db, user="lo_mover")
    done = agent.cutover()
    assert_same_objects(plain)
    assert " 4 compared" in step(done, "lo"), done.stdout


def test_objects_of_somebody_else_block(plain):
    plain.source.sql("select lo_from_bytea(1, 'secret')", plain.db)
    agent = plain.agent(source_dsn=plain.source.uri(plain.db, "lo_mover"),
                        target_dsn=plain.target.uri(plain.db, "lo_mover"))
    check = agent.cmd("check")
    assert check.returncode == 1 and "large-objects" in check.stdout, check.stdout + check.stderr


@pytest.mark.long
@pytest.mark.parametrize("versions", [(14, 17), (16, 18)])
def test_between_versions(own_world, versions):
    """Without pg_dump of the newer ones: the schema is there already. Sequences go along."""
    world = own_world({"major": versions[0]}, {"major": versions[1]})
    ddl = "create table note (id serial primary key, body oid); create sequence alone increment by -3"
    for s in (world.source, world.target):
        s.sql(ddl, world.db)
    world.source.sql("insert into note (body) select lo_from_bytea(10000 + g, decode(repeat(md5(g::text), g * 900), 'hex')) "
                     "from generate_series(1, 60) g; select nextval('alone')", world.db)
    agent = world.agent({"schema": {"copy": False, "roles": "with_passwords"}, "sequences": {"refresh": "200ms"}})
    check = agent.cmd("check")
    assert check.returncode == 0, check.stdout + check.stderr
    agent.start()
    agent.streaming()
    world.source.sql("select lo_put(10060, 1100000, 'changed'); select lo_unlink(10002); select lo_from_bytea(20001, 'new');"
                     "insert into note (body) values (20001); select nextval('alone') from generate_series(1, 9)", world.db)
    until(lambda: int(world.target.one("select last_value from alone", world.db)) <= -28, 20, "a sequence that is near")
    done = agent.cutover()
    assert " 0 compared" in step(done, "lo"), done.stdout
    assert_same_objects(world)
    world.assert_equal(with_schema=False)
