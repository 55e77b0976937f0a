"""The commands about streams, and about the health of a stage.

cli.main adds them. They call cli.api and print through cli.output. The stage alone
decides what a request means.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from gettext import gettext as _

import click

from cli import bulk, output
from cli.api import ALL_ROWS, STORE_EMPTIED, Api, Json
from cli.confirmation import YES
from cli.errors import NoAnswer, StageRefusal, clause_of
from cli.exit_codes import AS_WANTED, NOT_AS_WANTED, NOT_ASKED
from cli.option_rules import only_with, without_effect
from cli.stage_command import api_of, asking, limited, of_stage, show, stage_options
from cli.stage_registry import Target
from cli.stream_names import Stream, nearest
from shared.protocol import Phase

_SERVER_ERROR_STATUS = 500
"""HTTP statuses from here on are errors of the server."""
CHOICES = {
    "on_interruption": click.Choice(["resume", "stop", "finalize"]),
    "if_not_live": click.Choice(["wait", "fail"]),
    "phase": click.Choice([phase.value for phase in Phase]),
}

BLIND = {STORE_EMPTIED, "store_foreign", "online_list_unreadable", "reconcile_never_ran"}
BLIND |= {"reconcile_silent", "resync_silent", "resync_stuck"}
"""Problems of health because of which a live stream may be missing among those that the stage
knows."""


_stream = click.argument("stream", type=Stream())
_stream_or_pattern = click.argument("stream", type=bulk.StreamOrPattern())
_limit = limited(100, 1000)
_WATCHED = 1000
"""How many streams `watch` reads in whatever state."""
_max_duration = click.option(
    "--max-duration",
    help="how long to record, such as `4h`, counted from the first start that Live accepts",
)
_until = click.option("--until", help="time at which the recording ends (RFC 3339)")
_soon = click.option(
    "--soon",
    "allow_short",
    is_flag=True,
    help="allow an end that is less than a minute away",
)
_note = click.option("--note", help="free text to store in the stream's history")


@click.command()
@_stream_or_pattern
@_max_duration
@_until
@_soon
@click.option(
    "--on-interruption",
    type=CHOICES["on_interruption"],
    help="what to do when the stream drops: record it again when it returns (`resume`), end the"
    " recording (`stop`), or end it and write the file at once (`finalize`)",
)
@click.option(
    "--if-not-live",
    type=CHOICES["if_not_live"],
    help="what to do when the stream is offline: wait for it (`wait`), or fail at once (`fail`)",
)
@_note
@YES
@only_with("--soon", "--until", "--max-duration")
@of_stage(changes=True)
def start(api: Api, stream: str, is_sure: bool, as_json: bool, **body: str | bool | None) -> int:
    """Record STREAM until you stop it or its time ends.

    Unless you or the stage set another time, the recording ends 12 hours after the first start that
    Live accepts. STREAM is `domain/app/stream`, or the URL that it is published to or played from.
    With a pattern such as 'live.example.com/app/*', the command starts every matching stream that
    the stage knows, after a confirmation.
    """
    if bulk.is_pattern(stream):
        return bulk.for_each(api, "start", stream, body, is_sure=is_sure, as_json=as_json)
    _print_status(api, api.ask(stream, "start", **body), as_json)
    return AS_WANTED


@click.command()
@_stream_or_pattern
@click.option(
    "--finalize", is_flag=True, help="also end the merge delay, so that the file appears at once"
)
@click.option(
    "--hold",
    help=(
        "how long no policy rule may start the recording again: a duration such as `12h`, or"
        " `session` for the rest of this publish"
    ),
)
@_note
@YES
@of_stage(changes=True)
def stop(api: Api, stream: str, is_sure: bool, as_json: bool, **body: str | bool | None) -> int:
    """Stop recording STREAM.

    No policy rule starts it again for 12 hours, unless `--hold` or the stage sets another time.
    Even after that, a rule may wait for the next publish. The exit code is 3 if neither Live nor
    the stage knew STREAM. With a pattern such as 'live.example.com/app/*', the command stops every
    matching stream that is recorded or set to record, after a confirmation.
    """
    if bulk.is_pattern(stream):
        return bulk.for_each(api, "stop", stream, body, is_sure=is_sure, as_json=as_json)
    return _print_end(api, api.ask(stream, "stop", **body), as_json)


def _print_end(api: Api, answer: Json, as_json: bool) -> int:
    """Print the answer to a stop or cancel-delay. Return NOT_AS_WANTED if nobody knew the stream:
    its name is probably mistyped, and the recording goes on."""
    _print_status(api, answer, as_json)
    if answer["outcome"] == "never_known":
        sentence = _("Neither Live nor the stage knows {stream}. Check the name.")
        click.echo(sentence.format(stream=answer["stream"]), err=True)
        return NOT_AS_WANTED
    return AS_WANTED


@click.command()
@_stream
@_max_duration
@_until
@_soon
@_note
@of_stage(changes=True)
def extend(api: Api, stream: str, as_json: bool, **body: str | bool | None) -> None:
    """Change the time at which STREAM's recording ends."""
    _print_status(api, api.ask(stream, "extend", **body), as_json)


