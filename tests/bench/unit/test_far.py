# SPDX-License-Identifier: Apache-2.0
"""The long way: every byte arrives, none before its time, and an end is handed on."""
import socket
import threading
import time

from suite.far import Far

MILLISECONDS = 30
DATA = bytes(range(256)) * 4096  # more than one chunk


class _World:
    def __init__(self):
        self.others, self.closers = {}, []

    def later(self, close):
        self.closers.append(close)


def echo(listener):
    connection, _ = listener.accept()
    with connection:
        while data := connection.recv(1 << 16):
            connection.sendall(data)


def test_there_and_back():
    world = _World()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=echo, args=(listener,), daemon=True).start()
        far = Far(world, listener.getsockname()[1], MILLISECONDS)
        try:
            assert list(world.others.values()) == [far.process.pid]
            with socket.create_connection(("127.0.0.1", far.port), 20) as there:
                began = time.monotonic()
                there.sendall(b"x")
                assert there.recv(1) == b"x"
                assert time.monotonic() - began >= 2 * MILLISECONDS / 1000
                threading.Thread(target=there.sendall, args=(DATA,), daemon=True).start()
                found = b""
                while len(found) < len(DATA):
                    part = there.recv(1 << 16)
                    assert part
                    found += part
                assert found == DATA
                there.shutdown(socket.SHUT_WR)
                assert there.recv(1) == b""
        finally:
            for close in world.closers:
                close()
    assert far.process.returncode is not None
