"""Each sentence of the history, and of why, is true in each way that leads to it.

A code that several ways lead to has a row for each of them. The sentence is held in full, so that
whoever rewords it reads all the ways that it has to be true of.
"""

from __future__ import annotations

import pytest

from shared.inbound.catalogue import Language, text
from shared.protocol import (
    CancelDelayAsked,
    FileLeft,
    HistoryEntry,
    Published,
    Reason,
    Reported,
    RestartAsked,
    StopAsked,
    StreamSettings,
    Unpublished,
)
from shared.protocol.command_errors import (
    AlreadyStarted,
    InDoubt,
    InvalidCommand,
    NeverSent,
    OperatorActionNeeded,
    StreamNotLive,
    Throttled,
    Unavailable,
)
from shared.protocol.derived.explain import explain
from shared.protocol.events import Remarked
from tests.conftest import NOON
from tests.support.stream_story import RECORDS, SECOND, Story, accepted, recording

MINUTE = 60 * SECOND
ALREADY, NOT_FOUND = AlreadyStarted("TaskAlreadyStarted"), StreamNotLive("StreamNotFound")
PAUSED = Reported("record_paused", recording=False)
FILE = FileLeft("1.flv", NOON, NOON + 50 * SECOND)
KNOWN = StreamSettings(status_known=True)
BY_RULE = StreamSettings(rule=RECORDS)
OBSERVES = StreamSettings(rule=RECORDS, observe=True)


def refuted() -> Story:
    """Return a story whose end was reported, and refuted by the online list."""
    return recording().passes(MINUTE).unpublish(NOON + 50 * SECOND).passes(5 * SECOND).seen(NOON)


def stopped_for_an_hour() -> Story:
    """Return a story of a stream that a rule records, and that a person stopped for an hour."""
    story = recording(BY_RULE).happens(StopAsked("ann", hold=60 * MINUTE)).answer()
    return story.happens(PAUSED)


def republished_in_the_hold() -> Story:
    """Return a story of such a stream that was published again within the hour, as the online list
    has shown."""
    story = stopped_for_an_hour().passes(MINUTE)
    at = story.now
    return story.publish(at).passes(MINUTE).seen(at)