@click.command()
@_stream
@_note
@of_stage(changes=True)
def restart(api: Api, stream: str, note: str | None, as_json: bool) -> None:
    """Finish STREAM's current file, and continue in a new one."""
    _print_status(api, api.ask(stream, "restart", note=note), as_json)


@click.command("cancel-delay")
@_stream
@_note
@of_stage(changes=True)
def cancel_delay(api: Api, stream: str, note: str | None, as_json: bool) -> int:
    """End STREAM's merge delay now.

    After a stop, Live waits for this delay before it writes the file. With this command, the file
    appears at once. The exit code is 3 if neither Live nor the stage knew STREAM.
    """
    return _print_end(api, api.ask(stream, "cancel_delay", note=note), as_json)


@click.command()
@_stream
@of_stage(changes=False, many=True)
def status(api: Api, stream: str, as_json: bool) -> int:
    """Show the phase of STREAM, such as `recording`, and its reason.

    The exit code is 3 if STREAM should be recorded and is not, or should not be recorded and is. It
    is also 3 if the store was emptied, so that the stage does not know whether STREAM should be
    recorded.
    """
    answer = api.status(stream)
    _print_status(api, answer, as_json)
    return _asked(answer, as_json)


@click.command()
@_stream
@of_stage(changes=False, many=True)
def why(api: Api, stream: str, as_json: bool) -> int:
    """Explain whether STREAM is recorded, and why.

    The exit codes are those of `status`. If you name several stages, a stage without the domain of
    STREAM says so, and its exit code does not count.
    """
    answer = api.status(stream)
    rejected = None if answer["ever_live"] else api.rejected_callbacks(answer["stream"])
    if as_json:
        output.as_json({**answer, "refused": rejected})
    else:
        output.say(output.reason_sentence(answer, rejected))
        _suggest_similar_name(api, answer)
    return _asked(answer, as_json)


def _asked(answer: Json, as_json: bool) -> int:
    """Print the losses of the stream and its next attempt; return the exit code of `status` and
    `why`."""
    scheduled = output.scheduled_line(answer)
    wrong, as_of = output.wrong_words(answer), output.as_of_line(answer)
    lines = (as_of, wrong, output.attempt_line(answer), scheduled)
    for line in () if as_json else filter(None, lines):
        output.say(line)
    return AS_WANTED if output.is_as_wanted(answer) else NOT_AS_WANTED


@click.command()
@_stream
@_limit
@of_stage(changes=False)
def history(api: Api, stream: str, limit: int, as_json: bool) -> None:
    """List what happened to STREAM and why, newest first."""
    answer = api.history(stream, limit)
    nothing = _("the stream has no history yet")
    output.rows(answer, "history", output.history_line, as_json, nothing=nothing, limit=limit)
    if not (answer["history"] or as_json):
        suggest_for_nothing(api, stream)


