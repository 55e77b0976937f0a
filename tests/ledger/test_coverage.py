"""What is said to be missing of a stream, and why."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from shared.ledger.coverage import FILE_LATE_MS, START_GRACE_MS, listed_period, spans_between
from shared.ledger.edges import Edge, EdgeKind, edges_between
from shared.ledger.occurrences import occurrence_parts, occurrence_spans
from shared.ledger.spans import Span, total_ms
from shared.protocol import (
    Accepted,
    Event,
    Occurrence,
    OccurrencePut,
    OccurrenceSkipped,
    OccurrencesPlanned,
    Published,
    Reason,
    RecordFailed,
    Reported,
    StopAsked,
    StreamKey,
    StreamRecord,
    StreamSettings,
    TimePassed,
    Unpublished,
)
from shared.protocol.command_errors import (
    AlreadyStarted,
    InDoubt,
    NoRecordConfig,
    StreamNotLive,
    Throttled,
)
from shared.protocol.derived.wrong import UNDECIDED_MS, UNPROVED_MS
from shared.protocol.file import File
from shared.protocol.stream import REHEARSAL_PREFIX
from tests.conftest import KEY, NOON
from tests.ledger.accounts import Account
from tests.support.stream_story import RECORDS, SECOND

MINUTE = 60 * SECOND
HOUR_MS = 60 * MINUTE
BY_RULE = StreamSettings(rule=RECORDS)


def live(settings: StreamSettings = BY_RULE) -> Account:
    """Return the account of a stream that has just come up and is wanted."""
    account = Account(settings)
    account.publish()
    return account


def gaps(account: Account) -> list[tuple[int, int, Reason]]:
    """Return where the gaps begin, in s after noon, how long they are, in s, and why."""
    found = account.covers().gaps
    return [((g.span.start - NOON) // SECOND, g.ms // SECOND, g.reason.code) for g in found]


def test_a_stream_that_is_recorded_at_once_has_no_gap() -> None:
    account = live()
    account.passes(2 * SECOND)
    account.answer().confirm().passes(10 * MINUTE)
    covered = account.covers()
    assert (covered.gaps, covered.ratio) == ((), 1.0)
    assert covered.latency_ms == 2 * SECOND
    assert covered.due_ms == 10 * MINUTE + 2 * SECOND


def show(ends_min: int = 20) -> Occurrence:
    """Return a show that is announced for ten minutes after noon, and begins a minute before."""
    starts_at, ends_at = NOON + 10 * MINUTE, NOON + ends_min * MINUTE
    return Occurrence("show@1", "show", starts_at, starts_at - MINUTE, ends_at, ends_at)


def scheduled(at_min: int, *events: Event) -> Account:
    """Return the account of a stream with that show at so many minutes after noon."""
    account = Account(StreamSettings())
    for event in (OccurrencesPlanned("show", (show(),)), *events):
        account.happens(event)
    account.passes(at_min * MINUTE)
    return account


def absent(account: Account, start: int = NOON) -> list[tuple[int, int, Reason]]:
    """Return from when to when there is nothing of an occurrence, in min after noon, and why."""
    found = account.covers(start).absences
    assert all((one.occurrence, one.schedule) == ("show@1", "show") for one in found)
    after_noon = [Span(one.span.start - NOON, one.span.stop - NOON) for one in found]
    return [
        (span.start // MINUTE, span.stop // MINUTE, one.code)
        for span, one in zip(after_noon, found, strict=True)
    ]


def test_a_show_whose_stream_never_came_is_absent_once_it_is_over() -> None:
    account = scheduled(19)
    assert absent(account) == []
    account.passes(2 * MINUTE)
    assert absent(account) == [(10, 20, Reason.SCHEDULE_NOT_LIVE)]
    assert absent(account, NOON + 20 * MINUTE) == []
    assert account.covers().ratio is None


def test_a_show_that_was_live_is_not_absent() -> None:
    account = scheduled(11)
    account.publish().answer().confirm().passes(MINUTE).goes_off().passes(10 * MINUTE)
    assert absent(account) == []


def test_a_show_that_a_stop_bars_is_absent_unless_somebody_starts_it() -> None:
    account = scheduled(11, Published(NOON), StopAsked("ann"))
    assert absent(account) == [(10, 20, Reason.SCHEDULE_HELD)]
    account.answer().start().answer().confirm().passes(MINUTE)
    assert absent(account) == []


def test_a_show_that_was_missed_is_absent_and_one_that_was_skipped_is_not() -> None:
    assert absent(scheduled(30, OccurrenceSkipped("ann", "show@1"))) == []

    account = Account(StreamSettings())
    account.now = NOON + 30 * MINUTE
    account.happens(OccurrencesPlanned("show", (show(),)))
    assert absent(account) == [(10, 20, Reason.SCHEDULE_MISSED)]


def test_a_show_that_was_extended_is_absent_to_its_new_end() -> None:
    account = scheduled(11)
    account.happens(OccurrencePut("ann", show(ends_min=30))).passes(10 * MINUTE)
    assert absent(account) == []
    account.passes(20 * MINUTE)
    assert absent(account) == [(10, 30, Reason.SCHEDULE_NOT_LIVE)]


def asked_for(account: Account, occurrence: str = "show@1") -> tuple[int, int] | None:
    """Return when the recording of an occurrence was asked for, in minutes after noon."""
    span = occurrence_spans(account.edges, account.now).get(occurrence)
    return None if span is None else ((span.start - NOON) // MINUTE, (span.stop - NOON) // MINUTE)


def test_an_occurrence_asks_from_its_beginning_to_its_end_or_until_now() -> None:
    account = scheduled(11)
    assert asked_for(account) == (9, 11)
    assert asked_for(account, "another@1") is None
    account.passes(10 * MINUTE)
    assert asked_for(account) == (9, 20)


def test_what_is_missing_of_an_occurrence_is_counted_apart() -> None:
    account = scheduled(0, Published(NOON))
    account.start().answer().confirm().passes(12 * MINUTE)
    account.happens(Reported("record_paused", recording=False, time=account.now))
    account.passes(MINUTE).happens(Reported("record_resumed", recording=True, time=account.now))
    account.passes(17 * MINUTE)

    covered, spans = account.covers(), occurrence_spans(account.edges, account.now)
    (part,) = occurrence_parts(covered, spans.items())
    assert (part.occurrence, part.schedule) == ("show@1", "show")
    assert (part.due_ms, part.missing_ms, covered.due_ms) == (11 * MINUTE, MINUTE, 30 * MINUTE)
    assert list(occurrence_parts(account.covers(NOON + 25 * MINUTE), spans.items())) == []


def test_of_a_show_of_which_nothing_was_recorded_not_a_part_counts_as_recorded() -> None:
    account = scheduled(8)
    account.passes(3 * MINUTE).publish().passes(17 * MINUTE)  # no start is ever answered
    spans = occurrence_spans(account.edges, account.now)
    (part,) = occurrence_parts(account.covers(), spans.items())
    assert (part.covered_ms, part.ratio) == (0, 0.0)
    assert part.missing_ms < part.due_ms  # by the latency of the start


def test_an_occurrence_that_was_extended_asks_until_its_new_end() -> None:
    account = scheduled(11)
    account.happens(OccurrencePut("ann", show(ends_min=30))).passes(30 * MINUTE)
    assert asked_for(account) == (9, 30)


def test_a_show_that_runs_over_is_of_its_occurrence_until_the_next_one() -> None:
    account = scheduled(8)
    lasts = replace(show(), until=NOON + 60 * MINUTE)
    account.happens(OccurrencesPlanned("show", (lasts,))).passes(3 * MINUTE)
    account.publish().answer().confirm().passes(29 * MINUTE)
    assert asked_for(account) == (9, 40)

    following = replace(
        lasts, id="show@2", starts_at=NOON + 50 * MINUTE, begins_at=NOON + 45 * MINUTE
    )
    account.happens(OccurrencePut("ann", following)).passes(10 * MINUTE)
    assert asked_for(account) == (9, 45)


def test_an_occurrence_that_goes_on_with_the_one_before_runs_over_as_any_other() -> None:
    """They begin within the merge delay of each other's end, and are one intent."""
    account = Account(StreamSettings())
    second = replace(
        show(ends_min=30),
        id="show@2",
        starts_at=NOON + 22 * MINUTE,
        begins_at=NOON + 21 * MINUTE,
        until=NOON + 60 * MINUTE,
    )
    account.happens(OccurrencesPlanned("show", (show(), second))).passes(11 * MINUTE)
    account.publish().answer().confirm()
    for _ in range(29):
        account.passes(MINUTE)
    assert (asked_for(account), asked_for(account, "show@2")) == ((9, 21), (21, 40))


