"""What the occurrences of schedules do to a stream's intent."""

from __future__ import annotations

from msgspec.structs import replace

from shared.protocol import (
    ExtendAsked,
    Occurrence,
    OccurrencePut,
    OccurrenceSkipped,
    OccurrencesPlanned,
    Phase,
    Published,
    Reason,
    StartAsked,
    StopAsked,
    StreamSettings,
    TimePassed,
    due_at,
)
from shared.protocol.command_errors import StreamNotLive
from shared.protocol.events import HOUR_MS
from shared.protocol.policy import OnInterruption
from shared.protocol.rules.schedule import SKIP_STANDS_MS
from shared.protocol.rules.stored_times import within_reach
from shared.protocol.state.intent import IfNotLive, Requester
from tests.conftest import NOON
from tests.support.stream_story import SECOND, Story, by_rule

MINUTE = 60 * SECOND
SEVEN = NOON + 7 * HOUR_MS
SHOW = Occurrence(
    id="show@1",
    schedule="show",
    starts_at=SEVEN,
    begins_at=SEVEN - MINUTE,
    ends_at=SEVEN + 2 * HOUR_MS,
    until=SEVEN + 4 * HOUR_MS,
)
STRICT = replace(SHOW, until=SHOW.ends_at)
NEXT = replace(
    SHOW,
    id="show@2",
    starts_at=SEVEN + 24 * HOUR_MS,
    begins_at=SHOW.begins_at + 24 * HOUR_MS,
    ends_at=SHOW.ends_at + 24 * HOUR_MS,
    until=SHOW.until + 24 * HOUR_MS,
)


def after(occurrence: Occurrence, pause_ms: int, name: str = "next@1") -> Occurrence:
    """Return another occurrence of an hour, which begins so long after the end of this one."""
    begins_at = occurrence.ends_at + pause_ms
    ends_at = begins_at + HOUR_MS
    return Occurrence(name, name.partition("@")[0], begins_at, begins_at, ends_at, ends_at)


def planned(*occurrences: Occurrence, settings: StreamSettings | None = None) -> Story:
    story = Story(settings)
    for name in dict.fromkeys(one.schedule for one in occurrences):
        of_it = tuple(one for one in occurrences if one.schedule == name)
        story.happens(OccurrencesPlanned(name, of_it))
    return story


def on_air(*occurrences: Occurrence, settings: StreamSettings | None = None) -> Story:
    """Return a stream that is live before the first occurrence, and recorded since that begun."""
    story = planned(*occurrences, settings=settings)
    to(story, SHOW.begins_at - MINUTE).publish()
    return to(story, SHOW.begins_at).answer().confirm()


def to(story: Story, at: int) -> Story:
    return story.passes(at - story.now)


# --- how it begins -------------------------------------------------------------------------------


def test_an_occurrence_begins_at_its_second_and_its_row_goes() -> None:
    story = planned(SHOW)
    assert due_at(story.record) == SHOW.begins_at

    to(story, SHOW.begins_at - 1)
    assert not story.record.intent.wanted
    to(story, SHOW.begins_at)

    intent = story.record.intent
    assert (intent.wanted, intent.requester) == (True, Requester.SCHEDULE)
    assert (intent.occurrence, intent.until) == ("show@1", SHOW.until)
    assert story.record.planned == ()


def test_it_is_recorded_from_when_its_stream_comes() -> None:
    story = to(planned(SHOW), SEVEN + 10 * MINUTE).publish()

    assert story.answer().confirm().phase is Phase.RECORDING


def test_a_missed_beginning_is_caught_up_until_the_end() -> None:
    story = planned(SHOW)
    story.now = SHOW.ends_at - 1

    assert story.happens(TimePassed()).record.intent.requester is Requester.SCHEDULE


def test_an_occurrence_that_is_over_is_not_begun() -> None:
    story = planned(SHOW)
    story.now = SHOW.ends_at

    assert not story.happens(TimePassed()).record.intent.wanted
    assert story.reasons[-1] is Reason.SCHEDULE_MISSED


def test_what_was_missed_is_known_for_a_day_and_is_not_planned_again() -> None:
    hours = range(150)
    many = [replace(SHOW, id=f"show@{at}", begins_at=NOON + at, ends_at=NOON + at) for at in hours]
    story = planned(*many)
    story.passes(HOUR_MS)
    assert [one.id for one in story.record.begun] == [f"show@{at}" for at in hours[-100:]]

    story.happens(OccurrencesPlanned("show", tuple(many[-100:])))
    assert story.record.planned == ()
    assert story.reasons.count(Reason.SCHEDULE_MISSED) == len(hours)

    story.passes(24 * HOUR_MS).publish()
    assert story.record.begun == ()


