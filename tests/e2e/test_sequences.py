# SPDX-License-Identifier: Apache-2.0
"""Sequences: exact at the cutover, near before it. The kinds are in sql/sequences.sql."""
import os

from lib import compare, paths
from lib.proc import until

NEAR = {"sequences": {"refresh": "200ms"}}


def fill(world):
    world.script("e2e", "sql", "sequences.sql")


def use(world, times=1):
    with open(os.path.join(paths.SQL, "sequences_use.sql")) as f:
        world.source.psql(f.read() * times, world.db)


def behind(world):
    """Sequences of the target that would give out a value which the source has used."""
    query = ("select format('%I.%I', n.nspname, c.relname), pg_sequence_last_value(c.oid), seqincrement, seqcycle "
             "from pg_class c join pg_sequence on seqrelid = c.oid join pg_namespace n on n.oid = c.relnamespace "
             "where n.nspname <> 'tidegate'")
    at = {r[0]: r[1] for r in world.target.sql(query, world.db)}
    out = []
    for name, last, increment, cycles in world.source.sql(query, world.db):
        if last == "" or cycles == "t":
            continue
        if at.get(name, "") == "" or (int(last) - int(at[name])) * int(increment) > 0:
            out.append((name, last, at.get(name)))
    return out


def test_every_kind_is_exact_at_the_cutover(world):
    fill(world)
    use(world, 2)
    agent = world.agent(NEAR).start()
    agent.streaming()
    use(world, 5)
    # Set back by hand: the refresh does not follow, the cutover does.
    world.source.sql("select setval('whole', 2); alter sequence never_used restart 900", world.db)
    agent.cutover()
    world.assert_equal()


def test_kept_near_while_streaming(world):
    fill(world)
    agent = world.agent(NEAR).start()
    agent.streaming()
    use(world, 20)
    until(lambda: not behind(world), 20, "sequences that are near")
    # What moves is ahead: values that the source gave out since the last look are not given again.
    # A target that cannot be written to for a while costs a warning; rows go on.
    lock = world.hold(world.target, "begin; alter sequence plain restart 5")
    use(world, 20)
    until(lambda: "not kept up" in agent.err(), 20, "the warning")
    world.source.sql("insert into uses values (100000)", world.db)
    until(lambda: world.target.one("select count(*) from uses where id = 100000", world.db) == "1", 20, "the row")
    lock.stdin.write("rollback;\n")
    lock.stdin.close()
    lock.wait(10)
    until(lambda: not behind(world), 20, "sequences that are near")
    use(world, 20)
    until(lambda: int(world.target.one("select last_value from plain", world.db))
          > int(world.source.one("select last_value from plain", world.db)), 20, "a sequence that is ahead")
    at = world.target.one("select last_value from plain", world.db)
    world.source.sql("select setval('plain', 1)", world.db)
    # One that comes later is found by its name.
    world.source.sql("create sequence later", world.db)
    world.source.sql("select setval('later', 4711)", world.db)
    until(lambda: world.target.one("select last_value from pg_sequences where sequencename = 'later'", world.db) == "4711",
          20, "the later sequence")
    assert int(world.target.one("select last_value from plain", world.db)) >= int(at)
    agent.cutover()
    world.assert_equal()


def test_margin(world):
    fill(world)
    use(world, 3)
    agent = world.agent({"cutover": {"sequence_margin": 100}, "sequences": {"refresh": 0}}).start()
    agent.streaming()
    use(world)
    agent.cutover()
    world.assert_equal(with_sequences=False)
    a = compare.sequences(world.source, world.db)
    b = compare.sequences(world.target, world.db)
    steps = {name: int(b[name][0]) - int(a[name][0]) for name in a}
    assert steps["public.plain"] == 100 and steps["public.falling"] == -300, steps
    assert steps['"Odd schema".apart'] == 1000, steps
    assert b["public.full_up"] == ("3", "t") and b["public.cycled"][0] == "5", b
    assert b["public.never_used"] == ("600", "f"), b
