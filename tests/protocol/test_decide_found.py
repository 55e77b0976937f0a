"""What the simulation found in the protocol (docs/reliability.md), each as a sentence."""

from __future__ import annotations

from shared.protocol import (
    Phase,
    Published,
    Reason,
    Reported,
    RestartAsked,
    StartAsked,
    StopAsked,
    StreamSettings,
)
from shared.protocol.command_errors import (
    AlreadyStarted,
    InDoubt,
    NoRecordConfig,
    StreamNotLive,
    UnknownRejection,
)
from shared.protocol.derived.due_times import next_poll
from shared.protocol.state.session import Session, SessionState
from tests.conftest import NOON
from tests.support.stream_story import FINALIZES, SECOND, STOPS, Story, by_rule, recording

MINUTE = 60 * SECOND
UNTIL_INTERRUPTED = StartAsked("ann", on_interruption=STOPS)
RUNS = Reported("record_started", recording=True)
NOT_FOUND = StreamNotLive("StreamNotFound")
NO_CONFIG = NoRecordConfig("CodeConfigNotFound")
UNHEARD_OF = UnknownRejection("NobodyKnows.WhatThisMeans")
ALREADY = AlreadyStarted("TaskAlreadyStarted")


def test_a_start_asked_when_the_stream_is_gone_is_about_the_session_that_comes() -> None:
    story = recording().goes_off().happens(UNTIL_INTERRUPTED).passes(MINUTE).publish()

    assert story.record.intent.wanted
    assert story.sent == ["start", "start"]


def test_a_person_who_asks_while_the_session_ends_is_not_let_down_when_it_has_ended() -> None:
    story = Story(by_rule(on_interruption=STOPS)).publish().answer().passes(MINUTE).unpublish()
    story.start().passes(5 * SECOND).missed().passes(10 * SECOND).missed()

    assert story.record.is_off
    assert story.record.intent.wanted


def test_a_start_accepted_before_news_of_its_session_came_belongs_to_that_session() -> None:
    story = Story().publish().passes(MINUTE).happens(UNTIL_INTERRUPTED).answer()
    story.seen(NOON + 30 * SECOND)

    assert story.record.intent.wanted
    assert story.record.intent.session == 2


def test_a_start_accepted_while_its_session_was_doubted_belongs_to_the_one_that_comes() -> None:
    story = Story().publish().passes(MINUTE).unpublish().passes(8 * SECOND)
    story.happens(UNTIL_INTERRUPTED).answer().passes(SECOND).publish(NOON + MINUTE + 7 * SECOND)

    assert story.record.intent.wanted
    assert story.record.intent.session == 2


def test_a_start_sent_and_accepted_since_the_session_ended_opens_another() -> None:
    story = Story().publish().goes_off().happens(UNTIL_INTERRUPTED).answer()

    assert story.record.session_number == 2
    assert story.record.intent.wanted
    assert story.sent == ["start"]


def test_a_stop_that_meets_a_stream_just_back_and_not_found_yet_goes_out_again() -> None:
    """Whether an interrupted recording resumes by itself, and how soon the recorder knows the
    stream, are both UNCONFIRMED (docs/platform/live.md §6, 11)."""
    story = recording().passes(MINUTE).unpublish().stop().answer(NOT_FOUND).passes(SECOND)
    story.publish().answer(NOT_FOUND)
    assert story.sent == ["start", "stop", "stop"]

    assert story.passes(SECOND).sent == ["start", "stop", "stop", "stop"]


def test_a_stop_for_the_session_holds_for_one_that_had_begun_unknown() -> None:
    story = Story(by_rule()).publish().answer().goes_off().passes(MINUTE)
    story.happens(StopAsked("ann", hold_session=True)).answer(NOT_FOUND).passes(2 * SECOND)
    story.publish(story.now - 3 * SECOND)

    assert not story.record.intent.wanted
    assert Reason.HELD in story.reasons


def test_a_stop_for_the_session_does_not_hold_for_one_that_begins_later() -> None:
    story = Story(by_rule()).publish().answer().happens(StopAsked("ann", hold_session=True))
    story.answer().passes(MINUTE).publish()

    assert story.record.intent.wanted


def test_a_doubtful_restart_of_what_is_not_managed_leads_to_no_stop() -> None:
    """Asked by a person of a recording that nobody asked us to manage (docs/reliability.md, promise
    8)."""
    story = Story().publish().happens(RUNS).happens(RestartAsked("ann")).answer(InDoubt())
    story.passes(SECOND).happens(RUNS).passes(2 * MINUTE)

    assert story.sent == ["restart"]


