# SPDX-License-Identifier: Apache-2.0
"""The agent as a contender: one process that can be frozen while others are measured."""
import http.client
import json
import os
import signal
import socket
import time

from lib.agent import Agent

from .contest import Failed
from .world import say


def lsn_value(text):
    high, low = text.split("/")
    return (int(high, 16) << 32) + int(low, 16)


class _Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class BenchAgent:
    """`sinks` is {name: (connection string, options)}; the product's own defaults hold for what is not said."""

    def __init__(self, world, name, source_dsn, sinks, settings=None):
        self.world = world
        entries = [dict({"name": n, "type": "postgresql", "dsn": dsn}, **options)
                   for n, (dsn, options) in sinks.items()]
        self.agent = Agent(world.path(name), source_dsn, "", name,
                           dict({"sinks": entries, "network": {"timeout": "1h", "retry_max": "1s"}}, **(settings or {})))
        self.frozen = False
        world.later(self.close)

    # --- life ----------------------------------------------------------------------------------

    def start(self, *args):
        self.agent.start(*args)
        return self

    def close(self):
        self.thaw()
        self.agent.close()

    def pid(self):
        """None while it has not been started, or not again since forget_process()."""
        return self.agent.process.pid if self.agent.process else None

    def forget_process(self):
        """It has ended by itself and is to be started again."""
        self.agent.close()
        self.agent.process = None

    def stop(self):
        self.thaw()
        if self.agent.running():
            self.agent.stop()

    def freeze(self):
        """SIGSTOP: takes no CPU while a peer is measured or load is made. Its threads notice nothing but the time."""
        if self.agent.running():
            os.kill(self.pid(), signal.SIGSTOP)
            self.frozen = True

    def thaw(self):
        if self.frozen and self.agent.running():
            os.kill(self.pid(), signal.SIGCONT)
        self.frozen = False

    def check(self):
        if not self.agent.running():
            raise Failed(f"the agent ended with {self.agent.process.poll()}: {self.agent.err()[-600:]}")

    # --- talking to it -------------------------------------------------------------------------

    def status(self):
        """Over the control socket itself: `tidegate status` would be a process each time."""
        connection = _Unix(os.path.join(self.agent.dir, "control.sock"))
        try:
            connection.request("GET", "/status")
            return json.loads(connection.getresponse().read())
        except OSError:
            return None
        finally:
            connection.close()

    def sink(self, name):
        status = self.status()
        return next((s for s in status["sinks"] if s["name"] == name), None) if status else None

    def command(self, *args):
        done = self.agent.cmd(*args)
        if done.returncode != 0:
            raise Failed(f"tidegate {' '.join(args)}: exit {done.returncode}: {done.stderr.strip()[-400:]}")

    def until(self, condition, seconds, what, pause=0.05):
        end = time.monotonic() + seconds
        while not condition():
            self.check()
            if time.monotonic() > end:
                raise Failed(f"the agent: {what} not within {seconds} s")
            time.sleep(pause)

    def streaming(self, seconds=600):
        def there():
            s = self.status()
            return s and s["phase"] == "streaming" and all(k["state"] == "running" for k in s["sinks"])
        self.until(there, seconds, "copy and start of streaming", 0.2)

    def spooled(self, lsn, seconds=1800):
        """Until everything up to lsn is on the agent's disk."""
        def there():
            s = self.status()
            return s and lsn_value(s["spool"]["durable_position"]) >= lsn_value(lsn)
        self.until(there, seconds, "the backlog in the spool")

    def forget(self):
        """Stops it and takes slot, publication and origins away."""
        self.stop()
        done = self.agent.cmd("cleanup", "--yes")
        if done.returncode != 0:
            say(f"bench: cleanup of {self.agent.name}: {done.stderr.strip()[-400:]}")
