"""`live-record play`: prints playback URLs of a stream's files, presigned for a limited time.

cli.main adds the command. The stage signs if it can; otherwise the operator's own access key
signs. No URL may be logged: anybody who has it can download the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from gettext import gettext as _

import click

from cli import output, stage_registry, texts
from cli.account import Account, Declined, account_at
from cli.api import Api, Json
from cli.errors import Failure, StageRefusal
from cli.moments import Moment
from cli.option_rules import exclusive, without_effect
from cli.stage_command import STAGE, TOKEN, URL, api_of, limited
from cli.stage_registry import Target
from cli.stream_commands import suggest_for_nothing
from cli.stream_names import Stream
from functions.file_view import MAX_SIGNED_MS
from shared.protocol import StreamKey
from shared.protocol.durations import duration, written
from shared.protocol.file import VOD
from shared.protocol.object_prefix import DEFAULT_PREFIX, is_named_by

LONGEST_MS = 7 * 24 * 3_600_000
"""The longest validity of a presigned URL of OSS."""


class Period(click.ParamType[timedelta]):
    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        try:
            ms = duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not 0 < ms <= LONGEST_MS:
            longest = _(
                "A presigned URL of OSS is valid for at most 7 days. Pass a shorter duration."
            )
            self.fail(longest, param, ctx)
        return timedelta(milliseconds=ms)


@click.command()
@click.argument("stream", type=Stream())
@click.option(
    "--for",
    "period",
    type=Period(),
    default="1h",
    show_default=True,
    help="how long the URLs are valid",
)
@limited(10, 1000)
@click.option(
    "--all",
    "is_whole",
    is_flag=True,
    help="print one M3U8 playlist of all recordings since STREAM was last set to record",
)
@click.option(
    "--from",
    "begin",
    type=Moment(or_duration=True),
    help="with `--all`: beginning of the playlist: a time (RFC 3339), or how long before its end,"
    " such as `2h`",
)
@click.option(
    "--to",
    "end",
    type=Moment(or_duration=False),
    help="with `--all`: end of the playlist (RFC 3339); by default now",
)
@click.option(
    "--occurrence",
    help="print one M3U8 playlist of the schedule's occurrence with this id",
)
@STAGE
@URL
@TOKEN
@exclusive("--all", "--occurrence")
@without_effect("--all", "--limit")
@without_effect("--occurrence", "--limit")
def play(
    *,
    stream: str,
    period: timedelta,
    limit: int,
    is_whole: bool,
    begin: str | None,
    end: str | None,
    occurrence: str | None,
    stage: str | None,
    url: str | None,
    token: str | None,
) -> None:
    """Print playback URLs of STREAM's files, newest first.

    The URLs are valid for the time that `--for` gives. The stage signs them if its bucket is
    configured and this time is at most `12h`; otherwise your own access key signs them.

    With `--all` or `--occurrence`, the command prints one playlist instead, which the stage signs.
    The playlist joins the recordings across interruptions, and names what is missing. Save it in a
    file for a player.
    """
    if occurrence and (begin or end):
        raise click.UsageError(_("Pass either `--occurrence`, or `--from` and `--to`."))
    is_whole = is_whole or bool(occurrence)
    if (begin or end) and not is_whole:
        raise click.UsageError(
            _("`--from` and `--to` select a part of a playlist. Pass `--all`, too.")
        )
    target = stage_registry.with_live(
        stage_registry.resolve_target(stage, url, token, changes=False), None
    )
    output.name_stage(target.name, plain=True, err=True)  # a player takes the lines of stdout
    api = api_of(target)
    if is_whole:
        asked = {"from": begin, "to": end, "occurrence": occurrence, "for": _written(period)}
        click.echo(api.playlist(stream, asked), nl=False)
        return
    answer = api.files(stream, limit)
    rows = _signed_by_stage(api, answer["signed"], period, limit)
    if rows is None:
        rows = list(_signed_by_own_key(target, stream, answer["files"], period))
    for row in rows:
        _print_url(row)
    output.say_if_cut(len(rows), limit)
    if not rows:
        click.echo(_("the stream has no files yet"), err=True)
        suggest_for_nothing(api, stream)


def _print_url(row: Json) -> None:
    if row["url"] is not None:
        click.echo(row["url"])
        return
    if row["uri"].startswith(VOD):
        sentence = _("{uri} is in VOD and has no playback URL here")
    else:
        sentence = _("{uri} gets no playback URL: {why}")
    why = texts.detail(row.get("why_no_url") or "")
    click.echo(sentence.format(uri=row["uri"], why=why), err=True)


def _signed_by_stage(
    api: Api, path: str | None, period: timedelta, limit: int
) -> Sequence[Json] | None:
    """Return the rows with URLs signed by the stage, None if it cannot sign them. If the stage
    refuses, also print why."""
    if not path or period > timedelta(milliseconds=MAX_SIGNED_MS):
        return None
    try:
        return api.playback_urls(path, _written(period), limit)
    except StageRefusal as refused:
        sentence = _(
            "The stage does not sign the playback URLs, so your own access key signs them. The"
            " stage answered: {answer}"
        )
        click.echo(sentence.format(answer=refused), err=True)
        return None


def _written(period: timedelta) -> str:
    return written(period // timedelta(milliseconds=1))


def _signed_by_own_key(
    target: Target, stream: str, rows: Sequence[Json], period: timedelta
) -> Iterator[Json]:
    objects = [row for row in rows if not row["uri"].startswith(VOD)]
    if objects:
        account = account_at(target.live)
        try:
            place = place_of(account, stream)
        except Declined as declined:
            sentence = _("The recording configuration of {stream} cannot be read: {error}")
            raise Failure(sentence.format(stream=stream, error=declined)) from None
    why = _("no recording configuration gives a file of this stream such a name")
    for row in rows:
        is_signed = row in objects and place.names(stream, row["uri"])
        url = presigned_url(account, place, row["uri"], period) if is_signed else None
        yield {**row, "url": url, "why_no_url": None if is_signed else why}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a recording configuration of Live stores files: the bucket, its endpoint, and the
    templates of the objects' names."""

    bucket: str
    endpoint: str
    templates: tuple[str, ...]

    def names(self, stream: str, uri: str) -> bool:
        """Return True if the object `uri` has a name that recordings of the stream get here, by the
        `templates` or, if there are none, by Live's default template. Check this before signing a
        URL: the name comes from a callback."""
        key = StreamKey.parse(stream)
        templates = self.templates or (DEFAULT_PREFIX,)
        return any(is_named_by(template, key.app, key.stream, uri) for template in templates)


