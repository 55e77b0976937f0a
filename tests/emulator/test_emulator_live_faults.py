"""What can go wrong between a caller and Live, and the account's rate."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
import requests
from alibabacloud_live20161101 import models
from Tea.exceptions import TeaException

from emulator.live import LiveInThread, Remote, load_account
from emulator.live.rate import Limiter
from emulator.live.switches import Switches
from tests.emulator.test_emulator_live_sdks import OK, PresentSdk

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _stock_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reset the SDK's session, which our own client may have replaced earlier in this process."""
    from darabonba import core

    monkeypatch.setattr(core, "Session", requests.Session)
    monkeypatch.setattr(core.DaraCore, "_sessions", {})


@pytest.fixture
def live() -> Iterator[LiveInThread]:
    with LiveInThread() as running:
        yield running


@pytest.fixture
def control(live: LiveInThread) -> Remote:
    remote = Remote(live.address)
    remote.notify(stream_url="", record_url="")
    remote.publish("room")
    return remote


@pytest.fixture
def sdk(live: LiveInThread) -> PresentSdk:
    return PresentSdk(live.address)


def start(sdk: PresentSdk, stream: str = "room") -> TeaException:
    request = models.RealTimeRecordCommandRequest(
        domain_name="live.example.com", app_name="app", stream_name=stream, command="start"
    )
    with pytest.raises(TeaException) as error:
        sdk.client.real_time_record_command(request)
    return error.value


@pytest.mark.parametrize(
    ("transport", "acted"),
    [
        ("reset", False),
        ("reset_after_acting", True),
        ("reset_mid_body", True),
        ("hang", False),
        ("hang_after_acting", True),
        ("html", False),
        ("garbage_200", True),
    ],
)
def test_an_answer_gets_lost_before_or_after_acting(
    live: LiveInThread, control: Remote, transport: str, acted: bool
) -> None:
    sdk = PresentSdk(live.address, patience_ms=1_500)
    control.fail(transport=transport)
    assert start(sdk).code is None
    assert (control.state("room")["recording"] is not None) == acted
    (call,) = control.calls()["calls"]
    assert (call["acted"], call["fault"]) == (acted, transport)


@pytest.mark.parametrize("transport", ["empty_object", "swallow"])
def test_an_accepted_answer_may_mean_little(
    sdk: PresentSdk, control: Remote, transport: str
) -> None:
    control.fail(transport=transport, acts=False)
    assert sdk.record("start") == OK
    assert control.state("room")["recording"] is None


def test_a_redirect_loses_the_post_and_its_signature(sdk: PresentSdk, control: Remote) -> None:
    control.fail(transport="redirect")
    assert start(sdk).code == "SignatureDoesNotMatch"
    assert control.state("room")["recording"] is None


def test_a_code_may_come_although_live_acted(sdk: PresentSdk, control: Remote) -> None:
    control.fail(code="InternalError", acts=True)
    assert sdk.record("start") == ("InternalError", 500)
    assert sdk.record("start") == ("TaskAlreadyStarted", 409)


def test_a_request_may_land_late(sdk: PresentSdk, control: Remote) -> None:
    control.fail(transport="reset", late_ms=30_000)
    start(sdk)
    assert control.state("room")["recording"] is None
    control.advance(30)
    assert control.state("room")["recording"]["state"] == "recording"
    (call,) = control.calls()["calls"]
    assert (call["acted"], call["landed_at_ms"] >= call["at_ms"] + 30_000) == (True, True)


def test_a_late_request_may_be_refused_when_it_lands(sdk: PresentSdk, control: Remote) -> None:
    control.fail(transport="reset", late_ms=60_000)
    start(sdk)
    assert sdk.record("start") == OK
    control.advance(60)
    assert control.calls()["calls"][0]["landed_code"] == "TaskAlreadyStarted"


def test_a_fault_serves_its_times_and_its_command_only(sdk: PresentSdk, control: Remote) -> None:
    control.fail(code="ServiceUnavailable", command="stop", times=2)
    codes = [sdk.record(command).code for command in ("start", "stop", "stop", "stop")]
    assert codes == ["OK", "ServiceUnavailable", "ServiceUnavailable", "OK"]


