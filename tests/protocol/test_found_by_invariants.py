"""What the invariants found in the protocol (docs/protocol-explored.md), each as a sentence."""

from __future__ import annotations

from msgspec.structs import replace

from shared.protocol import Command, Phase, Reason, RestartAsked
from shared.protocol.command_errors import InDoubt, NoRecordConfig
from shared.store.contract import watched_of
from tests.conftest import NOON
from tests.support.stream_story import SECOND, Story, by_rule, recording

MINUTE = 60 * SECOND


def test_an_intent_is_stopped_at_its_end_where_live_accepted_the_start_of_an_older_one() -> None:
    story = Story().publish()
    story.start()  # on the wire, in the first session
    story.stop().publish(NOON + 10 * SECOND)
    story.lane_is_free = False  # such as while there is no room under a cap
    story.start().answer()
    assert story.record.intent.claimed

    story.now += 13 * 60 * MINUTE
    story.happens(RestartAsked("ann"))
    assert story.record.pending is not None
    assert story.record.pending.command is Command.STOP


def test_a_start_that_is_refused_again_does_not_fail_what_is_recorded() -> None:
    story = Story().seen(NOON).start().answer().confirm().publish(NOON + SECOND)
    assert story.sent == ["start", "start"]
    story.answer(NoRecordConfig("CodeConfigNotFound"))

    assert (story.phase, story.record.failure) == (Phase.RECORDING, None)


def test_a_restart_that_is_lost_in_a_new_session_is_followed_by_the_start_it_stood_for() -> None:
    story = recording().passes(30 * SECOND)
    story.lane_is_free = False
    story.happens(RestartAsked("ann")).passes(SECOND)
    story.lane_is_free = True
    story.publish()
    assert story.sent[-1] == "restart"

    assert story.answer(InDoubt()).sent[-1] == "start"


def test_what_waits_when_a_stage_is_told_to_observe_is_not_sent() -> None:
    story = Story().publish()
    story.lane_is_free = False
    story.start()
    story.settings, story.lane_is_free = replace(story.settings, observe=True), True
    story.passes(SECOND)

    assert story.sent == []
    assert story.reasons[-1] is Reason.OBSERVED


def test_a_crowd_of_requests_without_an_answer_does_not_make_the_record_grow() -> None:
    story = Story(by_rule()).publish()
    for _ in range(20):
        story.stop().answer(InDoubt()).start().answer(InDoubt())
        story.now += 1

    assert len(story.record.doubts) == 12
    story.stop().answer()
    for _ in range(30):
        story.passes(5 * SECOND)
        if story.record.flight:
            story.answer()
    assert story.record.doubts == ()
    assert story.sent[-1] == "stop"


def test_what_a_stage_observed_is_started_once_it_acts_and_a_list_shows_it() -> None:
    story = Story(replace(by_rule(), observe=True)).publish().passes(MINUTE)
    assert story.seen(NOON).sent == []
    assert watched_of(story.record).doubted

    story.settings = by_rule()
    assert story.passes(MINUTE).seen(NOON).sent == ["start"]
    assert not watched_of(story.record).doubted
