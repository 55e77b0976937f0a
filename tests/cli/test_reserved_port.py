"""A port that is chosen now and listened on later is nobody else's meanwhile."""

from __future__ import annotations

import socket
import sys

import pytest

from cli.local.reserved_port import HOST, ReservedPort

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems keep no port so")


def test_a_server_may_listen_there_and_nobody_else_takes_it() -> None:
    with ReservedPort() as reserved, socket.socket() as other:
        with pytest.raises(OSError, match="in use"):
            other.bind((HOST, reserved.port))
        with socket.create_server((HOST, reserved.port)) as server:
            socket.create_connection(server.getsockname()).close()


def test_once_it_is_left_it_is_anybody_s() -> None:
    reserved = ReservedPort()
    reserved.release()
    with socket.socket() as other:
        other.bind((HOST, reserved.port))


def test_a_port_that_was_asked_for_is_not_held() -> None:
    with ReservedPort(9) as reserved, socket.socket() as other:
        assert reserved.port == 9
        other.bind((HOST, 0))
