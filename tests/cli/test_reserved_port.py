"""A port that is chosen now and listened on later is nobody else's meanwhile."""

from __future__ import annotations

import socket
import sys

import pytest

from cli.local.reserved_port import HOST, ReservedPort

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems keep no port so")


def test_a_server_may_listen_there_and_nobody_else_takes_it() -> None:
    with ReservedPort() as place, socket.socket() as other:
        with pytest.raises(OSError, match="in use"):
            other.bind((HOST, place.port))
        with socket.create_server((HOST, place.port)) as server:
            socket.create_connection(server.getsockname()).close()


def test_once_it_is_left_it_is_anybody_s() -> None:
    place = ReservedPort()
    place.leave()
    with socket.socket() as other:
        other.bind((HOST, place.port))


def test_a_port_that_was_asked_for_is_not_held() -> None:
    with ReservedPort(9) as place, socket.socket() as other:
        assert place.port == 9
        other.bind((HOST, 0))
