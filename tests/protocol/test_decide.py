"""The protocol of one stream as sentences: docs/protocol.md, told to the pure `decide`."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from shared.inbound.catalogue import text
from shared.protocol import (
    CancelDelayAsked,
    Command,
    CommandSettled,
    ExtendAsked,
    FileLeft,
    IfNotLive,
    Phase,
    Published,
    Reason,
    RecordFailed,
    Reported,
    RestartAsked,
    SettingsChanged,
    StartAsked,
    StopAsked,
    StreamRecord,
    StreamSettings,
    TimePassed,
    claim,
    command_priority,
)
from shared.protocol.command_errors import (
    AlreadyStarted,
    InDoubt,
    InvalidCommand,
    LiveError,
    LiveNotActivated,
    NeverSent,
    NoRecordConfig,
    OperatorActionNeeded,
    Retryable,
    StreamNotLive,
    Throttled,
    Unavailable,
    UnknownRejection,
)
from shared.protocol.derived.due_times import counts_against_quota, queue_priority
from shared.protocol.derived.explain import explain
from shared.protocol.events import Accepted
from shared.protocol.state.command import PendingCommand
from shared.protocol.state.intent import IdempotencyKey, Intent
from shared.protocol.state.session import SessionState
from tests.conftest import KEY, NOON, owing, saving
from tests.support.stream_story import (
    FINALIZES,
    OK,
    RECORDS,
    SECOND,
    STOPS,
    Story,
    accepted,
    by_rule,
    recording,
)

MINUTE = 60 * SECOND
HOUR_MS = 60 * MINUTE
STARTED = Reported("record_started", recording=True)
PAUSED = Reported("record_paused", recording=False)
SLOWLY = Throttled("Throttling.User", retry_after=10 * MINUTE)


# --- intents -----------------------------------------------------------------------------------


def test_a_wanted_stream_is_started_when_it_comes_up() -> None:
    story = Story().start().answer(StreamNotLive("StreamNotFound")).publish()

    assert story.sent == ["start", "start"]


# --- a publish whose signature may have been replayed -------------------------------------------


def publish_doubted(story: Story) -> Story:
    return story.happens(Published(story.now, needs_poll=True))


def test_a_publish_that_may_be_replayed_starts_nothing_before_a_poll_shows_the_stream() -> None:
    story = publish_doubted(Story(by_rule()))
    assert (story.sent, story.phase) == ([], Phase.WAITING)

    story.passes(2 * SECOND).seen(NOON)
    assert story.sent == ["start"]


def test_a_publish_that_was_made_up_starts_nothing_and_is_forgotten() -> None:
    story = publish_doubted(Story(by_rule()))
    story.passes(5 * SECOND).missed().passes(10 * SECOND).missed()
    story.passes(24 * HOUR_MS)

    assert (story.sent, story.record.intent.wanted) == ([], False)
    assert story.record.forget_at is not None


def test_a_later_publish_that_may_be_replayed_starts_nothing_anew() -> None:
    story = Story(by_rule()).publish().answer().confirm().passes(MINUTE)
    assert publish_doubted(story).sent == ["start"]

    story.passes(5 * SECOND).seen(NOON)
    assert story.sent == ["start", "start"], "one start tells: Live records, or does so again"
    assert story.record.session_number == 1


def test_a_later_publish_that_was_real_is_a_session_once_a_poll_shows_it() -> None:
    story = publish_doubted(Story(by_rule()).publish().answer().passes(MINUTE))
    story.passes(2 * SECOND).seen(NOON + MINUTE)

    assert (story.record.session_number, story.sent) == (2, ["start", "start"])


def test_after_its_session_a_publish_that_may_be_replayed_waits_for_a_poll_too() -> None:
    story = Story(by_rule()).publish().answer().goes_off().passes(MINUTE)
    assert publish_doubted(story).sent == ["start"]

    story.passes(SECOND).seen(story.now - SECOND)
    assert story.sent == ["start", "start"]


def test_of_one_priority_streams_that_a_poll_has_shown_are_started_first() -> None:
    callback_one, seen_one = Story(by_rule()), Story(by_rule())
    for story in (callback_one, seen_one):
        story.lane_is_free = False
    callback_one.publish()
    seen_one.publish().seen(NOON)

    order = [queue_priority(one.record, 3) for one in (seen_one, callback_one)]
    assert order == sorted(order, reverse=True)
    assert order[0] > order[1] > queue_priority(seen_one.record, 2)


def test_what_is_only_to_be_polled_and_may_be_made_up_comes_last() -> None:
    assert command_priority(publish_doubted(Story(by_rule())).record) > command_priority(
        owing(Command.START)
    )


def test_a_stream_nobody_asked_for_is_left_alone() -> None:
    assert Story().publish().sent == []


def test_every_new_intent_raises_the_generation() -> None:
    assert recording().stop().record.intent.generation == 2


def test_a_new_intent_waits_for_nothing_but_its_command_waits_for_the_flight() -> None:
    story = Story().publish().start().stop()

    assert (story.record.intent.wanted, story.sent) == (False, ["start"])
    assert story.answer().sent == ["start", "stop"]


def test_a_command_never_claimed_is_cancelled_by_a_newer_intent() -> None:
    story = Story().publish().start().stop().start()

    assert story.answer().sent == ["start"]
    assert story.phase is Phase.STARTING


def test_a_second_start_on_a_wanted_stream_sends_nothing() -> None:
    assert recording().start("bob").sent == ["start"]


def test_a_second_start_moves_the_end() -> None:
    story = recording().happens(StartAsked("bob", max_duration=HOUR_MS))

    assert story.record.intent.until == NOON + HOUR_MS


def test_a_second_start_tries_again_what_had_failed() -> None:
    story = Story().publish().start().answer(NoRecordConfig("CodeConfigNotFound"))
    assert story.phase is Phase.FAILED

    assert story.start().sent == ["start", "start"]


def test_a_stop_of_a_start_never_claimed_sends_nothing_where_nothing_hints_at_a_stream() -> None:
    story = Story()
    story.lane_is_free = False
    story.start().stop()
    story.lane_is_free = True

    assert story.passes(MINUTE).sent == []
    assert Reason.NOTHING_TO_UNDO in story.reasons


def test_a_stop_of_a_start_never_claimed_is_sent_where_a_callback_told_of_the_stream() -> None:
    story = Story().publish()
    story.lane_is_free = False
    story.start().stop()
    story.lane_is_free = True

    assert story.passes(MINUTE).sent[:1] == ["stop"]


def test_a_claim_that_contradicts_the_intent_is_refused() -> None:
    pending = PendingCommand(Command.STOP, Reason.ASKED_STOP, 1, NOON, NOON)
    wanted, unwanted = Intent(generation=1, wanted=True), Intent(generation=2)

    assert claim(StreamRecord(KEY, wanted, pending), "f", NOON) is None
    assert claim(StreamRecord(KEY, unwanted, pending), "f", NOON) is None
    start = replace(pending, command=Command.START, generation=2)
    assert claim(StreamRecord(KEY, unwanted, start), "f", NOON) is None


def test_stops_go_before_restarts_and_restarts_before_starts() -> None:
    order = [Command.STOP, Command.CANCEL_DELAY, Command.RESTART, Command.START]
    ranks = [command_priority(owing(command)) for command in order]

    assert ranks == sorted(ranks)
    assert command_priority(StreamRecord(KEY)) == 0
    assert str(KEY) == "live.example.com/app/room1"
    assert saving(StreamRecord(KEY)).key == KEY


def test_an_explicit_stop_is_always_sent() -> None:
    assert Story().stop().sent == ["stop"]
    assert Story().publish().stop().sent == ["stop"]


def test_a_stop_holds_for_twelve_hours_against_policy() -> None:
    story = recording(by_rule()).stop().answer().pauses()
    story.passes(11 * HOUR_MS).publish()
    assert story.sent == ["start", "stop"]

    assert story.passes(HOUR_MS).publish().sent == ["start", "stop", "start"]


def test_only_an_explicit_start_ends_a_hold() -> None:
    story = recording(by_rule()).stop().answer().passes(SECOND).start()

    assert story.sent == ["start", "stop", "start"]


def test_a_stop_can_hold_for_its_session_alone() -> None:
    story = recording(by_rule()).happens(StopAsked("ann", hold_session=True)).answer().pauses()
    assert story.seen(NOON).sent == ["start", "stop"]

    assert story.passes(MINUTE).publish().sent == ["start", "stop", "start"]


def test_nobody_is_held_from_what_is_wanted_or_was_never_seen() -> None:
    assert not recording().record.held_at(NOON)
    assert not Story().happens(StopAsked("ann", hold_session=True)).record.held_at(NOON)


def test_a_live_stream_that_no_rule_records_is_not_written_down_at_every_look() -> None:
    story = Story().publish()

    assert story.seen(NOON).seen(NOON).reasons == [Reason.PUBLISHED, Reason.RULE_IGNORES]


def test_a_phase_tells_what_is_under_way() -> None:
    story = Story().publish().start()
    phases = [story.phase, story.answer().phase, story.confirm().phase]
    phases += [story.stop().phase, story.answer().phase]

    asked = [Phase.STARTING, Phase.STARTING, Phase.RECORDING]
    assert phases == [*asked, Phase.STOPPING, Phase.IDLE]
    assert story.record.is_watched


def test_policy_makes_one_intent_a_session() -> None:
    story = Story(by_rule()).publish().answer()
    story.happens(StopAsked("ann", hold=1)).answer().passes(MINUTE)

    assert story.seen(NOON).sent == ["start", "stop"]


def test_a_intent_that_stops_with_its_session_ends_when_the_session_does() -> None:
    story = Story(by_rule(on_interruption=STOPS)).publish().answer().goes_off()

    assert story.sent == ["start", "stop"]
    assert story.record.intent.reason is Reason.SESSION_OVER


def test_a_intent_that_stops_with_its_session_ends_when_a_later_one_opens() -> None:
    story = Story().publish().happens(StartAsked("ann", on_interruption=STOPS)).answer()

    story.confirm().passes(MINUTE).publish().passes(5 * SECOND)
    assert story.seen(NOON + MINUTE).sent == ["start", "stop"]
    assert not story.record.intent.wanted


def test_policy_intents_anew_for_the_next_session() -> None:
    story = Story(by_rule(on_interruption=STOPS)).publish().answer().passes(SECOND).publish()

    assert story.sent == ["start", "start"]
    assert story.record.intent.wanted


def test_a_intent_not_yet_accepted_moves_on_with_the_stream() -> None:
    story = Story().publish().happens(StartAsked("ann", on_interruption=STOPS))
    story.passes(SECOND).publish().answer()

    assert story.record.intent.wanted
    assert story.sent == ["start", "start"]


def test_finalize_sends_cancel_delay_even_when_the_stop_found_no_stream() -> None:
    story = Story(by_rule(on_interruption=FINALIZES)).publish().answer().goes_off()
    story.answer(StreamNotLive("StreamNotFound"))

    assert story.sent == ["start", "stop", "cancel_delay"]


def test_a_intent_of_policy_that_never_saw_its_stream_ends_after_a_day() -> None:
    story = Story(by_rule()).publish()
    story.record = story.record.__class__(story.record.key, intent=story.record.intent)

    assert story.passes(24 * HOUR_MS).record.intent.reason is Reason.NEVER_LIVE


def test_policy_makes_one_intent_a_session_and_says_so_when_its_stream_is_seen_again() -> None:
    story = Story(by_rule()).publish().answer()
    story.happens(StopAsked("ann", hold=SECOND)).answer().passes(MINUTE)
    story.unpublish().passes(5 * SECOND).seen(NOON)

    assert (story.reasons[-1], story.sent) == (Reason.ONCE_PER_SESSION, ["start", "stop"])


# --- time -------------------------------------------------------------------------------------


def test_a_recording_ends_at_its_time_which_counts_from_the_first_accepted_start() -> None:
    story = (
        Story().start().answer(StreamNotLive("StreamNotFound")).passes(HOUR_MS).publish().answer()
    )
    assert story.record.intent.until == NOON + 13 * HOUR_MS

    assert story.confirm().passes(12 * HOUR_MS).sent == ["start", "start", "stop"]
    assert story.record.intent.reason is Reason.TIME_OVER


def test_the_time_survives_reconnects() -> None:
    story = recording().passes(HOUR_MS).publish().answer()

    assert story.record.intent.until == NOON + 12 * HOUR_MS


def test_the_ceiling_of_the_stage_cuts_what_was_asked() -> None:
    story = Story(StreamSettings(max_duration=HOUR_MS)).publish()
    story.happens(StartAsked("ann", until=NOON + 5 * HOUR_MS)).answer()

    assert story.record.intent.until == NOON + HOUR_MS


def test_when_the_time_is_over_policy_is_held_for_the_session_and_a_reconnect() -> None:
    story = Story(by_rule(max_duration=HOUR_MS)).publish().answer().confirm()
    story.passes(HOUR_MS).answer().pauses()
    story.passes(MINUTE).publish()
    assert story.sent == ["start", "stop"]

    assert story.passes(10 * MINUTE).publish().sent == ["start", "stop", "start"]


def test_an_end_can_be_moved() -> None:
    story = recording().happens(ExtendAsked("ann", until=NOON + 2 * HOUR_MS))

    assert story.record.intent.until == NOON + 2 * HOUR_MS
    assert story.passes(2 * HOUR_MS).sent == ["start", "stop"]


def test_an_end_can_be_moved_before_anything_was_accepted() -> None:
    story = Story().start().answer(StreamNotLive("StreamNotFound"))
    story.happens(ExtendAsked("ann", max_duration=HOUR_MS)).passes(MINUTE).publish().answer()

    assert story.record.intent.until == NOON + MINUTE + HOUR_MS


@pytest.mark.parametrize("ask", [StartAsked, ExtendAsked])
def test_an_end_that_has_passed_already_is_refused_and_changes_nothing(
    ask: type[StartAsked | ExtendAsked],
) -> None:
    story = recording().passes(2 * HOUR_MS)
    before = story.record.intent
    story.happens(ask("bob", max_duration=HOUR_MS))

    assert (story.refused, story.record.intent) == (Reason.END_IS_PAST, before)
    assert story.passes(MINUTE).sent == ["start"]


@pytest.mark.parametrize("ask", [StartAsked, ExtendAsked])
def test_an_end_beyond_the_ceiling_is_refused_and_changes_nothing(
    ask: type[StartAsked | ExtendAsked],
) -> None:
    story = recording().passes(2 * HOUR_MS)
    before = story.record.intent
    story.happens(ask("bob", until=NOON + 13 * HOUR_MS))

    assert (story.refused, story.record.intent) == (Reason.END_TOO_LATE, before)


@pytest.mark.parametrize("ask", [StartAsked, ExtendAsked])
def test_an_end_less_than_a_minute_away_is_refused_unless_it_is_meant(
    ask: type[StartAsked | ExtendAsked],
) -> None:
    story = recording().passes(2 * HOUR_MS)
    before, soon = story.record.intent, 2 * HOUR_MS + 59_000
    story.happens(ask("bob", max_duration=soon))

    assert (story.refused, story.record.intent) == (Reason.END_TOO_SOON, before)
    story.happens(ask("bob", max_duration=soon, allow_short=True))
    assert story.record.intent.until == NOON + soon


def ends_noted(story: Story) -> list[dict[str, object]]:
    return [dict(one.about) for one in story.history if one.code is Reason.ASKED_EXTEND]


def test_the_history_says_who_moved_the_end_from_what_to_what() -> None:
    story = Story().publish().happens(StartAsked("ann", max_duration=HOUR_MS)).answer()
    story.happens(StartAsked("bob", max_duration=2 * HOUR_MS))
    story.happens(ExtendAsked("eve", until=NOON + 3 * HOUR_MS))

    assert ends_noted(story) == [
        {"who": "ann", "end_after": HOUR_MS},
        {"who": "bob", "end_at": NOON + 2 * HOUR_MS, "before_at": NOON + HOUR_MS},
        {"who": "eve", "end_at": NOON + 3 * HOUR_MS, "before_at": NOON + 2 * HOUR_MS},
    ]


def test_the_end_of_what_is_not_wanted_cannot_be_moved() -> None:
    assert Story().happens(ExtendAsked("ann", until=NOON + HOUR_MS)).refused is Reason.NOT_WANTED


# --- answers and doubt ------------------------------------------------------------------------


def test_an_answer_to_another_flight_reaches_the_history_alone() -> None:
    story = Story().publish().start()
    before = story.record

    assert (
        story.happens(CommandSettled("another", StreamNotLive("StreamNotFound"))).record.flight
        == before.flight
    )
    assert story.reasons[-1] is Reason.LATE_ANSWER


@pytest.mark.parametrize("answer", [InDoubt("InternalError"), Unavailable(), NeverSent()])
def test_a_start_without_a_clear_answer_goes_out_again(answer: LiveError) -> None:
    story = Story().publish().start().answer(answer)
    assert story.phase is Phase.STARTING

    assert story.passes(SECOND).sent == ["start", "start"]


def test_a_throttled_start_waits_as_long_as_live_says_in_milliseconds() -> None:
    story = Story().publish().start().answer(Throttled("Throttling.User", retry_after=2000))

    assert story.passes(1999).sent == ["start"]
    assert story.passes(1).sent == ["start", "start"]


@pytest.mark.parametrize("answer", [Unavailable, NeverSent, Throttled])
def test_the_time_that_live_gives_wins_over_our_own(answer: type[Retryable]) -> None:
    story = Story().publish().start()
    for attempts in range(1, 8):
        story.answer(answer("Code", retry_after=700))
        assert story.passes(699).sent == ["start"] * attempts
        assert story.passes(1).sent == ["start"] * (attempts + 1)


@pytest.mark.parametrize("hours", [1, 24])
def test_a_stop_is_not_held_back_for_minutes_whatever_time_live_gives(hours: int) -> None:
    story = recording().stop().answer(Throttled("Throttling.User", retry_after=hours * HOUR_MS))

    assert story.passes(30 * SECOND).sent == ["start", "stop", "stop"]


def test_an_account_without_live_has_a_sentence_of_its_own() -> None:
    story = Story().publish().start().answer(LiveNotActivated("LiveServiceNotFound"))

    assert story.reasons[-1] is Reason.LIVE_NOT_ACTIVATED
    assert story.passes(15 * SECOND).sent == ["start", "start"]


def test_what_is_ours_to_mend_keeps_the_intent_and_waits_long() -> None:
    story = Story().publish().start().answer(OperatorActionNeeded("Forbidden.RAM"))

    assert story.passes(14 * SECOND).sent == ["start"]
    assert story.passes(SECOND).sent == ["start", "start"]


def test_a_missing_configuration_fails_this_session_and_the_next_publish_tries_anew() -> None:
    story = Story().publish().start().answer(NoRecordConfig("CodeConfigNotFound"))
    assert (story.phase, story.passes(HOUR_MS).sent) == (Phase.FAILED, ["start"])

    assert story.publish().sent == ["start", "start"]


def test_a_domain_that_live_does_not_know_is_named_as_the_cause() -> None:
    story = Story().publish().start().answer(InvalidCommand("InvalidDomain.NotFound"))

    assert story.record.failure is not None
    assert story.record.failure.reason is Reason.WRONG_DOMAIN


def test_an_answer_to_a_start_nobody_wants_any_more_changes_nothing_but_the_history() -> None:
    refused = Story().publish().start().stop().answer(NoRecordConfig("CodeConfigNotFound"))
    missing = Story().publish().start().stop().answer(StreamNotLive("StreamNotFound"))

    assert (refused.record.failure, missing.sent) == (None, ["start", "stop"])


def test_an_undocumented_refusal_fails_a_person_and_is_retried_for_policy() -> None:
    person = Story().publish().start().answer(UnknownRejection("Odd", status=418))
    policy = Story(by_rule()).publish().answer(UnknownRejection("Odd", status=418))

    assert person.phase is Phase.FAILED
    assert policy.passes(MINUTE).sent == ["start", "start"]


def test_a_doubtful_start_is_followed_by_a_second_stop_when_the_doubt_ends() -> None:
    story = Story().publish().start().answer(InDoubt()).stop().answer()
    assert story.sent == ["start", "stop"]

    assert story.passes(MINUTE).sent == ["start", "stop", "stop"]


def test_a_doubtful_stop_is_followed_by_a_second_start_when_the_doubt_ends() -> None:
    story = recording().stop().answer(InDoubt()).start().answer()

    assert story.passes(MINUTE).sent.count("start") == 3


def test_later_answers_do_not_end_a_doubt() -> None:
    story = Story().publish().start().answer(InDoubt()).passes(SECOND).answer()
    story.stop().answer()

    assert story.passes(MINUTE).sent == ["start", "start", "stop", "stop"]


def test_an_echo_goes_out_early_when_live_reports_what_is_not_wanted_and_again_at_the_end() -> None:
    story = Story().publish().start().answer(InDoubt()).stop().answer()
    story.happens(STARTED).answer()
    assert story.sent == ["start", "stop", "stop"]

    assert story.passes(MINUTE).sent == ["start", "stop", "stop", "stop"]


def test_a_report_of_a_pause_wakes_the_start_while_a_stop_is_in_doubt() -> None:
    story = recording().stop().answer(InDoubt()).start().answer().happens(PAUSED)

    assert story.sent == ["start", "stop", "start", "start"]


def test_a_flight_whose_lease_ended_is_in_doubt_and_goes_out_again() -> None:
    story = Story().publish().start().passes(8 * SECOND)

    assert story.sent == ["start", "start"]
    assert story.reasons[-1] is Reason.ANSWER_LOST


def test_a_doubtful_cancel_delay_counts_against_a_start() -> None:
    story = recording().stop().answer().happens(CancelDelayAsked("ann")).answer(InDoubt())
    story.start().answer()

    assert story.passes(MINUTE).sent[-1] == "start"


def test_a_doubt_that_agrees_with_the_intent_needs_no_echo() -> None:
    story = Story().publish().start().answer(InDoubt()).passes(SECOND).answer().confirm()

    assert story.passes(2 * MINUTE).sent == ["start", "start"]


def test_an_answer_about_an_earlier_session_says_nothing_about_the_new_one() -> None:
    story = Story().publish().start().passes(SECOND).publish()

    assert story.answer().sent == ["start", "start"]
    assert not story.record.is_started


def test_a_denial_of_an_earlier_session_says_nothing_about_the_new_one() -> None:
    story = (
        Story().publish().start().passes(SECOND).publish().answer(StreamNotLive("StreamNotFound"))
    )

    assert story.sent == ["start", "start"]
    assert story.record.intent.first_accepted_at is None


def test_a_stop_that_missed_its_session_goes_out_again() -> None:
    story = recording().stop().passes(SECOND).publish().answer(StreamNotLive("StreamNotFound"))

    assert story.sent == ["start", "stop", "stop"]


def test_a_stop_that_found_no_stream_goes_out_again_once_when_it_returns_soon() -> None:
    story = recording().stop().answer(StreamNotLive("StreamNotFound")).passes(MINUTE).publish()
    assert story.sent == ["start", "stop", "stop"]

    assert story.answer().passes(SECOND).publish().sent == ["start", "stop", "stop"]


def test_a_stop_refused_for_a_reason_nobody_documented_is_over() -> None:
    story = recording().stop().answer(UnknownRejection("Odd", status=400))

    assert (story.phase, story.reasons[-1]) == (Phase.IDLE, Reason.OVER_UNPROVED)


def test_a_rejected_stop_is_not_repeated() -> None:
    assert recording().stop().answer(InvalidCommand("MalformedParam")).passes(HOUR_MS).sent[
        -1:
    ] == ["stop"]


def test_a_stop_without_a_clear_answer_goes_out_again() -> None:
    assert recording().stop().answer(Unavailable()).passes(SECOND).sent == ["start", "stop", "stop"]


def test_a_start_just_after_the_publish_is_repeated_while_live_does_not_know_the_stream() -> None:
    story = Story().publish().start().answer(StreamNotLive("StreamNotFound"))
    assert story.reasons[-1] is Reason.NOT_LIVE_YET

    assert story.passes(SECOND).sent == ["start", "start"]


def test_thirty_seconds_later_it_waits_for_the_stream() -> None:
    story = Story().publish().passes(31 * SECOND).start().answer(StreamNotLive("StreamNotFound"))

    assert story.phase is Phase.WAITING
    assert story.record.session is not None
    assert story.record.session.state is SessionState.ENDING


def test_a_person_may_ask_to_fail_when_the_stream_is_not_live() -> None:
    story = Story().happens(StartAsked("ann", if_not_live=IfNotLive.FAIL))
    story.answer(StreamNotLive("StreamNotFound"))

    assert (story.record.intent.wanted, story.record.intent.reason) == (
        False,
        Reason.GAVE_UP_NOT_LIVE,
    )


# --- restart and cancel_delay -----------------------------------------------------------------


def test_a_restart_cuts_what_is_recorded() -> None:
    assert recording().happens(RestartAsked("ann")).answer().sent == ["start", "restart"]


def test_a_doubtful_restart_is_never_repeated_and_is_reported_unknown() -> None:
    story = recording().happens(RestartAsked("ann")).answer(InDoubt()).passes(2 * MINUTE)

    assert story.sent == ["start", "restart"]
    assert Reason.RESTART_UNKNOWN in story.reasons


def test_a_doubtful_restart_whose_lease_ended_is_not_repeated() -> None:
    assert recording().happens(RestartAsked("ann")).passes(2 * MINUTE).sent == ["start", "restart"]


def test_a_doubtful_restart_of_what_is_stopped_since_is_followed_by_its_stop_alone() -> None:
    story = recording().happens(RestartAsked("ann")).answer(InDoubt()).stop().answer()

    assert story.passes(MINUTE).sent == ["start", "restart", "stop", "stop"]


def test_the_file_of_an_older_recording_does_not_settle_a_doubtful_restart() -> None:
    story = recording().happens(RestartAsked("ann")).answer(InDoubt())
    story.happens(FileLeft("old.mp4", NOON - HOUR_MS, NOON - MINUTE)).passes(MINUTE)

    assert Reason.RESTART_UNKNOWN in story.reasons


def test_a_report_settles_a_doubtful_restart() -> None:
    story = recording().happens(RestartAsked("ann")).answer(InDoubt()).happens(STARTED)

    assert Reason.RESTART_UNKNOWN not in story.passes(2 * MINUTE).reasons


def test_a_restart_that_never_arrived_goes_out_again() -> None:
    story = recording().happens(RestartAsked("ann")).answer(NeverSent()).passes(SECOND)

    assert story.sent == ["start", "restart", "restart"]


def test_a_refused_restart_leaves_the_stream_wanted_and_says_so_once_more() -> None:
    story = recording().happens(RestartAsked("ann")).answer(StreamNotLive("StreamNotFound"))

    assert story.sent == ["start", "restart", "start"]


@pytest.mark.parametrize(
    "story", [Story(), Story().start().answer(StreamNotLive("StreamNotFound"))]
)
def test_what_is_not_recorded_cannot_be_restarted(story: Story) -> None:
    assert story.happens(RestartAsked("ann")).refused in (Reason.NOT_WANTED, Reason.NOT_LIVE)


def test_a_restart_while_the_start_is_owed_adds_nothing() -> None:
    story = Story().publish().start().answer(Unavailable()).happens(RestartAsked("ann"))

    assert story.passes(SECOND).sent == ["start", "start"]


def test_a_start_waits_until_a_cancel_delay_is_settled() -> None:
    story = recording().stop().answer().happens(CancelDelayAsked("ann")).start()
    assert story.sent == ["start", "stop", "cancel_delay"]

    assert story.answer().sent[-1] == "start"


def test_a_cancel_delay_of_an_older_intent_is_not_repeated() -> None:
    story = recording().stop().answer().happens(CancelDelayAsked("ann")).start()

    assert story.answer(Unavailable()).passes(MINUTE).sent[-1] == "start"


def test_a_cancel_delay_asked_before_the_stop_went_out_follows_it() -> None:
    story = recording().stop().happens(CancelDelayAsked("ann")).answer()

    assert story.sent == ["start", "stop", "cancel_delay"]


def test_the_wait_of_what_is_wanted_cannot_be_ended() -> None:
    assert recording().happens(CancelDelayAsked("ann")).refused is Reason.WANTED


def test_a_cancel_delay_without_a_clear_answer_goes_out_again() -> None:
    story = recording().stop().answer().happens(CancelDelayAsked("ann")).answer(Unavailable())

    assert story.passes(SECOND).sent[-2:] == ["cancel_delay", "cancel_delay"]


def test_a_rejected_cancel_delay_is_not_repeated() -> None:
    story = recording().stop().answer().pauses().happens(CancelDelayAsked("ann"))

    assert story.answer(InvalidCommand("MalformedParam")).passes(HOUR_MS).sent[-1] == "cancel_delay"


# --- sessions ---------------------------------------------------------------------------------


def test_the_same_publish_twice_is_one_session() -> None:
    assert recording().publish(NOON).sent == ["start"]


def test_a_late_publish_changes_nothing() -> None:
    assert recording().publish(NOON - SECOND).sent == ["start"]


def test_a_publish_one_second_later_is_a_new_session_and_is_started_anew() -> None:
    assert recording().publish(NOON + SECOND).sent == ["start", "start"]


def test_a_late_publish_done_changes_nothing() -> None:
    story = recording().unpublish(NOON - 6 * SECOND)

    assert story.record.session is not None
    assert story.record.session.state is SessionState.LIVE


def test_a_publish_done_of_a_stream_that_is_off_changes_nothing() -> None:
    assert Story().unpublish().reasons == [Reason.UNPUBLISHED_UNKNOWN]


def test_a_second_publish_done_adds_nothing() -> None:
    assert recording().unpublish().unpublish().reasons[-1] is Reason.UNPUBLISHED_TWICE


def test_a_publish_done_only_marks_the_session_ending() -> None:
    story = recording().unpublish()

    assert (story.phase, story.sent) == (Phase.WAITING, ["start"])


def test_an_ending_session_is_looked_at_after_5_15_and_30_seconds_and_each_minute_then() -> None:
    story = recording().unpublish()
    polls = [story.passes(5 * SECOND).polls for _ in range(6)]

    assert polls == [1, 1, 2, 2, 2, 3]
    assert story.passes(2 * MINUTE).polls == 5


def test_an_ending_session_of_a_stream_nobody_wants_can_end_too() -> None:
    assert Story().publish().goes_off().record.is_off


def test_two_absences_end_a_session() -> None:
    story = recording().unpublish().passes(5 * SECOND).missed()
    assert not story.record.is_off

    assert story.passes(10 * SECOND).missed().record.is_off
    assert story.phase is Phase.WAITING


def test_two_looks_of_the_same_moment_are_one_absence() -> None:
    story = recording().unpublish().passes(5 * SECOND).missed().missed()

    assert not story.record.is_off


def test_a_look_that_was_asked_before_the_session_opened_says_nothing() -> None:
    story = recording().missed(asked_at=NOON - 1)

    assert story.reasons[-1] is not Reason.NOT_SEEN


def test_a_look_that_misses_a_live_stream_only_marks_it_ending() -> None:
    story = recording().passes(10 * SECOND).missed()

    assert story.record.session is not None
    assert story.record.session.state is SessionState.ENDING


def test_presence_undoes_the_ending_and_says_start_once_more() -> None:
    story = recording().unpublish().passes(5 * SECOND).seen(NOON)

    assert story.record.session is not None
    assert (story.record.session.state, story.sent) == (SessionState.LIVE, ["start", "start"])


def test_presence_of_a_stream_that_live_denied_says_start_once_more() -> None:
    story = Story().publish().passes(31 * SECOND).start().answer(StreamNotLive("StreamNotFound"))

    assert story.passes(SECOND).seen(NOON).sent == ["start", "start"]


def test_presence_of_a_live_stream_changes_nothing() -> None:
    assert recording().seen(NOON).sent == ["start"]


def test_a_list_from_before_the_ending_proves_nothing() -> None:
    story = recording().passes(SECOND).unpublish().seen(NOON, asked_at=NOON)

    assert story.reasons[-1] is Reason.SEEN_STALE


def test_a_list_with_an_older_publish_is_stale() -> None:
    assert recording().seen(NOON - 6 * SECOND).reasons[-1] is Reason.SEEN_STALE


def test_a_list_with_a_later_publish_opens_a_session() -> None:
    assert recording().passes(10 * SECOND).seen(NOON + 6 * SECOND).sent == ["start", "start"]


def test_a_stream_first_seen_in_the_list_is_started_and_once_more_at_its_callback() -> None:
    story = Story().start().answer(StreamNotLive("StreamNotFound")).seen(NOON).answer()
    story.publish(NOON + 2 * SECOND)

    assert story.sent == ["start", "start", "start"]
    assert story.record.session_number == 1


def test_a_late_callback_of_a_listed_session_that_is_off_makes_reconcile_look_again() -> None:
    story = Story().start().answer(StreamNotLive("StreamNotFound")).seen(NOON).answer().goes_off()
    story.publish(NOON + SECOND)

    assert story.record.session is not None
    assert story.record.session.state is SessionState.ENDING


def test_a_stream_nobody_wants_takes_over_its_time_and_sends_nothing() -> None:
    assert Story().seen(NOON).publish(NOON + SECOND).sent == []


def test_a_start_owed_when_the_session_ends_is_withheld() -> None:
    story = Story().publish().start().answer(SLOWLY).goes_off()

    assert story.passes(HOUR_MS).sent == ["start"]
    assert story.publish().sent == ["start", "start"]


def test_a_restart_owed_when_the_session_ends_is_withheld() -> None:
    story = recording().happens(RestartAsked("ann")).answer(SLOWLY)

    assert story.goes_off().passes(HOUR_MS).sent == ["start", "restart"]


def test_an_echo_for_a_stream_that_is_off_is_withheld() -> None:
    story = recording().stop().answer(InDoubt()).start().answer().goes_off()

    assert story.passes(MINUTE).reasons[-1] is Reason.WITHHELD


def test_a_person_may_start_a_stream_that_is_off() -> None:
    story = recording().goes_off().stop().answer().start()

    assert story.sent == ["start", "stop", "start"]


# --- a session that only an accepted start has told of ------------------------------------------


def test_an_accepted_start_proves_a_session_that_nobody_has_told_of() -> None:
    story = Story().happens(StartAsked("ann", on_interruption=STOPS)).answer()
    assert (story.record.session_number, story.record.intent.session) == (1, 1)

    story.confirm().passes(MINUTE).publish().passes(5 * SECOND).seen(NOON + MINUTE)
    assert (story.record.intent.wanted, story.sent) == (False, ["start", "stop"])


def test_the_late_callback_of_that_session_opens_no_other_and_sends_nothing() -> None:
    story = Story().start().answer().passes(SECOND).publish(NOON - MINUTE)

    assert (story.record.session_number, story.sent) == (1, ["start"])


def test_a_callback_of_about_that_time_may_be_of_a_reconnect_and_is_started_once_more() -> None:
    story = Story().start().answer().publish(NOON + SECOND)

    assert (story.record.session_number, story.sent) == (1, ["start", "start"])


def test_the_list_dates_that_session() -> None:
    story = Story().start().answer().unpublish().passes(5 * SECOND).seen(NOON - HOUR_MS)

    assert story.record.session is not None
    assert story.record.session.publish_time == NOON - HOUR_MS
    assert (story.record.session.state, story.sent) == (SessionState.LIVE, ["start", "start"])


def test_what_was_accepted_once_does_not_give_up_when_the_stream_is_gone() -> None:
    story = Story().happens(StartAsked("ann", if_not_live=IfNotLive.FAIL)).answer()
    story.passes(MINUTE).publish().passes(31 * SECOND).answer(StreamNotLive("StreamNotFound"))

    assert story.record.intent.wanted


def test_a_start_accepted_for_a_session_since_gone_counts_as_accepted() -> None:
    story = Story().happens(StartAsked("ann", if_not_live=IfNotLive.FAIL)).publish().answer()
    story.passes(31 * SECOND)
    assert story.record.intent.first_accepted_at == NOON


def test_a_start_accepted_after_its_session_ended_ends_a_intent_that_stops_with_it() -> None:
    story = Story(by_rule(on_interruption=FINALIZES)).publish()
    story.unpublish().passes(5 * SECOND).missed()
    flight = story.record.flight
    assert flight is not None
    story.record = replace(story.record, flight=replace(flight, lease_until=NOON + HOUR_MS))
    story.passes(10 * SECOND).missed()
    assert story.record.is_off

    assert story.answer().sent == ["start", "stop"]
    assert not story.record.intent.wanted


# --- confirmation -----------------------------------------------------------------------------

KNOWN = StreamSettings(status_known=True)


def test_an_accepted_start_is_not_confirmed_until_live_says_so() -> None:
    story = accepted()
    assert story.record.confirmation is not None
    assert not story.record.confirmation.is_confirmed

    story.happens(STARTED)
    assert story.record.confirmation.is_confirmed


def test_a_report_that_came_before_the_answer_confirms_it_too() -> None:
    story = Story().publish().start().happens(STARTED).answer()

    assert story.record.confirmation is not None
    assert story.record.confirmation.is_confirmed


def test_where_reports_are_known_to_come_silence_is_looked_at_and_then_started_again() -> None:
    story = accepted(KNOWN).passes(10 * SECOND)
    assert (story.polls, story.sent) == (1, ["start"])

    assert story.passes(50 * SECOND).sent == ["start", "start"]
    assert story.answer().passes(119 * SECOND).sent == ["start", "start"]


def test_a_check_that_finds_the_stream_off_is_forgotten() -> None:
    story = recording(KNOWN).goes_off().passes(HOUR_MS).happens(TimePassed())

    assert story.record.confirmation is not None
    assert story.record.confirmation.check_at is None


def test_a_confirmed_start_is_not_sent_again() -> None:
    assert recording(KNOWN).happens(STARTED).passes(HOUR_MS).sent == ["start"]


def test_a_late_report_after_our_own_stop_does_not_make_a_recording_unmanaged() -> None:
    story = recording().stop().answer().passes(SECOND).happens(STARTED)

    assert story.phase is Phase.IDLE


def test_silence_about_a_stream_that_is_off_means_nothing() -> None:
    assert recording(KNOWN).goes_off().passes(HOUR_MS).sent == ["start"]


def test_already_started_means_recording() -> None:
    story = Story().publish().start().answer(AlreadyStarted("TaskAlreadyStarted"))

    assert (story.phase, story.passes(HOUR_MS).sent) == (Phase.RECORDING, ["start"])


def test_already_started_soon_after_a_stop_leads_to_one_restart_when_nothing_proves_it() -> None:
    story = recording().stop().answer().start().answer(AlreadyStarted("TaskAlreadyStarted"))

    assert story.passes(10 * SECOND).sent == ["start", "stop", "start", "restart"]
    assert story.answer().passes(HOUR_MS).sent.count("restart") == 1


def test_an_echo_that_finds_it_started_is_proved_anew() -> None:
    story = accepted().stop().answer(InDoubt()).start()
    story.answer(AlreadyStarted("TaskAlreadyStarted")).passes(10 * SECOND).answer()
    assert story.sent[-1] == "restart"

    story.passes(50 * SECOND).answer(AlreadyStarted("TaskAlreadyStarted"))
    assert story.passes(10 * SECOND).sent[-2:] == ["start", "restart"]


def test_a_doubtful_stop_may_have_stopped_as_late_as_its_doubt_ends() -> None:
    story = Story(StreamSettings(merge_delay=30 * SECOND)).publish().start().answer().stop()
    story.answer(InDoubt()).start().passes(MINUTE).answer(AlreadyStarted("TaskAlreadyStarted"))

    assert Reason.ADOPTED in story.reasons


def test_a_later_stop_does_not_shorten_the_time_of_a_doubtful_one() -> None:
    story = recording(StreamSettings(merge_delay=30 * SECOND)).stop().answer(InDoubt())
    story.passes(SECOND).answer()
    assert story.record.stopped_at == NOON + MINUTE

    story.happens(CancelDelayAsked("ann")).answer()
    assert story.record.stopped_at == NOON + MINUTE


def test_a_restart_of_our_own_accord_is_not_carried_into_the_next_session() -> None:
    story = recording().stop().answer().start().answer(AlreadyStarted("TaskAlreadyStarted"))
    story.lane_is_free = False
    story.passes(10 * SECOND).publish()
    story.lane_is_free = True

    assert story.passes(SECOND).sent[-1] == "start"


def test_a_lost_restart_is_followed_by_a_start_once_no_pause_can_last() -> None:
    story = recording().happens(RestartAsked("ann")).answer(InDoubt()).passes(4 * MINUTE)

    assert story.sent == ["start", "restart", "start"]


def test_a_second_restart_does_not_go_out_while_the_first_is_in_doubt() -> None:
    story = accepted().stop().answer(InDoubt()).start()
    story.answer(AlreadyStarted("TaskAlreadyStarted")).passes(10 * SECOND).answer(InDoubt())
    story.passes(50 * SECOND).answer(AlreadyStarted("TaskAlreadyStarted")).passes(11 * SECOND)

    assert story.sent.count("restart") == 1


def test_a_stop_answered_when_a_start_is_wanted_again_still_tells_when_it_stopped() -> None:
    story = Story(StreamSettings(merge_delay=30 * SECOND)).publish().start().answer().stop().start()
    story.now += 5 * SECOND
    story.answer().answer(AlreadyStarted("TaskAlreadyStarted"))

    assert story.record.stopped_at == NOON + 5 * SECOND


def test_what_may_not_be_restarted_again_is_proved_by_a_start_once_no_pause_can_last() -> None:
    story = recording().stop().answer().start().answer(AlreadyStarted("TaskAlreadyStarted"))
    story.passes(10 * SECOND).answer().unpublish().passes(5 * SECOND).seen(NOON)
    story.answer(AlreadyStarted("TaskAlreadyStarted"))
    assert story.sent.count("restart") == 1

    assert story.passes(3 * MINUTE).sent[-2:] == ["start", "start"]
    assert story.sent.count("restart") == 1


def test_nothing_is_restarted_while_an_earlier_restart_may_still_land() -> None:
    story = recording().happens(RestartAsked("ann")).answer(InDoubt())
    story.unpublish().passes(5 * SECOND).seen(NOON)
    story.answer(AlreadyStarted("TaskAlreadyStarted")).passes(11 * SECOND)

    assert story.sent == ["start", "restart", "start"]


def test_a_stream_that_is_off_takes_no_place_under_a_cap() -> None:
    assert counts_against_quota(recording().record)
    assert not counts_against_quota(recording().goes_off().record)


def test_a_report_proves_what_was_adopted() -> None:
    story = recording().stop().answer().start().answer(AlreadyStarted("TaskAlreadyStarted"))

    assert "restart" not in story.happens(STARTED).passes(HOUR_MS).sent


AGAIN = AlreadyStarted("TaskAlreadyStarted")


def adopted(*, after: int) -> Story:
    """Return a story of a start so soon after a stop that Live answers TaskAlreadyStarted: the
    recording may be paused."""
    story = recording().passes(MINUTE).stop().answer().passes(after).start().answer(AGAIN)
    assert Reason.ADOPTED in story.reasons
    return story


def started_at(time: int) -> Reported:
    return Reported("record_started", recording=True, time=time)


def test_a_report_of_before_the_pause_proves_nothing_of_what_was_adopted() -> None:
    story = adopted(after=20 * SECOND).happens(started_at(NOON))

    assert story.reasons[-1] is Reason.REPORTED_LATE
    assert story.passes(10 * SECOND).sent[-1] == "restart"


def test_a_report_of_after_the_pause_counts_until_one_start_shows_it() -> None:
    """Whoever has captured a signature can send such a report, with any time."""
    story = adopted(after=20 * SECOND).happens(started_at(NOON + MINUTE + 15 * SECOND))

    assert story.record.is_recorded
    assert story.passes(MINUTE).sent == ["start", "stop", "start"]
    story.passes(101 * SECOND).answer(AGAIN).passes(HOUR_MS)
    assert story.sent == ["start", "stop", "start", "start"]


def test_two_clocks_may_differ_by_5_s() -> None:
    story = adopted(after=20 * SECOND).happens(started_at(NOON + MINUTE + 4 * SECOND))

    assert story.passes(10 * SECOND).sent[-1] == "restart"


def test_what_a_report_without_a_time_seemed_to_prove_one_start_tells_when_no_pause_can_last() -> (
    None
):
    story = adopted(after=20 * SECOND).happens(STARTED)

    assert story.passes(2 * MINUTE).sent == ["start", "stop", "start"]
    assert story.passes(41 * SECOND).answer(AGAIN).sent == ["start", "stop", "start", "start"]
    assert story.passes(HOUR_MS).sent.count("start") == 3


KNOWN = StreamSettings(status_known=True)
PAUSES = Reported("record_paused", recording=False)


def end_came_late(settings: StreamSettings, *before: Reported) -> Story:
    """Return a story of a session that Live records, in which a publish_done of the session before
    comes late: the poll shows the stream, and Live answers the start TaskAlreadyStarted."""
    story = recording(settings).happens(STARTED).passes(20 * SECOND).unpublish()
    for report in before:
        story.happens(report)
    return story.passes(5 * SECOND).seen(NOON).answer(AGAIN)


def is_confirmed(story: Story) -> bool:
    return story.record.confirmation is not None and story.record.confirmation.is_confirmed


def test_where_reports_come_an_older_one_stands_and_no_file_is_split() -> None:
    story = end_came_late(KNOWN)

    assert is_confirmed(story)
    assert story.passes(2 * MINUTE).sent == ["start", "start"]
    story.passes(MINUTE).answer(AGAIN)  # one start shows, once no pause can last
    assert story.passes(HOUR_MS).sent == ["start"] * 3


def test_a_pause_that_is_reported_since_ends_what_stood() -> None:
    story = end_came_late(KNOWN).passes(SECOND).happens(PAUSES)

    assert not is_confirmed(story)
    assert story.passes(9 * SECOND).sent == ["start", "start", "restart"]


def test_a_pause_that_was_reported_before_is_no_proof() -> None:
    story = end_came_late(KNOWN, PAUSES)

    assert not is_confirmed(story)
    assert story.passes(10 * SECOND).sent == ["start", "start", "restart"]


def test_where_no_reports_come_a_look_spares_the_file_the_split() -> None:
    story = end_came_late(StreamSettings()).passes(10 * SECOND)
    assert (story.polls, story.sent) == (2, ["start", "start"])

    assert story.seen(NOON).passes(2 * MINUTE).sent == ["start", "start"]
    assert story.passes(47 * SECOND).answer(AGAIN).passes(HOUR_MS).sent == ["start"] * 3


def test_a_look_that_shows_another_publish_leads_to_the_restart_at_once() -> None:
    story = end_came_late(StreamSettings()).passes(10 * SECOND).seen(NOON + 3 * SECOND)

    assert story.sent == ["start", "start", "restart"]


def test_a_look_that_fails_leads_to_the_restart_5_s_later() -> None:
    story = end_came_late(StreamSettings()).passes(14 * SECOND)
    assert story.sent == ["start", "start"]

    assert story.passes(SECOND).sent == ["start", "start", "restart"]


def test_a_stream_that_a_look_does_not_show_is_not_restarted() -> None:
    story = end_came_late(StreamSettings()).passes(10 * SECOND).missed().passes(MINUTE)
    assert "restart" not in story.sent

    assert story.seen(NOON).sent == ["start"] * 3


def test_what_live_did_not_begin_in_this_session_is_restarted_without_a_look() -> None:
    story = recording().happens(STARTED).passes(20 * SECOND).unpublish().publish().answer(AGAIN)

    assert story.passes(10 * SECOND).sent == ["start", "start", "restart"]


def test_a_report_of_before_an_accepted_start_does_not_confirm_it() -> None:
    story = recording().passes(MINUTE).unpublish().passes(SECOND).publish().answer()
    story.happens(started_at(NOON))
    assert story.record.confirmation is not None
    assert not story.record.confirmation.is_confirmed

    story.happens(started_at(NOON + MINUTE))
    assert story.record.confirmation.is_confirmed


def returned(settings: StreamSettings = KNOWN) -> Story:
    """Return a story of a stream that has dropped and come back, and is recorded again."""
    story = recording(settings).passes(MINUTE).unpublish().passes(SECOND).publish().answer()
    return story.passes(SECOND).happens(Reported("record_resumed", recording=True))


def test_a_pause_without_a_time_just_after_an_accepted_start_is_taken_as_late() -> None:
    # drops ── paused ── back, start, resumed ── the report of the pause, without a time: now
    story = returned().passes(SECOND).happens(PAUSES)
    assert (story.phase, story.reasons[-1]) == (Phase.RECORDING, Reason.PAUSE_DOUBTED)

    story.passes(3 * MINUTE)  # one start asks Live, once no pause can last
    assert story.sent == ["start"] * 3
    assert story.answer(AGAIN).passes(HOUR_MS).sent == ["start"] * 3
    assert story.phase is Phase.RECORDING


@pytest.mark.parametrize(
    ("event", "after"),
    [
        (PAUSES, 40 * SECOND),
        (Reported("record_paused", recording=False, time=NOON + MINUTE + 4 * SECOND), 2 * SECOND),
    ],
    ids=["later", "dated"],
)
def test_another_pause_after_an_accepted_start_counts(event: Reported, after: int) -> None:
    assert returned().passes(after).happens(event).phase is Phase.WAITING


def test_a_pause_without_a_time_that_may_be_of_before_the_start_is_asked_about_at_once() -> None:
    # drops ── back, start, resumed ── 12 s later the report of the pause, without a time: now
    story = returned().passes(12 * SECOND).happens(PAUSES)
    assert (story.phase, story.reasons[-1]) == (Phase.STARTING, Reason.PAUSE_DOUBTED)
    assert story.sent == ["start"] * 3

    assert story.answer(AGAIN).phase is Phase.RECORDING
    story.passes(3 * MINUTE)  # one more start asks Live, once no pause can last
    assert story.sent == ["start"] * 4
    assert story.answer(AGAIN).passes(HOUR_MS).sent == ["start"] * 4
    assert story.phase is Phase.RECORDING


def test_a_file_of_a_pause_that_was_doubted_does_not_prove_that_live_records() -> None:
    # back, start, resumed ── somebody stops it: paused ── its file ── no pause can last: one start
    story = returned().happens(PAUSES).passes(3 * MINUTE - SECOND)
    story.happens(FileLeft("a.mp4", NOON, NOON + MINUTE + 2 * SECOND))

    assert story.passes(SECOND).sent == ["start"] * 3


def test_a_true_pause_soon_after_a_reconnect_is_ended_by_the_start_that_asks() -> None:
    story = returned().passes(12 * SECOND).happens(PAUSES).answer()
    assert story.phase is Phase.STARTING

    assert story.happens(Reported("record_resumed", recording=True)).phase is Phase.RECORDING


def test_a_stage_that_observes_asks_nothing_about_a_pause() -> None:
    story = returned().passes(12 * SECOND)
    story.settings = replace(KNOWN, observe=True)

    assert story.happens(PAUSES).passes(SECOND).seen(NOON + MINUTE + SECOND).phase is Phase.WAITING


def swallowed() -> Story:
    """Return a story of a stream that has dropped and come back. Live has accepted the start, and
    a report without a time comes that may be about the recording before."""
    story = accepted(KNOWN).passes(20 * SECOND).goes_off().passes(SECOND).publish().answer()
    return story.passes(3 * SECOND).happens(STARTED)


def test_a_report_that_may_be_of_the_recording_before_is_proved_by_one_start() -> None:
    story = swallowed()
    assert story.phase is Phase.RECORDING
    assert story.passes(56 * SECOND).sent == ["start"] * 2

    assert story.passes(SECOND).sent == ["start"] * 3
    assert story.answer(AGAIN).passes(HOUR_MS).sent == ["start"] * 3
    assert story.phase is Phase.RECORDING


def test_a_start_that_was_not_carried_out_is_found_within_a_minute() -> None:
    story = swallowed().passes(57 * SECOND)  # Live has accepted the start, and has done nothing

    assert story.answer().phase is Phase.STARTING
    assert story.happens(STARTED).phase is Phase.RECORDING


def test_it_is_proved_too_if_the_report_came_before_the_answer() -> None:
    story = accepted(KNOWN).passes(20 * SECOND).unpublish().passes(SECOND).publish()
    story.happens(STARTED).answer()

    assert story.passes(61 * SECOND).sent == ["start"] * 3


@pytest.mark.parametrize("answered", [AGAIN, OK], ids=["already", "accepted"])
def test_a_start_soon_after_a_stop_is_proved_as_well(answered: Accepted | LiveError) -> None:
    story = recording(KNOWN).passes(HOUR_MS).stop().answer().happens(PAUSES).passes(4 * MINUTE)
    story.start().answer().happens(STARTED)

    assert story.passes(MINUTE).sent == ["start", "stop", "start", "start"]
    assert "restart" not in story.answer(answered).passes(HOUR_MS).sent


def test_a_first_start_and_the_return_of_a_long_recording_need_no_proof() -> None:
    assert recording(KNOWN).passes(HOUR_MS).sent == ["start"]
    story = recording(KNOWN).passes(5 * MINUTE).unpublish().publish().answer().happens(STARTED)

    assert story.passes(HOUR_MS).sent == ["start"] * 2


def test_a_report_with_a_time_of_after_the_start_needs_no_proof() -> None:
    story = swallowed().happens(started_at(NOON + 36 * SECOND)).happens(STARTED)

    assert story.passes(HOUR_MS).sent == ["start"] * 2


def test_a_pause_after_a_report_that_is_not_proved_yet_counts() -> None:
    story = swallowed().passes(50 * SECOND).happens(PAUSES)

    assert story.phase is Phase.WAITING


def test_a_pause_just_after_the_first_start_counts() -> None:
    """Nothing had interrupted the stream before."""
    assert recording(KNOWN).passes(SECOND).happens(PAUSES).phase is Phase.WAITING


def test_what_live_said_later_stands_against_what_it_said_earlier() -> None:
    story = Story().publish().passes(MINUTE)
    story.happens(Reported("record_paused", recording=False, time=NOON + 30 * SECOND))
    story.happens(started_at(NOON + 10 * SECOND))

    assert (story.phase, story.reasons[-1]) == (Phase.IDLE, Reason.REPORTED_LATE)


def test_a_report_of_before_our_stop_is_no_recording_that_somebody_else_began() -> None:
    story = recording().passes(MINUTE).stop().answer().pauses().passes(10 * MINUTE)
    story.happens(started_at(NOON + SECOND))

    assert story.phase is Phase.IDLE


def test_a_lost_restart_is_not_settled_by_what_was_so_before_it() -> None:
    story = recording().passes(MINUTE).happens(RestartAsked("ann")).answer(InDoubt())
    story.happens(started_at(NOON)).passes(4 * MINUTE)

    assert story.sent == ["start", "restart", "start"]


def test_an_early_echo_needs_a_report_of_later_than_what_is_in_doubt() -> None:
    story = recording().passes(MINUTE).stop().answer(InDoubt()).start().answer()
    before = len(story.sent)
    story.happens(Reported("record_paused", recording=False, time=NOON + 30 * SECOND))

    assert len(story.sent) == before


def test_a_publish_told_of_after_a_start_that_was_accepted_later_sends_no_other() -> None:
    story = Story().start().answer(StreamNotLive("StreamNotFound")).passes(10 * SECOND)
    story.seen(NOON + SECOND).answer().publish(NOON + 2 * SECOND)

    assert story.sent == ["start", "start"]


def test_a_publish_told_of_while_a_later_start_is_queued_leaves_it_its_place() -> None:
    story = Story().start().answer(StreamNotLive("StreamNotFound")).passes(10 * SECOND)
    story.lane_is_free = False
    since = story.seen(NOON + SECOND).now
    story.now += MINUTE
    story.publish(NOON + 2 * SECOND)

    assert story.record.pending is not None
    assert story.record.pending.since == since


def test_a_file_of_later_confirms_and_an_older_one_does_not() -> None:
    story = accepted().passes(55 * SECOND)
    story.happens(FileLeft("a.mp4", NOON - HOUR_MS, NOON - MINUTE))
    assert story.record.confirmation is not None
    assert not story.record.confirmation.is_confirmed

    story.happens(FileLeft("b.mp4", NOON, NOON + MINUTE))
    assert story.record.confirmation.is_confirmed


BROKEN = RecordFailed("BucketNotFound", "no bucket of this name")


def test_a_record_error_is_asked_about_by_one_start() -> None:
    story = recording().happens(BROKEN)

    assert (story.phase, story.sent) == (Phase.STARTING, ["start", "start"])
    assert counts_against_quota(story.record)


def broken_for_good() -> Story:
    story = recording().happens(BROKEN).passes(SECOND)
    for _ in range(2):
        story.answer().happens(STARTED).happens(BROKEN).passes(SECOND)
    return story


def test_the_third_error_in_a_row_fails_the_session() -> None:
    story = broken_for_good()

    assert (story.phase, counts_against_quota(story.record)) == (Phase.FAILED, False)
    assert story.passes(HOUR_MS).sent == ["start"] * 3


@pytest.mark.parametrize("times", [1, 2, 5])
def test_no_record_error_fails_what_live_says_it_records(times: int) -> None:
    """The signature does not cover the body: it may be a replay, and it may be repeated."""
    story = recording().passes(HOUR_MS)
    for _ in range(times):
        story.happens(BROKEN).happens(BROKEN).answer(AlreadyStarted("TaskAlreadyStarted"))

    assert (story.phase, story.record.failure) == (Phase.RECORDING, None)
    assert len(story.sent) == 1 + times


def test_an_error_that_comes_before_the_answer_to_its_start_is_asked_about_too() -> None:
    story = Story().publish().start().passes(SECOND).happens(BROKEN).answer()
    assert (story.phase, story.sent) == (Phase.STARTING, ["start", "start"])

    for _ in range(2):
        story.passes(SECOND).happens(BROKEN).answer()
    assert (story.phase, story.sent) == (Phase.FAILED, ["start"] * 3)


def test_a_record_error_is_believed_if_live_refuses_the_start_that_asks() -> None:
    refused = NoRecordConfig("CodeConfigNotFound")
    story = recording().happens(BROKEN).answer(refused)

    assert (story.phase, counts_against_quota(story.record)) == (Phase.FAILED, False)


def test_an_error_of_a_recording_that_went_on_for_a_minute_is_asked_about_again() -> None:
    story = recording()
    for _ in range(5):
        story.happens(BROKEN).answer().confirm().passes(2 * MINUTE)

    assert (story.phase, story.sent) == (Phase.RECORDING, ["start"] * 6)


def test_a_failed_session_keeps_what_live_said_of_it() -> None:
    story = broken_for_good()
    because = explain(story.record, story.now, story.settings)

    assert "no bucket of this name" in text(because)
    assert "Create the OSS bucket" in text(because)


def test_an_error_that_is_told_again_does_not_fail_what_was_started_since() -> None:
    error = RecordFailed("AccessDenied", "", NOON + SECOND)
    story = recording().passes(5 * SECOND).happens(error).answer().passes(MINUTE)

    assert story.happens(error).phase is Phase.STARTING


def test_an_error_of_an_earlier_session_does_not_fail_this_one() -> None:
    story = recording().passes(MINUTE).unpublish().publish()
    story.happens(RecordFailed("AccessDenied", "", NOON + SECOND)).answer()

    assert story.phase is Phase.STARTING


# --- unmanaged --------------------------------------------------------------------------------


def test_a_recording_that_nobody_asked_us_for_is_left_alone() -> None:
    story = Story().publish().happens(STARTED).passes(24 * HOUR_MS)

    assert (story.phase, story.sent) == (Phase.UNMANAGED, [])


def test_what_is_unmanaged_is_said_to_be_recorded_only_while_its_stream_surely_lasts() -> None:
    """A person may split it all the same: Live ends it only after the merge delay."""
    story = Story().publish().happens(STARTED).unpublish()

    assert story.phase is Phase.IDLE
    assert explain(story.record, story.now, StreamSettings()).code is Reason.MAY_HAVE_ENDED
    assert story.happens(RestartAsked("ann")).sent == ["restart"]


def test_a_person_may_stop_or_cut_what_is_unmanaged() -> None:
    assert Story().publish().happens(STARTED).stop().sent == ["stop"]
    assert Story().publish().happens(STARTED).happens(RestartAsked("ann")).sent == ["restart"]


def test_an_unmanaged_restart_that_live_accepts_makes_no_intent() -> None:
    story = Story().publish().happens(STARTED).happens(RestartAsked("ann")).answer()

    assert (story.record.intent.wanted, story.phase) == (False, Phase.UNMANAGED)


def test_an_error_reported_while_a_start_waits_for_its_turn_fails_nothing() -> None:
    """It may be a replay, or about a start whose answer was lost: the one that waits shows it."""
    story = Story().publish().start().answer(Throttled("Throttling.User")).happens(BROKEN)
    assert story.phase is Phase.STARTING

    assert story.answer_when_due(AlreadyStarted("TaskAlreadyStarted")).phase is Phase.RECORDING


def test_an_error_of_a_recording_that_is_not_ours_fails_nothing_of_ours() -> None:
    story = Story().publish().happens(RecordFailed("AccessDenied", "no"))

    assert (story.phase, story.record.failure) == (Phase.IDLE, None)


# --- asks that come twice -----------------------------------------------------------------------


def test_the_same_key_again_changes_nothing_even_after_a_stop() -> None:
    once = IdempotencyKey("key-1", "digest")
    story = (
        Story().publish().happens(StartAsked("ann", idempotency_key=once)).answer().stop().answer()
    )

    assert story.happens(StartAsked("ann", idempotency_key=once)).sent == ["start", "stop"]


def test_the_same_key_with_another_body_is_refused() -> None:
    story = Story().happens(StartAsked("ann", idempotency_key=IdempotencyKey("key-1", "one")))

    assert (
        story.happens(StopAsked("ann", idempotency_key=IdempotencyKey("key-1", "two"))).refused
        is Reason.KEY_REUSED
    )


def test_a_key_is_forgotten_after_a_day() -> None:
    once = IdempotencyKey("key-1", "digest")
    story = Story().publish().happens(StartAsked("ann", idempotency_key=once)).answer()
    story.stop().answer().passes(24 * HOUR_MS)

    assert story.happens(StartAsked("ann", idempotency_key=once)).sent[-1] == "start"


# --- a reconnect whose publish is reported late -------------------------------------------------


@pytest.mark.parametrize("settings", [by_rule(), replace(by_rule(), status_known=True)])
def test_a_late_callback_of_a_reconnect_that_is_recorded_already_splits_no_file(
    settings: StreamSettings,
) -> None:
    """The callback was lost; a list showed the reconnect 6 s later, and it is read back."""
    story = Story(settings).publish().answer().passes(11 * SECOND).seen(NOON + 4 * SECOND)
    story.passes(100).answer().passes(49 * SECOND)

    story.publish(NOON + 4 * SECOND)
    assert story.sent == ["start", "start"]
    assert (story.record.session_number, story.reasons[-1]) == (1, Reason.PUBLISH_TIME_LEARNT)


def test_a_late_callback_of_a_reconnect_that_no_start_covers_is_the_next_session() -> None:
    story = Story(by_rule()).publish().answer().passes(20 * SECOND)

    assert story.publish(NOON + 4 * SECOND).sent == ["start", "start"]
    assert story.record.session_number == 2


# --- observing ----------------------------------------------------------------------------------


def test_a_stage_that_observes_decides_everything_and_sends_nothing() -> None:
    story = (
        Story(StreamSettings(rule=RECORDS, observe=True)).publish().stop().start().passes(HOUR_MS)
    )

    assert story.sent == []
    assert Reason.OBSERVED in story.reasons


def observes(story: Story) -> Story:
    story.settings = replace(story.settings, observe=True)
    return story


def test_a_stage_that_observes_believes_the_list_that_a_recorded_publish_goes_on() -> None:
    """It may not send the start that would show it."""
    story = observes(recording()).passes(SECOND).unpublish(NOON - SECOND).passes(5 * SECOND)
    assert story.phase is Phase.WAITING

    story.seen(NOON)

    assert (story.phase, story.sent) == (Phase.RECORDING, ["start"])
    assert story.record.paused_since == NOON + SECOND


def test_a_stage_that_observes_does_not_know_whether_a_later_publish_is_recorded() -> None:
    story = observes(recording()).passes(SECOND).unpublish()

    assert story.passes(5 * SECOND).seen(NOON + SECOND).phase is Phase.WAITING


def test_a_stage_that_observes_believes_no_list_against_a_reported_pause() -> None:
    story = observes(recording(KNOWN)).passes(SECOND).happens(PAUSED).unpublish()

    assert story.passes(5 * SECOND).seen(NOON).phase is Phase.WAITING


def acts(story: Story) -> Story:
    story.settings = replace(story.settings, observe=False)
    return story.happens(SettingsChanged())


def test_a_start_that_a_stage_observed_in_a_recorded_session_is_sent_once_it_acts() -> None:
    story = observes(recording()).passes(SECOND).unpublish().passes(5 * SECOND)
    story.seen(NOON + SECOND)

    assert acts(story).sent == ["start", "start"]
    assert story.answer().confirm().phase is Phase.RECORDING
    story.passes(MINUTE).answer(AGAIN).passes(HOUR_MS)
    assert story.sent == ["start", "start", "start"]  # the last one proves the report


def test_a_start_that_a_stage_observed_is_not_sent_if_the_list_shows_that_the_publish_went_on() -> (
    None
):
    story = observes(recording()).passes(SECOND).unpublish(NOON - SECOND).passes(5 * SECOND)

    assert acts(story.seen(NOON)).sent == ["start"]


def test_a_start_that_a_stage_observed_is_not_sent_for_a_session_that_has_ended() -> None:
    story = observes(recording()).passes(SECOND).unpublish().passes(5 * SECOND)
    story.seen(NOON + SECOND).goes_off()

    assert acts(story).sent == ["start"]


def test_a_publish_that_the_list_dates_later_is_not_the_one_that_was_recorded() -> None:
    """The list has shown the recorded publish, and the callback of the next one, three seconds
    later, dates that session."""
    # listed: NOON ── a start is accepted ── it drops, and comes back: NOON + 3 s
    story = Story(by_rule()).seen(NOON).answer()
    story = observes(story).passes(3 * SECOND).unpublish().publish().passes(5 * SECOND)

    assert story.seen(NOON + 3 * SECOND).phase is Phase.WAITING
    assert acts(story).sent == ["start", "start"]


def test_a_start_that_a_stage_observed_is_not_sent_if_live_has_reported_a_recording_since() -> None:
    story = observes(recording()).passes(SECOND).unpublish().passes(5 * SECOND)
    story.seen(NOON + SECOND).happens(Reported("record_resumed", recording=True))

    assert story.phase is Phase.RECORDING
    assert acts(story).sent == ["start"]


def test_a_restart_that_somebody_requested_while_a_stage_observed_sends_nothing_later() -> None:
    story = observes(recording()).happens(RestartAsked("ann"))

    assert story.refused is Reason.RESTART_OBSERVED
    assert acts(story).sent == ["start"]


def test_a_restart_that_a_stage_refused_while_it_observed_is_accepted_with_the_same_key_later() -> (
    None
):
    asked = RestartAsked("ann", idempotency_key=IdempotencyKey("k", "1"))
    story = observes(recording()).happens(asked)

    assert acts(story).happens(asked).sent == ["start", "restart"]


def test_a_start_that_nothing_has_confirmed_is_sent_again_although_a_stage_observed_meanwhile() -> (
    None
):
    story = accepted()
    story.record = replace(story.record, interrupted_at=NOON - MINUTE)
    observes(story).passes(2 * MINUTE).seen(NOON)

    assert acts(story).sent == ["start", "start"]


def test_a_recording_whose_stop_was_not_sent_while_a_stage_observed_keeps_its_place() -> None:
    story = recording()
    story.lane_is_free = False
    story.stop()
    assert counts_against_quota(story.record)

    assert counts_against_quota(observes(story).passes(SECOND).happens(TimePassed()).record)
