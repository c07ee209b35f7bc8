# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy that can cut, blackhole and refuse connections: the network's bad days."""
import select
import socket
import threading


class Proxy:
    """Forwards 127.0.0.1:port to 127.0.0.1:target_port. close() ends it."""

    def __init__(self, target_port):
        self.target_port = target_port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.pairs = set()
        self.accepted = 0
        self.frozen = {"up": threading.Event(), "down": threading.Event()}
        self.refusing = threading.Event()
        self.ended = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while not self.ended.is_set():
            try:
                readable, _, _ = select.select([self.listener], [], [], 0.2)
                if not readable:
                    continue
                client, _ = self.listener.accept()
            except (OSError, ValueError):
                return
            if self.refusing.is_set():
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.target_port), 5)
            except OSError:
                client.close()
                continue
            self.accepted += 1
            pair = (client, server)
            with self.lock:
                self.pairs.add(pair)
            threading.Thread(target=self._pump, args=(pair,), daemon=True).start()

    def _pump(self, pair):
        client, server = pair
        other = {client: server, server: client}
        try:
            while not self.ended.is_set():
                listened = [sock for sock, way in ((client, "up"), (server, "down"))
                            if not self.frozen[way].is_set()]
                if len(listened) < 2:
                    with self.lock:
                        if pair not in self.pairs:
                            return
                if not listened:
                    self.ended.wait(0.05)
                    continue
                for sock in select.select(listened, [], [], 0.05 if len(listened) < 2 else 0.2)[0]:
                    data = sock.recv(65536)
                    if not data:
                        return
                    other[sock].sendall(data)
        except (OSError, ValueError):
            pass
        finally:
            self._drop(pair)

    def _drop(self, pair):
        with self.lock:
            self.pairs.discard(pair)
        for sock in pair:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()

    def cut(self):
        """Resets all open connections; new ones are accepted."""
        with self.lock:
            pairs = list(self.pairs)
        for pair in pairs:
            self._drop(pair)

    def freeze(self, *ways):
        """Blackhole: connections stay open, nothing passes. `ways`: "up" (to the server), "down" (from it);
        none given: both. A side that ends its connection is not heard either."""
        for way in ways or self.frozen:
            self.frozen[way].set()

    def thaw(self):
        for event in self.frozen.values():
            event.clear()

    def refuse(self, on=True):
        """New connections are closed at once."""
        self.refusing.set() if on else self.refusing.clear()

    def close(self):
        self.ended.set()
        self.cut()
        self.listener.close()
