"""The stage's answers, formatted as lines for people or as JSON for programs.

The stream commands, policy, setup, doctor and probe call it. It sends no request.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
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
    outcome = f" ({row['outcome']})" if row.get("outcome") else ""
    until = f" (until {row['until']})" if row.get("until") else ""
    return f"{row['stream']}: {row['phase']}{outcome}, {row['reason']['text']}{until}"


def history_line(entry: Json) -> str:
    times = f" (x{entry['count']} until {entry['last_at']})" if entry["count"] > 1 else ""
    return f"{entry['at']}  {entry['text']}{times}"


def file_line(row: Json) -> str:
    ran = f"{row['start'] or '-'} to {row['stop'] or '-'}"
    lasted = "" if row.get("duration") is None else f"  {row['duration']:.3f} s"
    return f"{row.get('url') or row['uri']}  {ran}{lasted}"


_PHASE_WORDS = {
    "recording": "is recorded",
    "unmanaged": "is recorded",
    "starting": "is not recorded yet",
    "queued": "is not recorded yet",
    "stopping": "is being stopped",
}


def reason_sentence(status: Json, rejected: Json | None) -> str:
    """Return one sentence: whether the stream is recorded, and why."""
    words = _PHASE_WORDS.get(status["phase"], "is not recorded")
    more = _rejected_callback(status["stream"], rejected) if rejected else ""
    return f"{status['stream']} {words}: {status['reason']['text']}{more}"


def _rejected_callback(stream: str, rejected: Json) -> str:
    """Return a clause about the newest rejected callback of a stream that was never live."""
    ours = [callback for callback in rejected["last"] if callback["stream"] == stream]
    if not ours:
        return ""
    newest = ours[0]
    return (
        f"; and a callback that claims to be about it was rejected at {newest['at']},"
        f" because nothing proved that Live sent it: {newest['why']}"
    )


def overview(health: Json, recordings: Sequence[Json]) -> str:
    ready = "ready" if health["ready"] else "not ready"
    head = [
        f"The stage is {ready}.",
        *(f"{problem['text']}. {problem['fix']}" for problem in health.get("problems", ())),
        _queue_line(health),
        _phases_line(health),
    ]
    busy = [status_line(row) for row in recordings if row["phase"] != "idle"]
    return "\n".join([*(part for part in head if part), "", *(busy or ["every stream is idle"])])


def _queue_line(health: Json) -> str:
    if "due" not in health:
        return ""
    age = health["reconciled_ms_ago"]
    ran = "reconcile has not run yet" if age is None else f"reconcile ran {written(age)} ago"
    waits = f"{health['due']} due, the oldest for {written(health['oldest_due_ms'])}"
    rate_limit = health["rate_limit"]
    used, allowed = rate_limit["used"], rate_limit["rate"]
    return f"{ran}; {waits}; {used:g} of {allowed:g} commands a second are used"


def _phases_line(health: Json) -> str:
    counted = [f"{count} {phase}" for phase, count in health.get("phases", {}).items() if count]
    return ", ".join(counted)


def clock_offset(offset_ms: int) -> str:
    """Return a text for the development clock, whose offset survives a restart of the stack."""
    if not offset_ms:
        return "as real time"
    way = "ahead of" if offset_ms > 0 else "behind"
    reset = 'to reset it: POST {"offset_ms": 0} to /_control/clock'
    return f"{written(abs(offset_ms))} {way} real time ({reset})"
