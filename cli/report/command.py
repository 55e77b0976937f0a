"""`live-record report`: whether the recordings are complete, for one stream or all.

cli.main adds the command. The stage computes the coverage of each stream; the command prints it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from gettext import gettext as _
from pathlib import Path

import click

from cli import exit_codes, output, texts
from cli.api import Api, Json
from cli.errors import Failure, cause_of
from cli.moments import Moment
from cli.option_rules import exclusive, without_effect
from cli.report import page, text
from cli.stage_command import of_stage
from cli.stream_commands import suggest_for_nothing
from cli.stream_names import Stream

_WHOLE = 100.0


@click.command()
@click.argument("stream", type=Stream(), required=False)
@click.option(
    "--from",
    "begin",
    type=Moment(or_duration=True),
    default="24h",
    show_default=True,
    help="beginning of the report: a time (RFC 3339), or how long before its end, such as `2h`",
)
@click.option(
    "--to",
    "end",
    type=Moment(or_duration=False),
    help="end of the report (RFC 3339); by default now",
)
@click.option("--domain", help="report only streams of this domain")
@click.option("--app", help="report only streams of this application")
@click.option(
    "--target",
    type=click.FloatRange(0, _WHOLE),
    help=(
        "required coverage, as a percentage of the time in which a stream is both wanted and live;"
        " by default the `coverage_target` of its schedule or rule, or 100"
    ),
)
@click.option(
    "--max-gap",
    type=click.FloatRange(0),
    help="longest accepted gap, in seconds; by default the `max_gap` of the stream's rule",
)
@click.option("--csv", "as_csv", is_flag=True, help="print a row of CSV for each stream")
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    help="write a page with a time line for each stream into this file",
)
@exclusive("--csv", "--html", "--json")
@without_effect("STREAM", "--domain", "--app")
@of_stage(changes=False, prints_value=True)
def report(
    api: Api,
    *,
    stream: str | None,
    begin: str,
    end: str | None,
    domain: str | None,
    app: str | None,
    target: float | None,
    max_gap: float | None,
    html: Path | None,
    as_csv: bool,
    as_json: bool,
) -> int:
    """Report what was recorded, what is missing and why.

    Without STREAM, the report is about all streams. The exit code is 3 if less was recorded of a
    stream, or of an occurrence of a schedule, than is expected (`--target`), or if a gap is longer
    than is accepted (`--max-gap`).
    """
    if html and not html.absolute().parent.is_dir():
        sentence = _("There is no folder {folder}. Make it, or write the page elsewhere.")
        raise click.BadParameter(sentence.format(folder=html.parent), param_hint="--html")
    asked = {"from": begin, "to": end}
    found = api.coverage(stream, asked) if stream else _all(api, {**asked, **_named(domain, app)})
    if html:
        _write(html, page.page(found, language=texts.current_language(), stage=api.url))
    elif as_json:
        output.as_json(found)
    elif as_csv:
        click.echo(text.as_csv(found["streams"]), nl=False)
    else:
        for line in text.lines(found["streams"]):
            click.echo(line)
    if stream and not any(map(text.is_shown, found["streams"])):
        line = _("{stream} was neither live and wanted nor recorded in this period.")
        click.echo(line.format(stream=stream), err=True)
        suggest_for_nothing(api, stream)
    is_short = any(_is_short(row, target, max_gap) for row in found["streams"])
    return exit_codes.NOT_AS_WANTED if is_short else exit_codes.AS_WANTED


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        sentence = _("The page cannot be written to {path}: {cause}. Write it elsewhere.")
        raise Failure(sentence.format(path=path, cause=cause_of(error))) from None
    click.echo(_("The report is in {path}.").format(path=path))


def _named(domain: str | None, app: str | None) -> dict[str, str | None]:
    return {"domain": domain, "app": app}


def _is_short(row: Json, target: float | None, max_gap_s: float | None) -> bool:
    """Return True if less of a stream was recorded than expected, or a gap is too long. Options set
    both limits. Without them, schedules set the limits for their occurrences, and the rule for the
    rest. A stage of an earlier release sends neither limit."""
    judged = row.get("occurrences", ()) if target is None else ()
    due_ms, missing_ms = (
        row[name] - sum(one[name] for one in judged) for name in ("due_ms", "missing_ms")
    )
    target = row.get("coverage_target") if target is None else target
    longest_ms = row.get("max_gap_ms") if max_gap_s is None else max_gap_s * 1000
    is_too_long = longest_ms is not None and any(gap["ms"] > longest_ms for gap in row["gaps"])
    least = _WHOLE if target is None else target
    is_rest_short = missing_ms * _WHOLE > due_ms * (_WHOLE - least)
    return is_too_long or is_rest_short or any(map(text.is_short, judged))


def _all(api: Api, asked: dict[str, str | None]) -> Json:
    """Return the pages of the report as one; show the number of streams read on a terminal."""
    whole: Json = {}
    for answer in _counted(api.report_pages(asked)):
        whole = {**answer, "streams": [*whole.get("streams", ()), *answer["streams"]]}
    return {**whole, "next": None}


def _counted(pages: Iterator[Json]) -> Iterator[Json]:
    shows, count = sys.stderr.isatty(), 0
    for answer in pages:
        count += len(answer["streams"])
        if shows and answer["next"]:
            click.echo("\r" + _("streams read: {count}").format(count=count), err=True, nl=False)
        yield answer
    if shows and count:
        click.echo("\r\x1b[K", err=True, nl=False)
