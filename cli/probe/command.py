"""`live-record probe`: runs the experiments with one test stream and writes a redacted report.

cli.main adds the command. It chooses the test stream and its publisher; cli.probe.run runs the
experiments. It must not touch a stream that the policy records.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from gettext import gettext as _
from pathlib import Path
from typing import Any

import click

from cli import output, stage_registry
from cli.account import LIVE_URL, Declined, account_at
from cli.api import Api
from cli.errors import Failure
from cli.option_rules import need_both
from cli.policy_file import served
from cli.probe.experiments import EXPERIMENTS
from cli.probe.load import LOAD_EXPERIMENTS
from cli.probe.observations import OBSERVATIONS, observing
from cli.probe.publisher import EmulatorPublisher, ManualPublisher, ProgramPublisher, Publisher
from cli.probe.receiver import receiving
from cli.probe.run import ALL_EXPERIMENTS, Report, Say, prepared, run_experiments, select
from cli.probe.test_stream import TestStream, Unanswered
from cli.refusals import refusal
from cli.setup.backup import Backup, load_backup
from cli.setup.stage import Stage, stage_of
from cli.stage_command import STAGE, TOKEN, URL
from cli.stage_registry import Target
from cli.stream_names import Stream
from shared.protocol import StreamKey
from shared.protocol.policy import OnPublish

EMULATOR_PATIENCE_S, ACCOUNT_PATIENCE_S = 5.0, 30.0
"""Defaults of --patience."""
NAME = "live-record-probe"
_LAST_PORT = 65_535


class Listening(click.ParamType[tuple[str, int]]):
    """The type of an option that names a host and a port."""

    name = "text"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        host, _colon, port = str(value).rpartition(":")
        if not host or not port.isdecimal() or int(port) > _LAST_PORT:
            sentence = _("{value} is no address. Write it as HOST:PORT, such as 127.0.0.1:8080.")
            self.fail(sentence.format(value=value), param, ctx)
        return host, int(port)


@click.command()
@STAGE
@URL
@TOKEN
@click.option("--live", help="address of an emulator to use instead of ApsaraVideo Live")
@click.option(
    "--stream", type=Stream(), help="test stream, `domain/app/stream`, that nobody else uses"
)
@click.option(
    "--push", help="command that pushes the test stream; without it, `probe` asks you to push"
)
@click.option(
    "--receive", help="public URL that reaches `--listen`; experiments with callbacks need it"
)
@click.option(
    "--listen",
    type=Listening(),
    default="127.0.0.1:0",
    show_default=True,
    help="HOST:PORT to receive callbacks on",
)
@click.option(
    "--load",
    is_flag=True,
    help="also run experiments that exceed the whole account's rate limit for some seconds",
)
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(list(ALL_EXPERIMENTS)),
    help="run only this experiment; repeatable",
)
@click.option("--bucket", default="", help="OSS bucket for the test stream's files")
@click.option(
    "--endpoint", default="", help="endpoint of the bucket, such as oss-cn-shanghai.aliyuncs.com"
)
@click.option(
    "--patience",
    type=click.FloatRange(0, min_open=True),
    help="seconds to wait for an expected event; by default 30, or 5 with an emulator",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default="facts-report.json",
    help="file to write the report to; by default facts-report.json",
)
@click.option("--json", "as_json", is_flag=True, help="also print the report as JSON")
def probe(
    *,
    stage: str | None,
    url: str | None,
    token: str | None,
    live: str | None,
    out: Path,
    as_json: bool,
    **options: Any,  # noqa: ANN401 - the rest are options of the run
) -> None:
    """Find out by experiment how Live behaves.

    The command uses one test stream. It writes a report that names no domain, stream or key.
    """
    need_both(options["bucket"], options["endpoint"])
    if not out.absolute().parent.is_dir():
        sentence = _("There is no folder {folder}. Make it, or write the report elsewhere.")
        raise click.BadParameter(sentence.format(folder=out.parent), param_hint="--out")
    if set(options["only"]) & set(LOAD_EXPERIMENTS) and not options["load"]:
        raise click.UsageError(
            _(
                "This experiment exceeds the whole account's rate limit for some seconds. Pass"
                " `--load` as well."
            )
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
        raise Failure(refusal(declined, live=target.live or LIVE_URL)) from None
    text = _report_document(report, is_emulator=found.is_development)
    out.write_text(json.dumps(text, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if as_json:
        output.as_json(text)
    else:
        sentence = _(
            "Experiments answered: {answered}; not answered: {unanswered}. The report is in {out}."
        )
        click.echo(
            sentence.format(
                answered=len(report.answers), unanswered=len(report.unanswered), out=out
            )
        )


def _silent(_line: str) -> None:
    """Print nothing: with --json the report is printed once, at the end."""


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
                observations, report, "it needs --receive, a URL that points to --listen"
            )
        elif observations:
            host, port = options["listen"]
            try:
                with (
                    receiving(host, port, options["receive"] or "") as receiver,
                    observing(test_stream, receiver, target, backup) as observed,
                ):
                    run_experiments(observed, observations, report, say)
            except Unanswered as why:
                _record_unasked(observations, report, str(why))


def _record_unasked(names: Any, report: Report, why: str) -> None:  # noqa: ANN401 - of any collection
    for name in names:
        report.record_unanswered(name, why)


def _test_stream_for(target: Target, stage: Stage, options: dict[str, Any]) -> TestStream:
    named = StreamKey.parse(options["stream"] or _default_stream(stage))
    row = served(stage.policy, named)
    if (
        stage.policy.rule(StreamKey(row.streaming, named.app, named.stream)).on_publish
        is OnPublish.RECORD
    ):
        raise Failure(
            _(
                "The policy records this stream automatically, which would disturb the"
                " experiments. Name another stream with `--stream`."
            )
        )
    ingest = (row.ingest or (row.streaming,))[0]
    is_emulator = stage.is_development
    return TestStream(
        account=account_at(target.live),
        domain=row.streaming,
        ingest=ingest,
        app=named.app,
        stream=named.stream,
        publisher=_publisher(target, options["push"], (ingest, named.app, named.stream)),
        patience=options["patience"]
        or (EMULATOR_PATIENCE_S if is_emulator else ACCOUNT_PATIENCE_S),
    )


def _default_stream(stage: Stage) -> str:
    return f"{stage.policy.domains[0].streaming}/{NAME}/test"


def _publisher(target: Target, push: str | None, names: tuple[str, str, str]) -> Publisher:
    if push:
        return ProgramPublisher(push)
    if target.is_emulated:
        return EmulatorPublisher(target.live, *names)
    if not sys.stdin.isatty():
        raise click.UsageError(
            _(
                "Without a terminal, `probe` cannot ask anybody to push the stream. Pass `--push"
                " COMMAND`."
            )
        )
    return ManualPublisher("rtmp://" + "/".join(names))


def _account_names(test_stream: TestStream, stage: Stage) -> dict[str, str]:
    """Return the account's own names, each with the word that replaces it in the report."""
    own = {test_stream.stream: "STREAM", test_stream.app: "APP"}
    for domain in stage.policy.domains:
        own |= dict.fromkeys(domain.names, "DOMAIN")
    return own


def _report_document(report: Report, *, is_emulator: bool) -> dict[str, Any]:
    return {
        "made_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "asked": "an emulator" if is_emulator else "ApsaraVideo Live",
        **report.document(),
    }
