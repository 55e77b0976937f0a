"""What Live could not deliver is read back each minute, is told once, and late news stays late."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest
from msgspec.structs import replace

from shared.outbound.live import LiveClient
from shared.outbound.live.client import UndeliveredCallback
from shared.protocol import Phase, Polled, Published, StartAsked, phase
from shared.protocol.command_errors import LiveError, OperatorActionNeeded
from tests.conftest import KEY, NOON, Clock
from tests.support.callback_stage import INGEST, Edge
from tests.support.scripted_stage import ScriptedLive

SECOND, MINUTE, DAY = 1_000, 60_000, 24 * 3_600_000
PLACE = {"domain": KEY.domain, "app": KEY.app, "stream": KEY.stream}
Asked = tuple[str, int, int]


@dataclass
class TellingLive(ScriptedLive):
    """Tells of what it could not deliver, one to a page; `asked` is what it was asked for."""

    of_streams: list[UndeliveredCallback] = field(default_factory=list)
    of_records: list[UndeliveredCallback] = field(default_factory=list)
    refuses: LiveError | None = None
    asked: list[Asked] = field(default_factory=list)

    def undelivered_stream_events(
        self,
        ingest: str,
        since: int,
        until: int,
        *,
        take_poll_slot: Callable[[], None],
        **_credentials: object,
    ) -> Sequence[UndeliveredCallback]:
        return self._told(self.of_streams, (ingest, since, until), take_poll_slot)

    def undelivered_record_events(
        self,
        domain: str,
        since: int,
        until: int,
        *,
        take_poll_slot: Callable[[], None],
        **_credentials: object,
    ) -> Sequence[UndeliveredCallback]:
        return self._told(self.of_records, (domain, since, until), take_poll_slot)

    def _told(
        self, kept: Sequence[UndeliveredCallback], asked: Asked, take_poll_slot: Callable[[], None]
    ) -> Sequence[UndeliveredCallback]:
        self.asked.append(asked)
        for _ in range(max(len(kept), 1)):
            take_poll_slot()
        if self.refuses and asked[0] == INGEST:
            raise self.refuses
        return [one for one in kept if one.at is None or asked[1] <= one.at < asked[2]]


@pytest.fixture
def live() -> TellingLive:
    return TellingLive()


@pytest.fixture
def edge(tmp_path: Path, clock: Clock, live: TellingLive) -> Edge:
    return another(tmp_path, clock, live)


def another(folder: Path, clock: Clock, live: TellingLive) -> Edge:
    """One more process on the same store."""
    edge = Edge(folder, clock)
    edge.live, edge.app = live, replace(edge.app, live=cast("LiveClient", live))
    return edge


def publish_done(time: int, **more: object) -> UndeliveredCallback:
    payload = {"action": "publish_done", "app": INGEST, "appname": KEY.app, "id": KEY.stream}
    content = json.dumps({**payload, "time": time // SECOND, **more})
    return UndeliveredCallback("publish_done", content, time)


def record_event(at: int, **fields: object) -> UndeliveredCallback:
    return UndeliveredCallback("", json.dumps({**PLACE, **fields}), at)


def error(at: int, **more: object) -> UndeliveredCallback:
    info = {"code": "AccessDenied", "message": "denied"}
    return record_event(at, event="record_error", error_info=info, **more)


def recorded(edge: Edge, clock: Clock) -> None:
    edge.happens(Published(clock.now))
    edge.happens(StartAsked("ann"))
    clock.pass_ms(10 * SECOND)


def test_a_record_error_and_a_file_that_were_not_delivered_are_learnt(
    edge: Edge, clock: Clock, live: TellingLive
) -> None:
    recorded(edge, clock)
    file = record_event(clock.now, uri="a.mp4", start_time=1, stop_time=2)
    live.of_records = [file, error(clock.now)]
    assert edge.invocation().replay_undelivered() == 2

    assert [one.uri for one in edge.app.store.files(KEY, limit=9)] == ["a.mp4"]
    assert edge.record().asks_after_error


def test_a_file_that_was_lost_is_told_of(edge: Edge, clock: Clock, live: TellingLive) -> None:
    recorded(edge, clock)
    live.of_records = [record_event(clock.now, event="transformat_error", error_info={"code": "C"})]
    edge.invocation().replay_undelivered()

    assert edge.history()[-1] == "file_failed"


def test_a_confirmation_that_was_not_delivered_confirms(
    edge: Edge, clock: Clock, live: TellingLive
) -> None:
    recorded(edge, clock)
    live.of_records = [record_event(clock.now, event="record_started")]
    edge.invocation().replay_undelivered()

    started = edge.record().confirmation
    assert started is not None
    assert started.is_confirmed


def test_an_end_that_was_not_delivered_only_makes_us_look(
    edge: Edge, clock: Clock, live: TellingLive
) -> None:
    recorded(edge, clock)
    live.of_streams = [publish_done(clock.now)]
    edge.invocation().replay_undelivered()

    session = edge.record().session
    assert session is not None
    assert session.state.value == "ending"
    assert edge.history()[-1] == "unpublished"


@pytest.mark.parametrize("same_process", [True, False])
def test_what_is_read_again_changes_nothing(
    edge: Edge, clock: Clock, live: TellingLive, tmp_path: Path, same_process: bool
) -> None:
    recorded(edge, clock)
    began = clock.now - 10 * SECOND
    started = record_event(clock.now - SECOND, event="record_started")
    live.of_records = [started, error(clock.now)]
    live.of_streams = [publish_done(clock.now)]
    edge.invocation().replay_undelivered()
    clock.pass_ms(5 * SECOND)
    edge.happens(Polled(began, clock.now))
    edge.happens(StartAsked("ann"))
    before, history = edge.record(), edge.history()

    clock.pass_ms(50 * SECOND)
    again = edge if same_process else another(tmp_path, clock, live)
    again.invocation().replay_undelivered()
    assert (again.record(), again.history()) == (before, history)


def test_an_error_of_before_the_latest_start_does_not_fail_it(
    edge: Edge, clock: Clock, live: TellingLive
) -> None:
    recorded(edge, clock)
    live.of_records = [error(clock.now, time="2025-11-22T08:00:00Z")]
    edge.invocation().replay_undelivered()

    assert phase(edge.record()) is Phase.STARTING


def test_a_failed_reading_changes_nothing_is_logged_and_spoils_no_other(
    edge: Edge, clock: Clock, live: TellingLive
) -> None:
    recorded(edge, clock)
    live.of_records = [record_event(clock.now, uri="a.mp4")]
    live.refuses = OperatorActionNeeded("Forbidden.RAM")
    assert edge.invocation().replay_undelivered() == 1

    assert [line for line in edge.lines if "replay.failed" in line and "Forbidden.RAM" in line]


def test_each_reading_overlaps_the_one_before(clock: Clock, edge: Edge, live: TellingLive) -> None:
    edge.invocation().replay_undelivered()
    clock.pass_ms(MINUTE)
    edge.invocation().replay_undelivered()

    assert [(name, since) for name, since, _ in live.asked] == [
        (INGEST, NOON - 3 * MINUTE),
        (KEY.domain, NOON - 3 * MINUTE),
        (INGEST, NOON - 3 * MINUTE),
        (KEY.domain, NOON - 3 * MINUTE),
    ]


def test_what_was_missed_while_nobody_read_is_read_back_six_days_at_the_most(
    clock: Clock, edge: Edge, live: TellingLive
) -> None:
    edge.invocation().replay_undelivered()
    clock.pass_ms(2 * DAY)
    edge.invocation().replay_undelivered()
    clock.pass_ms(9 * DAY)
    edge.invocation().replay_undelivered()

    starts = [since for name, since, _ in live.asked if name == KEY.domain]
    assert starts[1:] == [NOON - 3 * MINUTE, NOON + 11 * DAY - 6 * DAY]


def test_what_could_not_be_read_is_read_the_next_time(
    clock: Clock, edge: Edge, live: TellingLive
) -> None:
    edge.invocation().replay_undelivered()
    live.refuses = OperatorActionNeeded("Forbidden.RAM")
    clock.pass_ms(DAY)
    edge.invocation().replay_undelivered()
    live.refuses = None
    clock.pass_ms(DAY)
    edge.invocation().replay_undelivered()

    starts = [since for name, since, _ in live.asked if name == INGEST]
    assert starts[2] == starts[1] == NOON - 3 * MINUTE


def test_what_there_is_no_time_for_is_told_the_next_minute(
    edge: Edge, clock: Clock, live: TellingLive
) -> None:
    live.of_records = [record_event(clock.now, uri=f"{number}.mp4") for number in range(4)]
    ticks = itertools.count()
    patient, edge.app = edge.app, replace(edge.app, monotonic=lambda: next(ticks) / 12)
    fed = edge.invocation().replay_undelivered()
    edge.app = patient

    assert 0 < fed < 4
    assert edge.invocation().replay_undelivered() == 4 - fed
    assert len(edge.app.store.files(KEY, limit=9)) == 4


def test_every_page_takes_a_slot_of_the_looks_lane(
    edge: Edge, clock: Clock, live: TellingLive
) -> None:
    live.of_records = [record_event(clock.now, uri=f"{number}.mp4") for number in range(4)]
    edge.invocation().replay_undelivered()

    ahead = edge.app.store.poll_slot(1_000)
    assert ahead is not None
    assert ahead == pytest.approx(5 * SECOND / 50, abs=1)


def test_no_secret_of_what_was_not_delivered_is_kept(
    edge: Edge, clock: Clock, live: TellingLive
) -> None:
    live.of_streams = [publish_done(clock.now, usrargs="auth_key%3D17-hush")]
    live.of_records = [UndeliveredCallback("", '{"event": "17-hush')]
    edge.invocation().replay_undelivered()

    assert "17-hush" not in "\n".join([*edge.dump(), *edge.lines])