def test_what_only_a_clock_that_was_ahead_has_missed_is_recorded_after_all() -> None:
    story = planned(SHOW)
    story.now = SHOW.until + HOUR_MS
    story.happens(TimePassed())
    assert story.reasons[-1] is Reason.SCHEDULE_MISSED

    story.now = SEVEN

    assert due_at(within_reach(story.record, story.now, StreamSettings())) == SHOW.begins_at
    intent = story.happens(TimePassed()).record.intent
    assert (intent.occurrence, intent.until) == (SHOW.id, SHOW.until)


def test_a_plan_may_be_made_again_at_any_time() -> None:
    story = on_air(SHOW).stop().answer()

    story.happens(OccurrencesPlanned("show", (SHOW, NEXT)))

    assert not story.record.intent.wanted
    assert story.record.planned == (NEXT,)


def test_a_plan_that_was_made_before_an_occurrence_ended_does_not_call_it_missed() -> None:
    story = to(on_air(STRICT), STRICT.until).answer()
    assert story.record.begun == ()
    late = OccurrencesPlanned("show", (STRICT, NEXT), as_of=STRICT.until - SECOND)

    story.happens(late)
    assert (story.record.begun, story.record.planned) == ((), (NEXT,))

    story.happens(replace(late, as_of=STRICT.until))
    assert story.reasons[-1] is Reason.SCHEDULE_MISSED


def test_a_plan_that_changes_replaces_what_has_not_begun() -> None:
    story = planned(SHOW).happens(OccurrencesPlanned("show", (NEXT,)))

    assert story.record.planned == (NEXT,)
    assert not to(story, SHOW.ends_at).record.intent.wanted


# --- how it ends ---------------------------------------------------------------------------------


def test_without_an_overrun_it_ends_with_its_end() -> None:
    story = to(on_air(STRICT), STRICT.ends_at)

    assert story.sent == ["start", "stop"]
    assert story.record.intent.reason is Reason.SCHEDULE_OVER


def test_a_show_that_runs_over_is_recorded_to_its_end() -> None:
    story = to(on_air(SHOW), SHOW.ends_at + 30 * MINUTE)
    assert story.record.intent.on_interruption is OnInterruption.STOP

    story.goes_off()

    assert story.sent == ["start", "stop"]
    assert not story.record.intent.wanted


def test_a_show_that_runs_over_ends_at_its_limit() -> None:
    story = to(on_air(SHOW), SHOW.until)

    assert story.sent == ["start", "stop"]


def test_until_its_end_it_goes_on_after_an_interruption() -> None:
    story = on_air(SHOW).goes_off().passes(MINUTE).publish()

    assert story.sent == ["start", "start"]


def test_what_is_off_at_its_end_is_not_waited_for() -> None:
    story = to(on_air(SHOW).goes_off(), SHOW.ends_at)

    assert story.record.intent.reason is Reason.SCHEDULE_OVER


# --- beside other intents ------------------------------------------------------------------------


def test_what_a_person_wants_goes_on_after_it() -> None:
    story = planned(STRICT).publish().happens(StartAsked("ann", until=STRICT.until + HOUR_MS))
    story.answer().confirm()

    to(story, STRICT.until)
    assert (story.record.intent.requester, story.sent) == (Requester.PERSON, ["start"])
    assert to(story, STRICT.until + HOUR_MS).sent == ["start", "stop"]


def test_an_end_that_a_person_set_is_lengthened_and_never_shortened() -> None:
    story = planned(STRICT).publish().happens(StartAsked("ann", until=SEVEN)).answer().confirm()

    to(story, SEVEN)
    assert (story.record.intent.requester, story.sent) == (Requester.SCHEDULE, ["start"])

    assert to(story, STRICT.ends_at).sent == ["start", "stop"]


def test_an_intent_that_ends_with_its_session_leaves_the_rest_to_the_occurrence() -> None:
    story = planned(SHOW).publish()
    story.happens(StartAsked("ann", on_interruption=OnInterruption.STOP)).answer().confirm()

    to(story, SEVEN).goes_off().passes(MINUTE).publish()

    assert story.sent == ["start", "start"]


