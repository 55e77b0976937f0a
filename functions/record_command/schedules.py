"""Schedules: stores, lists and pauses them, and changes single occurrences.

The recurrence library is imported only to compute or check a date.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from functions.record_command import ask_results
from functions.record_command.answers import (
    KnownStreamsView,
    OccurrenceChangedView,
    OccurrencesView,
    OccurrenceView,
    ScheduleDeletedView,
    SchedulesView,
    ScheduleView,
    StartsView,
)
from functions.record_command.routes import ApiRequest
from shared.config.tokens import Caller
from shared.engine.recorder import HandlingOptions
from shared.engine.schedule_planner import MAX_SCHEDULES_NUMBER, live_keys
from shared.errors import Fault
from shared.inbound.authorization import require_all_streams, require_reach, stream_of
from shared.inbound.catalogue import Language
from shared.inbound.function_compute import Response
from shared.inbound.request_errors import (
    Forbidden,
    NotFound,
    RequestError,
    WrongState,
)
from shared.inbound.request_fields import (
    DURATION,
    PRINTABLE,
    Field,
    SeveralFaults,
    choice,
    flag,
    list_of,
    span,
    text,
    texts,
    whole,
)
from shared.invocation.invocation import Invocation
from shared.protocol import Occurrence, OccurrencePut, OccurrenceSkipped, StreamKey
from shared.protocol.durations import duration, rfc3339, written
from shared.protocol.policy import MAX_PERCENT, is_percentage
from shared.protocol.state.occurrence import TemporaryRule, fits
from shared.schedule.schedule import (
    LATE_AFTER_MS,
    MAX_EXDATES_NUMBER,
    OVERRUN_MS,
    Expect,
    Schedule,
    StoredSchedule,
    is_pattern,
    is_schedule_id,
    key_of,
    keys_of,
    matches_of,
    readable,
)
from shared.store.contract import Filter

SHOWN_NUMBER, MAX_SHOWN_NUMBER = 5, 100
MAX_STREAMS_NUMBER = 2000
NONE = "none"
MINUTE_MS = 60_000
MAX_STREAMS_CHARS, MAX_PATTERNS_NUMBER = 1_500_000, 2_000
"""Limits for all schedules together. The list of them, which has more than the names, has to fit
into an answer of 32 MB (docs/platform/function-compute.md §2.3), and each instance compares each
stream that comes up with each pattern."""
MAX_RULES_NUMBER = 50
"""Occurrences of one schedule with patterns that may be under way when one more is triggered: each
stores all patterns of the schedule."""
KNOWN_ROWS, NAMED_ROWS = 500, 20
"""How many known streams that a pattern fits are counted, and named, at most."""
Rules = tuple[TemporaryRule, ...]
ATTEMPTS_NUMBER = 3
"""How often a change is applied again after another writer came first."""


# --- the fields ----------------------------------------------------------------------------------


def _why_no_stream(value: str) -> str:
    """Return what is wrong with a stream or pattern; "" if nothing is."""
    if value.count("/") < 2:  # noqa: PLR2004 - domain/app/stream
        return "write each stream as `domain/app/stream`"
    key = key_of(value)
    if set("?[") & set(f"{key.app}{key.stream}") or "*" in f"{key.domain}{key.app}":
        return "write no wildcard but `*` in the last part: `domain/app/camera*`"
    return ""


def _streams(value: object) -> tuple[str, ...]:
    names = texts(value, MAX_STREAMS_NUMBER)
    if wrong := [f"{name}: {why}" for name in names if (why := _why_no_stream(name))]:
        raise SeveralFaults(*wrong)
    streams = tuple(str(key_of(name)) for name in names)
    if not streams:
        raise ValueError("write a list of streams, each as `domain/app/stream`")
    if len(set(map(is_pattern, streams))) > 1:
        raise ValueError(
            "write only names or only patterns, and make a second schedule for the others"
        )
    return streams


def _local(value: object) -> str:
    from shared.schedule.recurrence import local

    return local(value if isinstance(value, str) else "").isoformat()


def _zone(value: object) -> str:
    from shared.schedule.recurrence import zone

    return zone(value if isinstance(value, str) else "").key


def _rule(value: object) -> str:
    from shared.schedule.recurrence import rule_text

    if not isinstance(value, str):
        raise ValueError("write a rule of RFC 5545, like `FREQ=WEEKLY;BYDAY=TU`")  # noqa: TRY004 - one way to say all faults
    return rule_text(value) if value else ""


def _exdates(value: object) -> tuple[str, ...]:
    from shared.schedule.recurrence import exdate

    return tuple(map(exdate, texts(value, MAX_EXDATES_NUMBER)))


def _span_or_none(value: object) -> int:
    return 0 if value == NONE else duration(value)


def _percentage(value: object) -> float | None:
    if value is None:
        return None
    if not is_percentage(value):
        raise ValueError("write a percentage from 0 to 100, like `99.9`, or `null`")
    return float(value)


LOCAL: Mapping[str, object] = {
    "type": "string",
    "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?$",
}
_DAY_OR_LOCAL: Mapping[str, object] = {
    "type": "string",
    "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2})?)?$",
}
SPAN = {"anyOf": [{"const": NONE}, DURATION]}
_TEXT = {"type": "string", "pattern": f"^[{PRINTABLE} ]*$"}


PUT: tuple[Field, ...] = (
    Field(
        "streams",
        _streams,
        list_of(_TEXT, MAX_STREAMS_NUMBER, least=1),
        "the streams to record, each as `domain/app/stream`; or patterns: `domain/app/camera*`"
        " means each stream of the application that comes up with such a name",
        ["live.example.com/app/room1"],
        is_required=True,
    ),
    Field(
        "start",
        _local,
        LOCAL,
        "when the first occurrence starts, in local time of `timezone`",
        "2030-01-01T19:00:00",
        is_required=True,
    ),
    Field(
        "end",
        _local,
        LOCAL,
        "when the first occurrence ends; each later occurrence has the same length",
        "2030-01-01T21:00:00",
        is_required=True,
    ),
    Field(
        "timezone",
        _zone,
        _TEXT,
        "a time zone of the IANA database; 19:00 stays 19:00 when clocks change",
        "Asia/Shanghai",
        is_required=True,
    ),
    text("title", "the name that people see", example="Tuesday show"),
    Field(
        "rrule",
        _rule,
        _TEXT,
        "when the schedule recurs, as an RRULE of RFC 5545; if left out, it occurs once",
        "FREQ=WEEKLY;BYDAY=TU",
    ),
    Field(
        "exdates",
        _exdates,
        list_of(_DAY_OR_LOCAL, MAX_EXDATES_NUMBER),
        "dates or local times at which the schedule does not occur",
        ["2030-01-08"],
    ),
    Field("pre_roll", _span_or_none, SPAN, "how much earlier the recording begins", "1m"),
    Field("post_roll", _span_or_none, SPAN, "how much later the recording ends", "1m"),
    Field(
        "overrun",
        _span_or_none,
        SPAN,
        "how much longer, at most, a stream that is still live at the end is recorded;"
        " `none`: not at all",
        written(OVERRUN_MS),
    ),
    Field(
        "rehearsed_within",
        _span_or_none,
        SPAN,
        "how old the last GO of `live-record rehearse` may be when an occurrence begins. Each"
        " application of the schedule needs such a GO; 2 h before the occurrence, an alert is"
        " raised for each that lacks it. `none`: no rehearsal is needed",
        "1d",
    ),
    span(
        "late_after",
        "how long to wait, after the announced start or after the stream went down, until the alert"
        " `scheduled_not_live` is raised",
        example=written(LATE_AFTER_MS),
    ),
    choice(
        "expect",
        Expect,
        "`all`: an alert is raised for each stream that is not live; `any`: an alert is"
        " raised if none is live. Each stream that is live is recorded",
    ),
    Field(
        "coverage_target",
        _percentage,
        {"type": ["number", "null"], "minimum": 0, "maximum": MAX_PERCENT},
        "how much of an occurrence's live time must be recorded, in percent; `null`: the target of"
        " the stream's rule",
        99,
    ),
    flag(
        "paused", "`true`: no further occurrence begins; if left out, the schedule stays as it is"
    ),
)
NEXT: tuple[Field, ...] = (
    whole("n", "how many occurrences", least=1, most=MAX_SHOWN_NUMBER, example=SHOWN_NUMBER),
)
SKIP: tuple[Field, ...] = (
    text(
        "occurrence",
        "the id of the occurrence; if left out, the occurrence that is under way, else the next",
        example="tuesdays@2030-01-01T19:00:00",
    ),
    text(
        "note",
        "free text for the log; also for the history of the streams, if the occurrence begins"
        " within 24 hours",
        example="rained off",
    ),
)
_NOTE = text("note", "free text for the history of the streams, and the log", example="encore")
TRIGGER: tuple[Field, ...] = (
    span("lasts", "how long the occurrence lasts; if left out, as usual", example="2h"),
    _NOTE,
)
EXTEND: tuple[Field, ...] = (
    Field("by", duration, DURATION, "how much later the occurrence ends", "30m", is_required=True),
    _NOTE,
)
PAUSE: tuple[Field, ...] = (
    text(
        "note",
        "the reason; the log shows it, and so does the schedule while it is paused",
        example="stage closed",
    ),
)
RESUME: tuple[Field, ...] = (text("note", "free text for the log", example="open again"),)


# --- reading and writing -------------------------------------------------------------------------


def put(request: ApiRequest) -> Response:
    """Store a schedule, in place of the schedule with the same id if there is one. Occurrences that
    have begun go on unchanged."""
    schedule, is_paused = _asked_for(request), request.body.get("paused")

    def change(before: StoredSchedule | None) -> StoredSchedule:
        made_by, made_at = request.who, request.invocation.app.clock()
        if before is None:
            return _paused(StoredSchedule(schedule, made_by, made_at), None, request)
        kept = schedule
        if is_paused is None and not before.is_deleted:
            kept = replace(schedule, is_paused=before.schedule.is_paused)
        leaving = tuple(sorted({*before.leaving, *before.schedule.streams} - {*schedule.streams}))
        made = StoredSchedule(kept, made_by, made_at, leaving=leaving, rules=before.rules)
        return _paused(replace(made, cancelled=before.cancelled), before, request)

    stored = _change(request, schedule.id, change, may_be_new=True)
    request.invocation.log.warning("schedules.put", id=schedule.id, who=request.who)
    return Response(200, _view(request, stored, shown=SHOWN_NUMBER))


def _paused(
    stored: StoredSchedule, before: StoredSchedule | None, request: ApiRequest
) -> StoredSchedule:
    """Return the schedule with who has paused it, and why: this request, or an earlier one."""
    if not stored.schedule.is_paused:
        return replace(stored, paused_by="", pause_note="")
    if before is not None and not before.is_deleted and before.schedule.is_paused:
        return replace(stored, paused_by=before.paused_by, pause_note=before.pause_note)
    return replace(stored, paused_by=request.who, pause_note=request.body.get("note", ""))


def faults(
    invocation: Invocation, caller: Caller, values: Sequence[str], found: Mapping[str, Any]
) -> Iterator[Fault]:
    """Yield what is wrong with the id, the streams, `expect`, the times and the recurrence rule.
    Raise Forbidden if the token does not reach one of the streams, so that no other fault reveals
    whether the stage has the stream's domain."""
    if not is_schedule_id(values[0]):
        yield Fault("id", "write 1 to 63 of a-z, 0-9, dot, dash and underscore")
    streams = found.get("streams", ())
    for stream in streams:
        yield from _stream_faults(invocation, caller, stream)
    if any(map(is_pattern, streams)) and found.get("expect") is Expect.ALL:
        yield Fault("expect", "write `any`: which streams match a pattern is not known in advance")
    yield from time_faults(found, longest_ms=invocation.app.settings.max_duration)


