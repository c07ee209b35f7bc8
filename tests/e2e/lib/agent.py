# SPDX-License-Identifier: Apache-2.0
"""The agent under test: its configuration, its process, and the commands that talk to it."""
import json
import os
import select
import re
import signal
import subprocess
import threading
import time

from . import load, paths, proc

MEMORY_LIMIT = 128 * 1024 * 1024
# The same tests with sinks that have several connections.
APPLY_JOBS = os.environ.get("TIDEGATE_TEST_APPLY_JOBS")


def sanitized():
    """Sanitizer builds are slower and larger: time limits stretch, memory is not judged."""
    return bool(os.environ.get("TIDEGATE_SAN"))


def patience(seconds):
    return seconds * (4 if sanitized() else 1) * float(os.environ.get("TIDEGATE_PATIENCE", "1"))


def merge(base, extra):
    """Nested dictionaries: `extra` wins; None removes a key."""
    out = dict(base)
    for key, value in extra.items():
        if value is None:
            out.pop(key, None)
        elif isinstance(value, dict) and isinstance(out.get(key), dict):
            out[key] = merge(out[key], value)
        else:
            out[key] = value
    return out


def environment(extra=None):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "TIDEGATE_"))}
    env.update(extra or {})
    return env


def exit_code(process, seconds):
    """As process.wait(seconds), which would notice the end up to 50 ms late: benchmarks measure by this."""
    if process.poll() is None:
        try:
            fd = os.pidfd_open(process.pid)
        except ProcessLookupError:  # another thread was faster
            return process.wait(1)
        try:
            select.select([fd], [], [], seconds)
        finally:
            os.close(fd)
    return process.wait(0.01)


def command(*args, env=None, check=False, timeout=120, cwd=None):
    """One run of the program to its end."""
    return proc.run([paths.binary(), *args], check=check, timeout=patience(timeout),
                    env=environment(env), cwd=cwd)


