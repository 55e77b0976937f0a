"""`live-record play`: an address for each file of a stream that plays for a while."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

import click

from cli import stage_registry
from cli.account import Account, Declined, account_at
from cli.api import Api, Json
from cli.errors import Failure, StageRefusal
from cli.stage_registry import Target
from cli.stream_names import Stream
from functions.file_view import LONGEST
from shared.protocol.durations import duration, written
from shared.protocol.file import VOD

LONGEST_MS = 7 * 24 * 3_600_000
"""What OSS signs for at the most."""


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
            self.fail("OSS signs for 7 days at the most", param, ctx)
        return timedelta(milliseconds=ms)


@click.command()
@click.argument("stream", type=Stream())
@click.option("--for", "period", type=Period(), default="1h", show_default=True)
@click.option("--limit", default=10, type=click.IntRange(1, 1000), show_default=True)
@click.option("--stage", help="one of .live-record/stages.toml; make dev registers dev")
@click.option("--url", envvar="LIVE_RECORD_URL", help="of a stage that the file does not name")
@click.option("--token", envvar="LIVE_RECORD_TOKEN", help="of the API, in place of the file's")
def play(
    *,
    stream: str,
    period: timedelta,
    limit: int,
    stage: str | None,
    url: str | None,
    token: str | None,
) -> None:
    """Addresses that play, of the files that STREAM left.

    Newest first, for as long as --for says. The stage signs them where it names its bucket; for
    longer than 12h, and where it does not, your own access key does.
    """
    target = stage_registry.with_live(
        stage_registry.resolve_target(stage, url, token, changes=False), None
    )
    api = Api(target.url, target.token)
    answer = api.files(stream, limit)
    rows = _signed_by_stage(api, answer["signed"], period, limit)
    if rows is None:
        rows = list(_signed_by_own_key(target, stream, answer["files"], period))
    for row in rows:
        _print_url(row)
    if not rows:
        click.echo("it has left no file")


def _print_url(row: Json) -> None:
    if row["url"] is None:
        click.echo(f"{row['uri']} lies in VOD and has no address here", err=True)
    else:
        click.echo(row["url"])


def _signed_by_stage(
    api: Api, path: str | None, period: timedelta, limit: int
) -> Sequence[Json] | None:
    """None where it cannot; why not is said."""
    ms = period // timedelta(milliseconds=1)
    if not path or ms > LONGEST:
        return None
    try:
        return api.playback_urls(path, written(ms), limit)
    except StageRefusal as refused:
        click.echo(f"the stage does not sign, your own access key does: {refused}", err=True)
        return None


def _signed_by_own_key(
    target: Target, stream: str, rows: Sequence[Json], period: timedelta
) -> Iterator[Json]:
    objects = [row for row in rows if not row["uri"].startswith(VOD)]
    if objects:
        account = account_at(target.live)
        try:
            bucket, endpoint = bucket_of(account, stream)
        except Declined as declined:
            raise Failure(f"where {stream} is recorded into cannot be read: {declined}") from None
    for row in rows:
        url = (
            presigned_url(account, bucket, endpoint, row["uri"], period) if row in objects else None
        )
        yield {**row, "url": url}


def bucket_of(account: Account, stream: str) -> tuple[str, str]:
    """Bucket and endpoint of the configuration that a stream falls under; raises Declined."""
    from cli.setup.configurations import recordings

    domain, app, name = stream.split("/")
    fitting = [
        (target, value)
        for target, value in recordings(account, domain)
        if target.kind == "oss" and target.app in (app, "*") and target.streams in (name, "*")
    ]
    if not fitting:
        raise Failure(
            f"{stream} is recorded into no bucket: live-record setup says what is missing"
        )
    _, value = max(fitting, key=lambda pair: (pair[0].streams != "*", pair[0].app != "*"))
    return str(value["OssBucket"]), str(value["OssEndpoint"])


def presigned_url(account: Account, bucket: str, endpoint: str, uri: str, period: timedelta) -> str:
    """Nothing is asked of anyone for it; whether the key may read is seen when it is played."""
    import alibabacloud_oss_v2 as oss

    from cli.doctor.bucket import client

    request = oss.GetObjectRequest(bucket=bucket, key=uri)
    return str(client(oss, account, endpoint).presign(request, expires=period).url)