def test_a_doubtful_restart_of_what_was_stopped_since_still_does() -> None:
    story = recording().happens(RestartAsked("ann")).answer(InDoubt()).stop().answer()

    assert story.passes(MINUTE).sent == ["start", "restart", "stop", "stop"]


def test_a_publish_that_is_read_back_does_not_date_a_doubted_session_after_its_own() -> None:
    story = recording().goes_off().passes(2 * MINUTE)
    story.happens(Published(story.now, needs_poll=True)).passes(SECOND).publish(NOON)

    assert story.record.session is not None
    assert story.record.session.is_undated
    assert story.sent == ["start"]


def test_nor_does_it_date_a_session_that_only_a_start_shows() -> None:
    story = Story().publish().goes_off().passes(2 * MINUTE).happens(StartAsked("ann")).answer()
    story.passes(SECOND).publish(NOON)

    assert story.record.session is not None
    assert (story.record.session.number, story.record.session.is_undated) == (2, True)


def test_a_publish_that_came_since_does() -> None:
    story = recording().goes_off().passes(2 * MINUTE)
    came_at = story.now - SECOND
    story.happens(Published(came_at, needs_poll=True)).passes(SECOND).publish(came_at)

    assert story.record.session is not None
    assert story.record.session.time == came_at


def test_looks_that_are_late_keep_the_distance_that_makes_them_two() -> None:
    ending = Session(1, NOON, state=SessionState.ENDING, off_since=NOON, polls=1)
    assert next_poll(ending) == NOON + 15 * SECOND

    late = Session(
        1, NOON, state=SessionState.ENDING, off_since=NOON, polls=1, absent_at=NOON + 22 * SECOND
    )
    assert next_poll(late) == NOON + 27 * SECOND


def test_the_rules_stay_as_they_are_for_a_session_that_came_after_the_start() -> None:
    """Only what was accepted in the session that opens belongs to it."""
    story = Story(StreamSettings()).publish().happens(UNTIL_INTERRUPTED).answer().passes(MINUTE)
    story.seen(story.now - SECOND)

    assert not story.record.intent.wanted
    assert story.record.intent.reason is Reason.SESSION_OVER


# --- a publish that is told of ends nothing unseen ------------------------------------------------


def until_interrupted(settings: StreamSettings | None = None) -> Story:
    """Return a story recorded until it is interrupted, and shown by the list a minute later."""
    story = Story(settings).publish().happens(UNTIL_INTERRUPTED).answer()
    story.confirm().passes(MINUTE)
    return story.seen(NOON)


def test_a_publish_told_with_a_later_time_alone_ends_nothing() -> None:
    """It may be replayed: the signature covers no payload (docs/platform/live.md §3)."""
    story = until_interrupted().publish().passes(5 * SECOND).seen(NOON)

    assert story.record.intent.wanted
    assert story.record.session_number == 1
    assert "stop" not in story.sent
    assert story.polls == 1


def test_nor_does_a_replayed_end_and_publish_in_a_row() -> None:
    story = until_interrupted().unpublish().passes(SECOND).publish()
    story.passes(4 * SECOND).seen(NOON)

    assert story.record.intent.wanted
    assert "stop" not in story.sent


def test_the_look_that_sees_the_later_publish_ends_the_intent() -> None:
    story = until_interrupted().publish().passes(5 * SECOND).seen(NOON + MINUTE)

    assert story.record.session_number == 2
    assert story.record.intent.reason is Reason.SESSION_OVER
    assert story.sent == ["start", "stop"]
    assert story.record.session is not None
    assert story.record.session.time == NOON + MINUTE


def test_a_stream_gone_since_it_was_told_of_anew_ends_the_intent_by_two_absences() -> None:
    story = until_interrupted().publish().passes(5 * SECOND).missed().passes(10 * SECOND).missed()

    assert story.record.is_off
    assert story.sent == ["start", "stop"]


def test_a_reconnect_within_5_seconds_is_told_from_a_replay_by_the_list() -> None:
    """Both are the list's times; so a second makes them two, once a later publish was told of."""
    story = until_interrupted()
    story.publish(NOON + 3 * SECOND).passes(5 * SECOND).seen(NOON + 3 * SECOND)

    assert story.record.session_number == 2
    assert not story.record.intent.wanted


def test_a_reconnect_at_once_ends_the_intent_also_where_no_list_had_shown_the_session() -> None:
    story = Story().publish().happens(UNTIL_INTERRUPTED).answer().passes(SECOND).publish()
    story.passes(5 * SECOND).seen(NOON + SECOND)

    assert story.sent == ["start", "stop"]


