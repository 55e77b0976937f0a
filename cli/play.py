"""`live-record play`: an address for each file of a stream, signed so that it plays for a while."""

from __future__ import annotations

from datetime import timedelta

import click

from cli import stages
from cli.account import Account, Declined, account_at
from cli.api import Api
from cli.failure import Failure
from cli.names import Stream
from shared.domain.times import duration

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
    """An address for each file that STREAM left, newest first, signed with your own access key."""
    target = stages.with_live(stages.chosen(stage, url, token, changes=False), None)
    files = [one["uri"] for one in Api(target.url, target.token).files(stream, limit)["files"]]
    account = account_at(target.live)
    try:
        bucket, endpoint = recorded_into(account, stream)
    except Declined as declined:
        raise Failure(f"where {stream} is recorded into cannot be read: {declined}") from None
    for uri in files:
        click.echo(signed(account, bucket, endpoint, uri, period))
    if not files:
        click.echo("it has left no file")


def recorded_into(account: Account, stream: str) -> tuple[str, str]:
    """Bucket and endpoint of the configuration that a stream falls under; raises Declined."""
    from cli.setup.configurations import recordings

    domain, app, name = stream.split("/")
    fitting = [
        (place, value)
        for place, value in recordings(account, domain)
        if place.kind == "oss" and place.app in (app, "*") and place.streams in (name, "*")
    ]
    if not fitting:
        raise Failure(
            f"{stream} is recorded into no bucket: live-record setup says what is missing"
        )
    _, value = max(fitting, key=lambda one: (one[0].streams != "*", one[0].app != "*"))
    return str(value["OssBucket"]), str(value["OssEndpoint"])


def signed(account: Account, bucket: str, endpoint: str, uri: str, period: timedelta) -> str:
    """Nothing is asked of anyone for it; whether the key may read is seen when it is played."""
    import alibabacloud_oss_v2 as oss

    from cli.doctor.bucket import client

    request = oss.GetObjectRequest(bucket=bucket, key=uri)
    return str(client(oss, account, endpoint).presign(request, expires=period).url)