def test_a_recording_by_policy_goes_on_when_a_schedule_over_it_ends() -> None:
    story = planned(STRICT, settings=by_rule(max_duration=11 * HOUR_MS))
    story.publish().answer().confirm()

    to(story, STRICT.ends_at + HOUR_MS)

    assert (story.record.intent.requester, story.sent) == (Requester.POLICY, ["start"])


def test_policy_goes_on_with_what_a_schedule_began() -> None:
    story = to(planned(STRICT, settings=by_rule()), SEVEN).publish().answer().confirm()
    assert story.record.intent.requester is Requester.SCHEDULE

    to(story, STRICT.ends_at + HOUR_MS)

    assert (story.record.intent.requester, story.sent) == (Requester.POLICY, ["start"])
    assert story.record.intent.until == SEVEN + 12 * HOUR_MS


def test_a_start_by_a_person_takes_it_from_the_schedule() -> None:
    story = to(on_air(STRICT).start(), STRICT.ends_at)

    assert (story.record.intent.requester, story.sent) == (Requester.PERSON, ["start"])
    assert story.record.intent.until == SHOW.begins_at + 12 * HOUR_MS


def test_an_end_that_a_person_sets_takes_the_place_of_the_schedule_s() -> None:
    story = on_air(SHOW).happens(ExtendAsked("ann", until=SEVEN + HOUR_MS))

    assert to(story, SEVEN + HOUR_MS).sent == ["start", "stop"]
    assert not to(story, SHOW.until).record.intent.wanted


# --- several -------------------------------------------------------------------------------------


def test_occurrences_near_each_other_are_one_recording() -> None:
    follower = after(STRICT, 3 * MINUTE)
    story = to(on_air(STRICT, follower), follower.begins_at + MINUTE)
    assert (story.record.intent.occurrence, story.sent) == ("next@1", ["start"])

    assert to(story, follower.ends_at).sent == ["start", "stop"]


def test_occurrences_far_from_each_other_are_two() -> None:
    follower = after(STRICT, 4 * MINUTE)
    story = to(on_air(STRICT, follower), STRICT.ends_at).answer().pauses()

    assert to(story, follower.begins_at).sent == ["start", "stop", "start"]


def test_a_show_that_runs_over_goes_on_into_the_next_occurrence() -> None:
    follower = after(SHOW, HOUR_MS)
    story = to(on_air(SHOW, follower), follower.begins_at + MINUTE).goes_off()
    assert story.record.intent.wanted

    assert story.passes(MINUTE).publish().sent == ["start", "start"]


def test_overlapping_occurrences_end_with_the_last() -> None:
    longer = replace(STRICT, id="b@1", schedule="b", ends_at=STRICT.ends_at + HOUR_MS)
    longer = replace(longer, until=longer.ends_at)
    story = to(on_air(STRICT, longer), STRICT.ends_at + MINUTE)
    assert story.sent == ["start"]

    assert to(story, longer.ends_at).sent == ["start", "stop"]


# --- stops ---------------------------------------------------------------------------------------


def test_a_stop_during_an_occurrence_bars_that_one_and_not_the_next() -> None:
    story = on_air(SHOW, NEXT).passes(HOUR_MS).stop().answer().pauses()
    assert story.sent == ["start", "stop"]

    to(story, SHOW.until)
    assert not story.record.intent.wanted

    assert to(story, NEXT.begins_at).sent == ["start", "stop", "start"]


def test_such_a_stop_bars_no_later_occurrence_although_its_hold_covers_it() -> None:
    follower = after(SHOW, HOUR_MS)
    story = on_air(SHOW, follower).stop().answer()

    assert to(story, follower.begins_at).record.intent.occurrence == follower.id


def test_a_stop_before_an_occurrence_bars_it_if_its_hold_covers_the_beginning() -> None:
    story = planned(SHOW, NEXT).publish().start().answer().stop().answer()

    to(story, SHOW.until)
    assert Reason.SCHEDULE_HELD in story.reasons
    assert not story.record.intent.wanted

    assert to(story, NEXT.begins_at).record.intent.occurrence == NEXT.id


def test_a_hold_that_has_ended_bars_nothing() -> None:
    story = planned(SHOW).publish().start().answer()
    story.happens(StopAsked("ann", hold=HOUR_MS)).answer()

    assert to(story, SHOW.begins_at).record.intent.occurrence == SHOW.id


def test_a_hold_for_a_session_ends_with_it() -> None:
    story = planned(SHOW).publish().start().answer()
    story.happens(StopAsked("ann", hold_session=True)).answer().goes_off()

    assert to(story, SHOW.begins_at).record.intent.occurrence == SHOW.id


