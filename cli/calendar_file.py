"""Reads an iCalendar file (RFC 5545) as schedules.

`live-record schedule import` calls this module. It imports icalendar, which no function and no
other command needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from gettext import gettext as _
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from icalendar import Calendar

from cli.api import Json
from cli.errors import Failure, unreadable
from cli.printable import printable
from cli.schedules import SPANS, normalized
from shared.schedule import recurrence

_STREAM = re.compile(r"^\s*live-record:\s*(\S+)\s*$", re.MULTILINE)
_FIELD = re.compile(r"^\s*live-record\.(\w+):\s*(\S+)\s*$", re.MULTILINE)
_NOT_OF_ID = re.compile(r"[^a-z0-9._-]+")
_FIELDS = {*SPANS, "expect", "coverage_target"}
MAX_ID_CHARS = 40


class _Skipped(Exception):
    """An event cannot become a schedule; the text says why."""


@dataclass(frozen=True, slots=True)
class _Defaults:
    streams: Sequence[str]
    timezone: str


def read_calendar(
    file: Path, *, streams: Sequence[str], timezone: str
) -> tuple[Mapping[str, Json], Sequence[str]]:
    """Return the events of the file as schedules by id, and a sentence for each event that was left
    out. Events that name no stream get `streams`. Events that name no time zone of the IANA
    database get `timezone`, or if that is empty, the zone of the calendar."""
    try:
        calendar: Any = Calendar.from_ical(file.read_bytes())
    except OSError as error:
        raise unreadable(file, error) from None
    except (ValueError, IndexError):  # the texts of the library are about its own parts
        sentence = _(
            "{file} is not a calendar. Export it as iCalendar (.ics): such a file begins with"
            " BEGIN:VCALENDAR and ends with END:VCALENDAR."
        )
        raise Failure(sentence.format(file=file)) from None
    of_calendar = str(calendar.get("X-WR-TIMEZONE", ""))
    return _schedules(calendar, _Defaults(streams, timezone or of_calendar))


def _schedules(calendar: Any, defaults: _Defaults) -> tuple[Mapping[str, Json], Sequence[str]]:  # noqa: ANN401 - the library's
    found: dict[str, Json] = {}
    skipped: list[str] = []
    events = list(calendar.walk("VEVENT"))
    changed = [event for event in events if "RECURRENCE-ID" in event]
    for event in events:
        name = printable(str(event.get("SUMMARY", "") or event.get("UID", "")))
        try:
            for fields in _of_event(event, changed, defaults):
                found[_free_id(event, fields, found)] = normalized(fields)
        except _Skipped as reason:
            skipped.append(_("{name} is left out: {reason}").format(name=name, reason=reason))
    return found, skipped


def _of_event(event: Any, changed: Sequence[Any], defaults: _Defaults) -> Iterator[Json]:  # noqa: ANN401 - as above
    if str(event.get("STATUS", "")).upper() == "CANCELLED":
        raise _Skipped(_("it is cancelled"))
    _require_expressible(event, changed)
    start, end, zone = _times(event, defaults)
    fields: Json = {
        "title": printable(str(event.get("SUMMARY", "")))[:200],
        "streams": _streams(event, defaults),
        "timezone": zone,
        **_fields(event),
    }
    rule = event.get("RRULE")
    once = {**fields, "start": start.isoformat(), "end": end.isoformat()}
    if rule is None or "RECURRENCE-ID" in event:
        yield once
    else:
        left_out = [*_dates(event, "EXDATE", zone), *_replaced(event, changed, zone)]
        text = rule.to_ical().decode()
        yield {**once, "rrule": text, "exdates": sorted(dict.fromkeys(left_out))}
    for more in _dates(event, "RDATE", zone):
        at = datetime.fromisoformat(more)
        yield {**fields, "start": at.isoformat(), "end": (at + (end - start)).isoformat()}


def _require_expressible(event: Any, changed: Sequence[Any]) -> None:  # noqa: ANN401 - as above
    """Raise _Skipped for an event that no schedule can express; recording something else would be
    worse."""
    if isinstance(event.get("RRULE"), list):
        raise _Skipped(_("it has several recurrence rules: make a separate event for each rule"))
    if "EXRULE" in event:
        raise _Skipped(_("it excludes dates by a rule (EXRULE): list these dates in EXDATE"))
    series = [event, *(one for one in changed if one.get("UID") == event.get("UID"))]
    ids = [one["RECURRENCE-ID"] for one in series if "RECURRENCE-ID" in one]
    if any("RANGE" in at.params for at in ids):
        raise _Skipped(
            _("one change applies to all later occurrences (RANGE): split the event into two")
        )
    if any(isinstance(one.dt, tuple) for one in _listed(event, "RDATE")):
        raise _Skipped(_("an added date (RDATE) has its own length: make it a separate event"))


def _times(event: Any, defaults: _Defaults) -> tuple[datetime, datetime, str]:  # noqa: ANN401 - as above
    """Return start and end as local times, and their time zone."""
    if "DTSTART" not in event:
        raise _Skipped(_("it has no start: give it one"))
    start: Any = event["DTSTART"].dt
    if not isinstance(start, datetime):
        raise _Skipped(_("it is an all-day event: give it a time of day"))
    zone = _zone_of(start, str(event["DTSTART"].params.get("TZID", "")), defaults)
    if "DTEND" in event:
        end: Any = event["DTEND"].dt
    elif "DURATION" in event:
        end = start + event["DURATION"].dt
    else:
        raise _Skipped(_("it has no end: give it an end or a duration"))
    return _local(start, zone), _local(end, zone), zone


def _zone_of(start: datetime, name: str, defaults: _Defaults) -> str:
    """Return the time zone of the event. A short name such as CST is not enough: a calendar may
    define it in any way."""
    key = getattr(start.tzinfo, "key", "") if start.tzinfo else ""
    if start.tzinfo and not name and start.utcoffset() == timedelta(0):
        return "UTC"
    if "/" not in key:
        key = defaults.timezone
    if not _is_zone(key):
        raise _Skipped(_("it names no time zone of the IANA database: pass `--timezone`"))
    return str(key)


def _is_zone(name: str) -> bool:
    try:
        return bool(name and recurrence.zone(name))
    except ValueError:
        return False


def _local(at: datetime, zone: str) -> datetime:
    return at.astimezone(ZoneInfo(zone)).replace(tzinfo=None) if at.tzinfo else at


def _streams(event: Any, defaults: _Defaults) -> Sequence[str]:  # noqa: ANN401 - as above
    named = _STREAM.findall(_description(event))
    streams = list(dict.fromkeys(named)) or list(defaults.streams)
    if not streams:
        raise _Skipped(
            _(
                "it names no stream: pass `--stream`, or add a line"
                " `live-record: domain/app/stream` to its description"
            )
        )
    return streams


def _fields(event: Any) -> Json:  # noqa: ANN401 - as above
    """Return the fields that lines of the description set."""
    found = dict(_FIELD.findall(_description(event)))
    unknown = sorted(found.keys() - _FIELDS)
    if unknown:
        raise _Skipped(
            _("it sets {name}, which is unknown: correct or remove this line").format(
                name=unknown[0]
            )
        )
    return found


def _description(event: Any) -> str:  # noqa: ANN401 - as above
    return str(event.get("DESCRIPTION", "")).replace("\\n", "\n")


def _dates(event: Any, name: str, zone: str) -> Iterator[str]:  # noqa: ANN401 - as above
    for one in _listed(event, name):
        yield _written(one.dt, zone)


def _listed(event: Any, name: str) -> Iterator[Any]:  # noqa: ANN401 - as above
    lists = event.get(name, [])
    for each in lists if isinstance(lists, list) else [lists]:
        yield from each.dts


def _written(at: date, zone: str) -> str:
    return _local(at, zone).isoformat() if isinstance(at, datetime) else at.isoformat()


def _replaced(event: Any, changed: Sequence[Any], zone: str) -> Iterator[str]:  # noqa: ANN401 - as above
    """Yield the starts of those occurrences of an event that another event replaces or cancels."""
    for other in changed:
        if other.get("UID") == event.get("UID"):
            yield _written(other["RECURRENCE-ID"].dt, zone)


def _free_id(event: Any, fields: Json, taken: Mapping[str, Json]) -> str:  # noqa: ANN401 - as above
    """Return an id that stays the same when the calendar is imported again."""
    base = _NOT_OF_ID.sub("-", str(event.get("UID", "") or fields["title"]).lower()).strip("-._")
    base = base[:MAX_ID_CHARS].strip("-._") or "event"
    if "RECURRENCE-ID" not in event and base not in taken:
        return base
    return f"{base}-{_NOT_OF_ID.sub('', fields['start'].lower())}"
