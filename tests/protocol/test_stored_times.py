"""What `decide` makes of a record whose times the store's clock gave before it was set back, or
before it jumped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_type_hints

import pytest
from msgspec import Struct
from msgspec.structs import replace

from shared.protocol import (
    Command,
    Phase,
    Polled,
    Published,
    Reason,
    StartAsked,
    StopAsked,
    StreamRecord,
    StreamSettings,
    TimePassed,
    decide,
    due_at,
)
from shared.protocol.command_errors import AlreadyStarted, InDoubt, Unavailable
from shared.protocol.continuity import Continuity
from shared.protocol.derived.wrong import wrong_since
from shared.protocol.rules.stored_times import STORED_TIMES, within_reach
from shared.protocol.state.command import IN_DOUBT_MS
from shared.protocol.state.confirmation import StartSource
from shared.protocol.state.session import SessionState
from tests.conftest import NOON
from tests.support.stream_story import SECOND, Story, by_rule, recording

HOUR_MS = 3_600_000
_TIME = re.compile(r"(.*_)?(at|until|time|since|before)$")
_NO_TIMES = {("session", "last_start_not_found")}


def set_back(story: Story, ms: int = HOUR_MS) -> Story:
    story.now -= ms
    return story


def jumps(story: Story, ms: int = HOUR_MS) -> Story:
    """Let the clock jump forward, and the store say so from then on."""
    story.now += ms
    story.continuity = Continuity(story.now)
    return story


# --- the table ----------------------------------------------------------------------------------


def fields_of(kind: type[Struct], part: str = "") -> Iterator[tuple[str, str]]:
    """Yield each field of the record and of its parts that is a time by its name."""
    for name, hint in get_type_hints(kind).items():
        inner = [one for one in _structs(hint) if not part]
        for one in inner:
            yield from fields_of(one, name)
        if not inner and _TIME.match(name):
            yield part, name


def _structs(hint: Any) -> list[type[Struct]]:  # noqa: ANN401 - a type of any form
    arguments = getattr(hint, "__args__", (hint,))
    return [one for one in arguments if isinstance(one, type) and issubclass(one, Struct)]


def test_the_table_has_every_stored_time() -> None:
    assert {(time.part, time.name) for time in STORED_TIMES} == set(fields_of(StreamRecord))


def test_a_record_of_a_steady_clock_stays_the_very_same() -> None:
    story = recording().stop().answer(InDoubt())

    assert within_reach(story.record, story.now, story.settings) is story.record


@pytest.mark.parametrize("seed", range(20))
def test_no_machine_time_lies_ahead_further_than_the_table_says(seed: int) -> None:
    story = recording(StreamSettings(status_known=bool(seed % 2))).stop().answer(InDoubt())
    story.passes(seed * SECOND)
    set_back(story).happens(TimePassed())
    furthest = {(time.part, time.name): time.furthest for time in STORED_TIMES}

    for part, name, at in times_of(story.record):
        limit = furthest[part, name]
        if limit is not None:
            assert at <= story.now + limit(story.record, story.settings), f"{part}.{name}"


def times_of(record: StreamRecord) -> Iterator[tuple[str, str, int]]:
    for part, name in fields_of(StreamRecord):
        value = getattr(record, part) if part else record
        for one in value if isinstance(value, tuple) else (value,):
            if one is not None and getattr(one, name) is not None:
                yield part, name, getattr(one, name)


# --- set back -----------------------------------------------------------------------------------


def test_a_retry_does_not_wait_for_the_time_that_was() -> None:
    story = recording().stop().answer(Unavailable("ServiceUnavailable"))
    set_back(story).happens(TimePassed())

    due = due_at(story.record)
    assert due is not None
    assert due - story.now <= 60 * SECOND


def test_a_command_that_waits_for_its_first_attempt_goes_out_at_once() -> None:
    story = recording()
    story.lane_is_free = False
    story.stop()
    story.lane_is_free = True
    set_back(story).happens(TimePassed())

    assert story.sent == ["start", "stop"]


def test_a_flight_is_lost_after_its_lease_and_not_an_hour_later() -> None:
    story = Story().publish().start()
    set_back(story).happens(TimePassed()).passes(10 * SECOND)

    assert story.sent == ["start", "start"]
    assert [doubt.until <= story.now + IN_DOUBT_MS for doubt in story.record.doubts] == [True]


def test_a_doubt_ends_a_minute_after_the_clock_was_set_back() -> None:
    story = recording().stop().answer(InDoubt()).passes(SECOND).answer()
    story.start().answer()
    set_back(story).happens(TimePassed()).passes(IN_DOUBT_MS + SECOND)

    assert story.record.doubts == ()
    assert story.record.flight is not None
    assert story.record.flight.reason is Reason.REASSERT


def test_a_session_ends_although_it_was_marked_an_hour_ahead() -> None:
    story = recording().unpublish()
    set_back(story)
    story.missed().passes(6 * SECOND).missed()

    session = story.record.session
    assert session is not None
    assert session.state is SessionState.ENDED


def test_a_stream_that_returns_is_started_although_the_clock_was_set_back() -> None:
    story = recording().goes_off()
    began = story.now + SECOND
    set_back(story).publish(began).answer()

    assert story.sent == ["start", "start"]


def test_a_poll_from_before_the_step_is_of_now() -> None:
    story = recording().unpublish()
    asked_at = story.now
    set_back(story).missed(asked_at)

    session = story.record.session
    assert session is not None
    assert session.absent_at == story.now


def test_policy_begins_again_although_time_ended_an_intent_an_hour_ahead() -> None:
    story = Story(by_rule(max_duration=60 * SECOND)).publish().answer().passes(61 * SECOND)
    story.answer().goes_off()
    set_back(story).happens(TimePassed())
    story.passes(story.settings.merge_delay).publish(story.now + 10 * HOUR_MS)

    assert story.record.intent.wanted


def test_what_people_set_stays_where_it_is() -> None:
    until = NOON + 5 * HOUR_MS
    story = Story().publish().happens(StartAsked("ann", until=until)).answer()
    set_back(story).happens(TimePassed())
    assert story.record.intent.until == until

    story.happens(StopAsked("ann", hold=HOUR_MS))
    held = story.record.intent.held_until
    set_back(story).happens(TimePassed())
    assert story.record.intent.held_until == held


def test_an_end_that_counts_from_the_first_start_moves_with_it() -> None:
    lasts = 60 * SECOND
    story = Story().publish().happens(StartAsked("ann", max_duration=lasts)).answer()
    set_back(story).happens(TimePassed())
    assert story.record.intent.until == story.now + lasts

    story.passes(lasts)
    assert story.sent == ["start", "stop"]


# --- set forward --------------------------------------------------------------------------------


def in_doubt() -> Story:
    """Return a start whose answer was lost, and a stop after it that Live has accepted."""
    return Story().publish().start().answer(InDoubt()).stop().answer()


def test_a_start_in_doubt_is_not_forgotten_when_the_clock_jumps() -> None:
    story = jumps(in_doubt()).happens(TimePassed())
    assert story.sent[-1] == "stop"
    assert [doubt.until for doubt in story.record.doubts] == [story.now + IN_DOUBT_MS]

    story.answer()
    before = len(story.sent)
    story.passes(IN_DOUBT_MS)
    assert story.sent[before:] == ["stop"]
    story.answer()
    assert story.record.doubts == ()
    story.passes(10 * IN_DOUBT_MS)
    assert story.sent[before:] == ["stop"]


def test_a_flight_of_before_the_jump_is_in_doubt_from_the_jump_on() -> None:
    story = jumps(Story().publish().start()).happens(StopAsked("ann"))

    assert [doubt.until for doubt in story.record.doubts] == [story.now + IN_DOUBT_MS]
    story.answer().passes(IN_DOUBT_MS)
    assert story.sent[-2:] == ["stop", "stop"]


def test_a_stop_in_doubt_counts_as_a_stop_until_a_minute_after_the_jump() -> None:
    story = jumps(recording().stop().answer(InDoubt())).happens(TimePassed())

    assert story.record.stopped_at == story.now + IN_DOUBT_MS


def test_a_doubt_of_after_the_jump_lasts_no_longer_than_ever() -> None:
    story = jumps(recording()).stop().answer(InDoubt())
    until = [doubt.until for doubt in story.record.doubts]
    story.passes(SECOND).answer()

    assert [doubt.until for doubt in story.record.doubts] == until


def test_without_a_doubt_a_jump_changes_nothing() -> None:
    story = jumps(recording(), 100 * SECOND)
    before = story.record

    assert (
        decide(before, TimePassed(), story.now, story.settings, story.continuity).record == before
    )


def test_a_late_answer_after_a_jump_is_no_answer() -> None:
    story = Story().publish().start()
    flight = story.record.flight
    jumps(story).happens(Polled(NOON, story.now)).happens(Published(NOON))

    assert story.record.flight is not None
    assert flight is not None
    assert story.record.flight.id != flight.id
    assert story.record.flight.command is Command.START
    assert replace(story.record.doubts[0], until=0).command is Command.START


def test_a_recording_that_was_paused_before_a_jump_may_still_be_paused() -> None:
    """TaskAlreadyStarted then proves nothing, whatever the clock says of the time since."""
    story = recording().unpublish().passes(10 * SECOND)
    paused_at, gap_from = story.record.interrupted_at, story.now
    jumps(story)
    story.continuity = Continuity(story.now, gap_from)
    story.publish().answer(AlreadyStarted())

    assert paused_at is not None
    assert story.record.confirmation is not None
    assert story.record.confirmation.source is StartSource.ADOPTED


def test_a_pause_that_was_over_before_a_jump_is_over() -> None:
    story = recording().goes_off().passes(200 * SECOND)
    gap_from = story.now
    jumps(story)
    story.continuity = Continuity(story.now, gap_from)
    story.publish().answer(AlreadyStarted())

    assert story.record.confirmation is not None
    assert story.record.confirmation.source is StartSource.ALREADY


def interrupted() -> Story:
    """Return a story whose recorded stream has gone and come back: a start is on the wire."""
    return recording().unpublish().passes(5 * SECOND).seen(NOON)


def gap(story: Story, ms: int = 92 * SECOND) -> Story:
    """Let nobody touch the store for so long, and let the store say so from then on."""
    gap_from = story.now
    story.now += ms
    story.continuity = Continuity(story.now, gap_from)
    return story


def test_a_gap_denies_no_recording_that_live_began_after_the_pause() -> None:
    story = gap(interrupted().answer().confirm()).seen(NOON)

    assert story.phase is Phase.RECORDING
    assert wrong_since(story.record) is None


def test_a_gap_denies_no_start_that_live_accepted_after_the_pause() -> None:
    story = gap(interrupted().answer()).seen(NOON)

    assert story.phase is Phase.STARTING


def test_a_gap_denies_no_report_that_came_after_the_pause() -> None:
    story = gap(interrupted().answer(AlreadyStarted()).confirm()).seen(NOON)

    assert story.phase is Phase.RECORDING


def test_a_gap_denies_no_start_of_which_it_is_open_whether_it_found_a_pause() -> None:
    story = gap(interrupted().answer(AlreadyStarted())).seen(NOON)

    assert story.phase is Phase.STARTING
    assert story.record.paused_since == story.now