def test_the_end_of_its_time_bars_no_occurrence() -> None:
    story = planned(SHOW).publish().happens(StartAsked("ann", until=SHOW.begins_at - MINUTE))
    story.answer().confirm()

    assert to(story, SHOW.begins_at).record.intent.occurrence == SHOW.id


# --- what a person does to one occurrence --------------------------------------------------------


def test_an_occurrence_to_come_can_be_skipped() -> None:
    story = planned(SHOW, NEXT).happens(OccurrenceSkipped("ann", SHOW.id))

    assert not to(story, SHOW.until).record.intent.wanted
    assert to(story, NEXT.begins_at).record.intent.wanted


def test_a_skipped_occurrence_is_recorded_if_it_is_planned_again_in_time() -> None:
    story = planned(SHOW, NEXT).happens(OccurrenceSkipped("ann", SHOW.id))
    to(story, SHOW.begins_at - SKIP_STANDS_MS - SECOND)
    story.happens(OccurrencesPlanned("show", (SHOW, NEXT)))

    assert (story.record.begun, story.record.planned) == ((), (SHOW, NEXT))
    assert to(story, SHOW.begins_at).record.intent.wanted


def test_a_skip_shortly_before_the_beginning_stands_whatever_is_planned() -> None:
    story = planned(SHOW, NEXT)
    to(story, SHOW.begins_at - SKIP_STANDS_MS).happens(OccurrenceSkipped("ann", SHOW.id))
    story.happens(OccurrencesPlanned("show", (SHOW, NEXT)))

    assert not to(story, SHOW.until).record.intent.wanted


def test_skipping_the_one_under_way_ends_its_recording() -> None:
    story = on_air(SHOW).happens(OccurrenceSkipped("ann", SHOW.id))

    assert story.sent == ["start", "stop"]
    assert story.happens(OccurrenceSkipped("ann", SHOW.id)).refused is Reason.NOT_SCHEDULED


def test_skipping_leaves_what_a_person_wants() -> None:
    story = on_air(SHOW).start().happens(OccurrenceSkipped("ann", SHOW.id))

    assert (story.sent, story.record.intent.wanted) == (["start"], True)


def test_an_occurrence_can_be_extended() -> None:
    longer = replace(STRICT, ends_at=STRICT.ends_at + HOUR_MS, until=STRICT.until + HOUR_MS)
    story = on_air(STRICT).passes(HOUR_MS).happens(OccurrencePut("ann", longer))

    assert to(story, STRICT.ends_at).sent == ["start"]
    assert to(story, longer.ends_at).sent == ["start", "stop"]


def test_a_show_that_runs_over_can_be_extended() -> None:
    story = to(on_air(SHOW), SHOW.ends_at + MINUTE)
    longer = replace(SHOW, ends_at=SHOW.ends_at + HOUR_MS)
    story.happens(OccurrencePut("ann", longer)).goes_off()
    assert story.record.intent.wanted

    assert story.passes(MINUTE).publish().sent == ["start", "start"]


def test_what_a_person_stopped_is_not_extended() -> None:
    story = on_air(SHOW).stop().answer().happens(OccurrencePut("ann", SHOW))

    assert story.refused is Reason.NOT_SCHEDULED


def test_an_occurrence_that_is_put_begins_now() -> None:
    now = Occurrence("show@now", "show", NOON, NOON, NOON + HOUR_MS, NOON + HOUR_MS)
    story = Story().publish().happens(OccurrencePut("ann", now))

    assert story.sent == ["start"]


def test_an_occurrence_that_is_put_begins_although_a_hold_lasts() -> None:
    now = Occurrence("show@now", "show", NOON, NOON, NOON + HOUR_MS, NOON + HOUR_MS)
    story = Story().publish().start().answer().stop().answer()

    story.happens(OccurrencePut("ann", now))

    assert story.record.intent.occurrence == "show@now"


def test_a_person_s_hold_keeps_policy_back_also_after_an_occurrence_that_it_did_not_bar() -> None:
    show, later = SHOW, after(STRICT, HOUR_MS, "show@later")
    story = on_air(show, later, settings=by_rule()).stop().answer().confirm().unpublish()
    to(story, later.begins_at).publish().answer().confirm()
    assert story.record.intent.occurrence == later.id

    to(story, later.ends_at).answer()
    assert not story.record.intent.wanted
    story.passes(MINUTE).publish()
    assert (story.record.intent.wanted, story.reasons[-1]) == (False, Reason.HELD)


# --- how it is kept ------------------------------------------------------------------------------


