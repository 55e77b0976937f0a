"""What the stage says, as lines for people or as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from shared.protocol.durations import written

Json = Mapping[str, Any]


def as_json(told: Json) -> None:
    click.echo(json.dumps(told, ensure_ascii=False))


def rows(
    told: Json, name: str, row: Callable[[Json], str], plain_json: bool, *, nothing: str
) -> None:
    if plain_json:
        as_json(told)
        return
    for one in told[name]:
        click.echo(row(one))
    if not told[name]:
        click.echo(nothing)


def standing(told: Json) -> str:
    outcome = f" ({told['outcome']})" if told.get("outcome") else ""
    until = f" (until {told['until']})" if told.get("until") else ""
    return f"{told['stream']}: {told['phase']}{outcome}, {told['reason']['text']}{until}"


def line(told: Json) -> str:
    times = f" (x{told['count']} until {told['last_at']})" if told["count"] > 1 else ""
    return f"{told['at']}  {told['text']}{times}"


def file(told: Json) -> str:
    ran = f"{told['start'] or '-'} to {told['stop'] or '-'}"
    lasted = "" if told.get("duration") is None else f"  {told['duration']:.3f} s"
    return f"{told.get('url') or told['uri']}  {ran}{lasted}"


_STANDS = {
    "recording": "is recorded",
    "unmanaged": "is recorded",
    "starting": "is not recorded yet",
    "queued": "is not recorded yet",
    "stopping": "is being stopped",
}


def why(told: Json, refused: Json | None) -> str:
    """One sentence."""
    stands = _STANDS.get(told["phase"], "is not recorded")
    more = _disbelieved(told["stream"], refused) if refused else ""
    return f"{told['stream']} {stands}: {told['reason']['text']}{more}"


def _disbelieved(stream: str, refused: Json) -> str:
    """A stream that no callback ever proved may be one whose callbacks nobody believes."""
    ours = [one for one in refused["last"] if one["stream"] == stream]
    if not ours:
        return ""
    newest = ours[0]
    return (
        f"; and a callback that says it is about it was refused at {newest['at']},"
        f" because nothing proved that Live sent it: {newest['why']}"
    )


def overview(health: Json, recordings: Sequence[Json]) -> str:
    ready = "ready" if health["ready"] else f"not ready: {'; '.join(health['why'])}"
    head = [f"The stage is {ready}.", _queue(health), _phases(health)]
    busy = [standing(one) for one in recordings if one["phase"] != "idle"]
    return "\n".join([*(part for part in head if part), "", *(busy or ["every stream is idle"])])


def _queue(health: Json) -> str:
    if "due" not in health:
        return ""
    age = health["reconciled_ms_ago"]
    ran = "reconcile has not run yet" if age is None else f"reconcile ran {written(age)} ago"
    waits = f"{health['due']} due, the oldest for {written(health['oldest_due_ms'])}"
    rate_limit = health["rate_limit"]
    used, allowed = rate_limit["used"], rate_limit["rate"]
    return f"{ran}; {waits}; {used:g} of {allowed:g} commands a second are used"


def _phases(health: Json) -> str:
    counted = [f"{count} {phase}" for phase, count in health.get("phases", {}).items() if count]
    return ", ".join(counted)


def clock(offset_ms: int) -> str:
    """Of development: it stays where it was put, also for the next day's stack."""
    if not offset_ms:
        return "as real time"
    way = "ahead of" if offset_ms > 0 else "behind"
    return f'{written(abs(offset_ms))} {way} real time (/_control/clock, {{"offset_ms": 0}}: back)'