def time_faults(found: Mapping[str, Any], *, longest_ms: int) -> Iterator[Fault]:
    """Yield what is wrong with the times and the recurrence rule of a schedule. Yield nothing if
    `start`, `end` or `timezone` is missing. No recording may last longer than `longest_ms`."""
    from shared.schedule.recurrence import faults_of

    if {"start", "end", "timezone"} <= found.keys():
        yield from faults_of(_schedule_of("", (), found), longest_ms=longest_ms)


def _stream_faults(invocation: Invocation, caller: Caller, stream: str) -> Iterator[Fault]:
    try:
        key = _key(invocation, stream)
    except RequestError as error:
        if isinstance(error, NotFound):
            require_all_streams(caller)
        yield Fault("streams", f"{stream}: {error.detail}")
    else:
        require_reach(caller, key)


def _asked_for(request: ApiRequest) -> Schedule:
    """Return the schedule in the request; `faults` has checked that the token reaches its
    streams."""
    keys = [_key(request.invocation, stream) for stream in request.body["streams"]]
    streams = tuple(dict.fromkeys(map(str, keys)))
    return _schedule_of(request.values[0], streams, request.body)


def _schedule_of(name: str, streams: tuple[str, ...], found: Mapping[str, Any]) -> Schedule:
    fields = {**found, "id": name, "streams": streams, "is_paused": found.get("paused", False)}
    if any(map(is_pattern, streams)):
        fields["expect"] = Expect.ANY
    return Schedule(**{field: fields[field] for field in fields if field != "paused"})


