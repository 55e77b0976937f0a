"""The types of options that are a time or a time zone. The commands `report`, `play` and `schedule`
use them."""

from __future__ import annotations

from gettext import gettext as _

import click

from shared.protocol.durations import instant, instant_or_duration


class Moment(click.ParamType[str]):
    """The type of an option that is a time (RFC 3339). With `or_duration`, the option may also be a
    duration such as `24h`, which means 24 hours before the end of the period. The value is passed
    on as the person wrote it."""

    name = "time"

    def __init__(self, *, or_duration: bool) -> None:
        self._or_duration = or_duration

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            instant_or_duration(value) if self._or_duration else instant(value)
        except ValueError:
            a_time = _("{value} is not a time. Write it like 2026-11-29T20:00:00Z.")
            either = _(
                "{value} is not a time. Write it like 2026-11-29T20:00:00Z, or how long before the"
                " end it is, like `24h`."
            )
            self.fail((either if self._or_duration else a_time).format(value=value), param, ctx)
        return value


class TimeZone(click.ParamType[str]):
    """The type of an option that is a time zone of the IANA database, or empty."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from shared.schedule.recurrence import zone  # slow to import

        try:
            return zone(value).key if value else ""
        except ValueError as error:
            self.fail(str(error), param, ctx)
