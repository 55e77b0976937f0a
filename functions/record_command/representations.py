"""Builds the answers about a stream from its record."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from functions.record_command.command_answers import (
    IntentView,
    ReasonView,
    StandingView,
    WrongView,
)
from functions.record_command.routes import ApiRequest
from shared.engine.step_marks import list_read
from shared.inbound.catalogue import Language, text
from shared.invocation.app import App
from shared.protocol import StreamRecord
from shared.protocol.continuity import UNBROKEN, Continuity
from shared.protocol.derived.standing import Standing, Wrong
from shared.protocol.derived.standing import standing as derive
from shared.protocol.durations import rfc3339
from shared.protocol.reason import HistoryEntry
from shared.protocol.state.intent import Intent


class Shown(Struct, frozen=True):
    """Everything but the record from which an answer about a stream is built. `listed_at`: when the
    online list of each domain was last read, in ms."""

    app: App
    now: int
    language: Language
    continuity: Continuity = UNBROKEN
    listed_at: Mapping[str, int] = field(default_factory=dict)

    def standing(self, record: StreamRecord) -> Standing:
        return derive(
            record,
            self.now,
            self.app.stream_settings(record.key),
            self.continuity,
            listed_at=self.listed_at.get(record.key.domain),
        )


def shown_at(request: ApiRequest, now: int, continuity: Continuity) -> Shown:
    """Return the Shown for this request, with times as of `now`. `continuity` says how far back the
    store's data can be relied on."""
    app, mark = request.invocation.app, list_read("")
    listed_at = {  # also for domains that have left the policy
        name.removeprefix(mark): now - age
        for name, age in app.store.ages().items()
        if name.startswith(mark)
    }
    return Shown(app, now, request.language, continuity, listed_at)


def standing(record: StreamRecord, shown: Shown) -> StandingView:
    """Return the fields that every answer about a stream has."""
    found = shown.standing(record)
    return StandingView(
        stream=str(record.key),
        wanted=record.intent.wanted,
        phase=found.phase,
        since=time(found.since),
        confirmed=found.is_confirmed,
        confirmed_at=time(found.shown_at),
        confirmed_ms_ago=None if found.shown_at is None else max(shown.now - found.shown_at, 0),
        live=found.live,
        live_at=time(found.live_at),
        wrong=_wrong(found.wrong, shown),
        next_attempt_at=time(found.next_attempt_at),
        attempts=found.attempts,
        changed_at=time(record.changed_at or None),
        until=time(record.intent.until),
        ever_live=record.session is not None,
        reason=reason(found.reason, shown.language),
    )


def _wrong(wrong: Wrong | None, shown: Shown) -> WrongView | None:
    if wrong is None:
        return None
    lost_ms = max(shown.now - wrong.since, 0)
    because = reason(wrong.reason, shown.language)
    return WrongView(rfc3339(wrong.since), lost_ms, because, wrong.is_certain)


def intent(intent: Intent) -> IntentView:
    return IntentView(
        generation=intent.generation,
        requester=intent.requester,
        who=intent.who,
        note=intent.note,
        reason=intent.reason,
        on_interruption=intent.on_interruption,
        made_at=time(intent.made_at or None),
        first_accepted_at=time(intent.first_accepted_at),
        held_until=time(intent.held_until),
    )


def reason(note: HistoryEntry, language: Language) -> ReasonView:
    return ReasonView(note.code, text(note, language))


def time(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)