def _key(invocation: Invocation, stream: str) -> StreamKey:
    """Return the stream or the pattern, under its main streaming domain. Raise RequestError if it
    cannot be one."""
    key = key_of(stream)
    name = key.stream.replace("*", "-")
    return replace(stream_of(invocation.app.policy, (key.domain, key.app, name)), stream=key.stream)


def _stored(request: ApiRequest, name: str) -> tuple[StoredSchedule | None, str | None]:
    """Return the schedule and its document: no schedule if this release cannot read the document,
    and neither if there is none."""
    text_ = request.invocation.app.store.get_schedule(name)
    return (None if text_ is None else readable({name: text_}).get(name)), text_


def _unreadable(name: str) -> WrongState:
    return WrongState(
        f"this release cannot read the schedule {name}",
        hint=(
            "deploy the release that wrote the schedule, or write the schedule again with `PUT"
            " /v1/schedules/{schedule}`; then it can be changed and deleted"
        ),
    )


def _require(request: ApiRequest) -> StoredSchedule:
    """Return the schedule that the path names. Raise WrongState if this release cannot read it.
    Raise NotFound also if the token may not reach all of its streams, so that it learns nothing
    about the schedule."""
    (name,) = request.values
    stored, text_ = _stored(request, name)
    is_deleted = stored is not None and stored.is_deleted
    if text_ is None or is_deleted or not _may_see(request, stored):
        raise NotFound("there is no schedule with that id", hint="see `GET /v1/schedules`")
    if stored is None:
        raise _unreadable(name)
    return stored


