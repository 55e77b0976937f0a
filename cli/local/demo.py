"""`make demo`: records, interrupts, resumes and stops a stream, and checks the calls to Live and
the files.

The command demo calls run(). The demo drives the stage through its public API and the emulator's
control plane, as an operator and an encoder would.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from gettext import gettext as _
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from cli import output, texts
from cli.api import Api
from cli.errors import Failure
from cli.local.encoder import Encoder
from cli.local.scheduling_latency import SchedulingLatency
from cli.local.stack import TOKEN, Stack, running
from cli.polling import poll
from cli.report.text import lines
from cli.stage_registry import STATE
from cli.variables import without_ours
from shared.inbound.catalogue import Language, catalogue
from shared.protocol.reason import Reason

STREAM = "live.example.com/app/room1"
_POLICY = """\
[[domain]]
streaming = "live.example.com"
ingest = ["push.example.com"]
"""
BUCKETS = STATE / "demo"
OUTAGE_S = 1.0
"""How long the network is down."""
MIN_RECORDED_S = 1.5
"""How long each session is recorded, at least."""
STEP_TIMEOUT_S, LOOK_EVERY_S = 60.0, 0.02
"""Time limit of any one step, and pause between two checks of it."""
T = TypeVar("T")
ANNOUNCED_MS = 2_000
"""How long after the encoder has connected Live sends the publish callback."""
ACCOUNT_TOLERANCE_MS = 4_000
"""Tolerance between the unrecorded time by the report and by the wire. The report computes it from
four times, which Live gives in whole seconds."""
_SHOWN_OF_ACCOUNT = ("due_ms", "covered_ms", "missing_ms", "start_latency_ms", "ratio", "gaps")
TOLERANCE_MS = 300
"""Tolerance between the gap of the two files and the interruption on the wire; the scheduling
latency of the machine is added."""


def run(store: str) -> int:
    """Run the demo; return 0 if the calls to Live and the files are as expected.

    The demo uses a policy and settings of its own, whatever the user's are.
    """
    with (
        tempfile.TemporaryDirectory(prefix="live-record-") as folder,
        running(
            Path(folder),
            store=store,
            buckets=BUCKETS,
            policy=_policy(Path(folder)),
            environ=without_ours(os.environ),
        ) as stack,
    ):
        api = Api(stack.fc, TOKEN, language=texts.current_language())
        _say(_("ApsaraVideo Live and Function Compute are emulated on this machine."))
        stack.control("switches", start_after_interruption_within_delay="new_file")
        with SchedulingLatency() as latency:
            _play_scenario(stack, api)
        result = _report(stack, api, TOLERANCE_MS + latency.longest_ms)
    click.echo(json.dumps(result))
    return 0 if result["result"] == "ok" else 1


def _policy(folder: Path) -> Path:
    file = folder / "policy.toml"
    file.write_text(_POLICY, encoding="utf-8")
    return file


def _play_scenario(stack: Stack, api: Api) -> None:
    url = f"{stack.rtmp}/app/room1?vhost=push.example.com"
    _say(_("An operator asks for {stream}, which is not live yet.").format(stream=STREAM))
    _print_status(api.ask(STREAM, "start", note="morning show"))
    _say(_("An encoder pushes over RTMP; 2 s later Live's signed callback reaches the function."))
    with _encoder(url) as encoder:
        _wait_for_phase(api, "recording")
        _wait_for_frames(stack)
        _say(_("The network drops: Live stops the recording, and would never start it again."))
        encoder.cut()
    time.sleep(OUTAGE_S)
    _say(_("The encoder reconnects; the callback comes twice, as callbacks may."))
    stack.control("callbacks", do="duplicate", event="publish", times=1)
    with _encoder(url):
        _wait_for_history(api, "published_twice")
        _wait_for_phase(api, "recording")
        _wait_for_frames(stack)
        _say(_("The operator stops the recording, and wants the file at once."))
        api.ask(STREAM, "stop", finalize=True, note="show is over")
        _wait_for_phase(api, "idle")
        _wait_for_files(api, 2)


@contextmanager
def _encoder(url: str) -> Iterator[Encoder]:
    with Encoder(url) as encoder:
        if encoder.refusal:
            raise Failure(_("the encoder could not push: {answer}").format(answer=encoder.refusal))
        yield encoder


def _wait_for_phase(api: Api, phase: str) -> None:
    answer = _poll(lambda: api.status(STREAM), lambda answer: answer["phase"] == phase)
    if answer["phase"] != phase:
        sentence = _("{stream} is in the phase {phase} and not {expected}: {reason}")
        raise Failure(
            sentence.format(
                stream=STREAM,
                phase=output.phase_word(answer["phase"]),
                expected=output.phase_word(phase),
                reason=answer["reason"]["text"],
            )
        )
    _print_status(answer)


def _poll(ask: Callable[[], T], is_done: Callable[[T], bool]) -> T:
    return poll(ask, is_done, wait_s=STEP_TIMEOUT_S, every_s=LOOK_EVERY_S)


def _wait_for_history(api: Api, code: str) -> None:
    """Wait for a history entry: it alone shows that the duplicate callback has arrived."""
    if not _poll(lambda: code in _history_codes(api), bool):
        sentence = _("the history of {stream} never had {code}")
        raise Failure(sentence.format(stream=STREAM, code=code))


def _history_codes(api: Api) -> Sequence[str]:
    return [line["code"] for line in api.history(STREAM)["history"]]


def _wait_for_files(api: Api, count: int) -> None:
    if not _poll(lambda: len(api.files(STREAM)["files"]) >= count, bool):
        sentence = _("files of {stream}: expected {count}, but did not find them")
        raise Failure(sentence.format(stream=STREAM, count=count))


def _wait_for_frames(stack: Stack) -> None:
    """Wait for frames in the file, not for time: a busy machine pushes them late."""
    if not _poll(lambda: _filmed_ms(stack) >= MIN_RECORDED_S * 1000, bool):
        sentence = _("{stream} was recorded for less than {seconds} s")
        raise Failure(sentence.format(stream=STREAM, seconds=MIN_RECORDED_S))


def _filmed_ms(stack: Stack) -> int:
    return int((_stream(stack)["recording"] or {}).get("filmed_ms", 0))


def _report(stack: Stack, api: Api, tolerance_ms: int) -> dict[str, Any]:
    calls, wire = _commands_sent(stack), stack.calls()
    _print_history(api, calls)
    files = _recorded_files(stack)
    outcomes = _verified(stack, api)
    _print_files(files, outcomes)
    publishes = [_at_ms(c) for c in wire["callbacks"] if c["event"] == "publish"]
    gone = next(_at_ms(c) for c in wire["callbacks"] if c["event"] == "publish_done")
    first, again = [_at_ms(call) for call in calls if call["code"] is None][:2]
    duplicates = len(wire["duplicates"])
    expected = ["start", "start", "start", "stop", "cancel_delay"]
    gap_ms = _gap_ms(files)
    is_as_expected = [call["command"] for call in calls] == expected and duplicates == 0
    are_verified = all(outcome == "verified" for outcome in outcomes)
    unrecorded_ms = (first - publishes[0]) + (again - publishes[1]) + 2 * ANNOUNCED_MS
    gap = _(
        "    gap between the two files: {gap} ms; from the interruption to the next start: {outage}"
        " ms"
    )
    click.echo(gap.format(gap=gap_ms, outage=again - gone))
    account = _account(api)
    is_as_counted = abs(_unrecorded_ms(account) - unrecorded_ms) <= ACCOUNT_TOLERANCE_MS
    return {
        "result": "ok"
        if is_as_expected
        and are_verified
        and is_as_counted
        and abs(gap_ms - (again - gone)) <= tolerance_ms
        else "wrong",
        "publish_to_start_ms": first - publishes[0],
        "interruption_to_restart_ms": again - gone,
        "republish_to_start_ms": again - publishes[1],
        "commands_sent": len(calls),
        "duplicates_sent": duplicates,
        "coverage": {name: account[name] for name in _SHOWN_OF_ACCOUNT},
        "unrecorded_on_wire_ms": unrecorded_ms,
        "files": [
            {"path": file["path"], "duration": file["duration_ms"] / 1000, "verified": outcome}
            for file, outcome in zip(files, outcomes, strict=True)
        ],
    }


def _account(api: Api) -> Mapping[str, Any]:
    """Return the coverage of the stream, after printing what `report` says about it."""
    report = api.coverage(STREAM, {"from": "1h"})
    _say(_("What `live-record report` says of the stream:"))
    for line in lines(report["streams"]):
        click.echo(f"    {line}")
    (account,) = report["streams"]
    return cast("Mapping[str, Any]", account)


def _unrecorded_ms(account: Mapping[str, Any]) -> int:
    return int(account["missing_ms"]) + int(account["start_latency_ms"])


def _verified(stack: Stack, api: Api) -> Sequence[str]:
    """Let the stage verify the files, and return the verdict of each, the oldest first. A run of
    the timer may be verifying one of them at the same time."""

    def verdicts() -> Sequence[Mapping[str, Any] | None]:
        stack.fire_timer("files")
        return [file["verified"] for file in reversed(api.files(STREAM)["files"])]

    return [verdict["outcome"] if verdict else "" for verdict in _poll(verdicts, all)]


def _stream(stack: Stack) -> Mapping[str, Any]:
    stream: Mapping[str, Any]
    (stream,) = stack.get("state", stream="room1")["streams"]
    return stream


def _recorded_files(stack: Stack) -> Sequence[Mapping[str, Any]]:
    files: list[Mapping[str, Any]] = _stream(stack)["kept"]
    return files


def _gap_ms(files: Sequence[Mapping[str, Any]]) -> int:
    """Return the ms between the last frame of the first file and the first frame of the second."""
    if len(files) < 2:  # noqa: PLR2004 - a gap has two sides
        sentence = _("two sessions should leave two files, but left {count}")
        raise Failure(sentence.format(count=len(files)))
    return int(files[1]["began_ms"]) - int(files[0]["ended_ms"])


def _print_files(files: Sequence[Mapping[str, Any]], outcomes: Sequence[str]) -> None:
    _say(_("What was recorded and verified; ffplay, mpv and VLC play it:"))
    for file, outcome in zip(files, outcomes, strict=True):
        line = _("    {seconds:6.3f} s  {outcome}  ffplay {file}")
        shown = {"seconds": file["duration_ms"] / 1000, "file": file["path"]}
        click.echo(
            line.format(**shown, outcome=_("verified") if outcome == "verified" else outcome)
        )


def _print_history(api: Api, calls: Sequence[Mapping[str, Any]]) -> None:
    _say(_("What happened, by the stream's own history:"))
    history = list(reversed(api.history(STREAM)["history"]))
    for line in history:
        click.echo(f"    {line['at'][11:23]}  {line['text']}")
    _say(_("Each command to Live, its answer and its cause, as the emulator counted them:"))
    because = _("because")
    for call, cause in zip(calls, causes(history), strict=True):
        answer = f"{call['status']} {call['code'] or 'OK'}"
        click.echo(f"    {call['command']:<12} {answer:<20} {because} {cause}")


def causes(history: Sequence[Mapping[str, Any]]) -> Sequence[str]:
    """Return the cause of each command that reached Live, oldest first. `history` holds the
    stream's history entries, also oldest first. A command that missed its slot on a busy machine
    did not reach Live: its entry `sent` is followed by `never_sent`."""
    words = catalogue(Language(texts.current_language())).reasons[Reason.SENT.value]
    before_cause = words.partition("{command}")[2].partition("{reason}")[0]
    lines = zip_longest(history, history[1:], fillvalue={"code": ""})
    return [
        line["text"].partition(before_cause)[2]
        for line, after in lines
        if line["code"] == "sent" and after["code"] != "never_sent"
    ]


def _commands_sent(stack: Stack) -> Sequence[Mapping[str, Any]]:
    calls: list[Mapping[str, Any]] = stack.calls()["calls"]
    return [call for call in calls if call["action"] == "RealTimeRecordCommand"]


def _at_ms(event: Mapping[str, Any]) -> int:
    return int(event["at_ms"])


def _say(text: str) -> None:
    click.echo(f"\n{text}")


def _print_status(answer: Mapping[str, Any]) -> None:
    phase = output.phase_word(answer["phase"])
    click.echo(_("    -> {phase}: {reason}").format(phase=phase, reason=answer["reason"]["text"]))
