"""Callbacks as they arrive: parameters, signatures, retries, and what may happen on the way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from emulator.live import LiveInThread, Remote, load_account
from emulator.live.account import Domain, Manners
from emulator.live.signatures import callback_signature
from tests.emulator.test_emulator_live_sdks import PresentSdk
from tests.support.receiver import Receiver, poll, receiving

pytestmark = pytest.mark.slow

PATIENCE_S = 120
PATIENT = Manners(retries=2)
QUICK = replace(PATIENT, timeout_ms=200)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as there:
        yield there


@pytest.fixture(params=[PATIENT], ids=["patient"])
def live(request: pytest.FixtureRequest) -> Iterator[LiveInThread]:
    with LiveInThread(replace(load_account(), manners=request.param)) as running:
        yield running


impatient = pytest.mark.parametrize("live", [QUICK], ids=["impatient"], indirect=True)
"""Else a callback that a busy machine holds up comes twice."""


@pytest.fixture
def control(live: LiveInThread, receiver: Receiver) -> Remote:
    remote = Remote(live.address)
    remote.notify(
        stream_url=f"{receiver.address}/stream/dev-path",
        record_url=f"{receiver.address}/record/dev-path",
    )
    return remote


@pytest.fixture
def sdk(live: LiveInThread) -> PresentSdk:
    return PresentSdk(live.address)


@pytest.mark.parametrize(
    ("domain", "timestamp", "key", "signature"),
    [
        ("learn.aliyundoc.com", 1519375990, "yourkey", "9e226fc2c250be266e3657e156f68c12"),
        ("push.example.com", 1763800000, "K3yK3yK3yK3yK3y0", "2901da0630574205e813933d27056528"),
        ("fc.example.com", 1763800000, "K3yK3yK3yK3yK3y0", "257b44a192bcee154b73d0b410b32f36"),
    ],
)
def test_callbacks_are_signed_as_documented(
    domain: str, timestamp: int, key: str, signature: str
) -> None:
    assert callback_signature(domain, timestamp, key) == signature


def test_a_publish_is_told_by_get_with_the_documented_parameters(
    control: Remote, receiver: Receiver
) -> None:
    answer = control.publish("room", wait=True, time=1763800000, arguments={"auth_key": "k"})
    (arrived,) = receiver.arrived
    assert (answer["callback"]["outcome"], arrived.method, arrived.path) == (
        "delivered",
        "GET",
        "/stream/dev-path",
    )
    assert arrived.query == {
        "action": "publish",
        "app": "push.example.com",
        "appname": "app",
        "id": "room",
        "time": "1763800000",
        "ip": "203.0.113.7",
        "node": "cdnvideocenter0102.cm3",
        "usrargs": "vhost=live.example.com&auth_key=k",
        "height": "720",
        "width": "1280",
    }


@pytest.mark.parametrize(
    ("published", "ingest"),
    [("live.example.com", "push.example.com"), ("push2.example.com", "push2.example.com")],
)
def test_a_publish_names_the_ingest_domain_it_came_by(
    receiver: Receiver, published: str, ingest: str
) -> None:
    domain = Domain("live.example.com", ("push.example.com", "push2.example.com"))
    with LiveInThread(replace(load_account(), domains=(domain,))) as live:
        control = Remote(live.address, domain=published)
        control.notify(stream_url=receiver.address)
        control.publish("room", wait=True)
    assert receiver.arrived[0].query["app"] == ingest


def test_a_publish_done_tells_no_size(control: Remote, receiver: Receiver) -> None:
    control.publish("room", wait=True)
    control.unpublish("room", wait=True)
    done = receiver.arrived[1]
    assert (done.event, "height" in done.query, done.query["app"]) == (
        "publish_done",
        False,
        "push.example.com",
    )


def test_ingest_callbacks_are_signed_for_the_ingest_domain(
    control: Remote, receiver: Receiver
) -> None:
    control.publish("room", wait=True)
    (arrived,) = receiver.arrived
    expected = callback_signature("push.example.com", arrived.time, "dev-stream-key-0000")
    assert arrived.headers["ali-live-signature"] == expected
    assert abs(arrived.time - time.time()) < 5


@pytest.mark.parametrize("value", ["host", "host_with_port"])
def test_recording_callbacks_are_signed_for_the_host_of_the_url(
    control: Remote, receiver: Receiver, sdk: PresentSdk, value: str
) -> None:
    control.switch(record_signature_host=value)
    control.publish("room", wait=True)
    sdk.record("start")
    arrived = receiver.take(2)[1]
    host = "127.0.0.1" if value == "host" else urlsplit(receiver.address).netloc
    expected = callback_signature(host, arrived.time, "dev-record-key-0000")
    assert (arrived.method, arrived.headers["ali-live-signature"]) == ("POST", expected)


def test_status_events_follow_the_recording(
    control: Remote, receiver: Receiver, sdk: PresentSdk
) -> None:
    control.publish("room", wait=True)
    for command, event in (
        ("start", "record_started"),
        ("stop", "record_paused"),
        ("start", "record_resumed"),
    ):
        sdk.record(command)
        poll(lambda event=event: event in receiver.events())  # type: ignore[misc] # bound now
    assert receiver.arrived[1].body == {
        "domain": "live.example.com",
        "app": "app",
        "stream": "room",
        "event": "record_started",
    }


def test_status_events_may_carry_a_time(
    control: Remote, receiver: Receiver, sdk: PresentSdk
) -> None:
    control.switch(status_events_carry_time=True)
    control.publish("room", wait=True)
    sdk.record("start")
    assert receiver.take(2)[1].body["time"].endswith("Z")


def test_without_need_status_only_files_are_told(
    control: Remote, receiver: Receiver, sdk: PresentSdk
) -> None:
    control.notify(need_status=False)
    control.publish("room", wait=True)
    for command in ("start", "stop", "cancel_delay"):
        sdk.record(command)
    receiver.take(2)
    assert receiver.events() == ["publish", "file"]


def test_a_file_is_told_without_an_event(
    control: Remote, receiver: Receiver, sdk: PresentSdk
) -> None:
    control.notify(need_status=False)
    control.publish("room", wait=True, arguments={"callback_tenant": "t1", "auth_key": "k"})
    for command in ("start", "stop", "cancel_delay"):
        sdk.record(command)
    body = receiver.take(2)[1].body
    assert sorted(body) == [
        "app",
        "domain",
        "duration",
        "push_args",
        "start_time",
        "stop_time",
        "stream",
        "uri",
    ]
    assert body["push_args"] == {"callback_tenant": "t1"}


def test_an_error_of_the_recording_is_told(control: Remote, receiver: Receiver) -> None:
    control.publish("room", wait=True)
    control.record_error("room", code="AccessDenied", message="Access denied")
    body = receiver.take(2)[1].body
    assert (body["event"], body["error_info"]["code"]) == ("record_error", "AccessDenied")


def test_moving_the_clock_leaves_the_file_at_once(
    control: Remote, receiver: Receiver, sdk: PresentSdk
) -> None:
    control.publish("room", wait=True)
    sdk.record("start")
    control.unpublish("room", wait=True)
    control.advance(181)
    poll(lambda: "file" in receiver.events())


def test_the_publish_callback_waits_as_long_as_the_account_says(receiver: Receiver) -> None:
    account = replace(load_account(), manners=replace(PATIENT, publish_delay_ms=60_000))
    with LiveInThread(account) as live:
        control = Remote(live.address)
        control.notify(stream_url=receiver.address)
        control.publish("room")
        control.publish("gone")
        control.unpublish("gone")
        assert receiver.arrived == []
        control.advance(60)
        receiver.take(1)
        assert (receiver.events(), receiver.events("gone")) == (["publish"], [])


def test_a_withheld_callback_is_never_sent(control: Remote, receiver: Receiver) -> None:
    answer = control.publish("room", callback=False, wait=True)
    control.unpublish("room", wait=True)
    assert (answer["callback"]["outcome"], receiver.events()) == ("withheld", ["publish_done"])


@impatient
def test_who_does_not_answer_in_time_is_asked_again(control: Remote, receiver: Receiver) -> None:
    receiver.is_silent = True
    control.publish("room")
    for count in (1, 2, 3):
        receiver.take(count)
        _advance_past_a_retry(control, count)
    attempts = control.calls()["callbacks"]
    assert [(attempt["attempt"], attempt["status"]) for attempt in attempts] == [
        (1, None),
        (2, None),
        (3, None),
    ]


@impatient
@pytest.mark.parametrize(("resigns", "times"), [(True, 2), (False, 1)])
def test_a_retry_is_signed_anew_as_switched(
    control: Remote, receiver: Receiver, resigns: bool, times: int
) -> None:
    control.switch(callback_resigns=resigns)
    receiver.is_silent = True
    control.publish("room")
    receiver.take(1)
    _advance_past_a_retry(control, 1)
    assert len({callback.time for callback in receiver.take(2)}) == times


@pytest.mark.parametrize(("retries", "attempts"), [(False, 1), (True, 2)])
def test_a_server_error_is_retried_as_switched(
    control: Remote, receiver: Receiver, retries: bool, attempts: int
) -> None:
    control.switch(callback_retry_on_5xx=retries)
    receiver.statuses = [503]
    answer = control.publish("room", wait=True)["callback"]
    assert answer["attempts"] == attempts
    assert answer["outcome"] == ("delivered" if retries else "refused")


def test_a_client_error_is_final(control: Remote, receiver: Receiver) -> None:
    receiver.statuses = [401]
    answer = control.publish("room", wait=True)["callback"]
    assert (answer["outcome"], answer["status"], answer["attempts"]) == ("refused", 401, 1)


def test_a_callback_may_be_dropped(control: Remote, receiver: Receiver) -> None:
    control.detour("drop", event="publish")
    assert control.publish("room", wait=True)["callback"]["outcome"] == "dropped"
    control.unpublish("room", wait=True)
    assert receiver.events() == ["publish_done"]


def test_a_callback_may_come_twice(control: Remote, receiver: Receiver) -> None:
    control.detour("duplicate", event="publish")
    control.publish("room")
    receiver.take(2)
    assert receiver.events() == ["publish", "publish"]


def test_a_callback_may_come_late(control: Remote, receiver: Receiver) -> None:
    control.detour("delay", event="publish", delay_ms=60_000)
    control.publish("room")
    control.unpublish("room", wait=True)
    control.advance(60)
    receiver.take(2)
    assert receiver.events() == ["publish_done", "publish"]


def test_a_callback_may_be_overtaken(control: Remote, receiver: Receiver) -> None:
    control.detour("reorder", event="publish")
    control.publish("room")
    control.unpublish("room")
    receiver.take(2)
    assert receiver.events() == ["publish_done", "publish"]


def test_a_detour_serves_its_times_and_its_stream_only(control: Remote, receiver: Receiver) -> None:
    control.detour("drop", stream="room", times=2)
    for stream in ("room", "other"):
        for verb in (control.publish, control.unpublish, control.publish):
            verb(stream, wait=True)
    assert receiver.events() == ["publish"]
    assert receiver.events("other") == ["publish", "publish_done", "publish"]


def on_demand(control: Remote, receiver: Receiver) -> None:
    rule = {"domain": "live.example.com", "app": "app", "on_demand": 1, "formats": ["mp4"]}
    control.post("recording", rule)
    control.notify(stream_url="", record_url="", on_demand_url=f"{receiver.address}/on-demand")


def test_live_asks_once_whether_to_record(control: Remote, receiver: Receiver) -> None:
    on_demand(control, receiver)
    receiver.body = b'{"ApiVersion":"1.0","NeedRecord":true}'
    control.publish("room")
    poll(lambda: control.state("room")["recording"] is not None)
    (arrived,) = receiver.arrived
    assert (arrived.method, parse_qs(urlsplit(arrived.path).query)) == ("GET", {})
    assert arrived.query == {
        "app": "app",
        "domain": "live.example.com",
        "stream": "room",
        "vbitrate": "2000",
        "codec": "h264",
    }


def test_the_answer_may_say_how_often_a_file_is_wanted(control: Remote, receiver: Receiver) -> None:
    on_demand(control, receiver)
    receiver.body = b'{"NeedRecord":true,"Interval":{"Mp4":300,"Flv":120,"M3U8":180}}'
    control.publish("room")
    poll(lambda: control.state("room")["recording"] is not None)
    control.advance(601)
    assert len(control.state("room")["files"]) == 2


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"NeedRecord":false}',
        b'{"NeedRecord":"true"}',
        b'{"NeedRecord":true,"Format":["flv"]}',
        b'{"NeedRecord":true,"x":"' + b"x" * 2048 + b'"}',
        b"[]",
        b"no",
    ],
)
def test_any_other_answer_means_no(control: Remote, receiver: Receiver, body: bytes) -> None:
    on_demand(control, receiver)
    receiver.body = body
    control.publish("room")
    poll(lambda: _answered(control))
    assert control.state("room")["recording"] is None


@pytest.mark.parametrize("records", [False, True])
def test_a_failed_question_records_as_switched(
    control: Remote, receiver: Receiver, records: bool
) -> None:
    on_demand(control, receiver)
    control.switch(on_demand_failure_records=records)
    receiver.statuses = [500]
    control.publish("room")
    poll(lambda: _answered(control))
    assert (control.state("room")["recording"] is not None) == records


@pytest.mark.parametrize("signs", [False, True])
def test_the_question_is_signed_as_switched(
    control: Remote, receiver: Receiver, signs: bool
) -> None:
    on_demand(control, receiver)
    control.switch(on_demand_carries_signature=signs)
    control.publish("room")
    assert ("ali-live-signature" in receiver.take(1)[0].headers) == signs


@pytest.mark.parametrize("detour", [{"do": "reorder"}, {"do": "delay", "delay_ms": 60_000}])
def test_a_reset_lets_nobody_wait(control: Remote, detour: dict[str, object]) -> None:
    control.post("callbacks", detour)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(control.publish, "room", wait=True)
        poll(lambda: control.state("room") != {})
        control.reset()
        assert waiting.result(PATIENCE_S)["callback"]["outcome"] == "forgotten"


@impatient
def test_a_reset_ends_retries_and_forgets_streams(control: Remote, receiver: Receiver) -> None:
    receiver.is_silent = True
    control.publish("room")
    receiver.take(1)
    control.reset()
    assert (control.state("room"), control.calls()["callbacks"]) == ({}, [])
    control.advance(60)
    assert len(receiver.arrived) == 1


def _answered(control: Remote) -> bool:
    return any(callback["status"] for callback in control.calls()["callbacks"])


def _advance_past_a_retry(control: Remote, attempt: int) -> None:
    """Once that attempt has failed, the wait for the next is over."""
    poll(lambda: control.calls()["callbacks"][attempt - 1]["trouble"] is not None)
    control.advance(2)