def _may_see(request: ApiRequest, stored: StoredSchedule | None) -> bool:
    """Return True if the token reaches every stream of the schedule, and every pattern of an
    occurrence under way, which may differ from the schedule's by now. Nobody knows the streams of a
    schedule that cannot be read (None): only a token for all streams reaches them."""
    if stored is None:
        return not request.caller.only
    of_rules = [match.pattern for rule in stored.rules for match in rule.matches]
    return all(map(request.caller.may_reach, (*keys_of(stored.schedule.streams), *of_rules)))


def _change(
    request: ApiRequest,
    name: str,
    change: Callable[[StoredSchedule | None], StoredSchedule],
    *,
    may_be_new: bool = False,
) -> StoredSchedule:
    """Apply `change` to the schedule, store it, and plan it as far as time allows. `may_be_new`:
    `change` needs no earlier schedule, so there may be none, or one that this release cannot read.
    Raise WrongState if other writers keep coming first, if there are too many schedules, or if the
    changed schedule would have to be planned and this release cannot compute its occurrences."""
    store = request.invocation.app.store
    for _ in range(ATTEMPTS_NUMBER):
        before, text_ = _stored(request, name)
        if text_ is not None and not _may_see(request, before):
            raise Forbidden(f"the token {request.who} may not change {name}")
        if text_ is not None and before is None and not may_be_new:
            raise _unreadable(name)
        now = store.now()
        after = replace(change(before), planned_until=None, due_at=now, changed_at=now)
        if not (after.is_deleted or after.schedule.is_paused):
            _computed(after.schedule, ends_after=now, limit=1)  # else it could not be planned
        if may_be_new:
            _require_room(request, after, is_new=before is None)
        rules = after.rules_text
        if store.put_schedule(name, after.to_text(), now, replaces=text_, rules=rules):
            request.invocation.plan_schedule(name, after.to_text())
            return after
    raise WrongState(f"somebody else changes {name} at the same time", hint="try again")


_MAKE_ROOM = "delete a schedule that is over"