def test_an_intent_of_a_person_does_not_make_an_occurrence_longer() -> None:
    account = Account(StreamSettings())
    account.start().answer()
    account.happens(OccurrencesPlanned("show", (show(),))).passes(40 * MINUTE)
    assert asked_for(account) == (9, 20)


def test_a_start_whose_report_is_on_its_way_is_no_gap() -> None:
    account = live()
    account.answer().passes(50 * SECOND)
    assert gaps(account) == []


def test_a_start_that_nothing_shows_for_too_long_began_no_recording() -> None:
    account = live()
    account.answer()
    later = account.now + UNPROVED_MS + SECOND
    before = account.record
    account.edges += edges_between(before, before, later, account.settings)
    account.now = later
    assert gaps(account) == [(5, UNPROVED_MS // SECOND + 1 - 5, Reason.UNCONFIRMED)]


def test_a_stream_that_nobody_wants_is_due_nothing() -> None:
    account = live(StreamSettings())
    account.passes(MINUTE)
    covered = account.covers()
    assert (covered.due_ms, covered.ratio) == (0, None)
    assert [span.ms for span in covered.live] == [MINUTE]


def test_what_live_refuses_is_missing_and_the_answer_is_the_cause() -> None:
    account = live()
    account.answer(NoRecordConfig("CodeConfigNotFound")).passes(MINUTE)
    assert gaps(account) == [(5, 55, Reason.NO_RECORD_CONFIG)]
    assert account.covers().latency_ms == START_GRACE_MS


def test_a_start_that_was_throttled_for_long_is_missing_until_it_was_accepted() -> None:
    account = live()
    for _ in range(4):
        account.answer(Throttled("Throttling.User", retry_after=10 * SECOND)).passes(11 * SECOND)
    account.answer().confirm().passes(MINUTE)
    ((start, seconds, reason),) = gaps(account)
    assert (start, reason) == (5, Reason.THROTTLED)
    assert 25 <= seconds <= 45


def test_a_start_without_a_slot_waits_for_its_turn() -> None:
    account = Account(BY_RULE)
    account.lane_is_free = False
    account.publish().passes(20 * SECOND)
    assert gaps(account) == [(5, 15, Reason.QUEUED)]


def test_a_stream_that_is_seen_late_was_reported_late() -> None:
    account = Account(BY_RULE)
    account.now += 40 * SECOND
    account.seen(NOON).answer().confirm().passes(MINUTE)
    assert gaps(account) == [(5, 35, Reason.DETECTED_LATE)]


def test_what_a_person_held_back_is_due_from_the_end_of_the_hold_on() -> None:
    account = Account(BY_RULE)
    account.happens(StopAsked("ann", hold=MINUTE)).answer().passes(20 * SECOND)
    account.publish().passes(2 * MINUTE)
    account.seen(NOON + 20 * SECOND).answer().confirm().passes(MINUTE)
    (wanted,) = account.covers().wanted
    assert wanted.start == NOON + MINUTE


def test_a_rule_that_is_changed_wants_a_live_stream_from_then_on() -> None:
    account = Account(StreamSettings())
    account.publish().passes(MINUTE)
    account.settings = BY_RULE
    account.seen(NOON).answer().confirm().passes(MINUTE)
    covered = account.covers()
    assert covered.wanted == (Span(NOON + MINUTE, account.now),)
    assert covered.gaps == ()


def test_so_it_does_where_a_schedule_wanted_the_stream_before() -> None:
    account = scheduled(9)
    account.publish().answer().confirm().passes(12 * MINUTE)
    account.answer().pauses().passes(MINUTE)
    account.settings = BY_RULE
    asked_at = account.now
    account.seen(NOON + 9 * MINUTE).answer().confirm().passes(MINUTE)
    covered = account.covers()
    assert [span.start for span in covered.wanted] == [NOON + 9 * MINUTE, asked_at]
    assert covered.gaps == ()


def test_a_pause_of_the_recording_is_missing_until_it_goes_on() -> None:
    account = live()
    account.answer().confirm().passes(MINUTE)
    account.happens(Reported(recording=False, what="record_paused", time=account.now))
    account.passes(20 * SECOND)
    account.happens(Reported(recording=True, what="record_resumed", time=account.now))
    account.passes(MINUTE)
    ((start, seconds, reason),) = gaps(account)
    assert (start, reason) == (60, Reason.PAUSED)
    assert 0 < seconds <= 20


def test_the_time_between_two_publishes_is_not_missing() -> None:
    account = live()
    account.answer().confirm().passes(MINUTE)
    account.goes_off().passes(10 * MINUTE)
    account.publish().answer().confirm().passes(MINUTE)
    covered = account.covers()
    assert covered.gaps == ()
    assert len(covered.live) == 2
    assert covered.due_ms == 2 * MINUTE


def test_files_correct_what_was_believed() -> None:
    account = live()
    account.answer().confirm().passes(10 * MINUTE)
    account.goes_off().passes(FILE_LATE_MS + MINUTE)
    account.files = (
        File("a.flv", NOON + 20 * SECOND, NOON + 4 * MINUTE),
        File("b.flv", NOON + 6 * MINUTE, NOON + 10 * MINUTE),
    )
    assert gaps(account) == [(5, 15, Reason.NO_FILE), (240, 120, Reason.NO_FILE)]


def test_a_file_that_is_not_late_yet_is_not_missing() -> None:
    account = live()
    account.answer().confirm().passes(20 * MINUTE)
    account.files = (File("a.flv", NOON, NOON + 10 * MINUTE),)
    assert gaps(account) == []


def unfiled() -> Account:
    """Return the account of a recording of ten minutes that has left no file for an hour."""
    account = live()
    account.answer().confirm().passes(10 * MINUTE)
    account.goes_off().passes(60 * MINUTE)
    return account


def test_a_recording_without_any_file_is_missing_where_the_others_have_files() -> None:
    account = unfiled()
    account.listed = Span(NOON, account.now)
    assert gaps(account) == [(5, 595, Reason.NO_FILE)]


def test_a_recording_without_any_file_is_believed_where_files_may_be_unknown() -> None:
    account = unfiled()
    assert gaps(account) == []
    account.listed = Span(NOON + SECOND, account.now)  # its file may have been deleted
    assert gaps(account) == []
    account.listed = Span(NOON, NOON + 10 * MINUTE + FILE_LATE_MS)  # no callbacks since, perhaps
    assert gaps(account) == []


def test_the_files_of_a_list_that_is_full_are_known_from_its_oldest_on() -> None:
    begins = (NOON + 2 * HOUR_MS, NOON + HOUR_MS)
    files = [File(f"{begin}.flv", begin, begin + MINUTE) for begin in begins]
    now = NOON + 3 * HOUR_MS

    assert listed_period(files, 3, kept_since=NOON, reported_at=now) == Span(NOON, now)
    assert listed_period(files, 2, kept_since=NOON, reported_at=now) == Span(NOON + HOUR_MS, now)
    assert listed_period((), 2, kept_since=NOON, reported_at=None) is None
    assert listed_period((), 2, kept_since=now, reported_at=NOON) is None


def test_a_file_without_a_stop_lasts_as_long_as_its_duration() -> None:
    account = live()
    account.answer().confirm().passes(5 * MINUTE)
    account.goes_off().passes(FILE_LATE_MS + MINUTE)
    account.files = (File("a.flv", NOON, None, 3 * MINUTE),)
    assert gaps(account) == [(180, 120, Reason.NO_FILE)]


def test_a_session_whose_end_stays_open_for_too_long_is_missing_for_that() -> None:
    account = live()
    account.answer().confirm().passes(MINUTE)
    account.unpublish()
    account.now += UNDECIDED_MS + 5 * SECOND  # nobody could poll meanwhile
    account.happens(TimePassed(may_query_online=False))
    assert [edge.reason for edge in account.edges if edge.kind is EdgeKind.CAUSE] == [
        Reason.MAY_HAVE_ENDED
    ]


def test_a_session_ends_when_a_poll_first_missed_it() -> None:
    account = live()
    account.answer().confirm().passes(MINUTE)
    account.missed().passes(6 * SECOND).missed()
    account.passes(6 * SECOND).missed()
    assert account.record.is_off
    assert [span.ms for span in account.covers().live] == [MINUTE]


def test_a_reconnect_that_is_seen_late_has_stopped_the_recording_when_it_came() -> None:
    account = live()
    account.answer().confirm().passes(MINUTE)
    reconnected = account.now + 2 * SECOND
    account.now += 40 * SECOND  # nobody heard a callback of it
    account.seen(reconnected).answer().confirm().passes(MINUTE)
    assert gaps(account) == [(67, 33, Reason.DETECTED_LATE)]


def test_a_pause_within_one_file_is_missing_where_the_file_is_shorter_than_its_span() -> None:
    account = live()
    account.answer().confirm().passes(MINUTE)
    account.happens(Reported(recording=False, what="record_paused", time=account.now))
    account.passes(20 * SECOND)
    account.happens(Reported(recording=True, what="record_resumed", time=account.now))
    account.passes(MINUTE)
    start, stop = NOON, account.now
    account.files = (File("a.flv", start, stop, stop - start),)
    assert gaps(account) == []
    account.files = (File("a.flv", start, stop, stop - start - 20 * SECOND),)
    ((begin, seconds, reason),) = gaps(account)
    assert (begin, reason) == (60, Reason.PAUSED)
    assert 0 < seconds <= 20


def test_what_kept_one_session_waiting_is_noted_for_the_next_one_too() -> None:
    account = Account(BY_RULE)
    account.lane_is_free = False
    account.publish().passes(20 * SECOND)
    account.happens(Published(account.now)).passes(20 * SECOND)
    assert [reason for _, _, reason in gaps(account)] == [Reason.QUEUED, Reason.QUEUED]
    causes = [edge for edge in account.edges if edge.kind is EdgeKind.CAUSE]
    assert [edge.at for edge in causes] == [NOON, NOON + 20 * SECOND]


def test_a_start_that_was_never_shown_is_the_cause_also_where_its_end_is_known_first() -> None:
    account = live()
    account.answer()
    before = account.record
    account.now += UNPROVED_MS + SECOND
    account.edges += edges_between(before, before, account.now, account.settings)
    account.happens(Unpublished(NOON + MINUTE)).passes(5 * SECOND).missed()
    account.passes(10 * SECOND).missed()
    assert gaps(account) == [(5, 55, Reason.UNCONFIRMED)]


def test_what_is_asked_for_while_it_is_live_is_not_detected_late() -> None:
    account = live(StreamSettings())
    account.passes(MINUTE)
    account.start()  # sent at once, and the answer is awaited
    account.now += 8 * SECOND
    assert gaps(account) == [(65, 3, Reason.QUEUED)]


def test_what_is_missing_once_it_was_recorded_was_not_detected_late() -> None:
    account = live()
    account.answer().confirm().passes(MINUTE)
    account.files = (File("a.flv", NOON, account.now, MINUTE),)
    account.passes(10 * SECOND)
    account.edges += (Edge(EdgeKind.NOT_RECORDED, NOON + MINUTE),)
    assert gaps(account) == [(60, 10, Reason.MAY_HAVE_ENDED)]


def test_what_delayed_a_start_is_no_cause_of_a_gap_after_the_recording() -> None:
    account = live()
    account.answer(Throttled("Throttling.User")).answer_when_due(Accepted("R-1")).confirm()
    account.passes(MINUTE).unpublish()
    account.now += 20 * SECOND  # nobody can poll meanwhile
    ((_, seconds, reason),) = gaps(account)
    assert (seconds, reason) == (20, Reason.MAY_HAVE_ENDED)


def test_a_start_that_waits_after_a_recording_is_queued() -> None:
    account = live()
    account.answer().confirm().passes(MINUTE).unpublish()
    account.lane_is_free = False
    account.passes(4 * SECOND).seen(NOON).passes(20 * SECOND)
    assert gaps(account) == [(60, 24, Reason.QUEUED)]


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        (RecordFailed("BucketNotFound", "none", NOON + MINUTE), Reason.RECORD_ERROR),
        (Reported(recording=False, what="record_paused", time=NOON + MINUTE), Reason.PAUSED),
    ],
)
def test_a_report_that_came_late_is_the_reason_of_what_was_lost_until_it_came(
    report: Event, reason: Reason
) -> None:
    """Its callback was lost and replayed. The stream was live all the time."""
    account = live()
    account.answer().confirm().passes(MINUTE)
    account.now += 90 * SECOND
    account.happens(report)
    assert gaps(account) == [(60, 90, reason)]


