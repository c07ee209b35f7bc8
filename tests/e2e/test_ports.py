# SPDX-License-Identifier: Apache-2.0
"""Ports of test servers, which nobody takes while a server is made or down."""
import socket

import pytest

from lib.ports import LOWEST, RANGE, free_port


def test_a_port_is_none_of_those_for_outgoing_connections():
    with open(RANGE, encoding="ascii") as f:
        first = int(f.read().split()[0])
    if first <= LOWEST:
        pytest.skip("this machine gives all of them to connections")
    assert all(free_port() < first for _ in range(50))


def test_a_port_in_use_is_passed_over():
    free = free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        offered = iter([taken.getsockname()[1], free])
        assert free_port(lambda *_: next(offered)) == free