def _require_room(request: ApiRequest, after: StoredSchedule, *, is_new: bool) -> None:
    """Raise WrongState if the stage would have too many schedules, or if all schedules together
    would have too many patterns or too long stream names. Deleted schedules that are still being
    settled do not count."""
    found = readable(request.invocation.app.store.schedules()).values()
    others = [one for one in found if not one.is_deleted and one.schedule.id != after.schedule.id]
    streams = [stream for one in (*others, after) for stream in one.schedule.streams]
    if is_new and len(others) >= MAX_SCHEDULES_NUMBER:
        raise WrongState(
            f"the stage has {MAX_SCHEDULES_NUMBER} schedules, which is the limit", hint=_MAKE_ROOM
        )
    if sum(map(is_pattern, streams)) > MAX_PATTERNS_NUMBER:
        raise WrongState(
            f"all schedules together may have at most {MAX_PATTERNS_NUMBER} patterns",
            hint=_MAKE_ROOM,
        )
    if sum(map(len, streams)) > MAX_STREAMS_CHARS:
        raise WrongState(
            f"the stream names of all schedules may have at most {MAX_STREAMS_CHARS} characters in"
            " total",
            hint=_MAKE_ROOM,
        )


def _changed(
    request: ApiRequest,
    *,
    change_rules: Callable[[Rules], Rules] = lambda rules: rules,
    **changes: Any,  # noqa: ANN401 - of a Schedule
) -> StoredSchedule:
    stored = _require(request)

    def change(before: StoredSchedule | None) -> StoredSchedule:
        found = before or stored
        schedule, rules = replace(found.schedule, **changes), change_rules(found.rules)
        return replace(found, schedule=schedule, rules=rules)

    return _change(request, stored.schedule.id, change)


def show(request: ApiRequest) -> Response:
    return Response(200, _view(request, _require(request), shown=SHOWN_NUMBER))


def listed(request: ApiRequest) -> Response:
    """Return the schedules of which the token may see all streams, and the ids of those that this
    release cannot read."""
    texts = request.invocation.app.store.schedules()
    found = readable(texts)
    unread = [name for name in texts if name not in found and _may_see(request, None)]
    views = list[ScheduleView]()
    for name, one in found.items():
        if one.is_deleted or not _may_see(request, one):
            continue
        try:
            views.append(_view(request, one, shown=1, counts_load=False))
        except WrongState:
            unread.append(name)
    return Response(200, SchedulesView(views, sorted(unread)))


def delete(request: ApiRequest) -> Response:
    """Delete a schedule. An occurrence that has begun goes on until it ends."""
    stored = _require(request)
    name = stored.schedule.id
    _change(request, name, lambda before: replace(before or stored, is_deleted=True))
    request.invocation.log.warning("schedules.deleted", id=name, who=request.who)
    return Response(200, ScheduleDeletedView(name))


def following(request: ApiRequest) -> Response:
    stored = _require(request)
    upcoming = _upcoming(request, stored.schedule, request.query.get("n", SHOWN_NUMBER))
    schedule = stored.schedule
    return Response(200, OccurrencesView(schedule.id, schedule.timezone, upcoming))


def pause(request: ApiRequest) -> Response:
    """Pause a schedule: no further occurrence begins. One that has begun goes on until it ends."""
    return _set_paused(request, is_paused=True)


def resume(request: ApiRequest) -> Response:
    return _set_paused(request, is_paused=False)


def _set_paused(request: ApiRequest, *, is_paused: bool) -> Response:
    stored = _require(request)

    def change(before: StoredSchedule | None) -> StoredSchedule:
        found = before or stored
        schedule = replace(found.schedule, is_paused=is_paused)
        return _paused(replace(found, schedule=schedule), found, request)

    after = _change(request, stored.schedule.id, change)
    _log(request, "paused" if is_paused else "resumed", after.schedule)
    return Response(200, _view(request, after, shown=SHOWN_NUMBER))


def _log(request: ApiRequest, done: str, schedule: Schedule, occurrence: str = "") -> None:
    """Log what a person did to a schedule, or to one of its occurrences."""
    about = {"occurrence": occurrence} if occurrence else {}
    about |= {"note": note} if (note := request.body.get("note")) else {}
    request.invocation.log.warning(f"schedules.{done}", id=schedule.id, who=request.who, **about)


# --- one occurrence ------------------------------------------------------------------------------


