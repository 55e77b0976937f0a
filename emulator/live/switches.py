"""Switches for behaviour that nobody has confirmed about ApsaraVideo Live.

Each part of the emulator reads its own; tests set them over the control plane.
A switch holds a value; it must not act.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from typing import Annotated, Any, Literal, get_args, get_type_hints

from emulator.live.fields import Unfit

WhenIdle = Literal["ok", "StreamNotFound", "OtherError"]
WhenOffline = Literal["StreamNotFound", "ok"]
WithinDelay = Literal["resumes", "new_file", "already_started"]
WrongDomain = Literal["InvalidDomain.NotFound", "CodeConfigNotFound", "StreamNotFound"]

LEAST_NUMBER, MOST_NUMBER = -86_400_000, 86_400_000


@dataclass(slots=True)
class Switches:
    stop_when_idle: Annotated[WhenIdle, "§1.2 stop, wrong use"] = "ok"
    stop_when_offline: Annotated[WhenOffline, "§1.2, §1.3 StreamNotFound"] = "StreamNotFound"
    cancel_delay_without_stop: Annotated[WhenIdle, "§1.2 cancel_delay, wrong use"] = "ok"
    cancel_delay_when_offline: Annotated[WhenOffline, "§1.2, §1.3 StreamNotFound"] = (
        "StreamNotFound"
    )
    start_after_stop_within_delay: Annotated[WithinDelay, "§1.2 start after stop"] = "resumes"
    start_after_interruption_within_delay: Annotated[WithinDelay, "§6 merge delay"] = "resumes"
    manual_resumes_within_delay: Annotated[bool, "§6 Tension"] = False
    restart_before_start: Annotated[Literal["error", "ok"], "§1.2 restart, wrong use"] = "error"
    stream_visible_after_publish_ms: Annotated[int, "§11 start right after publish"] = 0
    wrong_domain_code: Annotated[WrongDomain, "§1.3 older names"] = "InvalidDomain.NotFound"
    limiter: Annotated[Literal["bucket", "sliding_second"], "§1.5 50/s"] = "bucket"
    throttle_mode: Annotated[Literal["refuse", "drop"], "§1.5 rejected, not queued"] = "refuse"
    throttle_status: Annotated[Literal[400, 429], "§1.5 Throttling.User"] = 400
    throttle_retry_after: Annotated[int | None, "§1.5 x-acs-retry-after, milliseconds"] = None
    online_list_lag_ms: Annotated[int, "§7 how fresh the online list is"] = 0
    publish_time_offset_ms: Annotated[int, "§2 time and §7 PublishTime"] = 0
    callback_retry_on_5xx: Annotated[bool, "§2 retry on non-200"] = False
    callback_resigns: Annotated[bool, "§3 does a retry re-sign"] = True
    record_signature_host: Annotated[Literal["host", "host_with_port"], "§3 part of the host"] = (
        "host"
    )
    status_events_carry_time: Annotated[bool, "§4 optional time"] = False
    on_demand_carries_signature: Annotated[bool, "§5 ALI-LIVE-* headers"] = False
    remarks_carry_signature: Annotated[bool, "§2.1 exception and switch callbacks"] = True
    on_demand_failure_records: Annotated[bool, "§5 result on failure"] = False

    file_stop_time: Annotated[Literal["wall", "media"], "§4 stop_time"] = "wall"
    absent_notify_config: Annotated[Literal["empty", "refused"], "§7 drift check, none set"] = (
        "empty"
    )
    record_key_is_returned: Annotated[bool, "§3 key config, response says yes/no"] = True

    def set(self, changes: Mapping[str, object]) -> None:
        """Make all changes. If a name or value is unknown, make none and raise Unfit."""
        table = {switch.name: switch for switch in fields(self)}
        faults = [
            f"{name} must be {_allowed_text(table[name])}, not {value!r}"
            if name in table
            else f"{name} is no switch; there are {', '.join(table)}"
            for name, value in changes.items()
            if name not in table or not _is_allowed(table[name], value)
        ]
        if faults:
            raise Unfit(faults)
        for name, value in changes.items():
            setattr(self, name, value)

    def reset(self) -> None:
        for switch in fields(self):
            setattr(self, switch.name, switch.default)

    def as_json(self) -> dict[str, dict[str, object]]:
        return {
            switch.name: {
                "value": getattr(self, switch.name),
                "values": _allowed_values(switch) or _allowed_text(switch),
                "default": switch.default,
                "fact": f"docs/platform/live.md {_type_and_fact(switch)[1]}",
            }
            for switch in fields(self)
        }


def _type_and_fact(switch: Field[Any]) -> tuple[Any, str]:
    kind, fact = get_args(get_type_hints(Switches, include_extras=True)[switch.name])
    return kind, fact


def _allowed_values(switch: Field[Any]) -> list[object]:
    kind, _ = _type_and_fact(switch)
    return [False, True] if kind is bool else [v for v in get_args(kind) if not isinstance(v, type)]


def _allowed_text(switch: Field[Any]) -> str:
    allowed = _allowed_values(switch)
    if allowed:
        return "one of " + ", ".join(repr(value) for value in allowed)
    absent = " or null" if switch.default is None else ""
    return f"a whole number from {LEAST_NUMBER} to {MOST_NUMBER}{absent}"


def _is_allowed(switch: Field[Any], value: object) -> bool:
    allowed = _allowed_values(switch)
    if allowed:
        return any(value == each and type(value) is type(each) for each in allowed)
    if value is None:
        return switch.default is None
    return type(value) is int and LEAST_NUMBER <= value <= MOST_NUMBER
