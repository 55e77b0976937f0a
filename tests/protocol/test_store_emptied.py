"""What `decide` withholds in a store that was emptied: only what a lost record may forbid."""

from __future__ import annotations

from shared.protocol import Phase, Published, Reason, StopAsked
from shared.protocol.command_errors import AlreadyStarted
from shared.protocol.continuity import UNBROKEN, Continuity
from shared.protocol.derived.explain import explain
from shared.protocol.policy import OnInterruption
from shared.store.contract import watched_of
from tests.conftest import NOON
from tests.support.stream_story import SECOND, Story, by_rule, recording


def emptied(story: Story) -> Story:
    """Let the store be found empty now, before anything of this story is stored."""
    story.continuity = Continuity(emptied_at=story.now, found_empty_at=story.now)
    return story


def test_policy_begins_nothing_for_a_session_that_was_there_before() -> None:
    story = emptied(Story(by_rule())).seen(NOON - 60 * SECOND)

    assert story.sent == []
    assert not story.record.intent.wanted
    assert story.reasons[-1] is Reason.STORE_EMPTIED
    assert story.seen(NOON - 60 * SECOND).sent == []


def test_a_session_that_begins_later_is_recorded() -> None:
    story = emptied(Story(by_rule())).seen(NOON - 60 * SECOND)
    story.now += 10 * SECOND
    story.happens(Published(story.now))

    assert story.sent == ["start"]


def test_a_repeated_publish_begins_nothing_until_a_poll_shows_since_when_it_is_live() -> None:
    story = emptied(Story(by_rule()))
    story.now += 10 * SECOND
    story.happens(Published(NOON - 60 * SECOND, needs_poll=True))
    assert (story.sent, story.record.intent.wanted) == ([], False)

    assert story.seen(NOON - 60 * SECOND).sent == []
    assert story.seen(NOON + 5 * SECOND + 1).sent == ["start"]


def test_a_person_s_start_and_stop_are_sent_as_ever() -> None:
    story = emptied(Story(by_rule())).seen(NOON - 60 * SECOND).start()
    assert story.sent == ["start"]
    assert story.answer().stop().sent == ["start", "stop"]


def test_a_stop_of_a_stream_whose_record_is_lost_is_sent() -> None:
    assert emptied(Story()).stop().sent == ["stop"]


def test_what_a_record_says_is_done_as_ever() -> None:
    ends = by_rule(on_interruption=OnInterruption.STOP, max_duration=60 * SECOND)
    story = emptied(recording(ends))
    story.passes(61 * SECOND)

    assert story.sent == ["start", "stop"]


def test_once_the_store_is_accepted_the_next_poll_records_it() -> None:
    story = emptied(Story(by_rule())).seen(NOON - 60 * SECOND)
    assert watched_of(story.record).doubted  # so that every resync asks again
    story.continuity = UNBROKEN
    story.seen(NOON - 60 * SECOND)

    assert story.sent == ["start"]
    assert not watched_of(story.answer().record).doubted


def test_a_stop_before_the_store_is_accepted_holds_after_it() -> None:
    story = emptied(Story(by_rule())).seen(NOON - 60 * SECOND).stop().answer()
    story.continuity = UNBROKEN
    story.seen(NOON - 60 * SECOND)

    assert story.sent == ["stop"]


def test_polls_of_a_withheld_stream_add_one_line_of_history() -> None:
    story = emptied(Story(by_rule()))
    for _ in range(5):
        story.seen(NOON - 60 * SECOND)
        story.now += 60 * SECOND

    assert story.reasons.count(Reason.STORE_EMPTIED) == 1


def why(story: Story) -> Reason:
    return explain(story.record, story.now, story.settings, story.continuity).code


def test_why_says_that_the_store_was_emptied() -> None:
    story = emptied(Story(by_rule()))
    assert why(story) is Reason.STORE_EMPTIED
    story.seen(NOON - 60 * SECOND)
    assert why(story) is Reason.STORE_EMPTIED

    story.happens(StopAsked("ann")).answer()
    assert why(story) is Reason.HELD


def test_what_live_records_already_may_be_paused_by_a_stop_that_was_lost() -> None:
    story = emptied(Story(by_rule())).seen(NOON - 60 * SECOND)
    story.continuity = UNBROKEN
    story.seen(NOON - 60 * SECOND).answer(AlreadyStarted("TaskAlreadyStarted"))
    assert story.phase is Phase.STARTING

    story.passes(11 * SECOND)
    assert story.sent == ["start", "restart"]


def test_so_may_what_a_person_starts() -> None:
    story = emptied(Story()).seen(NOON - 60 * SECOND).start()
    story.answer(AlreadyStarted("TaskAlreadyStarted")).passes(11 * SECOND)

    assert story.sent == ["start", "restart"]


def test_no_pause_of_before_lasts_longer_than_the_merge_delay() -> None:
    story = emptied(Story(by_rule())).seen(NOON - 60 * SECOND)
    story.continuity = UNBROKEN
    story.passes(story.settings.merge_delay).seen(NOON - 60 * SECOND)
    story.answer(AlreadyStarted("TaskAlreadyStarted")).passes(11 * SECOND)

    assert (story.sent, story.phase) == (["start"], Phase.RECORDING)


def test_what_live_records_already_in_a_session_that_began_later_is_believed() -> None:
    story = emptied(Story(by_rule()))
    story.now += 10 * SECOND
    story.publish().answer(AlreadyStarted("TaskAlreadyStarted")).passes(11 * SECOND)

    assert (story.sent, story.phase) == (["start"], Phase.RECORDING)


def test_a_stop_stays_lost_once_the_store_is_accepted() -> None:
    story = Story(by_rule())
    story.continuity = Continuity(found_empty_at=NOON)
    story.passes(60 * SECOND).seen(NOON - 60 * SECOND).answer(AlreadyStarted("TaskAlreadyStarted"))
    assert story.phase is Phase.STARTING

    assert story.passes(11 * SECOND).sent == ["start", "restart"]