def skip(request: ApiRequest) -> Response:
    """Record nothing for one occurrence. If the occurrence has begun, end its recording now, unless
    something else wants the stream recorded."""
    stored = _require(request)
    schedule, found = stored.schedule, _occurrence(request, stored)
    at = found.id.partition("@")[2]
    is_of_calendar = not at.endswith("Z")  # else it was triggered
    if len(schedule.exdates) >= MAX_EXDATES_NUMBER:
        raise WrongState(
            f"the schedule {schedule.id} has {MAX_EXDATES_NUMBER} excluded dates, which is the"
            " limit",
            hint="remove dates in the past",
        )
    note = request.body.get("note", "")
    answers = _tell(request, stored, OccurrenceSkipped(request.who, found.id, note))
    _log(request, "skipped", schedule, found.id)
    exdates = schedule.exdates
    if is_of_calendar and at not in exdates:
        exdates = (*exdates, at)
    if exdates != schedule.exdates or stored.rules:
        over = replace(found, is_over=True, who=request.who, note=note)
        _changed(request, change_rules=_with(over), exdates=exdates)
    return _done(schedule, found, answers)


def trigger(request: ApiRequest) -> Response:
    """Begin an extra occurrence now, which is not in the calendar. It is as long as the others,
    unless the request gives a length."""
    stored, now = _require(request), request.invocation.app.store.now()
    schedule = stored.schedule
    if len(stored.rules) > MAX_RULES_NUMBER:
        raise WrongState(
            f"the schedule {schedule.id} has {MAX_RULES_NUMBER} occurrences under way, which is the"
            " limit",
            hint="try again once one of these occurrences is over",
        )
    first = _first(schedule)
    lasts = request.body.get("lasts", first.ends_at - first.starts_at)
    ceiling = request.invocation.app.settings.max_duration
    if lasts > ceiling:
        raise ask_results.too_long("lasts", ceiling)
    begins_at = now // 1000 * 1000
    ends_at = begins_at + lasts
    occurrence = Occurrence(
        id=f"{schedule.id}@{rfc3339(begins_at)}",
        schedule=schedule.id,
        starts_at=begins_at,
        begins_at=begins_at,
        ends_at=ends_at,
        until=ends_at + schedule.overrun,
        by_pattern=schedule.is_by_pattern,
    )
    note = request.body.get("note", "")
    answers = _tell(request, stored, OccurrencePut(request.who, occurrence, note))
    _log(request, "triggered", schedule, occurrence.id)
    if schedule.is_by_pattern:
        rule = TemporaryRule(occurrence, matches_of(schedule.streams))
        _changed(request, change_rules=lambda rules: (*rules, rule))
    return _done(schedule, occurrence, answers)


def extend(request: ApiRequest) -> Response:
    """Let the occurrence that is under way end later. Raise WrongState if none is under way."""
    stored, by = _require(request), request.body["by"]
    schedule = stored.schedule
    found = next(iter(_under_way(request, stored)), None)
    if found is None:
        raise WrongState(
            f"no occurrence of the schedule {schedule.id} is under way",
            hint="change the schedule, or trigger an occurrence",
        )
    ends_at, until, note = found.ends_at + by, found.until + by, request.body.get("note", "")
    longer = replace(found, ends_at=ends_at, until=until, who=request.who, note=note)
    ceiling = request.invocation.app.settings.max_duration
    if longer.ends_at - longer.begins_at > ceiling:
        raise ask_results.too_long("by", ceiling)
    answers = _tell(request, stored, OccurrencePut(request.who, longer, note))
    may_come = found.by_pattern and request.invocation.app.store.now() < found.ends_at
    if not (answers.changed or may_come):
        raise WrongState(
            f"the occurrence {found.id} is over, or was stopped",
            hint="trigger an occurrence, or send `start`",
        )
    _log(request, "extended", schedule, longer.id)
    if found.by_pattern:
        _changed(request, change_rules=_with(longer))
    return _done(schedule, longer, answers)


def _with(occurrence: Occurrence) -> Callable[[Rules], Rules]:
    """Return a function that puts an occurrence in the place of the one with the same id."""

    def changed(rules: Rules) -> Rules:
        return tuple(
            replace(rule, occurrence=occurrence, is_judged=False)
            if rule.occurrence.id == occurrence.id
            else rule
            for rule in rules
        )

    return changed