def place_of(account: Account, stream: str) -> Place:
    """Return where the recording configuration that applies to a stream stores its files.

    Raise Declined if Live does not return the configurations, Failure if none applies.
    """
    from cli.setup.configurations import recordings

    key = StreamKey.parse(stream)
    fitting = [
        (target, value)
        for target, value in recordings(account, key.domain)
        if target.kind == "oss"
        and target.app in (key.app, "*")
        and target.streams in (key.stream, "*")
    ]
    if not fitting:
        sentence = _(
            "No recording configuration stores {stream} in a bucket. Run `live-record setup` to"
            " see what is missing."
        )
        raise Failure(sentence.format(stream=stream))
    _target, value = max(fitting, key=lambda pair: (pair[0].streams != "*", pair[0].app != "*"))
    named = (str(entry.get("OssObjectPrefix") or "") for entry in value.get("RecordFormat", ()))
    return Place(str(value["OssBucket"]), str(value["OssEndpoint"]), tuple(filter(None, named)))


def presigned_url(account: Account, place: Place, uri: str, period: timedelta) -> str:
    """Return a URL with which anybody can download the object `uri` for the time `period`. It is
    signed without a request, so a missing permission shows only when somebody uses the URL."""
    import alibabacloud_oss_v2 as oss

    from cli.doctor.bucket import client

    request = oss.GetObjectRequest(bucket=place.bucket, key=uri)
    return str(client(oss, account, place.endpoint).presign(request, expires=period).url)