class Agent:
    """One migration: a directory with configuration, data directory and logs of every run."""

    def __init__(self, home, source_dsn, target_dsn, name, settings=None, env=None):
        self.home = home
        self.name = name
        self.dir = os.path.join(home, "data")
        self.config = os.path.join(home, "tidegate.yaml")
        self.err_path = os.path.join(home, "stderr")
        self.out_path = os.path.join(home, "stdout")
        # Connection strings travel in the environment: that is how a password is kept off `ps`.
        self.env = {"SOURCE_DSN": source_dsn, "TARGET_DSN": target_dsn}
        self.env.update(env or {})
        self.process = None
        self.rss = 0
        settings = merge({
            "name": name,
            "dir": self.dir,
            "source": {"dsn": "${env:SOURCE_DSN}"},
            "copy": {"jobs": 2},
            "spool": {"min_free": "16MiB"},
            "sinks": [{"name": "target", "type": "postgresql", "dsn": "${env:TARGET_DSN}"}],
            "network": {"retry_max": "1s"},
        }, settings or {})
        for sink in settings["sinks"]:
            if APPLY_JOBS and sink.get("type") == "postgresql":
                sink.setdefault("apply_jobs", int(APPLY_JOBS))
        if sanitized() and "encryption_key" in settings["spool"]:
            # It may not be traced, so nobody can look for its leaks.
            self.env["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        os.makedirs(home, exist_ok=True)
        with open(self.config, "w") as f:
            f.write(json.dumps(settings, indent=2) + "\n")  # JSON is YAML

    # --- process -------------------------------------------------------------------------------

    def start(self, *args, env=None):
        assert self.process is None or self.process.poll() is not None
        with open(self.err_path, "ab") as err, open(self.out_path, "ab") as out:
            self.process = proc.spawn(
                [paths.binary(), "run", "-c", self.config, *args],
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=self.home,
                start_new_session=True, env=environment(merge(self.env, env or {})))
        threading.Thread(target=self._watch_memory, args=(self.process,), daemon=True).start()
        return self

    def _watch_memory(self, process):
        while process.poll() is None:
            self.rss = max(self.rss, load.rss_high_water(process.pid) or 0)
            time.sleep(0.1)

    def running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """kill -9, the agent alone: what it started must cope by itself."""
        self.process.kill()
        self.process.wait(10)

    def stop(self, timeout=20):
        """SIGTERM; returns the exit code."""
        self.process.terminate()
        return self.wait_exit(timeout)

    def wait_exit(self, timeout=60):
        try:
            return exit_code(self.process, patience(timeout))
        except subprocess.TimeoutExpired:
            raise AssertionError(f"agent still runs after {timeout} s:\n{self.err()[-3000:]}")

    def run(self, *args, timeout=60, env=None):
        """start() and wait for the end; returns the exit code."""
        self.start(*args, env=env)
        return self.wait_exit(timeout)

    def close(self):
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                pass
        # Its session holds the tools it may have started.
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait(10)

    # --- what it said --------------------------------------------------------------------------

    def err(self):
        with open(self.err_path, errors="replace") as f:
            return f.read()

    def kills_at(self, point):
        """How often it was killed at a point of TIDEGATE_FAILPOINTS, in all of its runs."""
        return len(re.findall(rf"^tidegate: killed at {re.escape(point)}$", self.err(), re.M))

    def out(self):
        with open(self.out_path, errors="replace") as f:
            return f.read()

    def sanitizer_reports(self):
        """What a sanitizer found in any run: a process that was killed has no exit code to say so."""
        return re.findall(r"^SUMMARY: \w+Sanitizer: .*|^\S+:\d+:\d+: runtime error: .*", self.err(), re.M)

    def assert_memory(self):
        if not sanitized():
            assert 0 < self.rss < MEMORY_LIMIT, f"peak memory {self.rss / 2**20:.0f} MiB"

    # --- commands ------------------------------------------------------------------------------

    def cmd(self, *args, check=False, timeout=120):
        """`tidegate ARGS -c FILE`."""
        return command(*args, "-c", self.config, env=self.env, check=check, timeout=timeout,
                       cwd=self.home)

    def status(self):
        done = self.cmd("status", "--json")
        return json.loads(done.stdout) if done.returncode == 0 else None

    def wait(self, *args, timeout=60):
        """`tidegate wait`, started over while the agent's socket is not there yet."""
        end = time.monotonic() + patience(timeout)
        while True:
            left = max(1, int(end - time.monotonic()))
            done = self.cmd("wait", *args, "--timeout", f"{left}s", timeout=left + 20)
            if done.returncode == 0:
                return
            ended = not self.running()
            if done.returncode != 4 or ended or time.monotonic() > end:
                raise AssertionError(
                    f"wait {' '.join(args)}: exit {done.returncode}, agent "
                    f"{'ended with %s' % self.process.poll() if ended else 'runs'}: "
                    f"{done.stderr}\n{self.err()[-3000:]}")
            time.sleep(0.1)

    def streaming(self, timeout=60):
        self.wait("--phase", "streaming", timeout=timeout)

    def caught_up(self, timeout=60):
        self.wait("--caught-up", timeout=timeout)

    def cutover(self, *args, timeout=60, expect=0):
        """Returns the command's result; after success the agent must have ended with 0."""
        done = self.cmd("cutover", "--timeout", f"{int(patience(timeout))}s", *args,
                        timeout=timeout + 30)
        assert done.returncode == expect, (
            f"cutover: exit {done.returncode}\n{done.stdout}{done.stderr}\n{self.err()[-3000:]}")
        if expect == 0:
            assert self.wait_exit(20) == 0, self.err()[-3000:]
        return done


def downtime_ms(cutover):
    """The number in the line `write downtime: N ms`."""
    found = re.search(r"^\s*write downtime: (\d+) ms\s*$", cutover.stdout, re.M)
    assert found, cutover.stdout
    return int(found.group(1))


def assert_clear_error(text, *words):
    """One error with something to do about it, naming what it is about; no crash, no pile of lines."""
    assert re.search(r"\bhint: \S", text, re.I), f"no hint in:\n{text}"
    for word in words:
        assert re.search(word, text, re.I), f"'{word}' not in:\n{text}"
    assert "Sanitizer" not in text, text
