"""Starts or stops every stream that a pattern such as live.example.com/app/* names.

The commands start and stop use this module. It lists the streams, asks for confirmation, and sends
one request for each stream: the API has no route for several streams.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from gettext import gettext as _
from typing import Any, Literal

import click

from cli import output
from cli.api import ALL_ROWS, Api, Json
from cli.confirmation import confirm
from cli.errors import Failure, NoAnswer, StageRefusal
from cli.exit_codes import AS_WANTED, FAILED
from cli.stream_names import Stream

Command = Literal["start", "stop"]
MAX_WORKERS = 8
"""Requests at the same time at most: the API's other callers need instances, too."""
_PARTS = 3


def is_pattern(text: str) -> bool:
    """Return True if the text has an asterisk and is no URL: no stream's name may have an
    asterisk."""
    return "*" in text and "://" not in text


class StreamOrPattern(Stream):
    """The type of a STREAM argument that may also be a pattern: `domain/app/stream` with asterisks
    in any of the three parts."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not is_pattern(value):
            return super().convert(value, param, ctx)
        if len(value.split("/")) != _PARTS:
            self.fail(_("Write a pattern as `domain/app/stream`, each part with or without *."))
        return value


def for_each(
    api: Api,
    command: Command,
    pattern: str,
    body: Mapping[str, Any],
    *,
    is_sure: bool,
    as_json: bool,
) -> int:
    """Show the streams that match the pattern, and ask for confirmation unless `is_sure`. Then send
    the command with the fields of `body` for each stream, print the outcomes, and return the exit
    code."""
    from concurrent.futures import ThreadPoolExecutor  # slow to import

    rows = _matching(api, command, pattern)
    if not rows:
        sentence = _(
            "{pattern} matches no stream that `{command}` would change. Run `live-record list`: it"
            " shows the streams that the stage knows."
        )
        raise Failure(sentence.format(pattern=pattern, command=command))
    for row in () if as_json else rows:
        click.echo(f"  {row['stream']} ({output.phase_word(row['phase'])})")
    question = _("Send `{command}` for each of these streams ({count})?")
    confirm(question.format(command=command, count=len(rows)), is_sure=is_sure, as_json=as_json)
    streams = [row["stream"] for row in rows]
    with ThreadPoolExecutor(MAX_WORKERS) as pool:
        results = list(pool.map(lambda stream: _outcome(api, command, stream, body), streams))
    _show(dict(zip(streams, results, strict=True)), as_json=as_json)
    return FAILED if any(isinstance(each, Failure) for each in results) else AS_WANTED


def _matching(api: Api, command: Command, pattern: str) -> Sequence[Json]:
    """Return the streams that the command may change. For a stop: those that are wanted or not
    idle, or whose record cannot be read. For a start: those that are not wanted."""
    domain, _slash, names = pattern.partition("/")
    if "*" in domain:
        answer = api.list_recordings(ALL_ROWS)
    else:  # the stage finds the streams of an ingest domain under their streaming domain
        answer, pattern = api.list_recordings(ALL_ROWS, domain=domain), f"*/{names}"
    unreadable = [{"stream": row["stream"], "phase": "?"} for row in answer["unreadable"]]
    stops = [row for row in answer["recordings"] if row["wanted"] or row["phase"] != "idle"]
    starts = [row for row in answer["recordings"] if not row["wanted"]]
    rows = [*stops, *unreadable] if command == "stop" else starts
    return [row for row in rows if _fits(row["stream"], pattern)]


def _fits(stream: str, pattern: str) -> bool:
    parts = zip(stream.split("/"), pattern.split("/"), strict=True)
    return all(fnmatchcase(name, wanted) for name, wanted in parts)


def _outcome(api: Api, command: Command, stream: str, body: Mapping[str, Any]) -> Json | Failure:
    try:
        return api.ask(stream, command, **body)
    except (NoAnswer, StageRefusal) as failure:
        return failure


def _show(results: Mapping[str, Json | Failure], *, as_json: bool) -> None:
    failed = {stream: each for stream, each in results.items() if isinstance(each, Failure)}
    done = [each for each in results.values() if not isinstance(each, Failure)]
    if as_json:
        refused = {stream: failure.message for stream, failure in failed.items()}
        output.as_json({"recordings": done, "failed": refused})
        return
    for answer in done:
        output.say(output.status_line(answer))
    for stream, failure in failed.items():
        click.echo(f"{stream}: {failure.message}", err=True)
    counted = _("Requests accepted: {done} of {count}.")
    click.echo(counted.format(done=len(done), count=len(results)))
