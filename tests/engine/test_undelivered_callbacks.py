"""Callbacks that Live gave up are read back from it, and mean what they would have meant."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.live import LiveInThread, Remote, load_account
from emulator.live.account import Manners
from shared.inbound import live_events
from shared.outbound.live import Credentials, LiveClient
from shared.protocol import FileLeft, Published, Reported, StreamKey, Unpublished
from tests.conftest import KEY

DEV = Credentials("dev", "dev-secret")
PUSH, LIVE = "push.example.com", "live.example.com"
HOUR_MS = 3_600_000


def streaming(domain: str) -> str | None:
    return LIVE if domain in (PUSH, LIVE) else None


@pytest.fixture(scope="module")
def running() -> Iterator[LiveInThread]:
    """Nobody listens to its callbacks."""
    quick = Manners(retries=0)
    with LiveInThread(replace(load_account(), manners=quick)) as live:
        yield live


@pytest.fixture
def live(running: LiveInThread) -> Remote:
    remote = Remote(running.address)
    remote.reset()
    nowhere = "http://127.0.0.1:1"
    remote.notify(stream_url=f"{nowhere}/s", record_url=f"{nowhere}/r", on_demand_url="")
    return remote


@pytest.fixture
def client(running: LiveInThread) -> LiveClient:
    return LiveClient(endpoint=running.address.partition("://")[2], protocol="http")


def now(live: Remote) -> int:
    return int(live.get("clock")["now_ms"])


def stream_events(live: Remote, client: LiveClient) -> list[tuple[str, int | None]]:
    at = now(live)
    found = client.undelivered_stream_events(PUSH, at - HOUR_MS, at + HOUR_MS, credentials=DEV)
    return [(one.content, one.at) for one in found]


def record_events(live: Remote, client: LiveClient) -> list[tuple[str, int | None]]:
    at = now(live)
    found = client.undelivered_record_events(LIVE, at - HOUR_MS, at + HOUR_MS, credentials=DEV)
    return [(one.content, one.at) for one in found]


def test_a_publish_that_nobody_took_is_read_back_as_one(live: Remote, client: LiveClient) -> None:
    began = live.publish("room1", wait=True)["time"]
    ended = live.unpublish("room1", wait=True)["time"]

    assert live_events.undelivered(stream_events(live, client), streaming) == [
        (KEY, Published(began * 1000)),
        (KEY, Unpublished(ended * 1000)),
    ]


def test_a_report_that_does_not_say_when_counts_from_when_live_tried_to_tell_of_it(
    live: Remote, client: LiveClient
) -> None:
    before = now(live)
    live.publish("room1", wait=True)
    live.record_event("room1", "record_started", event="record_started")
    live.record_event("room1", "file", uri="a.mp4", start_time=1, stop_time=2.5)
    _until(lambda: len(record_events(live, client)) == 2)

    undelivered = live_events.undelivered(record_events(live, client), streaming)
    report, file = [event for _, event in undelivered]
    assert isinstance(report, Reported)
    assert report.time is not None
    assert before - 1000 < report.time <= now(live)
    assert file == FileLeft("a.mp4", 1000, 2500)


def test_every_page_is_read(
    live: Remote, client: LiveClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.outbound.live.client.NOTIFY_PAGE_ROWS", 2)
    for number in range(5):
        live.publish(f"room{number}", wait=True)

    keys = {key for key, _ in live_events.undelivered(stream_events(live, client), streaming)}
    assert keys == {StreamKey(LIVE, "app", f"room{number}") for number in range(5)}


def test_what_is_of_no_use_is_left_out() -> None:
    place = {"app": "app", "stream": "room1", "event": "record_started"}
    contents = ["", "{", "[]", "7", '{"action": "publish"}', '{"event": "record_sung"}']
    other = json.dumps({**place, "domain": "other.example.com"})

    assert live_events.undelivered([(row, 1) for row in (*contents, other)], streaming) == []


def test_what_was_kept_twice_happened_once() -> None:
    payload = {"domain": LIVE, "app": "app", "stream": "room1", "event": "record_started"}

    assert len(live_events.undelivered([(json.dumps(payload), 1)] * 2, streaming)) == 1


@given(st.lists(st.tuples(st.text(max_size=40), st.none() | st.integers())))
def test_whatever_live_kept_nothing_is_raised(kept: list[tuple[str, int | None]]) -> None:
    live_events.undelivered(kept, streaming)


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