def _occurrence(request: ApiRequest, stored: StoredSchedule) -> Occurrence:
    """Return the named occurrence, or else the first one: from a rule or a stream's record, where
    its end may have been moved, or from the calendar. Raise NotFound if there is none."""
    wanted = request.body.get("occurrence", "")
    begun, calendar = (
        _under_way(request, stored),
        _calendar(request, stored.schedule, MAX_SHOWN_NUMBER),
    )
    known = {one.id: one for one in (*begun, *calendar)}
    known |= {one.id: one for one in begun}
    found = known.get(wanted) if wanted else next(iter(known.values()), None)
    if found is None:
        raise NotFound(
            "the schedule has no such occurrence under way or to come",
            hint="see `GET /v1/schedules/{schedule}/next`",
        )
    return found


def _under_way(request: ApiRequest, stored: StoredSchedule) -> Sequence[Occurrence]:
    """Return the occurrences that have begun and still ask for a recording: from the rules of the
    patterns, or else from the first stream's record. Other streams may have stopped theirs."""
    store, schedule = request.invocation.app.store, stored.schedule
    if schedule.is_by_pattern:
        return [rule.occurrence for rule in stored.under_way(store.now())]
    record = store.load(keys_of(schedule.streams)[0]).record
    ours = [one for one in record.begun if one.schedule == schedule.id and not one.is_over]
    return [one for one in ours if store.now() < one.until]


class _Answers(Struct, frozen=True):
    """How many streams an event is for, how many took it, and for how many there was no time."""

    streams: int
    changed: int
    pending: int = 0


def _tell(
    request: ApiRequest, stored: StoredSchedule, event: OccurrencePut | OccurrenceSkipped
) -> _Answers:
    """Apply the event to each stream of the schedule. Of a pattern's streams, choose those whose
    session has not ended; the others follow the schedule's rules when they come up. The commands
    that follow are sent later, with everything else that is due.

    A pattern may fit so many streams that the time ends before all have the event. The rule must be
    stored all the same: the timer's next run then changes the rest.
    """
    invocation = request.invocation
    options = HandlingOptions(may_send=lambda: False)
    streams = stored.schedule.streams
    keys = keys_of(streams)
    if stored.schedule.is_by_pattern:
        keys = live_keys(invocation.app.store, matches_of(streams))
    taken: list[bool] = []
    for key in keys:
        if stored.schedule.is_by_pattern and not invocation.has_time():
            break
        taken.append(invocation.handle(key, event, options).refused is None)
    return _Answers(len(keys), sum(taken), len(keys) - len(taken))


def _done(schedule: Schedule, occurrence: Occurrence, answers: _Answers) -> Response:
    view = OccurrenceChangedView(
        schedule.id,
        schedule.timezone,
        _shown(occurrence),
        streams=answers.streams,
        changed=answers.changed,
        pending=answers.pending,
    )
    return Response(200, view)


# --- what is answered ----------------------------------------------------------------------------


def _first(schedule: Schedule) -> Occurrence:
    return _computed(replace(schedule, rrule="", exdates=()), ends_after=0, limit=1)[0]


def _computed(schedule: Schedule, *, ends_after: int, limit: int) -> Sequence[Occurrence]:
    """Return the first occurrences that end after a time. Raise WrongState if this release cannot
    compute them, for example because only a later one knows the time zone."""
    from shared.schedule.recurrence import occurrences

    try:
        return occurrences(schedule, ends_after=ends_after, limit=limit)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise _unreadable(schedule.id) from error


def _calendar(request: ApiRequest, schedule: Schedule, number: int) -> Sequence[Occurrence]:
    """Return the next `number` occurrences that have not ended (post_roll included); none if the
    schedule is paused."""
    if schedule.is_paused or not number:
        return ()
    now = request.invocation.app.store.now()
    found = _computed(schedule, ends_after=now, limit=number + 1)
    return [one for one in found if one.ends_at > now][:number]


def _upcoming(request: ApiRequest, schedule: Schedule, number: int) -> Sequence[OccurrenceView]:
    return [_shown(one) for one in _calendar(request, schedule, number)]


def _shown(one: Occurrence) -> OccurrenceView:
    times = (one.starts_at, one.begins_at, one.ends_at, one.until)
    return OccurrenceView(one.id, *map(rfc3339, times))