def test_a_stream_with_an_occurrence_to_come_is_not_forgotten() -> None:
    story = planned(NEXT).publish().start().answer().stop().answer().goes_off()
    assert story.record.forget_at is None

    to(story, NEXT.until).goes_off()

    assert story.record.planned == ()
    assert story.record.forget_at is not None


def test_a_show_that_takes_over_what_live_does_not_know_sends_no_second_start_at_once() -> None:
    story = planned(SHOW)
    to(story, SHOW.begins_at - MINUTE).publish().passes(MINUTE - SECOND).unpublish()
    story.happens(StartAsked("ann", if_not_live=IfNotLive.FAIL)).passes(SECOND)
    story.answer(StreamNotLive("StreamNotFound"))

    assert story.record.intent.requester is Requester.SCHEDULE
    assert story.sent == ["start"]


# --- by a pattern --------------------------------------------------------------------------------


BY_PATTERN = replace(SHOW, by_pattern=True)


def fitting(*occurrences: Occurrence) -> Story:
    return Story(StreamSettings(occurrences=occurrences or (BY_PATTERN,)))


def test_a_stream_that_comes_up_takes_part() -> None:
    story = to(fitting(), SEVEN).publish()

    assert story.record.intent.occurrence == SHOW.id
    assert story.record.intent.until == SHOW.until
    assert story.record.begun == (BY_PATTERN,)


def test_one_that_is_live_before_it_begins_with_it() -> None:
    story = fitting().publish()
    assert story.record.planned == (BY_PATTERN,)
    assert due_at(story.record) == SHOW.begins_at

    to(story, SHOW.begins_at)

    assert story.record.intent.occurrence == SHOW.id


def test_one_that_goes_off_has_nothing_planned_any_more() -> None:
    story = fitting().publish().unpublish()
    assert story.record.planned == ()

    to(story, SHOW.begins_at).passes(MINUTE)

    assert not story.record.intent.wanted


def test_one_that_comes_up_after_the_end_takes_no_part() -> None:
    story = to(fitting(), SHOW.ends_at).publish()

    assert (story.record.begun, story.record.intent.wanted) == ((), False)


def test_a_hold_bars_it_for_one_stream() -> None:
    story = fitting().start().stop()
    to(story, SEVEN).publish()

    assert not story.record.intent.wanted
    assert Reason.SCHEDULE_HELD in story.reasons


def test_what_a_stop_has_barred_is_not_taken_up_again() -> None:
    story = to(fitting(), SEVEN).publish().answer().stop().answer()
    story.settings = StreamSettings(occurrences=(later(BY_PATTERN),))

    to(story, SHOW.until + MINUTE).publish()

    assert not story.record.intent.wanted


def later(occurrence: Occurrence) -> Occurrence:
    more = 2 * HOUR_MS
    return replace(occurrence, ends_at=occurrence.ends_at + more, until=occurrence.until + more)


def test_an_end_moves_later_and_never_back() -> None:
    """An instance may go by the rules of some seconds ago."""
    story = to(fitting(), SEVEN).publish().answer()

    story.settings = StreamSettings(occurrences=(later(BY_PATTERN),))
    story.passes(MINUTE)
    story.settings = StreamSettings(occurrences=(BY_PATTERN,))
    story.passes(MINUTE)
    story.settings = StreamSettings()
    story.passes(MINUTE)

    assert story.record.intent.until == later(SHOW).until
    assert story.record.intent.overrun_at == later(SHOW).ends_at


def test_a_skip_reaches_a_stream_that_was_not_told() -> None:
    story = to(fitting(), SEVEN).publish().answer()

    story.settings = StreamSettings(occurrences=(replace(BY_PATTERN, is_over=True),))
    story.passes(MINUTE)

    assert not story.record.intent.wanted
    assert story.reasons.count(Reason.SCHEDULE_SKIPPED) > 0


def test_a_trigger_waits_for_no_stream_that_is_off() -> None:
    story = Story().publish().goes_off()
    now = replace(BY_PATTERN, id="show@now", begins_at=story.now)

    story.happens(OccurrencePut("ann", now))

    assert (story.record.begun, story.record.intent.wanted) == ((), False)


def test_a_publish_that_may_be_a_replay_waits_for_a_poll() -> None:
    story = to(fitting(), SEVEN)
    story.happens(Published(SEVEN, needs_poll=True))
    assert story.record.intent.wanted is False

    story.seen(SEVEN)

    assert story.record.intent.occurrence == SHOW.id