def test_a_later_publish_told_twice_is_looked_into_once() -> None:
    story = until_interrupted().publish().passes(5 * SECOND).seen(NOON).answer().confirm()
    story.publish(NOON + MINUTE).passes(50 * SECOND)

    assert story.polls == 1
    assert story.sent == ["start", "start"]


def test_where_the_rule_records_what_comes_a_publish_still_starts_it_at_once() -> None:
    story = Story(by_rule(on_interruption=FINALIZES)).publish().answer().passes(MINUTE).publish()

    assert story.record.session_number == 2
    assert story.record.intent.wanted
    assert story.sent == ["start", "start"]


def test_a_intent_that_outlives_interruptions_starts_at_once_as_ever() -> None:
    assert recording().passes(MINUTE).publish().sent == ["start", "start"]


# --- found by the run of 20,000 seeds -------------------------------------------------------------


def doubted_by_replays() -> Story:
    """Live since noon; somebody replays its publish with a later time, and then an end of that."""
    story = recording().passes(MINUTE).seen(NOON)
    story.publish(story.now + 30 * SECOND).answer()
    return story.passes(SECOND).unpublish(story.now + 31 * SECOND)


def looks_that_show_the_older(*waits: int) -> tuple[Story, Session]:
    """One after each wait, in seconds."""
    story = doubted_by_replays()
    for wait in waits:
        story.passes(wait * SECOND).seen(NOON)
    assert story.record.session is not None
    return story, story.record.session


def test_a_list_that_shows_the_older_publish_for_a_minute_is_stale_no_more() -> None:
    story, session = looks_that_show_the_older(5, 10, 15, 60)

    assert session.state is SessionState.LIVE
    assert next_poll(session) is None
    assert story.record.intent.wanted


def test_before_that_minute_is_over_it_changes_nothing() -> None:
    _, session = looks_that_show_the_older(5, 10, 15, 29)

    assert session.state is SessionState.ENDING


def test_a_list_that_was_stale_for_a_minute_may_still_show_the_next_publish() -> None:
    story = doubted_by_replays().passes(2 * MINUTE).seen(NOON).passes(MINUTE)
    number = story.record.session_number
    story.seen(story.now - 10 * SECOND)

    assert story.record.session_number == number + 1


def test_a_late_report_after_a_finalized_stop_makes_nothing_that_a_restart_could_cut() -> None:
    """The stop's own time is forgotten with the merge delay that cancel_delay ends."""
    story = recording().happens(StopAsked("ann", finalize=True)).answer().answer()
    story.passes(2 * SECOND).happens(RUNS).happens(RestartAsked("ann"))

    assert story.refused is Reason.NOT_WANTED
    assert Reason.UNMANAGED not in story.reasons
    assert story.sent == ["start", "stop", "cancel_delay"]
    assert story.phase is Phase.IDLE


def test_a_report_of_a_minute_later_is_of_another_recording() -> None:
    story = recording().happens(StopAsked("ann", finalize=True)).answer().answer()
    story.pauses().passes(MINUTE + SECOND).happens(RUNS)

    assert story.phase is Phase.UNMANAGED


def test_a_start_accepted_after_live_knew_no_such_stream_is_of_a_publish_in_between() -> None:
    """The list goes on to show the session before: it lags, how long is UNCONFIRMED."""
    story = Story().publish().passes(MINUTE).unpublish().passes(SECOND)
    story.happens(UNTIL_INTERRUPTED).passes(SECOND).seen(NOON).answer(NOT_FOUND)
    story.passes(SECOND).seen(NOON).answer().passes(5 * SECOND)
    story.publish(NOON + MINUTE + 2 * SECOND).passes(5 * SECOND).seen(NOON + MINUTE + 2 * SECOND)

    assert story.record.intent.wanted
    assert story.record.session_number == 2


def refused_in_the_second_session() -> Story:
    """Return a story recorded in the first session, and asked again, where Live refuses."""
    story = Story(by_rule()).publish().answer().passes(MINUTE).publish().answer(NO_CONFIG)
    return story.happens(UNTIL_INTERRUPTED).answer(NO_CONFIG)


def test_a_intent_that_now_stops_with_its_session_belongs_to_none_that_never_recorded_it() -> None:
    story = refused_in_the_second_session().goes_off()
    assert story.record.intent.wanted

    story.publish().answer()
    assert story.record.intent.session == story.record.session_number


def test_a_intent_that_now_stops_with_its_session_does_so_where_it_is_recorded() -> None:
    story = Story(by_rule()).publish().answer().confirm().passes(MINUTE).publish().answer()
    story.happens(UNTIL_INTERRUPTED).goes_off()

    assert not story.record.intent.wanted


