"""An event goes to public addresses of allowed hosts alone, and no answer prolongs the call."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from emulator.webhook_receiver import WebhookReceiver
from shared.outbound.http import Connections, Outgoing, Unanswered
from shared.outbound.webhook import TIMEOUT_S, NotAllowed, WebhookSender
from tests.conftest import NOON

SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver(SECRET, checks_time=False) as there:
        yield there


def sender(*, anywhere: bool = True) -> WebhookSender:
    return WebhookSender(("127.0.0.1",), {"crm": SECRET}, Connections(), anywhere=anywhere)


def send(url: str, *, anywhere: bool = True) -> int:
    one = sender(anywhere=anywhere)
    with closing(one.connections):
        return one.send(url, ["crm"], "e1", '{"名":1}', at_ms=NOON)


def test_it_is_a_signed_post(receiver: WebhookReceiver) -> None:
    assert send(f"{receiver.address}/crm?of=us") == 200
    (arrived,) = receiver.arrived
    assert arrived.is_genuine
    assert (arrived.path, arrived.id, arrived.body) == ("/crm?of=us", "e1", '{"名":1}')


def test_no_event_goes_to_an_address_that_is_not_public() -> None:
    with pytest.raises(Unanswered, match="ForbiddenAddress"):
        send("https://127.0.0.1:9/crm", anywhere=False)


def test_without_tls_nothing_is_sent(receiver: WebhookReceiver) -> None:
    with pytest.raises(NotAllowed, match="https"):
        send(receiver.address, anywhere=False)
    assert receiver.arrived == []


def test_a_redirect_of_a_receiver_is_not_followed(receiver: WebhookReceiver) -> None:
    receiver.behave("/", "redirect")
    assert send(f"{receiver.address}/") == 302
    assert len(receiver.arrived) == 1


def test_events_go_over_one_connection_one_after_the_other(receiver: WebhookReceiver) -> None:
    one = sender()
    with closing(one.connections):
        for event in ("e1", "e2", "e3"):
            assert one.send(f"{receiver.address}/crm", ["crm"], event, "{}", at_ms=NOON) == 200
    assert len({each.port for each in receiver.arrived}) == 1
    assert [each.id for each in receiver.arrived] == ["e1", "e2", "e3"]


def test_an_event_goes_out_anew_where_the_kept_connection_has_ended(
    receiver: WebhookReceiver,
) -> None:
    receiver.behave("/", "status:200", "close", "status:200")
    one = sender()
    with closing(one.connections):
        for event in ("e1", "e2"):
            assert one.send(f"{receiver.address}/", ["crm"], event, "{}", at_ms=NOON) == 200
    assert [each.id for each in receiver.arrived] == ["e1", "e2", "e2"]


def test_a_new_connection_that_ends_is_no_answer(receiver: WebhookReceiver) -> None:
    receiver.behave("/", "close")
    with pytest.raises(Unanswered, match="RemoteDisconnected"):
        send(f"{receiver.address}/")
    assert len(receiver.arrived) == 1


def test_each_new_connection_is_to_an_address_that_may_be_reached(
    receiver: WebhookReceiver,
) -> None:
    """The name may lead elsewhere by then."""
    receiver.behave("/", "status:200", "close")
    outgoing = Outgoing("POST", f"{receiver.address}/")
    with closing(Connections()) as connections:
        assert connections.call(outgoing, patience=60.0, may_reach=lambda _: True) == 200
        with pytest.raises(Unanswered, match="ForbiddenAddress"):
            connections.call(outgoing, patience=60.0, may_reach=lambda _: False)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["drip", "sleep:60"])
def test_no_receiver_prolongs_a_call_on_a_kept_connection(
    receiver: WebhookReceiver, how: str
) -> None:
    receiver.behave("/", "status:200", how)
    one, begun = sender(), time.monotonic()
    with closing(one.connections):
        assert one.send(f"{receiver.address}/", ["crm"], "e1", "{}", at_ms=NOON) == 200
        with pytest.raises(Unanswered):
            one.send(f"{receiver.address}/", ["crm"], "e2", "{}", at_ms=NOON)
    assert time.monotonic() - begun < TIMEOUT_S + 5


@pytest.mark.slow
@pytest.mark.parametrize("how", ["drip", "sleep:60"])
def test_no_receiver_prolongs_the_call(receiver: WebhookReceiver, how: str) -> None:
    receiver.behave("/", how)
    begun = time.monotonic()
    with pytest.raises(Unanswered):
        send(f"{receiver.address}/")
    assert time.monotonic() - begun < TIMEOUT_S + 5


def test_it_shows_no_secret() -> None:
    assert "whsec" not in repr(sender())
