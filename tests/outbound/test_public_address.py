"""Callbacks are forwarded to public addresses of the hosts that the environment names."""

from __future__ import annotations

import pytest

from shared.outbound.http import Unanswered
from shared.outbound.public_address import is_public
from shared.outbound.relay import ForwardedCallback, Kind, Onward
from tests.support.raw_server import Wire, json_reply

CALLBACK = ForwardedCallback(Kind.STREAM, {}, {"action": "publish"}, b"")
PRIVATE = (
    *("127.0.0.1", "127.1.2.3", "0.0.0.0", "::1", "::"),  # noqa: S104 - nothing is bound
    *("10.0.0.1", "172.16.0.1", "192.168.1.1", "fd00::1"),
    *("169.254.169.254", "fe80::1", "fe80::1%eth0"),
    *("100.100.100.200", "100.64.0.1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"),
    *("224.0.0.1", "ff02::1", "255.255.255.255", "240.0.0.1", "192.0.2.1", "localhost", ""),
)


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2400:3200::1", "::ffff:8.8.8.8"])
def test_a_public_address_is_not(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_name_that_leads_to_this_machine_is_not_called(host: str) -> None:
    """The address counts, after the name was resolved: a name's owner can let it lead anywhere."""
    wire = Wire()
    wire.script(json_reply({}))
    with pytest.raises(Unanswered, match="ForbiddenAddress"):
        Onward((host,)).deliver(f"http://{host}:{wire.port}/", CALLBACK, patience=5)

    assert wire.seen == []
    assert Onward((host,), anywhere=True).deliver(
        f"http://{host}:{wire.port}/", CALLBACK, patience=5
    )
    wire.close()


@pytest.mark.parametrize("url", ["http://127.0.0.1.example.com/", "http://other/", "http:///x"])
def test_a_host_that_the_environment_does_not_name_is_not_called(url: str) -> None:
    with pytest.raises(Unanswered, match="LIVE_RECORD_FORWARD_HOSTS"):
        Onward(("127.0.0.1",), anywhere=True).deliver(url, CALLBACK, patience=5)
