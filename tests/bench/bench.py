#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs benchmarks, one after the other, each with servers of its own; README.md beside this says what they compare.

    bench.py [--short] [--size rows=20000] [--out DIR] [NAME ...]     all of them when none is named
    bench.py --list
"""
import argparse
import importlib
import os
import signal
import sys
import time
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from suite import about, result, svg, table  # noqa: E402
from suite.world import World, say  # noqa: E402
from lib import paths  # noqa: E402

CASES = ("copy_database", "copy_table", "copy_small_tables", "append", "decode", "insert_batches", "tpcb",
         "single_rows", "huge_transaction", "update_rows", "hot_keys", "many_tables", "wide_rows", "slow_disk",
         "end_to_end", "latency", "far_target", "cutover", "idle")


def case(name):
    return importlib.import_module("cases." + name)


def sizes(words):
    """{"rows": 20000} of ["rows=20000"]"""
    return {key: int(value) for key, value in (word.split("=", 1) for word in words)}


def one(name, short, changed, out):
    """Runs it, prints the table, writes the files; False when it could not be done."""
    module = case(name)
    size = dict(module.SIZES["short" if short else "full"])
    size.update({k: v for k, v in changed.items() if k in size})
    short = short or bool(changed)
    found = result.Result(name, module.TITLE, short)
    began = time.monotonic()
    say(f"{name}: {module.TITLE}, {', '.join(f'{k} {v}' for k, v in size.items())}")
    try:
        with World(getattr(module, "OPTIONS", None), short) as world:
            facts = about.all_of(world)
            module.run(world, size, found)
    except KeyboardInterrupt:
        raise
    except Exception:  # noqa: BLE001  the next benchmark is run all the same
        traceback.print_exc()
        say(f"{name}: FAILED")
        return False
    data = found.finish(dict(facts, size=size))
    path = result.write(data, out)
    svg.write(data, path.removesuffix(".json") + ".svg")
    print(table.text(data), flush=True)
    say(f"{name}: {time.monotonic() - began:.0f} s altogether")
    return bool(data["comparisons"] or data["measures"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--short", action="store_true", help="small sizes, about five minutes for everything")
    parser.add_argument("--size", action="append", default=[], metavar="WHAT=N", help="another size; such a run counts as short")
    parser.add_argument("--out", default=os.path.join(paths.TOP, "build", "bench"))
    parser.add_argument("--list", action="store_true")
    args = parser.parse_args()
    if args.list:
        for name in CASES:
            print(f"{name:18} {case(name).TITLE}")
        return 0
    names = [n.replace("-", "_") for n in args.names] or list(CASES)
    unknown = [n for n in names if n not in CASES]
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are: {' '.join(CASES)}")
    if not os.access(paths.binary(), os.X_OK):
        parser.error(f"no program at {paths.binary()}: run 'make' first")

    def terminated(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, terminated)
    began = time.monotonic()
    try:
        failed = [name for name in names if not one(name, args.short, sizes(args.size), args.out)]
    except KeyboardInterrupt:
        say("bench: stopped; servers and files are gone")
        return 130
    say(f"bench: {len(names) - len(failed)} of {len(names)} benchmarks in {time.monotonic() - began:.0f} s"
        + (f"; failed: {' '.join(failed)}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