def test_nothing_of_what_was_never_recorded_counts_as_recorded() -> None:
    account = live()
    account.passes(MINUTE).goes_off()
    covered = account.covers()
    assert (covered.covered_ms, covered.latency_ms, covered.ratio) == (0, START_GRACE_MS, 0.0)


def test_only_the_stretch_that_was_asked_for_counts() -> None:
    account = live()
    account.answer(NoRecordConfig("CodeConfigNotFound")).passes(10 * MINUTE)
    covered = account.covers(NOON + MINUTE, NOON + 2 * MINUTE)
    (gap,) = covered.gaps
    assert gap.span == Span(NOON + MINUTE, NOON + 2 * MINUTE)
    assert gap.reason.about["code"] == "CodeConfigNotFound"
    assert (covered.due_ms, covered.missing_ms, covered.ratio) == (MINUTE, MINUTE, 0.0)


def test_an_unmanaged_recording_is_kept_account_of_too() -> None:
    account = live(StreamSettings())
    account.happens(Reported(recording=True, what="record_started", time=account.now))
    account.passes(MINUTE)
    covered = account.covers()
    assert total_ms(covered.recorded) == MINUTE
    assert covered.due_ms == 0


def test_a_session_that_came_back_ended_no_earlier_than_the_next_one_began() -> None:
    account = live()
    account.answer().confirm().passes(MINUTE)
    account.unpublish(NOON + MINUTE).seen(NOON)
    account.answer().passes(MINUTE)
    account.publish().answer().confirm().passes(MINUTE)
    assert [span.ms // SECOND for span in account.covers().live] == [120, 60]


def test_a_publish_that_may_be_a_replay_counts_from_its_beginning_once_a_poll_shows_it() -> None:
    account = Account(BY_RULE)
    account.now += 40 * SECOND
    account.happens(Published(NOON, needs_poll=True))
    assert account.covers().live == account.covers().wanted == ()
    account.seen(NOON).answer().confirm().passes(MINUTE)
    covered = account.covers()
    assert [span.start for span in (*covered.live, *covered.wanted)] == [NOON, NOON]
    assert gaps(account) == [(5, 35, Reason.DETECTED_LATE)]


def doubted_and_asked_for() -> Account:
    """Return the account of a stream that a rule wants and a person asks for, before a poll shows
    whether its publish is a replay."""
    account = Account(BY_RULE)
    account.now += 2 * SECOND
    account.happens(Published(NOON, needs_poll=True)).passes(8 * SECOND).start()
    return account


def test_what_a_person_asks_for_before_a_poll_shows_it_is_wanted_from_its_beginning() -> None:
    account = doubted_and_asked_for()
    account.answer().confirm().passes(7 * SECOND).seen(NOON).passes(MINUTE)
    covered = account.covers()
    assert covered.wanted == covered.live == (Span(NOON, account.now),)
    assert gaps(account) == [(5, 5, Reason.DETECTED_LATE)]


def test_what_a_person_asked_for_is_wanted_in_the_next_session_where_no_poll_has_shown_it() -> None:
    account = doubted_and_asked_for()
    account.answer(StreamNotLive("StreamNotFound")).missed().passes(6 * SECOND).missed()
    assert account.record.is_off
    account.passes(MINUTE).publish().answer().confirm().passes(MINUTE)
    covered = account.covers()
    assert (covered.due_ms, covered.ratio) == (MINUTE, 1.0)


def test_a_publish_that_no_poll_has_shown_is_not_in_the_account() -> None:
    account = Account(BY_RULE)
    account.happens(Published(NOON, needs_poll=True)).passes(6 * SECOND).missed()
    account.passes(6 * SECOND).missed()
    assert account.record.is_off
    assert account.covers().live == ()


def test_what_live_reports_is_there_also_where_the_answer_to_its_start_was_lost() -> None:
    account = live()
    account.passes(SECOND).happens(Reported(recording=True, what="record_started"))
    account.answer(InDoubt("timeout")).passes(MINUTE)
    assert account.record.confirmation is None
    assert gaps(account) == []


def test_so_is_what_it_reports_in_a_later_session() -> None:
    account = live()
    account.answer().confirm().passes(MINUTE)
    account.goes_off().passes(MINUTE)
    account.publish().passes(SECOND).confirm()
    account.answer(InDoubt("timeout")).passes(MINUTE)
    assert gaps(account) == []


def test_a_refused_start_does_not_show_what_became_of_the_one_that_was_accepted() -> None:
    account = live()
    account.answer().passes(UNPROVED_MS + MINUTE)
    account.edges += (Edge(EdgeKind.CAUSE, account.now, Reason.UNKNOWN_REJECTION, "Unheard.Of"),)
    account.passes(MINUTE)
    assert [reason for _, _, reason in gaps(account)] == [Reason.UNCONFIRMED]
    account.edges += (Edge(EdgeKind.CAUSE, account.now, Reason.PAUSED),)
    account.passes(MINUTE)
    assert [reason for _, _, reason in gaps(account)] == [Reason.PAUSED]


def test_of_what_live_says_is_recorded_already_nobody_knows_since_when() -> None:
    account, already = live(), AlreadyStarted("TaskAlreadyStarted")
    account.answer(already).passes(MINUTE)
    account.missed().passes(3 * SECOND).seen(NOON)
    account.answer(InDoubt("timeout")).passes(6 * MINUTE)
    account.answer(already).passes(MINUTE)
    ((start, _, reason),) = gaps(account)
    assert (start, reason) == (60, Reason.UNPROVED)


def test_a_session_that_had_ended_and_is_shown_again_never_ended() -> None:
    account = Account(BY_RULE)
    account.happens(Published(NOON, needs_poll=True)).passes(6 * SECOND).missed()
    account.passes(6 * SECOND).missed()
    account.passes(MINUTE).seen(NOON).passes(MINUTE)
    assert account.record.session_number == 1
    assert [span.start for span in account.covers().live] == [NOON]


def test_a_rehearsal_has_no_account() -> None:
    key = StreamKey("live.example.com", "app", f"{REHEARSAL_PREFIX}1")
    before, settings = StreamRecord(key), StreamSettings()
    after = replace(before, intent=replace(before.intent, wanted=True))
    assert edges_between(before, after, NOON, settings) == ()
    others = StreamRecord(KEY), replace(after, key=KEY)
    assert len(edges_between(*others, NOON, settings)) == 1


def shown_by_a_start() -> Account:
    """Return the account of a stream that is wanted since noon, and live since half a minute later:
    a start that Live accepts after a minute is the first to show it."""
    account = Account(StreamSettings())
    account.start().answer(StreamNotLive("StreamNotFound")).passes(MINUTE)
    account.start().answer().confirm().passes(MINUTE)
    return account


def test_a_session_that_a_start_has_shown_is_live_since_its_publish_once_that_is_known() -> None:
    account = shown_by_a_start()
    assert gaps(account) == []

    account.publish(NOON + 30 * SECOND)
    assert gaps(account) == [(35, 25, Reason.DETECTED_LATE)]
    assert [(one.start - NOON) // SECOND for one in account.covers().live] == [30]


def test_so_it_is_once_the_list_shows_since_when() -> None:
    account = shown_by_a_start()
    account.seen(NOON + 30 * SECOND)

    assert gaps(account) == [(35, 25, Reason.DETECTED_LATE)]


def test_no_session_is_live_before_the_one_before_it_has_ended() -> None:
    edges = (
        Edge(EdgeKind.LIVE, NOON),
        Edge(EdgeKind.OFF, NOON + 50),
        Edge(EdgeKind.LIVE, NOON + 90),
        Edge(EdgeKind.LIVE, NOON + 40),
    )
    spans = spans_between(edges, EdgeKind.LIVE, EdgeKind.OFF, NOON + 100)

    assert spans == [Span(NOON, NOON + 50), Span(NOON + 50, NOON + 100)]


def test_what_may_have_been_paused_until_a_restart_is_a_gap_until_a_file_shows_it() -> None:
    account = live()
    account.answer().confirm().passes(MINUTE).stop().answer().passes(5 * SECOND)
    account.start().answer(AlreadyStarted("TaskAlreadyStarted")).passes(10 * SECOND)
    assert account.sent[-1] == "restart"
    account.answer().passes(MINUTE)
    assert gaps(account) == [(70, 5, Reason.UNPROVED)]  # 5 s is the grace of a start

    account.files = (File("a.mp4", start=NOON, stop=NOON + 75 * SECOND),)
    assert gaps(account) == []


def test_so_is_what_may_have_been_paused_until_a_stop() -> None:
    account = live()
    account.answer().confirm().passes(MINUTE).stop().answer().passes(5 * SECOND)
    account.start().answer(AlreadyStarted("TaskAlreadyStarted")).passes(9 * SECOND)
    account.stop().answer().passes(MINUTE)

    assert gaps(account) == [(70, 4, Reason.UNPROVED)]


def test_a_session_that_a_person_wants_is_not_wanted_earlier_for_a_rule_that_wanted_another() -> (
    None
):
    account = live()
    account.answer().confirm().passes(MINUTE).stop().answer().goes_off().passes(MINUTE)
    asked_at = account.now
    account.start().answer(StreamNotLive("StreamNotFound")).publish(asked_at - 30 * SECOND)
    account.answer().confirm().passes(MINUTE)

    assert [span.start for span in account.covers().wanted] == [NOON, asked_at]