def asked_again_in_a_session_not_told_of() -> Story:
    """Return a story recorded until it is interrupted: the stream went and is back, and a person
    asks before that is reported."""
    story = Story().publish().happens(UNTIL_INTERRUPTED).answer()
    story.confirm().passes(MINUTE)
    return story.happens(UNTIL_INTERRUPTED).passes(SECOND)


def test_a_session_that_had_begun_when_a_person_asked_again_ends_nothing_when_it_is_told() -> None:
    story = asked_again_in_a_session_not_told_of().publish(NOON + 50 * SECOND)

    assert story.record.session_number == 2
    assert story.record.intent.wanted
    assert story.sent == ["start", "start"]


def test_nor_when_the_list_shows_it() -> None:
    story = asked_again_in_a_session_not_told_of().seen(NOON + 50 * SECOND)

    assert story.record.intent.wanted
    assert story.sent == ["start", "start"]


def test_the_intent_then_belongs_to_the_session_in_which_a_start_is_accepted() -> None:
    story = asked_again_in_a_session_not_told_of().publish(NOON + 50 * SECOND).answer(NO_CONFIG)
    assert story.goes_off().record.intent.wanted

    story.publish().answer().goes_off()
    assert not story.record.intent.wanted


def test_a_session_that_began_as_a_person_asked_again_or_later_ends_the_intent() -> None:
    story = asked_again_in_a_session_not_told_of().seen(NOON + 56 * SECOND)

    assert not story.record.intent.wanted


def test_a_pause_is_believed_that_live_dates_to_the_second_in_which_it_took_the_start() -> None:
    story = Story().publish()
    story.now += 300
    story.start().answer().confirm()
    story.now += 400  # Live gives whole seconds
    story.happens(Reported("record_paused", recording=False, time=NOON))

    assert story.record.denied_at is not None
    assert not story.record.is_recorded


def test_a_pause_of_before_the_second_in_which_live_took_the_start_is_not_believed() -> None:
    story = Story().publish().passes(2 * SECOND).start().answer().confirm()
    story.happens(Reported("record_paused", recording=False, time=NOON + SECOND - 1))

    assert story.record.is_recorded


def test_a_start_whose_answer_was_lost_is_asked_about_where_a_later_one_was_refused() -> None:
    story = Story().publish().start().answer(InDoubt("timeout")).passes(2 * SECOND)
    story.answer(UNHEARD_OF)
    assert story.record.has_failed

    story.passes(MINUTE).answer(ALREADY)

    assert story.sent == ["start", "start", "start"]
    assert story.phase is Phase.RECORDING


def test_what_live_reports_to_be_recorded_has_not_failed_for_a_start_that_it_refuses() -> None:
    story = Story().publish().start().passes(SECOND).confirm()
    story.answer(InDoubt("timeout")).passes(2 * SECOND).answer(UNHEARD_OF)

    assert story.phase is Phase.STARTING
    assert story.answer_when_due(ALREADY).phase is Phase.RECORDING


def test_a_recorded_session_has_failed_if_live_refuses_the_start_after_an_interruption() -> None:
    story = recording().passes(MINUTE).unpublish().passes(5 * SECOND).seen(NOON)
    assert story.sent == ["start", "start"]

    assert story.answer(NO_CONFIG).phase is Phase.FAILED


def test_so_has_what_live_reports_to_be_paused() -> None:
    story = recording().passes(MINUTE).happens(Reported("record_paused", recording=False))
    story.passes(3 * MINUTE).answer(NO_CONFIG)

    assert story.phase is Phase.FAILED


def its_end_was_reported_first(story: Story) -> Story:
    """Ask for a stream that came, went and is back: the end of the publish before is reported, then
    that publish itself, and a start is accepted, which is of the publish that lasts."""
    story.happens(UNTIL_INTERRUPTED).answer(NOT_FOUND).passes(MINUTE).unpublish()
    return story.passes(3 * SECOND).publish(story.now - 5 * SECOND).passes(SECOND).answer()


def test_a_start_is_of_the_publish_that_lasts_where_the_end_of_another_was_reported_first() -> None:
    story = its_end_was_reported_first(Story())
    back_at = story.now - SECOND
    story.publish(back_at).passes(5 * SECOND).seen(back_at)

    assert story.record.intent.wanted
    assert story.record.intent.session == story.record.session_number


