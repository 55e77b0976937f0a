"""The stage's answers, formatted as lines for people or as JSON for programs.

The stream commands, policy, setup, doctor and probe call it. It sends no request.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from gettext import gettext as _
from typing import Any

import click

from shared.protocol.durations import written

Json = Mapping[str, Any]


def as_json(document: Json) -> None:
    click.echo(json.dumps(document, ensure_ascii=False))


def rows(
    answer: Json, field: str, line_of: Callable[[Json], str], plain_json: bool, *, nothing: str
) -> None:
    if plain_json:
        as_json(answer)
        return
    for row in answer[field]:
        click.echo(line_of(row))
    if not answer[field]:
        click.echo(nothing)


def status_line(row: Json) -> str:
    phase = phase_word(row["phase"])
    outcome = f" ({outcome_word(row['outcome'])})" if row.get("outcome") else ""
    until = _(" (until {time})").format(time=row["until"]) if row.get("until") else ""
    line = _("{stream}: {phase}{outcome}, {reason}{until}")
    return line.format(
        stream=row["stream"],
        phase=phase,
        outcome=outcome,
        reason=row["reason"]["text"],
        until=until,
    )


def phase_word(phase: str) -> str:
    """Return the phase as it is shown; one of a later release is shown as it is."""
    words = {
        "idle": _("idle"),
        "waiting": _("waiting"),
        "queued": _("queued"),
        "starting": _("starting"),
        "recording": _("recording"),
        "stopping": _("stopping"),
        "failed": _("failed"),
        "unmanaged": _("unmanaged"),
    }
    return words.get(phase, phase)


def outcome_word(outcome: str) -> str:
    """Return the outcome of a request as it is shown."""
    words = {
        "accepted": _("accepted"),
        "already_recording": _("already_recording"),
        "already_stopped": _("already_stopped"),
        "never_known": _("never_known"),
        "queued": _("queued"),
        "waiting": _("waiting"),
        "unknown": _("unknown"),
    }
    return words.get(outcome, outcome)


def unreadable_line(row: Json) -> str:
    line = _(
        "{stream}: its record cannot be read: {reason}. A stop of it is still sent; for all else,"
        " deploy the release that wrote it"
    )
    return line.format(stream=row["stream"], reason=row["reason"])


def history_line(entry: Json) -> str:
    repeated = _(" (x{count} until {time})").format(count=entry["count"], time=entry["last_at"])
    times = repeated if entry["count"] > 1 else ""
    return f"{entry['at']}  {entry['text']}{times}"


def file_line(row: Json) -> str:
    unknown = _("unknown time")
    ran = _("{start} to {stop}").format(start=row["start"] or unknown, stop=row["stop"] or unknown)
    lasted = "" if row.get("duration") is None else f"  {row['duration']:.3f} s"
    return f"{row.get('url') or row['uri']}  {ran}{lasted}"


def reason_sentence(status: Json, rejected: Json | None) -> str:
    """Return one sentence: whether the stream is recorded, and why."""
    sentences = {
        "recording": _("{stream} is recorded: {reason}"),
        "unmanaged": _("{stream} is recorded: {reason}"),
        "starting": _("{stream} is not recorded yet: {reason}"),
        "queued": _("{stream} is not recorded yet: {reason}"),
        "stopping": _("{stream} is being stopped: {reason}"),
    }
    sentence = sentences.get(status["phase"], _("{stream} is not recorded: {reason}"))
    more = _rejected_callback(status["stream"], rejected) if rejected else ""
    return sentence.format(stream=status["stream"], reason=status["reason"]["text"]) + more


def _rejected_callback(stream: str, rejected: Json) -> str:
    """Return a clause about the newest rejected callback of a stream that was never live."""
    ours = [callback for callback in rejected["last"] if callback["stream"] == stream]
    if not ours:
        return ""
    newest = ours[0]
    clause = _(
        "; and a callback that claims to be about it was rejected at {time},"
        " because nothing proved that Live sent it: {why}"
    )
    return clause.format(time=newest["at"], why=newest["why"])


def overview(health: Json, recordings: Sequence[Json]) -> str:
    head = [
        _("The stage is ready.") if health["ready"] else _("The stage is not ready."),
        *(_sentence_of(problem) for problem in health.get("problems", ())),
        _queue_line(health),
        _phases_line(health),
    ]
    busy = [status_line(row) for row in recordings if row["phase"] != "idle"]
    return "\n".join([*(part for part in head if part), "", *(busy or [_("every stream is idle")])])


def _sentence_of(problem: Json) -> str:
    return _("{problem}. {fix}").format(problem=problem["text"], fix=problem["fix"])


def _queue_line(health: Json) -> str:
    if "due" not in health:
        return ""
    age = health["reconciled_ms_ago"]
    ran = _("reconcile has not run yet") if age is None else _("reconcile ran {age} ago")
    line = _(
        "{ran}; {due} due, the oldest for {oldest};"
        " {used:g} of {allowed:g} commands a second are used"
    )
    return line.format(
        ran=ran.format(age=written(age or 0)),
        due=health["due"],
        oldest=written(health["oldest_due_ms"]),
        used=health["rate_limit"]["used"],
        allowed=health["rate_limit"]["rate"],
    )


def _phases_line(health: Json) -> str:
    phases = health.get("phases", {})
    counted = [f"{count} {phase_word(phase)}" for phase, count in phases.items() if count]
    return ", ".join(counted)


def clock_offset(offset_ms: int) -> str:
    """Return a text for the development clock, whose offset survives a restart of the stack."""
    if not offset_ms:
        return _("as real time")
    way = _("{offset} ahead of real time") if offset_ms > 0 else _("{offset} behind real time")
    reset = _("to reset it: POST {body} to /_control/clock").format(body='{"offset_ms": 0}')
    return f"{way.format(offset=written(abs(offset_ms)))} ({reset})"