def _view(
    request: ApiRequest, stored: StoredSchedule, *, shown: int, counts_load: bool = True
) -> ScheduleView:
    schedule = stored.schedule
    upcoming = _calendar(request, schedule, shown)
    known = _known(request, schedule) if counts_load and schedule.is_by_pattern else None
    starts = known.count if known else len(schedule.streams)
    return ScheduleView(
        id=schedule.id,
        title=schedule.title,
        streams=schedule.streams,
        start=schedule.start,
        end=schedule.end,
        timezone=schedule.timezone,
        rrule=schedule.rrule,
        exdates=schedule.exdates,
        pre_roll=_written(schedule.pre_roll),
        post_roll=_written(schedule.post_roll),
        overrun=_written(schedule.overrun),
        rehearsed_within=_written(schedule.rehearsed_within),
        late_after=written(schedule.late_after),
        expect=schedule.expect,
        coverage_target=schedule.coverage_target,
        paused=schedule.is_paused,
        paused_by=stored.paused_by,
        pause_note=stored.pause_note,
        made_by=stored.made_by,
        made_at=rfc3339(stored.made_at),
        next=[_shown(one) for one in upcoming],
        load=_load(request, schedule, upcoming, starts) if counts_load else None,
        known=known,
    )


def _known(request: ApiRequest, schedule: Schedule) -> KnownStreamsView:
    """Return the streams that the patterns of a schedule fit now."""
    found = list(islice(_fitting(request, schedule), KNOWN_ROWS))
    return KnownStreamsView(len(found), [str(key) for key in found[:NAMED_ROWS]])


def _fitting(request: ApiRequest, schedule: Schedule) -> Iterator[StreamKey]:
    """Yield the streams with a record that the patterns of a schedule fit, as far as there is time
    to look for them: a pattern may fit none of many. Each application is read once, whichever of
    its patterns fits."""
    store, has_time = request.invocation.app.store, request.invocation.has_time
    matches = matches_of(schedule.streams)
    for domain, app in dict.fromkeys((match.domain, match.app) for match in matches):
        wanted, after = Filter(None, domain, app), None
        while has_time() and (rows := store.listed(wanted, after=after, limit=KNOWN_ROWS)):
            yield from (row.key for row in rows if fits(row.key, matches))
            after = rows[-1].key


def _starts(request: ApiRequest, schedule: Schedule) -> int:
    """Return how many starts one occurrence needs: one for each stream; for patterns, one for each
    known stream that fits."""
    is_by_pattern, streams = schedule.is_by_pattern, schedule.streams
    return _known(request, schedule).count if is_by_pattern else len(streams)


def _written(ms: int) -> str:
    return written(ms) if ms else NONE


def _load(
    request: ApiRequest, schedule: Schedule, upcoming: Sequence[Occurrence], starts: int
) -> StartsView | None:
    """Return how long it takes to send the `starts` of the next occurrence, together with other
    schedules' starts in the same minute."""
    now, app = request.invocation.app.store.now(), request.invocation.app
    following = next((one for one in upcoming if one.begins_at > now), None)
    if following is None:
        return None
    for name, other in readable(app.store.schedules()).items():
        is_near = (other.begins_at or 0) // MINUTE_MS == following.begins_at // MINUTE_MS
        if name != schedule.id and is_near and not other.is_deleted:
            starts += _starts(request, other.schedule)
    take_s = round(starts / app.settings.rate, 1)
    words = _words(starts, following, schedule, take_s, request.language)
    return StartsView(rfc3339(following.begins_at), starts, take_s, words)


def _words(
    starts: int, following: Occurrence, schedule: Schedule, take_s: float, language: Language
) -> str:
    from shared.schedule.recurrence import wall_time

    zone = schedule.timezone
    at = wall_time(following.begins_at, zone).strftime("%H:%M")
    if language is Language.CHINESE:
        needed = "不到 1 秒" if take_s < 1 else f"{take_s:g} 秒"
        return f"{zone} 时间 {at} 开始 {starts} 路录制，全部命令发出需要{needed}"
    needed = "less than 1 s" if take_s < 1 else f"{take_s:g} s"
    noun = "start takes" if starts == 1 else "starts take"
    return f"{starts:,} {noun} {needed} at {at} ({zone})"
