"""live-record probe: what no documentation says of Live, asked of the account itself."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click

from cli import output, stage_registry
from cli.account import Declined, account_at
from cli.api import Api
from cli.errors import Failure
from cli.probe.experiments import QUESTIONS
from cli.probe.load import LOAD
from cli.probe.observations import RECEIVED, hearing
from cli.probe.publisher import ByHand, ByProgram, OnStandIn, Publisher
from cli.probe.receiver import receiving
from cli.probe.run import ALL, Report, Say, ask, chosen, prepared
from cli.probe.test_stream import Scene, Unanswered
from cli.setup.backup import Kept, load_kept
from cli.setup.stage import Stage, stage_of
from cli.stage_registry import Target
from cli.stream_names import Stream
from shared.protocol import StreamKey
from shared.protocol.policy import OnPublish

ON_STAND_IN, ON_ACCOUNT = 5.0, 30.0
"""s of patience, unless told."""
NAME = "live-record-probe"


@click.command()
@click.option("--stage", help="one of .live-record/stages.toml; make dev registers dev")
@click.option("--url", envvar="LIVE_RECORD_URL", help="of a stage that the file does not name")
@click.option("--token", envvar="LIVE_RECORD_TOKEN", help="of the API, in place of the file's")
@click.option("--live", help="the address of ApsaraVideo Live, where it is a stand-in")
@click.option("--stream", type=Stream(), help="the test stream, domain/app/stream; nothing else's")
@click.option("--push", help="the command that pushes it; without, you are asked to")
@click.option("--receive", help="the URL at which Live reaches --listen, for callback questions")
@click.option("--listen", default="127.0.0.1:0", show_default=True, help="HOST:PORT behind it")
@click.option("--load", is_flag=True, help="also exceed the account's limit, for some seconds")
@click.option("--only", multiple=True, type=click.Choice(list(ALL)), help="one question")
@click.option("--bucket", default="", help="of OSS, for the test stream's files")
@click.option("--endpoint", default="", help="of the bucket")
@click.option("--patience", type=float, help="seconds that an event may take")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), default="facts-report.json")
@click.option("--json", "as_json", is_flag=True, help="the report as JSON, too")
def probe(
    *,
    stage: str | None,
    url: str | None,
    token: str | None,
    live: str | None,
    out: Path,
    as_json: bool,
    **given: Any,  # noqa: ANN401 - the rest says how to ask
) -> None:
    """Ask Live what no documentation says, with one test stream.

    What it answers is written down redacted.
    """
    if set(given["only"]) & set(LOAD) and not given["load"]:
        raise click.UsageError(
            "this exceeds the limit of the whole account for some seconds: say --load too"
        )
    target = stage_registry.with_live(stage_registry.chosen(stage, url, token, changes=True), live)
    found = stage_of(target, Api(target.url, target.token), os.environ)
    scene = _scene(target, found, given)
    kept = load_kept(f"probe-{found.name}", found.url)
    say: Say = _silent if as_json else click.echo
    report = Report(_names(scene, found))
    try:
        _ask(scene, kept, report, say, given)
    except Declined as declined:
        raise Failure(str(declined)) from None
    text = _written(report, on_stand_in=found.is_development)
    out.write_text(json.dumps(text, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if as_json:
        output.as_json(text)
    else:
        click.echo(f"{len(report.answers)} answered, {len(report.unanswered)} not; {out}")


def _silent(_line: str) -> None:
    """JSON is said once, at the end."""


def _ask(scene: Scene, kept: Kept, report: Report, say: Say, given: dict[str, Any]) -> None:
    only: Sequence[str] = given["only"]
    where = {"OssBucket": given["bucket"], "OssEndpoint": given["endpoint"]}
    with prepared(scene, kept, where if all(where.values()) else {}, say) as test:
        ask(scene, chosen(QUESTIONS, only), report, say)
        if given["load"]:
            ask(scene, chosen(LOAD, only), report, say)
        else:
            _leave_out(LOAD if not only else (), report, "it needs --load")
        questions = chosen(RECEIVED, only)
        if not isinstance(scene.publisher, OnStandIn) and not given["receive"]:
            _leave_out(questions, report, "it needs --receive, a URL that leads to --listen")
        elif questions:
            host, _, port = given["listen"].rpartition(":")
            try:
                with (
                    receiving(host, int(port), given["receive"] or "") as receiver,
                    hearing(scene, receiver, test, kept) as here,
                ):
                    ask(here, questions, report, say)
            except Unanswered as why:
                _leave_out(questions, report, str(why))


def _leave_out(names: Any, report: Report, why: str) -> None:  # noqa: ANN401 - of any collection
    for name in names:
        report.missed(name, why)


def _scene(target: Target, stage: Stage, given: dict[str, Any]) -> Scene:
    domain, app, name = (given["stream"] or _usual(stage)).split("/")
    streaming = stage.policy.streaming(domain)
    row = next((one for one in stage.policy.domains if one.streaming == streaming), None)
    if row is None:
        raise Failure(f"{domain} is not in the policy of the stage")
    if stage.policy.rule(StreamKey(row.streaming, app, name)).on_publish is OnPublish.RECORD:
        raise Failure("the policy records this stream by itself: name another with --stream")
    ingest = (row.ingest or (row.streaming,))[0]
    is_stand_in = stage.is_development
    return Scene(
        account=account_at(target.live),
        domain=row.streaming,
        ingest=ingest,
        app=app,
        stream=name,
        publisher=_publisher(target, given["push"], (ingest, app, name)),
        patience=given["patience"] or (ON_STAND_IN if is_stand_in else ON_ACCOUNT),
    )


def _usual(stage: Stage) -> str:
    return f"{stage.policy.domains[0].streaming}/{NAME}/test"


def _publisher(target: Target, push: str | None, place: tuple[str, str, str]) -> Publisher:
    if push:
        return ByProgram(push)
    if target.live.startswith("http://"):
        return OnStandIn(target.live, *place)
    if not sys.stdin.isatty():
        raise click.UsageError("nobody is there to push the stream: say --push COMMAND")
    return ByHand("rtmp://" + "/".join(place))


def _names(scene: Scene, stage: Stage) -> dict[str, str]:
    """What is the account's own."""
    own = {scene.stream: "STREAM", scene.app: "APP"}
    for domain in stage.policy.domains:
        own |= dict.fromkeys(domain.names, "DOMAIN")
    return own


def _written(report: Report, *, on_stand_in: bool) -> dict[str, Any]:
    return {
        "made_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "asked": "a stand-in" if on_stand_in else "ApsaraVideo Live",
        **report.told(),
    }
