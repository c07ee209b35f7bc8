# SPDX-License-Identifier: Apache-2.0
"""A port of 127.0.0.1 for a server that is only being made; run as a program, it prints one.

From below those that the kernel gives to outgoing connections: while a data directory is made, or a server is down in
the middle of a test, any of the many connections of other tests could have been given it.
"""
import random
import socket

LOWEST, HIGHEST = 10000, 65535
RANGE = "/proc/sys/net/ipv4/ip_local_port_range"


def free_port(choose=random.SystemRandom().randrange):
    with open(RANGE, encoding="ascii") as f:
        first = int(f.read().split()[0])
    end = first if first > LOWEST else HIGHEST  # a machine that gives all of them has none to spare
    for _ in range(1000):
        port = choose(LOWEST, end)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise RuntimeError(f"no port of 127.0.0.1 between {LOWEST} and {end} is free")


if __name__ == "__main__":
    print(free_port())
