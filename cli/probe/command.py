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
from cli.probe.experiments import EXPERIMENTS
from cli.probe.load import LOAD_EXPERIMENTS
from cli.probe.observations import OBSERVATIONS, observing
from cli.probe.publisher import EmulatorPublisher, ManualPublisher, ProgramPublisher, Publisher
from cli.probe.receiver import receiving
from cli.probe.run import ALL_EXPERIMENTS, Report, Say, prepared, run_experiments, select
from cli.probe.test_stream import TestStream, Unanswered
from cli.setup.backup import Backup, load_backup
from cli.setup.stage import Stage, stage_of
from cli.stage_registry import Target
from cli.stream_names import Stream
from shared.protocol import StreamKey
from shared.protocol.policy import OnPublish

EMULATOR_PATIENCE_S, ACCOUNT_PATIENCE_S = 5.0, 30.0
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
@click.option(
    "--only", multiple=True, type=click.Choice(list(ALL_EXPERIMENTS)), help="one question"
)
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
    **options: Any,  # noqa: ANN401 - the rest says how to ask
) -> None:
    """Ask Live what no documentation says, with one test stream.

    What it answers is written down redacted.
    """
    if set(options["only"]) & set(LOAD_EXPERIMENTS) and not options["load"]:
        raise click.UsageError(
            "this exceeds the limit of the whole account for some seconds: say --load too"
        )
    target = stage_registry.with_live(
        stage_registry.resolve_target(stage, url, token, changes=True), live
    )
    found = stage_of(target, Api(target.url, target.token), os.environ)
    test_stream = _test_stream_for(target, found, options)
    backup = load_backup(f"probe-{found.name}", found.url)
    say: Say = _silent if as_json else click.echo
    report = Report(_account_names(test_stream, found))
    try:
        _run(test_stream, backup, report, say, options)
    except Declined as declined:
        raise Failure(str(declined)) from None
    text = _report_document(report, is_emulator=found.is_development)
    out.write_text(json.dumps(text, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if as_json:
        output.as_json(text)
    else:
        click.echo(f"{len(report.answers)} answered, {len(report.unanswered)} not; {out}")


def _silent(_line: str) -> None:
    """JSON is said once, at the end."""


def _run(
    test_stream: TestStream, backup: Backup, report: Report, say: Say, options: dict[str, Any]
) -> None:
    only: Sequence[str] = options["only"]
    where = {"OssBucket": options["bucket"], "OssEndpoint": options["endpoint"]}
    with prepared(test_stream, backup, where if all(where.values()) else {}, say) as target:
        run_experiments(test_stream, select(EXPERIMENTS, only), report, say)
        if options["load"]:
            run_experiments(test_stream, select(LOAD_EXPERIMENTS, only), report, say)
        else:
            _record_unasked(LOAD_EXPERIMENTS if not only else (), report, "it needs --load")
        observations = select(OBSERVATIONS, only)
        if not isinstance(test_stream.publisher, EmulatorPublisher) and not options["receive"]:
            _record_unasked(
                observations, report, "it needs --receive, a URL that leads to --listen"
            )
        elif observations:
            host, _, port = options["listen"].rpartition(":")
            try:
                with (
                    receiving(host, int(port), options["receive"] or "") as receiver,
                    observing(test_stream, receiver, target, backup) as observed,
                ):
                    run_experiments(observed, observations, report, say)
            except Unanswered as why:
                _record_unasked(observations, report, str(why))


def _record_unasked(names: Any, report: Report, why: str) -> None:  # noqa: ANN401 - of any collection
    for name in names:
        report.record_unanswered(name, why)


def _test_stream_for(target: Target, stage: Stage, options: dict[str, Any]) -> TestStream:
    domain, app, name = (options["stream"] or _default_stream(stage)).split("/")
    streaming = stage.policy.streaming(domain)
    row = next((served for served in stage.policy.domains if served.streaming == streaming), None)
    if row is None:
        raise Failure(f"{domain} is not in the policy of the stage")
    if stage.policy.rule(StreamKey(row.streaming, app, name)).on_publish is OnPublish.RECORD:
        raise Failure("the policy records this stream by itself: name another with --stream")
    ingest = (row.ingest or (row.streaming,))[0]
    is_emulator = stage.is_development
    return TestStream(
        account=account_at(target.live),
        domain=row.streaming,
        ingest=ingest,
        app=app,
        stream=name,
        publisher=_publisher(target, options["push"], (ingest, app, name)),
        patience=options["patience"]
        or (EMULATOR_PATIENCE_S if is_emulator else ACCOUNT_PATIENCE_S),
    )


def _default_stream(stage: Stage) -> str:
    return f"{stage.policy.domains[0].streaming}/{NAME}/test"


def _publisher(target: Target, push: str | None, names: tuple[str, str, str]) -> Publisher:
    if push:
        return ProgramPublisher(push)
    if target.live.startswith("http://"):
        return EmulatorPublisher(target.live, *names)
    if not sys.stdin.isatty():
        raise click.UsageError("nobody is there to push the stream: say --push COMMAND")
    return ManualPublisher("rtmp://" + "/".join(names))


def _account_names(test_stream: TestStream, stage: Stage) -> dict[str, str]:
    """What is the account's own."""
    own = {test_stream.stream: "STREAM", test_stream.app: "APP"}
    for domain in stage.policy.domains:
        own |= dict.fromkeys(domain.names, "DOMAIN")
    return own


def _report_document(report: Report, *, is_emulator: bool) -> dict[str, Any]:
    return {
        "made_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "asked": "a stand-in" if is_emulator else "ApsaraVideo Live",
        **report.document(),
    }