@click.command()
@_stream
@_limit
@click.option(
    "--push-arg",
    default="",
    help="list only files of publishes with this argument in the push URL, such as"
    " `callback_id=42`",
)
@of_stage(changes=False)
def files(api: Api, stream: str, limit: int, push_arg: str, as_json: bool) -> None:
    """List the files that STREAM was recorded into, newest first."""
    answer = api.files(stream, limit, push_arg)
    nothing = _("the stream has no files yet")
    output.rows(answer, "files", output.file_line, as_json, nothing=nothing, limit=limit)
    if not (answer["files"] or as_json):
        suggest_for_nothing(api, stream)


@click.command("list")
@click.option(
    "--wrong",
    "is_wrong",
    is_flag=True,
    help="list only streams in a wrong state, such as those that should be recorded and are not;"
    " the exit code is 3 if there are any, or if the stage may not know all live streams",
)
@click.option("--phase", type=CHOICES["phase"], help="list only streams in this phase")
@click.option("--domain", help="list only streams of this domain")
@click.option("--app", help="list only streams of this application")
@limited(1000)
@of_stage(changes=False, many=True)
def list_streams(api: Api, is_wrong: bool, limit: int, as_json: bool, **filters: str | None) -> int:
    """List the streams that the stage knows.

    Streams in a wrong state come first.
    """
    answer = (_list_wrong if is_wrong else Api.list_recordings)(api, limit, **filters)
    shown = output.wrong_first(answer["recordings"])[:limit]
    answer = {**answer, "recordings": shown}
    nothing = _nothing_wrong(answer) if is_wrong else _("no streams")
    output.rows(answer, "recordings", output.list_line, as_json, nothing=nothing, limit=limit)
    for line in () if as_json else output.beside_lines(answer):
        output.say(line)
    is_bad = shown or answer["unreadable"] or answer["unusable"] or answer.get("problems")
    return NOT_AS_WANTED if is_wrong and is_bad else AS_WANTED


def _nothing_wrong(answer: Json) -> str:
    """Return a sentence: every stream is as wanted, or why the stage cannot know that."""
    if answer["unusable"]:
        return _("every stream that the stage can handle is as wanted")
    if not answer["problems"]:
        return _("every stream is as wanted")
    known = _("every known stream is as wanted, but the stage may not know every live stream")
    return "\n".join([known, *map(output.problem_sentence, answer["problems"])])


def _list_wrong(api: Api, limit: int, *, phase: str | None, **filters: str | None) -> Json:
    """Return the streams that are not as wanted. The stage filters those that are wrong, or in one
    of NOT_AS_WANTED_PHASES. It cannot filter others. So all streams are read if its health says
    that records cannot be read, that the store was emptied, or that stops are not sent."""
    phases = [each for each in output.NOT_AS_WANTED_PHASES if phase in (None, each)]
    wrong = api.list_recordings(limit, wrong="true", phase=phase, **filters)
    answers = [wrong, *(api.list_recordings(limit, phase=each, **filters) for each in phases)]
    rows = {row["stream"]: row for answer in answers for row in answer["recordings"]}
    problems = api.health().get("problems", ())
    everything, codes = wrong, {problem["code"] for problem in problems}
    if {"streams_quarantined", "mode_observe", STORE_EMPTIED} & codes:
        everything = api.list_recordings(ALL_ROWS, phase=phase, **filters)
        found = (row for row in everything["recordings"] if not output.is_as_wanted(row))
        rows |= {row["stream"]: row for row in found}
    return {
        **wrong,
        "recordings": list(rows.values()),
        "unreadable": everything["unreadable"],
        "problems": [problem for problem in problems if problem["code"] in BLIND],
    }


@click.command()
@of_stage(changes=False, many=True)
def health(api: Api, as_json: bool) -> int:
    """Show whether the stage is ready, and each of its problems.

    The exit code is 3 if the stage is not ready or has a problem.
    """
    answer = api.health()
    if as_json:
        output.as_json(answer)
    else:
        output.say("\n".join(output.health_lines(answer)))
    return AS_WANTED if output.is_healthy(answer) else NOT_AS_WANTED


