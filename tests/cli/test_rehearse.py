"""`live-record rehearse`: GO, NO-GO with the cause, and nothing left, however it ends."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner, Result

from benchmarks.rehearsals import (
    FAULTS,
    POLICY,
    STREAM,
    PlantedFault,
    RehearsedStage,
    judged,
    rehearsed_stage,
)
from cli.account import Declined, account_at
from cli.api import Api
from cli.errors import Failure, NoAnswer
from cli.main import main
from cli.rehearsal.interruption import Interruption
from cli.rehearsal.objects import LEFT_AFTER_S, RehearsalObjects, is_left, throwaway_name
from cli.rehearsal.outcome import EXIT_CODES, Outcome, Step, StepFailed, Verdict, verdict_lines
from cli.rehearsal.push_url import push_url
from cli.rehearsal.run import rehearse
from cli.rehearsal.steps import Skipped
from emulator.live import LiveInThread
from emulator.live.publishers import is_signed
from shared.protocol import StreamKey
from shared.protocol.command_errors import LiveError, NeverSent
from tests.support.http_stage import TOKEN, HttpStage, http_stage
from tests.support.receiver import poll

OBJECTS = ("stage", "buckets", "dev-bucket")
IN_CI = (
    "ingest callbacks are signed with another key",
    "the application has no recording configuration",
    "nobody takes the push",
    "Live finds no configuration for the stream",
    "the file is cut off",
)


# --- how the steps are performed


class Script:
    """Steps that do what a test says; `remove` is performed once."""

    def __init__(self, *acts: Callable[[], str], is_begun: bool = True) -> None:
        self._acts, self.is_begun = acts, is_begun
        self.performed: list[str] = []

    def in_order(self) -> Sequence[tuple[str, Callable[[], str]]]:
        return [(f"step{number}", self._noted(number)) for number in range(len(self._acts))]

    def _noted(self, number: int) -> Callable[[], str]:
        def act() -> str:
            self.performed.append(f"step{number}")
            return self._acts[number]()

        return act

    def remove(self) -> str:
        self.performed.append("removed")
        return "removed"

    def keep(self, outcome: Outcome) -> str:
        self.performed.append(f"kept {outcome.verdict.value}")
        return "kept"


def performed(script: Script) -> Outcome:
    outcome = Outcome("live.example.com/app", "live.example.com/app/x")
    lines: list[Step] = []
    with Interruption() as interruption:
        rehearse(script, outcome, interruption, lines.append)
    assert lines == outcome.steps
    return outcome


def fine() -> str:
    return "fine"


def ends_by(number: signal.Signals) -> str:
    os.kill(os.getpid(), number)
    return "went on"


def fails(error: Exception) -> Callable[[], str]:
    def act() -> str:
        raise error

    return act


def test_every_step_that_holds_is_go() -> None:
    script = Script(fine, fails(Skipped("nothing to do")), fine)
    outcome = performed(script)
    assert (outcome.verdict, EXIT_CODES[outcome.verdict]) == (Verdict.GO, 0)
    assert script.performed == ["step0", "step1", "step2", "removed", "kept go"]
    assert verdict_lines(outcome) == ("GO: live.example.com/app is recorded.",)


@pytest.mark.parametrize(
    ("error", "cause", "fix"),
    [
        (StepFailed("the cause", "the fix"), "the cause", "the fix"),
        (Failure("no answer"), "no answer", "Fix the cause, then rehearse again."),
        (
            Declined("DeleteObject", LiveError("AccessDenied", "no", status=403)),
            "DeleteObject: AccessDenied: no",
            "Grant your own access key the action `oss:DeleteObject`.",
        ),
        (
            Declined("ListObjects", LiveError("NoSuchBucket", "none", status=404)),
            "ListObjects: NoSuchBucket: none",
            "Fix the cause, then rehearse again.",
        ),
        (
            Declined("DeleteObject", NeverSent("", "no answer")),
            "DeleteObject: no answer",
            "Fix the cause, then rehearse again.",
        ),
    ],
)
def test_the_first_that_fails_is_the_cause_and_nothing_follows_it(
    error: Exception, cause: str, fix: str
) -> None:
    script = Script(fine, fails(error), fine)
    outcome = performed(script)
    assert (outcome.verdict, EXIT_CODES[outcome.verdict]) == (Verdict.NO_GO, 3)
    assert script.performed == ["step0", "step1", "removed", "kept no-go"]
    assert verdict_lines(outcome) == (f"NO-GO: {cause}", f"Next: {fix}")


@pytest.mark.parametrize(
    "error",
    [
        StepFailed("down", "bring it up", is_unasked=True),
        Declined("DescribeLiveRecordConfig", NeverSent("", "no answer")),
        NoAnswer("the stage does not answer"),
    ],
)
def test_what_could_not_be_asked_is_neither_go_nor_no_go(error: Exception) -> None:
    script = Script(fails(error), is_begun=False)
    outcome = performed(script)
    assert (outcome.verdict, EXIT_CODES[outcome.verdict]) == (Verdict.NOT_ASKED, 4)
    assert script.performed == ["step0", "removed"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_signal_at_any_step_ends_it_and_everything_is_removed(
    at: int, number: signal.Signals
) -> None:
    acts = [fine, fine, fine]
    acts[at] = lambda: ends_by(number)
    script = Script(*acts)
    outcome = performed(script)
    assert (outcome.verdict, EXIT_CODES[outcome.verdict]) == (Verdict.INTERRUPTED, 4)
    assert script.performed == [*(f"step{n}" for n in range(at + 1)), "removed"]


def test_a_signal_does_not_end_the_removal_and_a_second_one_does(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Interrupted(Script):
        def remove(self) -> str:
            ends_by(signal.SIGINT)
            return super().remove()

    script = Interrupted(fine)
    assert performed(script).verdict is Verdict.INTERRUPTED
    assert script.performed == ["step0", "removed"]
    assert "Press Ctrl-C again to end at once" in capsys.readouterr().err
    with pytest.raises(KeyboardInterrupt):
        performed(Interrupted(lambda: ends_by(signal.SIGINT)))


def test_a_signal_while_the_verdict_is_kept_does_not_end_that() -> None:
    class Interrupted(Script):
        def keep(self, outcome: Outcome) -> str:
            ends_by(signal.SIGINT)
            return super().keep(outcome)

    script = Interrupted(fine)
    assert performed(script).verdict is Verdict.GO
    assert script.performed == ["step0", "removed", "kept go"]


# --- names and addresses


def test_an_address_is_signed_as_the_ingest_domain_wants_it() -> None:
    key = StreamKey("live.example.com", "app", "room 1")
    url = push_url("", key, ingest="push.example.com", push_key="hush", at_s=1_700_000_000)
    place, _, query = url.partition("?")
    assert place == "rtmp://push.example.com/app/room%201"
    assert "hush" not in url
    assert is_signed(query.partition("=")[2], "/app/room 1", "hush", 1_700_000_000)
    assert push_url("", key, ingest="push.example.com", push_key="", at_s=0) == place


def test_only_what_a_rehearsal_of_long_ago_has_left_is_left() -> None:
    name = throwaway_name(1_700_000_000, "0123abcd")
    key = f"record/app/{name}/2026.flv"
    assert StreamKey("live.example.com", "app", name).is_rehearsal
    assert not is_left(key, 1_700_000_000 + LEFT_AFTER_S)
    assert is_left(key, 1_700_000_001 + LEFT_AFTER_S)
    assert not is_left("record/app/live-record-rehearsal-mine/2026.flv", 1_900_000_000)


def test_what_a_long_rehearsal_has_made_is_not_also_what_another_has_left(tmp_path: Path) -> None:
    own, other = (throwaway_name(1_700_000_000, f"0123abc{end}") for end in "de")
    app = tmp_path / "dev-bucket" / "record" / "app"
    for name in (own, other, "room1"):
        (app / name).mkdir(parents=True)
        (app / name / "1.flv").write_bytes(b"left")
    formats = [{"OssObjectPrefix": "record/{AppName}/{StreamName}/{StartTime}"}]
    configuration = {"OssBucket": "dev-bucket", "RecordFormat": formats}
    stream = StreamKey("live.example.com", "app", own)
    with LiveInThread(buckets=tmp_path) as live:
        found = RehearsalObjects(account_at(live.address), "app", configuration)
        names = found.own_and_left(stream, [f"record/app/{own}/1.flv"], 1_700_009_000)

    assert names == ([f"record/app/{own}/1.flv"], [f"record/app/{other}/1.flv"])


# --- what is refused before anything begins


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[HttpStage]:
    with http_stage(tmp_path, POLICY.format(receiver="http://127.0.0.1:9")) as alone:
        yield alone


def run(alone: HttpStage, *options: str) -> Result:
    where = ("--url", alone.url, "--token", TOKEN, "--live", alone.live)
    return CliRunner().invoke(main, ["rehearse", *options, *where])


@pytest.mark.parametrize("options", [(), (STREAM, "--schedule", "tuesdays")])
def test_either_a_stream_or_a_schedule_is_rehearsed(
    alone: HttpStage, options: tuple[str, ...]
) -> None:
    refused = run(alone, *options, "--yes")
    assert (refused.exit_code, "Name either a STREAM or a schedule" in refused.output) == (2, True)


@pytest.mark.parametrize("to", ["foo", "http://push.example.com", "rtmp://[bad", "rtmp://a:99999"])
def test_an_address_that_nothing_can_be_pushed_to_costs_no_rehearsal(
    alone: HttpStage, to: str
) -> None:
    refused = run(alone, STREAM, "--push-to", to, "--yes")
    assert (refused.exit_code, "--push-to: The address is not a URL" in refused.output) == (2, True)


def test_it_says_what_it_costs_and_begins_only_if_somebody_agrees(alone: HttpStage) -> None:
    refused = run(alone, STREAM)
    assert (refused.exit_code, "To confirm, pass `--yes`" in refused.output) == (2, True)
    assert "Alibaba Cloud charges your account for each rehearsal" in refused.output
    assert alone.remote.calls()["calls"] == []


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("other.example.com/app/room1",), "other.example.com"),
        (
            ("--schedule", "none"),
            "there is no schedule with that id (see `live-record schedule list`)",
        ),
        ((STREAM, "--url", "http://127.0.0.1:9"), "cannot be reached"),
    ],
)
def test_what_cannot_be_asked_is_neither_go_nor_no_go(
    alone: HttpStage, options: tuple[str, ...], why: str
) -> None:
    where = ("--url", alone.url) if "--url" not in options else ()
    command = ["rehearse", *where, *options, "--token", TOKEN, "--live", alone.live, "--yes"]
    refused = CliRunner().invoke(main, command)
    assert (refused.exit_code, why in refused.output) == (4, True), refused.output


def test_a_wrong_access_key_is_neither_go_nor_no_go_and_replaces_no_result(
    alone: HttpStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = Api(alone.url, TOKEN)
    api.store_rehearsal(STREAM, "go", "", "")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "dev")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "wrong")
    ended = run(alone, STREAM, "--yes")
    assert (ended.exit_code, "neither GO nor NO-GO" in ended.output) == (4, True), ended.output
    assert "ALIBABA_CLOUD_ACCESS_KEY_ID" in ended.output
    assert (api.last_rehearsal(STREAM) or {})["verdict"] == "go"


def test_a_fix_names_the_stage_and_live_as_the_command_did(tmp_path: Path) -> None:
    domain = '[[domain]]\nstreaming = "live.example.com"\ningest = ["push.example.com"]\n'
    with http_stage(tmp_path, domain) as stage:
        stage.remote.notify(stream_url="http://127.0.0.1:9/")
        (rehearsal,) = json.loads(run(stage, STREAM, "--yes", "--json").stdout)["rehearsals"]

    assert (rehearsal["verdict"], rehearsal["steps"][0]["step"]) == ("no-go", "doctor")
    assert rehearsal["fix"].startswith("live-record setup ")
    assert rehearsal["fix"].endswith(f" --url {stage.url} --live {stage.live}")


def test_a_schedule_is_rehearsed_once_for_each_application(alone: HttpStage) -> None:
    streams = ["app/room1", "app/room2", "other/room1"]
    api = Api(alone.url, TOKEN)
    times = {"start": "2030-01-01T19:00:00", "end": "2030-01-01T20:00:00"}
    named = [f"live.example.com/{stream}" for stream in streams]
    api.put_schedule("show", {"streams": named, "timezone": "Asia/Shanghai", **times})
    refused = run(alone, "--schedule", "show")
    assert "Applications to rehearse, one after the other: 2." in " ".join(refused.output.split())


# --- between the emulators


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedStage]:
    with rehearsed_stage(tmp_path_factory.mktemp("rehearsed")) as stage:
        yield stage


def objects(stage: RehearsedStage) -> list[str]:
    folder = stage.folder.joinpath(*OBJECTS)
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file())


def heal(stage: RehearsedStage) -> None:
    for what in ("fail", "callbacks", "objects"):
        requests.delete(f"{stage.stack.live}/_control/{what}", timeout=60).raise_for_status()
    stage.live.notify(stream_key="dev-stream-key-0000")


def is_recorded(stage: RehearsedStage) -> bool:
    streams: list[dict[str, Any]] = stage.live.get("state")["streams"]
    return any((one["recording"] or {}).get("state") == "recording" for one in streams)


def is_live(stage: RehearsedStage) -> bool:
    return any(one["live"] for one in stage.live.get("state")["streams"])


def put_object(stage: RehearsedStage, key: str) -> None:
    path: Path = stage.folder.joinpath(*OBJECTS, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"left")


@pytest.mark.slow
def test_it_is_go_and_five_faults_are_no_go_and_nothing_is_left(stage: RehearsedStage) -> None:
    others = ["record/app/live-record-rehearsal-mine/1.flv", "record/app/room1/1.flv"]
    for key in (*others, f"record/app/{throwaway_name(1_700_000_000, '0123abcd')}/1.flv"):
        put_object(stage, key)
    code, answer = stage.rehearse(STREAM, patience_s=30)
    assert (code, answer["verdict"]) == (0, "go"), answer
    steps = {one["step"]: one for one in answer["rehearsals"][0]["steps"]}
    removed = "objects deleted: 1, and 1 more that a killed rehearsal had left"
    assert steps["removed"]["text"] == removed
    assert steps["message"]["text"].startswith("robot ops accepted the message")
    assert objects(stage) == others
    faults: dict[str, PlantedFault] = {fault.name: fault for fault in FAULTS}
    for name in IN_CI:
        assert judged(stage, faults[name]).wrong == ""
        heal(stage)
        assert (objects(stage), is_live(stage), is_recorded(stage)) == (others, False, False), name


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_what_ends_it_leaves_no_recording(stage: RehearsedStage, number: signal.Signals) -> None:
    """Killed, it leaves an object, which the next one deletes once it is certain that it ended."""
    before = objects(stage)
    with stage.process("rehearse", STREAM, "--stage", "dev", "--yes") as running:
        poll(lambda: is_recorded(stage))
        running.send_signal(number)
        out, _err = running.communicate(timeout=60)
    poll(lambda: not is_live(stage))
    if number is signal.SIGINT:
        assert running.returncode == 4
        assert out.splitlines()[-1] == "The rehearsal was interrupted: neither GO nor NO-GO."
        assert not is_recorded(stage)
        assert objects(stage) == before
    else:
        poll(lambda: not is_recorded(stage))
