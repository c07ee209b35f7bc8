# SPDX-License-Identifier: Apache-2.0
"""Instruction counts beside those that were kept: what changed by more than the tolerance."""
import json
import os

# Counts of pure paths repeat to a fraction of a per cent; what talks to a server depends a little on how it answers, and
# all of them on the compiler and on the C library's choice of routines for the processor.
TOLERANCE = {"apply": 0.10}
DEFAULT = 0.03


def tolerance(name):
    return TOLERANCE.get(name.split()[0], DEFAULT)


def compare(found, baseline):
    """[{name, instructions, baseline, change, verdict}]"""
    out = []
    for name, count in found.items():
        before = baseline.get(name)
        change = count / before - 1 if before else None
        verdict = ("new" if change is None else "slower" if change > tolerance(name)
                   else "faster" if change < -tolerance(name) else "same")
        out.append({"name": name, "instructions": count, "baseline": before, "change": change, "verdict": verdict})
    return out


def table(lines):
    out = [f"{'path':18} {'instructions a row':>18} {'baseline':>10} {'change':>8}"]
    for line in lines:
        change = "" if line["change"] is None else f"{line['change'] * 100:+.1f} %"
        before = "" if line["baseline"] is None else f"{line['baseline']:.0f}"
        out.append(f"{line['name']:18} {line['instructions']:18.0f} {before:>10} {change:>8}  {line['verdict']}")
    slower = [line["name"] for line in lines if line["verdict"] == "slower"]
    if slower:
        out.append(f"SLOWER than the baseline: {', '.join(slower)}")
    return "\n".join(out)


def read(path):
    if not os.path.exists(path):
        return {}
    with open(path) as f:
        return json.load(f)


def write(path, found, before):
    """What was not counted this time stays."""
    with open(path, "w") as f:
        json.dump(dict(before, **found), f, indent=1, sort_keys=True)
        f.write("\n")