@click.command()
@click.option("--once", is_flag=True, help="print once and exit")
@click.option(
    "--every",
    default=2.0,
    type=click.FloatRange(0.2),
    show_default=True,
    help="seconds between refreshes",
)
@without_effect("--once", "--every")
@stage_options(changes=False, many=True)
def watch(targets: Sequence[Target], once: bool, every: float, as_json: bool) -> None:
    """Show the stage and its streams, refreshed until Ctrl-C.

    With `--once`, the exit code is 3 if the stage has a problem, or if a stream is not recorded as
    it should be.
    """
    if once:
        sys.exit(max(_show_once(each, as_json=as_json) for each in targets))
    while True:
        if not as_json:
            click.clear()
        for each in targets:
            _refresh(each, every, as_json=as_json)
        time.sleep(every)


def _show_once(target: Target, *, as_json: bool) -> int:
    output.name_stage(target.name, plain=not as_json)
    return asking(target, _print_overview, NOT_ASKED, as_json=as_json)


def _refresh(target: Target, every: float, *, as_json: bool) -> None:
    """Show one stage. Go on while only the stage, or the way to it, is at fault."""
    output.name_stage(target.name, plain=not as_json)
    try:
        _print_overview(api_of(target), as_json=as_json)
    except (NoAnswer, StageRefusal) as failure:
        if not _is_transient(failure):
            show(failure, as_json=as_json)
            sys.exit(NOT_ASKED)
        retrying = _("{failure}. The next attempt is in {seconds:g} s.")
        click.echo(retrying.format(failure=clause_of(failure), seconds=every), err=True)


def _print_overview(api: Api, *, as_json: bool) -> int:
    health, answer = api.health(), _watched(api)
    if as_json:
        output.as_json({"health": health, **answer})
    else:
        output.say(output.overview(health, answer))
    is_known = not (answer["unreadable"] or answer["unusable"])
    is_wanted = is_known and all(map(output.is_as_wanted, answer["recordings"]))
    return AS_WANTED if is_wanted and output.is_healthy(health) else NOT_AS_WANTED


def _watched(api: Api) -> Json:
    """Return the first streams of a stage; of all the others, those that are not as wanted."""
    answer = api.list_recordings(_WATCHED)
    if answer["next"] is None:
        return answer
    rows = (*_list_wrong(api, ALL_ROWS, phase=None)["recordings"], *answer["recordings"])
    return {**answer, "recordings": list({row["stream"]: row for row in rows}.values())}


def _is_transient(failure: NoAnswer | StageRefusal) -> bool:
    """Return True if the stage or the network is at fault, and not the request."""
    return (
        not isinstance(failure, StageRefusal)
        or int(failure.problem["status"]) >= _SERVER_ERROR_STATUS
    )


def _print_status(api: Api, answer: Json, as_json: bool) -> None:
    if as_json:
        output.as_json(answer)
        return
    output.say(output.status_line(answer))
    _suggest_similar_name(api, answer)


def suggest_for_nothing(api: Api, stream: str) -> None:
    """Print a similar stream's name if this stream was never live. Call this after an answer
    without rows. If the token does not allow the requests for this, print nothing."""
    with suppress(NoAnswer, StageRefusal):
        _suggest_similar_name(api, api.status(stream))


def _suggest_similar_name(api: Api, answer: Json) -> None:
    """Print a similar stream's name if this stream was never live: its name may be mistyped."""
    if answer["ever_live"]:
        return
    known = [row["stream"] for row in api.list_recordings(1000)["recordings"] if row["ever_live"]]
    near = nearest(answer["stream"], known)
    if near:
        asked = _("The stage has never seen {stream} live. Did you mean {near}?")
        click.echo(asked.format(stream=answer["stream"], near=near), err=True)