HOLD_IS_OVER = (
    "ann asked for it to be stopped; the hold of this stop has ended, but the rule */*/* may wait"
    " for the next publish: to record the stream sooner, start it"
)
WAYS: dict[str, tuple[Story, Reason, str]] = {
    "a file confirms": (
        accepted(KNOWN).passes(55 * SECOND).happens(FILE),
        Reason.CONFIRMED_BY_FILE,
        "a file shows that Live has recorded it",
    ),
    "a report confirms": (
        recording(),
        Reason.CONFIRMED,
        "Live reports that it records (record_started)",
    ),
    "Live answers that it records": (
        Story().publish().start().answer(ALREADY),
        Reason.ALREADY,
        "Live records it already",
    ),
    "the callback comes after the list": (
        Story().start().answer(NOT_FOUND).seen(NOON).publish(NOON + SECOND),
        Reason.PUBLISH_TIME_LEARNT,
        "a publish was reported for a stream that was already known to be live",
    ),
    "a publish is read back after an accepted start": (
        Story().start().answer().happens(Published(NOON)),
        Reason.PUBLISH_TIME_LEARNT,
        "a publish was reported for a stream that was already known to be live",
    ),
    "the first list shows a later publish": (
        Story().publish().start().answer().seen(NOON + 4 * SECOND),
        Reason.MAY_BE_RECONNECT,
        (
            "the online list shows a publish a few seconds after the reported publish, so"
            " the encoder may have reconnected"
        ),
    ),
    "an end without a publish": (
        Story().unpublish(),
        Reason.UNPUBLISHED_UNKNOWN,
        "the end of the stream was reported, but its publish was never reported",
    ),
    "an end that is being checked": (
        recording().passes(10 * SECOND).missed().passes(SECOND).unpublish(),
        Reason.UNPUBLISHED_TWICE,
        "the end of the stream was reported, but it was known already, or is being checked",
    ),
    "an end of what has ended": (
        recording().goes_off().unpublish(),
        Reason.UNPUBLISHED_TWICE,
        "the end of the stream was reported, but it was known already, or is being checked",
    ),
    "the same end after the list has refuted it": (
        refuted().happens(Unpublished(NOON + 50 * SECOND)),
        Reason.UNPUBLISHED_REFUTED,
        (
            "the end of the stream was reported, but the online list has already shown that the"
            " stream is still live"
        ),
    ),
    "no connection": (
        Story().publish().start().answer(NeverSent("ConnectionRefused")),
        Reason.NEVER_SENT,
        "start did not reach Live (ConnectionRefused)",
    ),
    "a slot that we missed": (
        Story().publish().start().answer(NeverSent("SlotMissed")),
        Reason.SLOT_MISSED,
        "start was not sent: its slot of the rate limit had passed",
    ),
    "a nonce that Live has seen": (
        Story().publish().start().answer(NeverSent("SignatureNonceUsed", status=400)),
        Reason.REFUSED_FOR_NOW,
        "Live refused start for now with SignatureNonceUsed; it is sent again",
    ),
    "a stream that Live does not know": (
        Story().publish().passes(MINUTE).start().answer(NOT_FOUND),
        Reason.NOT_FOUND,
        "Live answers start with StreamNotFound: it knows no such live stream",
    ),
    "a stream that the list alone knows": (
        Story().publish().passes(MINUTE).start().answer(NOT_FOUND).seen(NOON).answer(NOT_FOUND),
        Reason.LISTED_NOT_FOUND,
        "the online list shows the stream, but Live answers start with StreamNotFound",
    ),
    "a file that somebody asked for": (
        recording().stop().answer().happens(CancelDelayAsked("ann")).answer(),
        Reason.SENT,
        "cancel_delay was sent because: ann asked for the file at once",
    ),
    "a restart of what was adopted": (
        recording().stop().answer().start().answer(ALREADY).passes(10 * SECOND).answer(),
        Reason.SENT,
        "restart was sent because: nothing shows whether Live records it or has paused it",
    ),
    "a start after a pause that was reported": (
        recording().passes(SECOND).happens(PAUSED).passes(3 * MINUTE).answer(),
        Reason.SENT,
        "start was sent because: nothing shows whether Live records it or has paused it",
    ),
    "a start that is repeated for want of a report": (
        accepted().passes(MINUTE).answer(),
        Reason.SENT,
        "start was sent because: Live accepted start and has reported nothing since",
    ),
    "a stop that was only observed": (
        Story(OBSERVES).publish().stop(),
        Reason.OBSERVED,
        "stop would have been sent, but this stage only observes",
    ),
    "a switch of publishers": (
        recording().happens(Remarked(is_exception=False, what="to the second")),
        Reason.SWITCHED,
        "Live switched between the two publishers of the stream: to the second",
    ),
}
WHY: dict[str, tuple[Story, Reason, str]] = {
    "recorded by a report": (
        recording(),
        Reason.CONFIRMED,
        "Live reports that it records (record_started)",
    ),
    "recorded by a file": (
        accepted(KNOWN).passes(55 * SECOND).happens(FILE),
        Reason.CONFIRMED_BY_FILE,
        "a file shows that Live has recorded it",
    ),
    "accepted just now": (accepted(KNOWN), Reason.ACCEPTED, "Live accepted start"),
    "accepted, and silent": (
        accepted(KNOWN).passes(20 * SECOND),
        Reason.UNCONFIRMED,
        "Live accepted start and has reported nothing since",
    ),
    "an end was reported": (
        recording().unpublish(),
        Reason.MAY_HAVE_ENDED,
        "the stream seems to have ended; the online list is checked until that is certain",
    ),
    "a pause was reported": (
        recording().passes(SECOND).happens(PAUSED),
        Reason.PAUSED,
        "Live reports that it does not record (record_paused)",
    ),
    "a start was refused after an interruption": (
        refuted().answer(InvalidCommand("MalformedParam")),
        Reason.REJECTED,
        "Live rejected start with MalformedParam",
    ),
    "it is off": (recording().goes_off(), Reason.NOT_LIVE, "the stream is not live"),
    "it is throttled": (
        Story().publish().start().answer(Throttled("Throttling.User")),
        Reason.THROTTLED,
        "Live throttled start: the account sends more than 50 commands a second",
    ),
    "credentials are refused": (
        Story().publish().start().answer(OperatorActionNeeded("InvalidAccessKeyId.NotFound")),
        Reason.OPERATOR_ACTION_NEEDED,
        (
            "Live refuses live-record's credentials, permissions or clock "
            "(InvalidAccessKeyId.NotFound): an operator must fix that"
        ),
    ),
    "Live answers 500": (
        Story().publish().start().answer(InDoubt("InternalError")),
        Reason.IN_DOUBT,
        "no clear answer to start: the command may have taken effect",
    ),
    "Live is unavailable": (
        Story().publish().start().answer(Unavailable("ServiceUnavailable")),
        Reason.UNAVAILABLE,
        "Live was unavailable",
    ),
    "the stage observes": (
        Story(OBSERVES).publish(),
        Reason.OBSERVED,
        "start would have been sent, but this stage only observes",
    ),
    "a stop is observed": (
        Story(OBSERVES).publish().happens(StopAsked("ann")),
        Reason.OBSERVED,
        "stop would have been sent, but this stage only observes",
    ),
    "an explicit stop holds": (
        recording().stop().answer(),
        Reason.HELD,
        "an explicit stop still holds; only an explicit start records it again",
    ),
    "an explicit stop holds for a while, and a rule records": (
        stopped_for_an_hour(),
        Reason.HELD,
        (
            "an explicit stop still holds until 2025-11-22T09:26:40Z; even after that, the rule"
            " */*/* may wait for the next publish: to record the stream sooner, start it"
        ),
    ),
    "an explicit stop holds for the publish, and a rule records": (
        recording(BY_RULE).happens(StopAsked("ann", hold_session=True)).answer(),
        Reason.HELD,
        (
            "an explicit stop still holds; the rule */*/* waits for the next publish: to record the"
            " stream sooner, start it"
        ),
    ),
    "the stop no longer holds, but this publish had its recording": (
        stopped_for_an_hour().passes(60 * MINUTE).seen(NOON),
        Reason.ASKED_STOP,
        HOLD_IS_OVER,
    ),
    "the stop no longer holds, and the publish began while it held": (
        republished_in_the_hold().passes(60 * MINUTE),
        Reason.ASKED_STOP,
        HOLD_IS_OVER,
    ),
    "the stop no longer holds, and no rule records": (
        recording().happens(StopAsked("ann", hold=MINUTE)).answer().happens(PAUSED).passes(MINUTE),
        Reason.ASKED_STOP,
        "ann asked for it to be stopped",
    ),
    "a restart was accepted": (
        recording().passes(SECOND).happens(RestartAsked("ann")).answer(),
        Reason.ACCEPTED,
        "Live accepted restart",
    ),
}


