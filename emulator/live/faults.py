"""Planned faults: of API calls, and of callbacks on their way.

The control plane adds them; api.py, oss.py, object_server.py and callbacks.py ask for the next one.
It must not carry a fault out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from emulator.live.api_errors import CODES
from emulator.live.fields import Fields
from emulator.live.recordings import COMMANDS
from emulator.live.streams import StreamKey

RECORD_COMMAND = "RealTimeRecordCommand"

# The fault that the caller meets, and whether Live has carried the call out by then.
TRANSPORTS: Mapping[str, bool] = {
    "reset": False,  # the connection is reset
    "reset_after_acting": True,
    "reset_mid_body": True,  # the answer breaks off
    "hang": False,  # no answer, until the caller gives up
    "hang_after_acting": True,
    "html": False,  # a gateway's 502 page
    "garbage_200": True,  # 200 with something that is no JSON
    "empty_object": True,  # 200 with {}
    "redirect": False,  # 302 to the same place
    "slow": True,  # the answer takes a second
    "swallow": False,  # accepted, and nothing happens (docs/platform/live.md §4)
}


@dataclass(slots=True)
class Fault:
    """A planned error: one in `every` matching calls fails, until `times` calls have failed.

    With `late_ms`, Live still carries out a failed call, so many ms later.
    """

    code: str | None
    transport: str | None
    status: int | None
    message: str | None
    retry_after_ms: int | None
    acts: bool
    late_ms: int | None
    action: str
    command: str | None
    stream: str | None
    times: int
    every: int = 1
    seen: int = 0

    @property
    def name(self) -> str:
        return self.transport or self.code or ""

    def matches(self, action: str, command: str | None, stream: str) -> bool:
        return (
            self.action in ("*", action)
            and self.command in (None, command)
            and self.stream in (None, stream)
        )


def read_fault(body: Fields) -> Fault:
    transport = body.word("transport", tuple(TRANSPORTS), "") or None
    acts = body.maybe_flag("acts")
    fault = Fault(
        code=body.text("code", "") or None,
        transport=transport,
        status=body.maybe_number("status", least=400, most=599),
        message=body.maybe_text("message"),
        retry_after_ms=body.maybe_number("retry_after_ms"),
        acts=TRANSPORTS.get(transport or "", False) if acts is None else acts,
        late_ms=body.maybe_number("late_ms"),
        action=body.text("action", RECORD_COMMAND),
        command=body.word("command", COMMANDS, "") or None,
        stream=body.maybe_text("stream"),
        times=body.number("times", 1, least=1),
        every=body.number("every", 1, least=1),
    )
    _check(fault, body)
    body.raise_faults()
    return fault


def _check(fault: Fault, body: Fields) -> None:
    if (fault.code is None) == (fault.transport is None):
        body.fault("give either code or transport")
    if fault.code and fault.code not in CODES and fault.status is None:
        body.fault(f"status is needed with a code that is not one of {', '.join(CODES)}")
    if fault.late_ms is not None and fault.acts:
        body.fault("late_ms means that Live has not acted yet: acts must be false")


@dataclass(slots=True)
class Detour:
    """A planned change to the delivery of the next `times` matching callbacks."""

    do: str
    event: str
    stream: str | None
    times: int
    delay_ms: int

    def matches(self, event: str, key: StreamKey) -> bool:
        return self.event in ("*", event) and self.stream in (None, key.stream)


EVENTS = (
    "publish",
    "publish_done",
    "record_started",
    "record_paused",
    "record_resumed",
    "record_error",
    "transformat_error",
    "record_force_transcode_fail",
    "file",
    "on_demand",
    "exception",
    "switch",
    "*",
)


def read_detour(body: Fields) -> Detour:
    detour = Detour(
        do=body.word("do", ("drop", "duplicate", "delay", "reorder")),
        event=body.word("event", EVENTS, "*"),
        stream=body.maybe_text("stream"),
        times=body.number("times", 1, least=1),
        delay_ms=body.number("delay_ms", 0),
    )
    if (detour.do == "delay") != (detour.delay_ms > 0):
        body.fault("delay_ms, above 0, goes with delay and nothing else")
    body.raise_faults()
    return detour


class Plan:
    """Faults and detours in the order they were added; each applies `times` times."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.detours: list[Detour] = []

    def fault_for(self, action: str, command: str | None, stream: str) -> Fault | None:
        for fault in self.faults:
            if fault.matches(action, command, stream):
                fault.seen += 1
                if fault.seen % fault.every:
                    continue
                fault.times -= 1
                self.faults = [planned for planned in self.faults if planned.times]
                return fault
        return None

    def detour_for(self, event: str, key: StreamKey) -> Detour | None:
        for detour in self.detours:
            if detour.matches(event, key):
                detour.times -= 1
                self.detours = [planned for planned in self.detours if planned.times]
                return detour
        return None

    def as_json(self) -> dict[str, object]:
        return {
            "faults": [asdict(fault) for fault in self.faults],
            "detours": [asdict(detour) for detour in self.detours],
        }

    def clear(self) -> None:
        self.faults.clear()
        self.detours.clear()
