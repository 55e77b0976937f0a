"""Rules about what the stream does: sessions, polls, confirmation."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from msgspec.structs import replace

from shared.protocol import Command, Published, Reason, StreamRecord, Unpublished
from shared.protocol.policy import OnInterruption
from shared.protocol.rules import intent as intent_rules
from shared.protocol.rules import session as session_rules
from shared.protocol.rules.transition import Transition
from shared.protocol.state.session import TOGETHER_MS, Session, SessionState
from tests.explorer.removal import Patch, Removal
from tests.explorer.scenario import Scenario
from tests.explorer.scenarios import (
    LIVE,
    PUBLISH,
    RECORDED,
    REPLAYED,
    RESUMES,
    RETURNS,
    RETURNS_SILENTLY,
    START,
    START_STOP,
    STATUS,
    STOP,
    recording,
)
from tests.explorer.world import Fault

Patches = tuple[Patch, ...]
# imported by name, since the package exports a function of this name
decide_rules = import_module("shared.protocol.rules.decide")
_real_published = session_rules.published
_real_unpublished = session_rules.unpublished


def _one(*faults: Fault) -> dict[str, Any]:
    return {"faults": frozenset(faults), "budget": 1}


def _late_publish_counts() -> Patches:
    def published(transition: Transition, event: Published) -> None:
        session = transition.record.session
        if session is not None and event.time < session.began:
            session_rules._open(transition, Reason.PUBLISHED, time=event.time)
        else:
            _real_published(transition, event)

    return ((session_rules, "published", published),)


def _same_publish_counts() -> Patches:
    def published(transition: Transition, event: Published) -> None:
        session = transition.record.session
        if session is not None and event.time == session.began:
            session_rules._open(transition, Reason.PUBLISHED, time=event.time)
        else:
            _real_published(transition, event)

    return ((session_rules, "published", published),)


def _soon_is_the_same() -> Patches:
    def published(transition: Transition, event: Published) -> None:
        session = transition.record.session
        if session is None or not 0 < event.time - session.began <= TOGETHER_MS:
            _real_published(transition, event)

    return ((session_rules, "published", published),)


def _publish_is_believed() -> Patches:
    return ((intent_rules, "would_end", lambda *_: False),)


def _list_first_is_another() -> Patches:
    return ((session_rules, "_belongs", lambda *_: False),)


def _late_publish_done_counts() -> Patches:
    def unpublished(transition: Transition, event: Unpublished) -> None:
        session = transition.record.session
        began = session.began if session else 0
        _real_unpublished(transition, replace(event, time=max(event.time, began)))

    return ((session_rules, "unpublished", unpublished),)


def _one_absence_ends() -> Patches:
    def missed(transition: Transition, asked_at: int) -> None:
        session = transition.record.session
        if session and session.state is not SessionState.ENDED and asked_at >= session.opened_at:
            session_rules._end(transition)

    return ((session_rules, "_missed", missed),)


def _absence_is_nothing() -> Patches:
    return ((session_rules, "_missed", lambda *_: None),)


def _ending_stays() -> Patches:
    real = session_rules._still_there

    def still_there(transition: Transition, session: Session, published_at: int) -> None:
        if session.state is not SessionState.ENDING:
            real(transition, session, published_at)

    return ((session_rules, "_still_there", still_there),)


def _refusal_is_nothing() -> Patches:
    """Remove the check, and what keeps a refused start from following at once."""
    real = decide_rules.next_command

    def following(record: StreamRecord) -> object:
        is_refused = record.answer is not None and record.answer.reason is Reason.NOT_FOUND
        return None if is_refused else real(record)

    return (
        (session_rules, "mark_refused", lambda *_: None),
        (decide_rules, "next_command", following),
    )


def _first_list_is_the_same() -> Patches:
    return ((session_rules, "_may_be_reconnect", lambda *_: False),)


def _presence_starts_nothing() -> Patches:
    return ((session_rules, "_send_again", lambda *_: None),)


def _any_list_is_believed() -> Patches:
    def seen(transition: Transition, published_at: int, _asked_at: int) -> None:
        session = transition.record.session
        if session is None or abs(published_at - session.listed) > TOGETHER_MS:
            session_rules._open(transition, Reason.SEEN_ONLINE, listed=published_at)
        else:
            session_rules._still_there(transition, session, published_at)

    return ((session_rules, "_seen", seen),)


def _lists_open_nothing() -> Patches:
    real = session_rules._seen

    def seen(transition: Transition, published_at: int, asked_at: int) -> None:
        session = transition.record.session
        if session is not None and published_at - session.listed <= TOGETHER_MS:
            real(transition, published_at, asked_at)

    return ((session_rules, "_seen", seen),)


def _stop_said_once() -> Patches:
    return ((session_rules, "_stop_missed", lambda *_: False),)


def _no_start_for_the_new() -> Patches:
    real = decide_rules.next_command

    def following(record: StreamRecord) -> object:
        return real(record) if record.confirmation is None else None

    return ((decide_rules, "next_command", following),)


def _sent_to_the_ended() -> Patches:
    def end(transition: Transition) -> None:
        transition.change_session(state=SessionState.ENDED)
        intent_rules.end_with_session(transition)

    def withheld(transition: Transition, command: Command, *_: object) -> bool:
        pending = transition.record.pending
        return (
            command is Command.START and pending is not None and pending.command is Command.RESTART
        )

    return ((session_rules, "_end", end), (Transition, "_withheld", withheld))


_RETURNING: dict[str, Any] = {"before": RECORDED, "script": RETURNS}
_OVER: dict[str, Any] = {"before": (PUBLISH, START_STOP)}

REMOVALS = (
    Removal(
        "a later publish is started again",
        "A publish with a later time opens a session, and a wanted stream is started again.",
        _no_start_for_the_new,
        Scenario("", **_RETURNING),
    ),
    Removal(
        "a reported publish ends nothing unverified",
        "If only a callback has reported a publish, an intent ends because of it only after a poll "
        "has shown the publish. But if policy makes a new intent for that publish, the old intent "
        "ends at once.",
        _publish_is_believed,
        Scenario("", before=(PUBLISH, START_STOP), script=REPLAYED),
    ),
    Removal(
        "a second later is new",
        "If a callback reports a publish that is later by only one second, another session opens.",
        _soon_is_the_same,
        Scenario(
            "",
            before=(PUBLISH, START),
            aged=False,
            gap=1000,
            script=RETURNS,
            settings=STATUS,
            faults=frozenset({Fault.LOSE}),
        ),
    ),
    Removal(
        "a late publish changes nothing",
        "A publish with an earlier time is late and changes nothing.",
        _late_publish_counts,
        Scenario("", script=(PUBLISH, *RETURNS), **_one(Fault.LATE)),
    ),
    Removal(
        "the same publish is the same",
        "A publish with the same time changes nothing.",
        _same_publish_counts,
        Scenario("", script=LIVE, settings=recording(OnInterruption.STOP), **_one(Fault.TWICE)),
    ),
    Removal(
        "the list may be first",
        "If a poll has shown a session before any callback, a callback with a time within 5 s of "
        "the poll's publish time belongs to that session.",
        _list_first_is_another,
        Scenario("", script=LIVE, skew=-2000, polls=1, settings=recording(OnInterruption.STOP)),
    ),
    Removal(
        "a late publish_done changes nothing",
        "A `publish_done` whose time is more than 5 s before the session's publish changes "
        "nothing.",
        _late_publish_done_counts,
        Scenario("", **_RETURNING, **_one(Fault.LATE)),
    ),
    Removal(
        "ending takes two absences",
        "A session ends only after two polls that do not show the stream.",
        _one_absence_ends,
        Scenario(
            "",
            before=LIVE,
            script=RETURNS,
            settings=recording(OnInterruption.STOP),
            **_one(Fault.STALE),
        ),
    ),
    Removal(
        "a poll may mark it ending",
        "If a poll does not show the stream of a live session, the session becomes ending.",
        _absence_is_nothing,
        Scenario("", **_OVER, script=(RETURNS[0],), **_one(Fault.LOSE)),
    ),
    Removal(
        "presence starts once more",
        "If a poll shows the stream of an ending session, a wanted start goes out once more.",
        _presence_starts_nothing,
        Scenario(
            "",
            (START,),
            before=LIVE,
            aged=False,
            gap=1000,
            script=RETURNS,
            settings=STATUS,
            faults=frozenset({Fault.LOSE}),
        ),
    ),
    Removal(
        "a later time of the first list starts once more",
        "If the first poll that shows a session gives a publish time that is later than the "
        "callback's by a few seconds (5 at most), a wanted start goes out once more.",
        _first_list_is_the_same,
        Scenario(
            "",
            before=(PUBLISH, START),
            aged=False,
            gap=2000,
            script=RETURNS_SILENTLY,
            settings=STATUS,
            faults=frozenset({Fault.LOSE}),
        ),
    ),
    Removal(
        "presence undoes ending",
        "If a poll shows the stream of an ending session, the session is live again.",
        _ending_stays,
        Scenario("", before=LIVE, script=RETURNS),
    ),
    Removal(
        "a refused start is checked",
        "If a poll shows the stream after a start was answered StreamNotFound, the start goes "
        "out once more.",
        _refusal_is_nothing,
        Scenario("", (START,), before=LIVE, aged=False, **_one(Fault.NOT_YET)),
    ),
    Removal(
        "a stale list changes nothing",
        "If a poll shows a publish from more than 5 s before the session, the poll changes "
        "nothing, unless the session has been ending for a minute.",
        _any_list_is_believed,
        Scenario("", **_RETURNING, polls=1, **_one(Fault.PAUSE)),
    ),
    Removal(
        "the list opens a session",
        "If a poll shows a publish more than 5 s after the session's own publish, another session "
        "opens.",
        _lists_open_nothing,
        Scenario("", **_RETURNING, **_one(Fault.LOSE)),
    ),
    Removal(
        "a missed stop is repeated",
        "If a stop was answered StreamNotFound and the stream returns within the merge delay, "
        "the stop goes out once more.",
        _stop_said_once,
        Scenario("", (STOP,), **_RETURNING, switches=RESUMES),
    ),
    Removal(
        "nothing starts what has ended",
        "When a session ends, its pending start is dropped.",
        _sent_to_the_ended,
        Scenario("", script=(PUBLISH, RETURNS[0]), settings=recording(), **_one(Fault.FORBIDDEN)),
    ),
)