def test_faults_leave_the_lists_alone_unless_told_otherwise(
    sdk: PresentSdk, control: Remote
) -> None:
    control.fail(code="ServiceUnavailable")
    assert sdk.online(stream_type="raw")["TotalNum"] == 1
    control.ask("DELETE", "fail", b"")
    control.fail(code="Throttling", action="DescribeLiveStreamsOnlineList")
    with pytest.raises(TeaException):
        sdk.online()
    assert sdk.record("start") == OK


def test_a_fault_may_concern_one_stream(sdk: PresentSdk, control: Remote) -> None:
    control.fail(code="InternalError", stream="other")
    assert sdk.record("start") == OK


def test_throttling_may_say_when_to_come_back(sdk: PresentSdk, control: Remote) -> None:
    control.fail(code="Throttling.User", status=429, retry_after_ms=1_200)
    error = start(sdk)
    assert (error.code, error.status_code, error.retry_after) == ("Throttling.User", 429, 1_200)


def test_the_message_of_a_refusal_begins_with_a_hole(sdk: PresentSdk, control: Remote) -> None:
    assert re.match(r"code: 409, %s", start(sdk, "nowhere").message)


def test_a_bucket_of_fifty_is_emptied_at_once_and_filled_within_a_second() -> None:
    limiter = Limiter(50, Switches())
    assert [limiter.allows(1_000) for _ in range(60)].count(True) == 50
    assert [limiter.allows(1_100) for _ in range(60)].count(True) == 5
    assert [limiter.allows(9_000) for _ in range(60)].count(True) == 50


def test_a_sliding_second_holds_fifty_wherever_it_begins() -> None:
    limiter = Limiter(50, Switches(limiter="sliding_second"))
    assert [limiter.allows(1_000) for _ in range(30)].count(True) == 30
    assert [limiter.allows(1_900) for _ in range(30)].count(True) == 20
    assert [limiter.allows(1_999) for _ in range(30)].count(True) == 0
    assert [limiter.allows(2_000) for _ in range(60)].count(True) == 30


def test_the_peak_is_that_of_any_second() -> None:
    limiter = Limiter(50, Switches())
    for at_ms in (1_000, 1_900, 1_950, 2_500, 2_890):
        limiter.allows(at_ms)
    assert limiter.peak_per_second == 4


@pytest.fixture
def slow() -> Iterator[LiveInThread]:
    """Yield an emulator that accepts one command a second, a limit that a busy machine can
    exceed."""
    with LiveInThread(replace(load_account(), commands_per_second=1)) as running:
        yield running


@pytest.mark.parametrize("limiter", ["bucket", "sliding_second"])
def test_what_exceeds_the_rate_is_refused_and_counted(slow: LiveInThread, limiter: str) -> None:
    control = Remote(slow.address)
    control.switch(limiter=limiter)
    error = until_throttled(slow)
    assert (error.code, error.status_code) == ("Throttling.User", 400)
    counters = control.calls()["counters"]
    assert (counters["throttled"], counters["peak_per_second"] > 1) == (1, True)


@pytest.mark.parametrize("status", [400, 429])
def test_throttling_has_the_switched_status_and_header(slow: LiveInThread, status: int) -> None:
    Remote(slow.address).switch(throttle_status=status, throttle_retry_after=300)
    error = until_throttled(slow)
    assert (error.status_code, error.retry_after) == (status, 300)


def test_a_fault_may_strike_one_call_in_so_many(live: LiveInThread) -> None:
    Remote(live.address).fail(code="InternalError", times=2, every=3)
    codes = [start(PresentSdk(live.address), "nowhere").code for _ in range(9)]

    assert [number for number, code in enumerate(codes, 1) if code == "InternalError"] == [3, 6]


def test_what_exceeds_the_rate_may_be_dropped_unanswered(slow: LiveInThread) -> None:
    control = Remote(slow.address)
    control.switch(throttle_mode="drop")
    assert until_throttled(slow, code=None).code is None
    assert control.calls()["counters"]["dropped"] == 1


def until_throttled(slow: LiveInThread, code: str | None = "Throttling.User") -> TeaException:
    sdk = PresentSdk(slow.address)
    for _ in range(50):
        error = start(sdk, "nowhere")
        if error.code == code:
            return error
    raise AssertionError("nothing was throttled")
