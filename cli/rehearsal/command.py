"""`live-record rehearse`: rehearses a recording with a stream that nobody needs.

cli.main adds the command. The command says what the rehearsal costs, performs one rehearsal for
each application, and ends with GO or NO-GO.
"""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from gettext import gettext as _

import click

from cli import output, stage_registry
from cli.account import account_at
from cli.api import Api
from cli.confirmation import YES, confirm
from cli.doctor.report import columns
from cli.errors import Failure
from cli.exit_codes import NOT_ASKED
from cli.policy_file import served, stage_policy
from cli.rehearsal.interruption import Interruption
from cli.rehearsal.objects import throwaway_name
from cli.rehearsal.outcome import EXIT_CODES, Outcome, Result, Step, verdict_lines, worst
from cli.rehearsal.run import rehearse as perform
from cli.rehearsal.steps import Push, Scene, Steps
from cli.runtimes import DEFAULT_REGION
from cli.stage_command import api_of, stage_options
from cli.stage_registry import Target
from cli.stream_names import Stream
from shared.protocol import StreamKey
from shared.schedule.schedule import one_of_each_application

NAME_WIDTH = len("configuration")


class NothingRehearsed(Failure):
    """No rehearsal could begin."""

    exit_code = NOT_ASKED


@click.command()
@click.argument("stream", type=Stream(), required=False)
@click.option(
    "--schedule", "schedule_id", help="id of a schedule; rehearse each of its applications"
)
@click.option(
    "--push-to",
    default="",
    help="address to push to, such as rtmp://push.example.com; by default the ingest domain",
)
@click.option(
    "--push-key",
    default="",
    envvar="LIVE_RECORD_PUSH_KEY",
    help="key of the ingest domain's URL signing, if it is on",
)
@click.option(
    "--patience",
    "patience_s",
    default=30.0,
    type=click.FloatRange(1),
    show_default=True,
    help="seconds within which each step must succeed",
)
@click.option("--live", help="address of an emulator to use instead of ApsaraVideo Live")
@click.option(
    "--region",
    envvar="LIVE_RECORD_REGION",
    default=DEFAULT_REGION,
    show_default=True,
    help="region in which the stage is deployed",
)
@YES
@stage_options(changes=True, many=False)
def rehearse(
    *,
    targets: Sequence[Target],
    stream: str | None,
    schedule_id: str | None,
    push_to: str,
    push_key: str,
    patience_s: float,
    live: str | None,
    region: str,
    is_sure: bool,
    as_json: bool,
) -> None:
    """Rehearse a recording, and print GO or NO-GO.

    The command pushes a test picture to a throw-away stream in the domain and application of
    STREAM. It starts a recording of this stream, interrupts and resumes the push, and stops the
    recording. Then it deletes the stream's files. Exit codes: 0 for GO, 3 for NO-GO, 4 for neither.
    """
    if bool(stream) == bool(schedule_id):
        raise click.UsageError(_("Name either a STREAM or a schedule with `--schedule`."))
    if push_to and not stage_registry.is_address(push_to, ("rtmp",)):
        sentence = _("--push-to: The address is not a URL. Write it like rtmp://push.example.com.")
        raise click.UsageError(sentence)
    target = stage_registry.with_live(targets[0], live)
    output.name_stage(target.name, plain=not as_json)
    push = Push(push_to, push_key)
    try:
        streams = _streams(api_of(target), stream, schedule_id)
        scenes = list(_scenes(target, streams, push, patience_s=patience_s, region=region))
    except Failure as failure:
        raise NothingRehearsed(failure.message) from None
    if not as_json:
        click.echo(_cost(len(scenes)))
    confirm(_("Begin?"), is_sure=is_sure, as_json=as_json)
    sys.exit(_report(_perform(scenes, as_json=as_json), as_json=as_json))


def _report(outcomes: Sequence[Outcome], *, as_json: bool) -> int:
    """Return the exit code of the worst outcome; with `as_json`, print all outcomes."""
    verdict = worst(outcomes)
    code = EXIT_CODES[verdict]
    if as_json:
        rows = [one.document() for one in outcomes]
        output.as_json({"verdict": verdict.value, "exit": code, "rehearsals": rows})
    return code


def _streams(api: Api, stream: str | None, schedule_id: str | None) -> Sequence[StreamKey]:
    """Return one stream of each application to rehearse."""
    if stream:
        return [StreamKey.parse(stream)]
    return one_of_each_application(api.schedule(str(schedule_id))["streams"])


def _scenes(
    target: Target, keys: Sequence[StreamKey], push: Push, *, patience_s: float, region: str
) -> Iterator[Scene]:
    """Yield the Scene of each rehearsal; raise Failure if there is no account or domain."""
    account, api = account_at(target.live), api_of(target)
    policy = stage_policy(api.policy()["policy"])
    for key in keys:
        domain = served(policy, key)
        name = throwaway_name(time.time(), secrets.token_hex(4))
        yield Scene(
            target,
            api,
            account,
            StreamKey(domain.streaming, key.app, key.stream),
            StreamKey(domain.streaming, key.app, name),
            (domain.ingest or (domain.streaming,))[0],
            push,
            patience_s=patience_s,
            region=region,
        )


def _cost(count: int) -> str:
    line = _(
        "Alibaba Cloud charges your account for each rehearsal: for pushing and recording one"
        " stream for half a minute, and for its files in OSS until the rehearsal deletes them. A"
        " rehearsal may raise the largest number of concurrent recordings by one. Applications to"
        " rehearse, one after the other: {count}. The robots and webhooks of the policy get a test"
        " message."
    )
    return line.format(count=count)


def _perform(scenes: Sequence[Scene], *, as_json: bool) -> Sequence[Outcome]:
    """Perform one rehearsal after the other; after an interruption, the rest are not begun."""
    outcomes: list[Outcome] = []
    with Interruption() as interruption:
        for scene in scenes:
            outcome = Outcome(f"{scene.key.domain}/{scene.key.app}", str(scene.stream))
            outcomes.append(outcome)
            if interruption.came:
                outcome.is_interrupted = True
                continue
            if not as_json:
                click.echo(str(scene.stream))
            perform(Steps(scene), outcome, interruption, _ignore if as_json else _show)
            for line in () if as_json else verdict_lines(outcome):
                output.say(line)
    return outcomes


def _ignore(_step: Step) -> None:
    """Print nothing: with --json all is printed at the end."""


def _show(step: Step) -> None:
    word = result_words()[step.result]
    padding = " " * (max(map(columns, result_words().values())) - columns(word))
    output.say(f"{word}{padding}  {step.step:{NAME_WIDTH}}  {step.text}")


def result_words() -> dict[Result, str]:
    return {Result.OK: _("ok"), Result.SKIPPED: _("skipped"), Result.FAILED: _("failed")}
