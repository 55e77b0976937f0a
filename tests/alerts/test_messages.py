"""Who is told of what, when, and how often: by the rules of the policy alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from shared.alerts.book import (
    KEEP_RESOLVED_MS,
    MAX_ALERT_ENTRIES,
    AlertBook,
    CallbackWatch,
    acknowledged,
    book_from_text,
    book_to_text,
    observed,
)
from shared.alerts.condition import Condition, of_stage, of_stream
from shared.alerts.messages import Message, messages
from shared.protocol.policy import AlertSeverity, ConditionCode, Match, NotifyRule, QuietHours
from shared.protocol.reason import HistoryEntry, Reason
from shared.protocol.stream import StreamKey
from tests.conftest import KEY, NOON

MINUTE = 60_000
OPS = NotifyRule("ops")
STORE = of_stage(ConditionCode.STORE_NEARLY_FULL, NOON, {"percent": 81})


def lost(name: str = "room1", since: int = NOON) -> Condition:
    key = replace(KEY, stream=name)
    return of_stream(ConditionCode.NOT_RECORDED, key, since, HistoryEntry(Reason.QUEUED))


class Evaluated:
    """A book that is evaluated minute by minute."""

    def __init__(self, *rules: NotifyRule) -> None:
        self.rules, self.book, self.now = rules, AlertBook(), NOON

    def minute(self, *found: Condition, beyond: int = 0) -> Sequence[Message]:
        counted = {ConditionCode.NOT_RECORDED.value: beyond} if beyond else {}
        book = observed(self.book, found, counted, self.now)
        book, sent = messages(book, self.rules, self.now)
        self.book = book_from_text(book_to_text(book))
        self.now += MINUTE
        return sent

    def acknowledge(self, condition: Condition) -> None:
        self.book = acknowledged(self.book, condition.id, "ann", self.now)


def test_an_alert_is_told_once_and_so_is_its_end() -> None:
    stage = Evaluated(OPS)
    (raised,) = stage.minute(lost())
    assert [alert.subject for alert in raised.raised] == [str(KEY)]
    assert stage.minute(lost()) == []
    (ended,) = stage.minute()
    assert (ended.raised, [alert.subject for alert in ended.resolved]) == ((), [str(KEY)])
    assert stage.minute() == []


def test_many_at_once_are_one_message_the_longest_first() -> None:
    stage = Evaluated(OPS)
    found = [lost(f"room{n}", NOON - n) for n in range(12)]
    (message,) = stage.minute(STORE, *found, beyond=3)
    assert len(message.raised) == 13
    assert message.raised[0].subject.endswith("room11")
    assert message.raised[-1].code == "store_nearly_full"
    assert message.beyond == {"not_recorded": 3}


def test_what_ended_before_it_was_told_is_never_told() -> None:
    stage = Evaluated(replace(OPS, after=3 * MINUTE))
    assert [stage.minute(lost()), stage.minute(lost()), stage.minute()] == [[], [], []]


def test_a_rule_waits_for_as_long_as_it_says() -> None:
    stage = Evaluated(replace(OPS, after=2 * MINUTE))
    assert [len(stage.minute(lost())) for _ in range(4)] == [0, 0, 1, 0]


def test_an_unacknowledged_critical_goes_on_to_the_next_sink() -> None:
    boss = NotifyRule("boss", severity=AlertSeverity.CRITICAL, after=10 * MINUTE)
    taken, ignored = Evaluated(OPS, boss), Evaluated(OPS, boss)
    assert [message.sink for message in taken.minute(lost())] == ["ops"]
    ignored.minute(lost())
    taken.acknowledge(lost())
    assert [taken.minute(lost()) for _ in range(20)] == [[]] * 20
    sent = [message.sink for _ in range(20) for message in ignored.minute(lost())]
    assert sent == ["boss"]
    assert {message.sink for message in ignored.minute()} == {"ops", "boss"}


def test_it_is_repeated_until_somebody_acknowledges_it() -> None:
    stage = Evaluated(replace(OPS, repeat=5 * MINUTE))
    stage.minute(lost())
    sent = [message for _ in range(10) for message in stage.minute(lost())]
    assert [len(message.repeated) for message in sent] == [1, 1]
    stage.acknowledge(lost())
    assert [stage.minute(lost()) for _ in range(10)] == [[]] * 10
    (ended,) = stage.minute()
    assert ended.resolved[0].acknowledged_by == "ann"


def test_quiet_hours_hold_back_all_but_what_is_critical() -> None:
    night = QuietHours(0, 1_439, 0)
    stage = Evaluated(replace(OPS, quiet_hours=night))
    (message,) = stage.minute(lost(), STORE)
    assert [alert.code for alert in message.raised] == ["not_recorded"]
    stage.rules = (OPS,)  # the morning comes
    (message,) = stage.minute(STORE)
    codes = [[alert.code for alert in part] for part in (message.raised, message.resolved)]
    assert codes == [["store_nearly_full"], ["not_recorded"]]


@pytest.mark.parametrize(
    ("at", "covers"), [("22:59", False), ("23:00", True), ("06:59", True), ("07:00", False)]
)
def test_quiet_hours_pass_midnight_by_their_own_clock(at: str, covers: bool) -> None:
    quiet = QuietHours(23 * 60, 7 * 60, 8 * 60)
    hours, minutes = map(int, at.split(":"))
    utc_ms = (hours * 60 + minutes - 8 * 60) * MINUTE + 30_000
    assert quiet.covers(utc_ms) is covers
    assert str(quiet) == "23:00-07:00 +08:00"


@pytest.mark.parametrize(
    ("rule", "is_about"),
    [
        (OPS, True),
        (replace(OPS, severity=AlertSeverity.CRITICAL), True),
        (replace(OPS, match=Match(app="app")), True),
        (replace(OPS, match=Match(app="other")), False),
        (replace(OPS, match=Match(stream="room*")), True),
        (replace(OPS, condition="store_*"), False),
        (replace(OPS, condition="not_*"), True),
    ],
)
def test_a_rule_is_about_what_it_matches(rule: NotifyRule, is_about: bool) -> None:
    assert bool(Evaluated(rule).minute(lost())) is is_about


def test_a_rule_of_streams_is_about_none_of_the_stages_conditions() -> None:
    assert Evaluated(replace(OPS, match=Match(app="app"))).minute(STORE) == []
    assert Evaluated(replace(OPS, severity=AlertSeverity.CRITICAL)).minute(STORE) == []


def test_recordings_of_others_are_told_only_to_who_names_them() -> None:
    application = StreamKey(KEY.domain, KEY.app, "")
    others = of_stream(ConditionCode.UNMANAGED, application, NOON)
    assert Evaluated(replace(OPS, severity=AlertSeverity.INFO)).minute(others) == []
    named = replace(OPS, condition="unmanaged", match=Match(app="app"))
    assert len(Evaluated(named).minute(others)) == 1


def test_two_rules_of_one_sink_make_one_message() -> None:
    stage = Evaluated(replace(OPS, condition="store_*"), replace(OPS, condition="not_*"))
    (message,) = stage.minute(lost(), STORE)
    assert len(message.raised) == 2


def test_a_sink_that_was_told_just_now_gets_the_rest_with_the_next_message() -> None:
    stage = Evaluated(OPS)
    stage.minute(lost("a"))
    stage.now += 2_000 - MINUTE
    assert stage.minute(lost("a"), lost("b")) == []
    (message,) = stage.minute(lost("a"), lost("b"), lost("c"))
    assert {alert.subject[-1] for alert in message.raised} == {"b", "c"}


def test_the_book_names_so_many_and_counts_the_rest() -> None:
    stage = Evaluated(OPS)
    found = [lost(f"room{n:05}", NOON - n) for n in range(MAX_ALERT_ENTRIES + 500)]
    (message,) = stage.minute(*found)
    assert (len(message.raised), message.beyond) == (MAX_ALERT_ENTRIES, {"not_recorded": 500})
    assert message.raised[0].subject.endswith(f"room{MAX_ALERT_ENTRIES + 499:05}")
    assert len(book_to_text(stage.book)) < 2_500_000


def test_what_a_rule_told_that_is_gone_is_told_to_nobody_any_more() -> None:
    stage = Evaluated(OPS)
    stage.minute(lost())
    stage.rules = ()
    assert stage.minute() == []
    stage.now += KEEP_RESOLVED_MS
    stage.minute()
    assert stage.book.alerts == {}


def test_what_comes_back_is_raised_anew_and_nobody_has_acknowledged_it() -> None:
    stage = Evaluated(OPS)
    stage.minute(lost())
    stage.acknowledge(lost())
    stage.minute()
    (message,) = stage.minute(lost())
    assert message.raised[0].acknowledged_at is None


def test_callbacks_are_watched_from_the_second_look_on() -> None:
    watch = CallbackWatch().after(5, 2, NOON, is_first=True)
    assert watch.after(5, 2, NOON, is_first=False).since is None
    silent = watch.after(5, 3, NOON + 1, is_first=False)
    assert silent.since == NOON + 1
    assert silent.after(5, 4, NOON + 2, is_first=False).since == NOON + 1
    assert silent.after(6, 4, NOON + 3, is_first=False).since is None


def test_a_book_that_cannot_be_read_says_so() -> None:
    with pytest.raises(ValueError, match="JSON"):
        book_from_text("nobody's")
