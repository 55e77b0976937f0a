"""Writes a way through the model for people: one line a step."""

from __future__ import annotations

from collections.abc import Iterator

from shared.protocol import (
    Accepted,
    CommandSettled,
    Event,
    Polled,
    Reported,
    StartAsked,
    StopAsked,
    StreamRecord,
    phase,
)
from shared.protocol.command_errors import LiveError
from tests.explorer.move_context import Label
from tests.explorer.stepper import Stepper, Transition
from tests.explorer.world import NOW, Instance, Mail, Request


def trace_lines(labels: tuple[Label, ...], stepper: Stepper) -> Iterator[str]:
    now = 0
    for label in labels:
        if label[0] == "time passes":
            now += label[1]
        yield f"{now / 1000:8.1f} s  {_line(label, stepper)}"


def _line(label: Label, stepper: Stepper) -> str:
    verb, *about = label
    return " ".join([verb, *(_part(part, stepper) for part in about)])


def _part(part: object, stepper: Stepper) -> str:
    match part:
        case Instance():
            return f"#{part.serial} [{_event(stepper.events[part.event])}]"
        case Transition():
            return _turn(part, stepper)
        case Mail():
            return f"[{_event(stepper.events[part.event])}]"
        case Request():
            return f"{part.command.value} ({part.reason.value})"
        case Accepted() | LiveError():
            return f"-> {type(part).__name__}"
        case _:
            return _time(part) if isinstance(part, int) else str(getattr(part, "value", part))


def _time(value: int) -> str:
    return f"{(value - NOW) / 1000:+.1f} s" if value > NOW // 2 else f"{value / 1000:.1f} s"


def _event(event: Event) -> str:
    match event:
        case CommandSettled(flight=flight, answer=answer):
            return f"Sent {flight} {type(answer).__name__}"
        case Polled(published=published):
            return "Looked: " + ("offline" if published is None else _time(published))
        case Reported(what=what):
            return what
        case StartAsked() | StopAsked():
            return type(event).__name__
        case _:
            pass
    time = getattr(event, "time", None)
    return type(event).__name__ + ("" if time is None else f" {_time(time)}")


def _turn(transition: Transition, stepper: Stepper) -> str:
    record = stepper.records[transition.record]
    return ("=> " if transition.saved else "== ") + stands(record)


def stands(record: StreamRecord) -> str:
    """Return a short text about the record."""
    intent, parts = record.intent, [phase(record).value]
    parts.append(
        f"{'wanted' if intent.wanted else 'unwanted'} {intent.generation} ({intent.reason.value})"
    )
    for name in ("flight", "pending"):
        one = getattr(record, name)
        if one is not None:
            parts.append(f"{name} {one.command.value} ({one.reason.value})")
    parts += [f"doubt {one.command.value} {_time(one.until)}" for one in record.doubts]
    if record.session is not None:
        session = record.session
        parts.append(f"session {session.number} {session.state.value}")
    if record.confirmation is not None:
        started = record.confirmation
        parts.append(
            f"started {started.source.value}{' confirmed' if started.is_confirmed else ''}"
        )
    return ", ".join(parts)
