# SPDX-License-Identifier: Apache-2.0
"""A target whose disk takes its time: each page that is not in its shared buffers (slow_disk.c)."""
import os
import struct


class SlowDisk:
    """Restarts the server with the library in front of its own; until set() is called it does nothing."""

    def __init__(self, world, server):
        self.path = world.path("slow_disk")
        self.set(0)
        os.chmod(self.path, 0o644)
        library = os.path.join(world.root, "slow_disk.so")
        with open(os.environ["TIDEGATE_SLOW_DISK_SO"], "rb") as f, open(library, "wb") as out:
            out.write(f.read())  # where the servers' user may read it
        os.chmod(library, 0o755)
        server.env = {"LD_PRELOAD": library, "TIDEGATE_SLOW_DISK": self.path}
        server.restart()

    def set(self, microseconds):
        with open(self.path, "r+b" if os.path.exists(self.path) else "wb") as f:
            f.write(struct.pack("=I", microseconds))
