"""Computes the occurrences of a schedule, with python-dateutil for rules and tzdata for time zones.

Code that stores a schedule or plans it imports this; code that answers a callback does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from functools import cache
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

from dateutil.rrule import rrule, rrulestr

from shared.errors import Fault
from shared.lazy_imports import find_zones
from shared.protocol import Occurrence
from shared.protocol.durations import written
from shared.schedule.schedule import Schedule

LOCAL_PATTERN = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?"
_LOCAL, _DATE = re.compile(LOCAL_PATTERN), re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_UNTIL = re.compile(r"UNTIL=(\d{8}T\d{6})Z")
_ALLOWED = re.compile("[A-Z0-9=;,+-]+")
_FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY")
MAX_RULE_CHARS = 300
MAX_IN_A_DAY_NUMBER = 48
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MS = timedelta(milliseconds=1)
_CHANGE = timedelta(days=1)
"""Longer than any change of clocks. The search for a local time begins this much earlier."""
_HORIZON_DAYS_NUMBER = 9 * 366
"""A daily or weekly rule must occur within this many days. For a rule that no date fits, the
library would search every day up to the year 9999."""
FIRST_YEAR_NUMBER, LAST_YEAR_NUMBER = 1970, 9998
"""Years of starts and occurrences; within them, a time in any zone can be written in UTC."""
MAX_COUNTED_NUMBER, _COUNTED_DAYS = 5_000, timedelta(days=3_660)
"""The most occurrences within ten years of a rule whose later ones can only be found by counting
through the earlier ones. Every listing of the schedules counts through them."""
_OF_ANY = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", "BYMONTH", "BYHOUR", "BYMINUTE"}
_OF_LONG = {"BYMONTHDAY", "BYYEARDAY", "BYSETPOS", "BYWEEKNO"}
"""The parts that any rule may have, and those only for monthly or yearly rules."""
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


def local(text: str) -> datetime:
    """Parse a local time without a zone. Raise ValueError if it is invalid."""
    if not _LOCAL.fullmatch(text):
        raise ValueError("write a local time, like `2026-01-06T19:00:00`")
    try:
        return datetime.fromisoformat(text)
    except ValueError:  # Python's own message is only in English
        raise ValueError("write a time that exists in the calendar and on the clock") from None


def exdate(text: str) -> str:
    """Check the text of an excluded date or local time, and return it unchanged. Raise ValueError
    if it is invalid."""
    if _DATE.fullmatch(text):
        local(f"{text}T00:00:00")
    else:
        local(text)
    return text


@cache
def zone(name: str) -> ZoneInfo:
    """Return the time zone. Raise ValueError if the IANA database does not have the name."""
    find_zones()
    try:
        return ZoneInfo(name)
    except (OSError, KeyError, ValueError):  # ZoneInfoNotFoundError is a KeyError
        raise ValueError("write a name of the IANA database, like `Asia/Shanghai`") from None


def instant(at: datetime, zone_name: str) -> int:
    """Return a local time as an instant, in ms since the epoch. A time that occurs twice, because
    clocks go back, means the first one. A time that clocks skip is computed with the earlier
    offset."""
    return (at.replace(tzinfo=zone(zone_name), fold=0) - _EPOCH) // _MS


def wall_time(at: int, zone_name: str) -> datetime:
    return (_EPOCH + at * _MS).astimezone(zone(zone_name)).replace(tzinfo=None)


def faults_of(schedule: Schedule, *, longest_ms: int) -> Iterator[Fault]:
    """Yield everything that is wrong with a schedule whose single fields are valid. No recording
    may last longer than `longest_ms`."""
    if not FIRST_YEAR_NUMBER <= local(schedule.start).year <= LAST_YEAR_NUMBER:
        yield Fault("start", f"write a year from {FIRST_YEAR_NUMBER} to {LAST_YEAR_NUMBER}")
        return
    start, end = instant_of(schedule.start, schedule), instant_of(schedule.end, schedule)
    if end <= start:
        yield Fault("end", "has to be after `start`")
    lasts = schedule.pre_roll + end - start + schedule.post_roll
    if end > start and lasts > longest_ms:
        yield Fault(
            "end",
            f"an occurrence lasts {written(lasts)}, but this stage records for at most"
            f" {written(longest_ms)}",
        )
    yield from _rule_faults(schedule)


def _rule_faults(schedule: Schedule) -> Iterator[Fault]:
    if not schedule.rrule:
        return
    try:
        rule = _rule(schedule, local(schedule.start))
        may_occur = _may_occur(_parts(schedule.rrule), local(schedule.start))
        first = list(islice(rule, MAX_IN_A_DAY_NUMBER + 1)) if may_occur else []
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        yield Fault("rrule", f"is not a recurrence rule of RFC 5545: {error}")
        return
    if not first:
        yield Fault("rrule", "gives no occurrence")
    elif len(first) > MAX_IN_A_DAY_NUMBER and first[-1] - first[0] < timedelta(days=1):
        yield Fault("rrule", f"gives more than {MAX_IN_A_DAY_NUMBER} occurrences a day")
    elif _step(_parts(schedule.rrule)) is None and _are_too_many(rule, first[0]):
        yield Fault(
            "rrule",
            f"gives more than {MAX_COUNTED_NUMBER} occurrences in ten years: write a daily or"
            " weekly rule, with `UNTIL` in place of `COUNT`",
        )


def rule_text(text: str) -> str:
    """Check the form of a recurrence rule; return the rule, without "RRULE:" at its beginning.
    Raise ValueError if the form is invalid."""
    rule = text.removeprefix("RRULE:")
    parts = _parts(rule)
    if len(rule) > MAX_RULE_CHARS or not _ALLOWED.fullmatch(rule) or "FREQ" not in parts:
        raise ValueError("write a rule of RFC 5545, like `FREQ=WEEKLY;BYDAY=TU`")
    if parts["FREQ"] not in _FREQUENCIES:
        raise ValueError(f"set `FREQ` to one of {', '.join(_FREQUENCIES)}")
    known = _OF_ANY if parts["FREQ"] in ("DAILY", "WEEKLY") else _OF_ANY | _OF_LONG
    unknown = [f"`{part}`" for part in sorted(set(parts) - known)]
    if unknown:
        raise ValueError(
            f"leave out {', '.join(unknown)}: a rule of this frequency cannot have such a part"
        )
    return rule


def _are_too_many(rule: rrule, first: datetime) -> bool:
    counted = takewhile(lambda at: at - first < _COUNTED_DAYS, rule)
    return next(islice(counted, MAX_COUNTED_NUMBER, None), None) is not None


def _parts(rule: str) -> dict[str, str]:
    return dict(part.partition("=")[::2] for part in rule.split(";"))


def _may_occur(parts: dict[str, str], start: datetime) -> bool:
    """Return False for a daily or weekly rule that no date within the horizon fits."""
    if parts["FREQ"] not in ("DAILY", "WEEKLY"):
        return True
    is_weekly, interval = parts["FREQ"] == "WEEKLY", max(int(parts.get("INTERVAL", "1")), 1)
    step, spread = (7 * interval, range(-6, 7)) if is_weekly else (interval, range(1))
    days = set(parts.get("BYDAY", "").split(",")) - {""}
    months = set(map(int, filter(None, parts.get("BYMONTH", "").split(","))))
    dates = (
        start + timedelta(at + more)
        for at in range(0, _HORIZON_DAYS_NUMBER, step)
        for more in spread
    )
    return any(
        (not days or _WEEKDAYS[at.weekday()] in days) and (not months or at.month in months)
        for at in dates
    )


def _rule(schedule: Schedule, start: datetime) -> rrule:
    """Return the rule in local times, so that 19:00 stays 19:00 when clocks change. An UNTIL in UTC
    becomes a local time."""
    name = schedule.timezone

    def as_local(found: re.Match[str]) -> str:
        at = datetime.strptime(found.group(1), "%Y%m%dT%H%M%S").replace(tzinfo=timezone.utc)
        return f"UNTIL={at.astimezone(zone(name)).strftime('%Y%m%dT%H%M%S')}"

    text = _UNTIL.sub(as_local, schedule.rrule)
    rule = rrulestr(text, dtstart=start)
    if not isinstance(rule, rrule):
        raise ValueError("write one rule")  # noqa: TRY004 - a fault of the request
    return rule


def instant_of(text: str, schedule: Schedule) -> int:
    return instant(local(text), schedule.timezone)


def occurrences(schedule: Schedule, *, ends_after: int, limit: int) -> Sequence[Occurrence]:
    """Return, in order, the first `limit` occurrences whose `until`, the latest end of the
    recording, is after `ends_after`, in ms since the epoch. A paused schedule has the same
    occurrences as any other."""
    return list(islice(upcoming(schedule, ends_after=ends_after), limit))


def upcoming(schedule: Schedule, *, ends_after: int) -> Iterator[Occurrence]:
    """Yield, in order, every occurrence whose limit (`until`) is after `ends_after`, in ms since
    the epoch."""
    start = instant_of(schedule.start, schedule)
    lasts = instant_of(schedule.end, schedule) - start
    reach = timedelta(milliseconds=lasts + schedule.post_roll + schedule.overrun) + _CHANGE
    since = wall_time(ends_after, schedule.timezone) - reach
    for at in _times(schedule, since):
        occurrence = _occurrence(schedule, at, lasts)
        if occurrence.until > ends_after and not _is_excluded(schedule, at):
            yield occurrence


def _times(schedule: Schedule, since: datetime) -> Iterator[datetime]:
    if not schedule.rrule:
        return iter([local(schedule.start)])
    start = _later_start(schedule, since)
    rule = _rule(schedule, start)
    found = iter(rule) if since <= start else iter(rule.xafter(since, inc=True))
    return takewhile(lambda at: at.year <= LAST_YEAR_NUMBER, found)


def _later_start(schedule: Schedule, since: datetime) -> datetime:
    """Return a start shortly before `since` from which the rule has the same later occurrences: the
    library steps through all past ones."""
    start, step = local(schedule.start), _step(_parts(schedule.rrule))
    if step is None or since <= start:
        return start
    return start + max((since - start) // step - 1, 0) * step


def _step(parts: dict[str, str]) -> timedelta | None:
    """Return by how much a rule's start can be moved; None if that would change its occurrences."""
    if parts["FREQ"] not in ("DAILY", "WEEKLY") or "COUNT" in parts:
        return None
    days = 7 if parts["FREQ"] == "WEEKLY" else 1
    return timedelta(days=days * max(int(parts.get("INTERVAL", "1")), 1))


def _is_excluded(schedule: Schedule, at: datetime) -> bool:
    day, moment = at.date().isoformat(), at.isoformat()
    return any(one == day or local_or_none(one) == moment for one in schedule.exdates)


def local_or_none(text: str) -> str | None:
    return local(text).isoformat() if "T" in text else None


def _occurrence(schedule: Schedule, at: datetime, lasts_ms: int) -> Occurrence:
    starts_at = instant(at, schedule.timezone)
    ends_at = starts_at + lasts_ms + schedule.post_roll
    return Occurrence(
        id=f"{schedule.id}@{at.isoformat()}",
        schedule=schedule.id,
        starts_at=starts_at,
        begins_at=starts_at - schedule.pre_roll,
        ends_at=ends_at,
        until=ends_at + schedule.overrun,
    )
