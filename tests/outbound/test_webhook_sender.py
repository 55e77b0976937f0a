"""An event goes to public addresses of allowed hosts alone, and no answer prolongs the call."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from emulator.webhook_receiver import WebhookReceiver
from shared.outbound.http import Unanswered
from shared.outbound.webhook import TIMEOUT_S, NotAllowed, WebhookSender
from tests.conftest import NOON

SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver(SECRET, checks_time=False) as there:
        yield there


def sender(*, anywhere: bool = True) -> WebhookSender:
    return WebhookSender(("127.0.0.1",), {"crm": SECRET}, anywhere=anywhere)


def send(url: str, *, anywhere: bool = True) -> int:
    return sender(anywhere=anywhere).send(url, ["crm"], "e1", '{"名":1}', at_ms=NOON)


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