def test_so_it_is_where_an_earlier_session_has_ended() -> None:
    story = its_end_was_reported_first(Story().publish().goes_off())
    back_at = story.now - SECOND
    story.publish(back_at).passes(5 * SECOND).seen(back_at)

    assert story.record.intent.wanted


def test_so_it_is_where_the_end_seemed_to_be_that_of_the_session_before() -> None:
    story = Story().publish().passes(MINUTE).unpublish(NOON + 50 * SECOND)
    story.happens(UNTIL_INTERRUPTED).answer(NOT_FOUND)
    story.passes(SECOND).publish(NOON + 40 * SECOND).passes(SECOND).answer()
    back_at = story.now - SECOND
    story.publish(back_at).passes(5 * SECOND).seen(back_at)

    assert story.record.intent.wanted


def test_a_publish_whose_end_was_reported_first_is_started_and_polled() -> None:
    story = its_end_was_reported_first(Story())

    assert story.sent == ["start", "start"]
    assert story.passes(4 * SECOND).polls
    assert not story.missed().passes(10 * SECOND).missed().record.intent.wanted


def test_a_start_of_after_a_reported_end_is_not_of_the_publish_that_ended_then() -> None:
    story = Story().unpublish().passes(6 * SECOND).happens(UNTIL_INTERRUPTED).answer()
    back_at = story.now - SECOND
    story.publish(NOON - 3 * SECOND).publish(back_at).passes(5 * SECOND).seen(back_at)

    assert Reason.PUBLISHED_LATE in story.reasons
    assert story.record.intent.wanted


def test_an_end_says_nothing_of_the_publish_after_it() -> None:
    story = Story().unpublish().passes(SECOND).publish()

    assert story.record.is_live


def test_a_publish_that_is_learnt_of_long_after_its_session_ended_begins_nothing() -> None:
    story = Story().start().answer(NOT_FOUND).seen(NOON).answer().confirm().passes(2 * MINUTE)
    story.goes_off().passes(2 * MINUTE).publish(NOON)

    assert story.record.is_off
    assert story.sent == ["start", "start"]


def test_one_that_may_be_of_a_reconnect_as_the_session_ended_is_polled() -> None:
    story = Story().start().answer(NOT_FOUND).seen(NOON).answer().goes_off()
    story.passes(2 * MINUTE).publish(NOON + 2 * SECOND)

    assert story.record.may_have_ended


def test_a_pause_is_no_later_for_a_clock_of_lives_that_is_an_hour_ahead() -> None:
    in_an_hour = Reported("record_paused", recording=False, time=NOON + 60 * MINUTE)
    story = recording().stop().answer().happens(in_an_hour).start().answer(ALREADY)
    story.passes(10 * SECOND).answer().passes(MINUTE).answer(ALREADY)

    assert story.sent == ["start", "stop", "start", "restart", "start"]
    assert story.phase is Phase.RECORDING


def test_what_live_recorded_of_the_session_before_is_no_recording_of_this_one() -> None:
    story = Story().publish().happens(RUNS)
    phases = [story.phase]
    phases.append(story.passes(MINUTE).goes_off().passes(MINUTE).publish().phase)
    phases.append(story.happens(RUNS).phase)

    assert phases == [Phase.UNMANAGED, Phase.IDLE, Phase.UNMANAGED]


def test_a_pause_is_believed_that_live_dates_to_before_its_answer_was_stored() -> None:
    story = Story().publish().passes(MINUTE).start()
    story.passes(7 * SECOND).answer(ALREADY)
    phases = [story.phase]
    paused_at = story.now - 3 * SECOND
    story.passes(SECOND).happens(Reported("record_paused", recording=False, time=paused_at))
    phases.append(story.phase)

    assert phases == [Phase.RECORDING, Phase.WAITING]


def test_a_list_that_does_not_show_yet_what_was_just_published_says_nothing() -> None:
    story = Story(by_rule(on_interruption=FINALIZES)).publish().answer().passes(SECOND).missed()
    story.passes(7 * SECOND).missed().passes(5 * SECOND).seen(NOON)

    assert story.record.is_live
    assert story.sent == ["start"]


def test_a_start_accepted_long_after_its_session_was_reported_over_belongs_to_the_next() -> None:
    """A list that lagged had refuted that end, and the next publish was not delivered."""
    story = Story().publish().passes(MINUTE).unpublish().passes(5 * SECOND).seen(NOON)
    story.passes(MINUTE).happens(UNTIL_INTERRUPTED).answer()
    returned = story.now - 3 * SECOND
    story.passes(2 * SECOND).missed().passes(5 * SECOND).seen(returned)

    assert story.record.intent.wanted
    assert story.record.intent.session == 2
