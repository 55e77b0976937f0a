"""The history of callbacks that the emulator keeps: what was sent, with which headers, and how it
ended (docs/platform/live.md §7)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from emulator.live import LiveInThread, Remote, load_account
from emulator.live.account import Manners
from emulator.live.streams import utc
from tests.emulator.test_emulator_live_configs import LIVE, PUSH, Api
from tests.emulator.test_emulator_live_sdks import OK, PresentSdk
from tests.support.receiver import Receiver, poll, receiving

KEY = "0123456789abcdefKEY"
HOUR_MS = 3_600_000
SIGNATURE = ("ali-live-timestamp", "ali-live-signature")
Row = dict[str, Any]


class History:
    """An account whose callbacks come to the receiver, and what it answers about them."""

    def __init__(self, address: str, receiver: Receiver) -> None:
        self.receiver = receiver
        self.api = Api(address)
        self.control = Remote(address)
        self.control.notify(on_demand_url="", exception_url="", switch_url="")
        where = {"NotifyUrl": receiver.address, "NotifyAuthKey": KEY}
        self.api("SetLiveStreamsNotifyUrlConfig", **PUSH, **where, NotifyReqAuth="yes")
        more = {"NotifyReqAuth": True, "NeedStatusNotify": True}
        self.api("UpdateLiveRecordNotifyConfig", **LIVE, **where, **more)

    def of_streams(self, **more: object) -> list[Row]:
        answer = self.api("DescribeLiveStreamsNotifyRecords", **PUSH, **self.hours(), **more)
        rows: list[Row] = answer["NotifyRecordsInfo"]["LiveStreamNotifyRecordsInfo"]
        return rows

    def of_recordings(self, **more: object) -> list[Row]:
        asked = {"PageNumber": 1, "PageSize": 20, **self.hours(), **more}
        rows: list[Row] = self.api("DescribeLiveRecordNotifyRecords", **LIVE, **asked)[
            "CallbackList"
        ]
        return rows

    def hours(self, before: int = 1) -> dict[str, str]:
        """Return the times from some hours before until an hour after now."""
        now_ms = self.control.get("clock")["now_ms"]
        return {
            "StartTime": utc(now_ms - before * HOUR_MS),
            "EndTime": utc(now_ms + HOUR_MS),
        }


@pytest.fixture
def history() -> Iterator[History]:
    manners = Manners(retries=1)
    with receiving() as receiver, LiveInThread(replace(load_account(), manners=manners)) as live:
        yield History(live.address, receiver)


def header(row: Row) -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads(row["NotifyHeader"])
    return {name.lower(): values for name, values in found.items()}


def test_a_stream_callback_is_kept_with_the_headers_that_it_was_sent_with(history: History) -> None:
    history.control.publish("room", wait=True)
    (arrived,) = history.receiver.take(1)
    (row,) = history.of_streams()

    assert header(row) == {name: [arrived.headers[name]] for name in SIGNATURE}
    assert (row["NotifyType"], row["NotifyResult"]) == ("publish", "success")


def test_a_recording_callback_is_kept_with_the_headers_that_it_was_sent_with(
    history: History,
) -> None:
    history.control.publish("room", wait=True)
    assert PresentSdk(history.api.address).record("start") == OK
    _, arrived = history.receiver.take(2)
    row = settled(history)

    names = (*SIGNATURE, "content-type")
    assert header(row) == {name: [arrived.headers[name]] for name in names}
    assert row["NotifyType"] == "record_started"
    assert header(row)["content-type"] == ["application/json; charset=utf-8"]


def settled(history: History) -> Row:
    """Return the one recording callback, once Live has its answer."""
    poll(lambda: history.of_recordings() != [])
    (row,) = history.of_recordings()
    return row


def test_a_callback_without_a_key_is_kept_without_a_signature(history: History) -> None:
    history.api("SetLiveStreamsNotifyUrlConfig", **PUSH, NotifyUrl=history.receiver.address)
    history.control.publish("room", wait=True)

    assert [header(row) for row in history.of_streams()] == [{}]


@pytest.mark.parametrize("resigns", [True, False])
def test_a_callback_that_was_retried_is_kept_with_the_headers_of_its_last_attempt(
    history: History, resigns: bool
) -> None:
    history.control.switch(callback_resigns=resigns, callback_retry_on_5xx=True)
    history.receiver.statuses = [503, 503]
    history.control.publish("room")
    history.receiver.take(1)
    poll(lambda: history.control.calls()["callbacks"][0]["status"] is not None)
    history.control.advance(60)
    _, last = history.receiver.take(2)
    poll(lambda: history.of_streams() != [])
    (row,) = history.of_streams(Status="failed")

    assert header(row) == {name: [last.headers[name]] for name in SIGNATURE}
    assert history.of_streams(Status="success") == []


def test_a_stream_callback_and_a_recording_callback_are_in_one_list_each(history: History) -> None:
    history.control.publish("room", wait=True)
    PresentSdk(history.api.address).record("start")
    settled(history)

    assert [row["NotifyType"] for row in history.of_streams()] == ["publish"]
    assert [row["NotifyType"] for row in history.of_recordings()] == ["record_started"]
    assert history.of_streams(StreamName="other") == []
    assert history.of_recordings(StorageType="vod") == []


@pytest.mark.parametrize(
    ("before", "code"), [(7 * 24 + 1, "MalformedParam"), (-2, "MalformedParam")]
)
def test_callbacks_are_kept_for_a_week_and_asked_for_forwards(
    history: History, before: int, code: str
) -> None:
    """Seven days back at most, and the start is before the end."""
    asked = {**PUSH, **history.hours(before)}

    assert history.api.refused("DescribeLiveStreamsNotifyRecords", **asked) == code


@pytest.mark.parametrize("left_out", ["DomainName", "StartTime", "EndTime"])
def test_a_question_without_domain_or_times_is_refused(history: History, left_out: str) -> None:
    asked = {**PUSH, **history.hours()}
    del asked[left_out]

    assert history.api.refused("DescribeLiveStreamsNotifyRecords", **asked) == "MissingParam"


@pytest.mark.parametrize("left_out", ["DomainName", "StartTime", "EndTime", "PageNumber"])
def test_recording_callbacks_need_a_page_as_well(history: History, left_out: str) -> None:
    asked = {**LIVE, "PageNumber": 1, "PageSize": 20, **history.hours()}
    del asked[left_out]

    assert history.api.refused("DescribeLiveRecordNotifyRecords", **asked) == "MissingParam"
