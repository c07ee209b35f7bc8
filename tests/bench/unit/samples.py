# SPDX-License-Identifier: Apache-2.0
"""Made-up runs: the numbers are nobody's figures."""
from suite import result


def run(wall, agent=None, other=0.0, steal=0.0, **cpu):
    cpu = dict({"source": 1.0, "target": 2.0}, **cpu)
    if agent is not None:
        cpu["agent"] = agent
    return {"wall": wall, "cpu": cpu, "other": other, "steal": steal, "memory": 30 << 20 if agent is not None else None}


def about(commit="abc1234"):
    return {"machine": {"cores": 2, "processor": "made up", "memory_gib": 8, "kernel": "6", "system": "Debian"},
            "versions": {"tidegate": "tidegate 0", "commit": commit, "postgresql": "15.0"},
            "settings": {"fsync": "on", "synchronous_commit": "off"}, "size": {"rows": 1}}


def data(name="work", short=False, commit="abc1234", other=0.0, times=True):
    r = result.Result(name, "apply of made-up <rows>", short)
    r.compare("10 rows & more", "peer", {"tidegate": [run(2.0, 0.5, other), run(2.5, 0.5)], "peer": [run(5.0), run(5.0)]},
              gate=1.8, aim=2.5, times=times)
    r.measure("agent CPU", [0.4, 0.6], "s per million rows", 0.5, 0.3)
    r.skip("third", "it is not here")
    return r.finish(about(commit))
