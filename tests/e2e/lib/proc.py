# SPDX-License-Identifier: Apache-2.0
"""Child processes that never outlive the tests.

Every long-lived child is started through spawn() and gets a parent-death signal, so that even a
kill -9 of the test run leaves nothing behind. Call it from the main thread: the kernel ties the
signal to the thread that forked.
"""
import ctypes
import os
import signal
import subprocess
import time

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def spawn(argv, death_signal=signal.SIGTERM, user=None, **kwargs):
    """subprocess.Popen with a parent-death signal; `user` is a pwd entry or None."""
    parent = os.getpid()

    def child():
        _libc.prctl(_PR_SET_PDEATHSIG, death_signal)
        # A suite that runs in the background of a shell ignores it, and what it starts would too.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if os.getppid() != parent:
            os._exit(1)

    if user is not None:
        kwargs.update(user=user.pw_uid, group=user.pw_gid, extra_groups=[])
    return subprocess.Popen(argv, preexec_fn=child, **kwargs)


def run(argv, user=None, check=True, timeout=120, **kwargs):
    """Runs to the end with output captured; raises with the output in the text."""
    if user is not None:
        kwargs.update(user=user.pw_uid, group=user.pw_gid, extra_groups=[])
    kwargs.setdefault("stdin", subprocess.DEVNULL if "input" not in kwargs else None)
    if kwargs["stdin"] is None:
        del kwargs["stdin"]
    done = subprocess.run(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", timeout=timeout, **kwargs
    )
    if check and done.returncode != 0:
        raise RuntimeError(f"{argv[0]} ended with {done.returncode}: {done.stderr.strip()[-4000:]}")
    return done


def until(condition, timeout=30.0, what="condition", pause=0.05):
    """Polls until condition() is true and returns its value."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"{what} not reached within {timeout:.0f} s")
        time.sleep(pause)