def test_the_end_of_a_hold_starts_nothing_and_a_rule_records_the_next_publish() -> None:
    """As the sentences above say."""
    for story in (stopped_for_an_hour(), republished_in_the_hold()):
        assert not story.passes(60 * MINUTE).record.intent.wanted
        story.publish()
        assert (story.record.intent.wanted, story.sent[-1]) == (True, "start")


def last_of(story: Story, code: Reason) -> HistoryEntry:
    return [line for line in story.history if line.code is code][-1]


@pytest.mark.parametrize("way", WAYS)
def test_a_line_of_history_is_true_in_each_way_that_leads_to_it(way: str) -> None:
    story, code, sentence = WAYS[way]

    assert text(last_of(story, code)) == sentence


@pytest.mark.parametrize("way", WHY)
def test_why_is_true_in_each_way_that_leads_to_it(way: str) -> None:
    story, code, sentence = WHY[way]
    found = explain(story.record, story.now, story.settings)

    assert (found.code, text(found)) == (code, sentence)


@pytest.mark.parametrize("way", WAYS)
def test_no_line_lacks_its_subject_or_a_particular_in_chinese_either(way: str) -> None:
    story, code, _ = WAYS[way]
    sentence = text(last_of(story, code), Language.CHINESE)

    assert "：" not in sentence[-1:]
    assert not {"-", "{", "}"} & set(sentence.split())
    assert "：  " not in sentence


def test_a_command_that_was_never_sent_is_not_said_to_be_sent() -> None:
    for answer in (NeverSent("ConnectionRefused"), NeverSent("SlotMissed")):
        story = Story().publish().start().answer(answer)

        assert Reason.SENT not in story.reasons


def test_a_file_that_is_noted_as_it_comes_in_does_not_undo_a_pause() -> None:
    story = recording().passes(20 * SECOND).happens(PAUSED).passes(MINUTE).happens(FILE)

    assert Reason.CONFIRMED_BY_FILE not in story.reasons
