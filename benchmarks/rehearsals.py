"""Plants faults under a stage, and compares what `live-record rehearse` says of each.

`python -m benchmarks.rehearsals --json` rehearses once without a fault and once with each, every
time on a new stage between the emulators; `--only NAME` runs one. It exits with 1 unless the
verdict was GO without a fault, and NO-GO at the right step with the right sentence for each.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.rows import show
from cli.local.readiness import make_ready
from cli.local.stack import TOKEN, Stack, running
from cli.paths import ROOT
from cli.policy_file import read_policy
from emulator.live import Remote
from emulator.robots import Feishu, RobotsInThread
from emulator.webhook_receiver import WebhookReceiver

STREAM, OTHER = "live.example.com/app/room1", "live.example.com/other/room1"
SECRET = "whsec_ZGV2LXdlYmhvb2stc2VjcmV0LTAwMDAwMDAwMDAwMDA="  # noqa: S105 - the development account's
POLICY = """
[[domain]]
streaming = "live.example.com"
ingest = ["push.example.com"]
[[notify]]
sink = "ops"
[[webhook]]
name = "crm"
url = "{receiver}/crm"
secrets = ["dev"]
"""
NOBODY = "http://127.0.0.1:9/"
ALWAYS = 1_000_000
PATIENCE_S, SHORT_PATIENCE_S = 30.0, 6.0
START = {"action": "RealTimeRecordCommand", "command": "start", "times": ALWAYS}
COMMAND_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class RehearsedStage:
    """A stage, with its robot and its receiver of webhooks."""

    stack: Stack
    live: Remote
    folder: Path
    receiver: WebhookReceiver
    robots: RobotsInThread

    def apply(self, change: Callable[[dict[str, Any]], object]) -> None:
        from cli.api import Api

        api = Api(self.stack.fc, TOKEN)
        answer = api.policy()
        change(answer["policy"])
        api.apply_policy(answer["policy"], replaces=answer["newest"])

    def rehearse(self, *options: str, patience_s: float) -> tuple[int, dict[str, Any]]:
        """Return the exit code and the answer of the command, in a process of its own."""
        command = ["rehearse", *options, "--stage", "dev", "--yes", "--json"]
        finished = self.process(*command, "--patience", str(patience_s))
        out, err = finished.communicate(timeout=COMMAND_TIMEOUT_S)
        return finished.returncode, json.loads(out) if out.strip() else {"verdict": err}

    def process(self, *command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "cli.main", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "LIVE_RECORD_STAGES": str(self.folder / "stages.toml")},
        )


@contextmanager
def rehearsed_stage(folder: Path) -> Iterator[RehearsedStage]:
    """Run a stage with a robot and a receiver of webhooks."""
    robot, policy = Feishu("hook-1", "secret-1"), folder / "policy.toml"
    now_ms = lambda: time.time_ns() // 1_000_000  # noqa: E731 - the robots' clock
    with (
        WebhookReceiver(SECRET) as receiver,
        RobotsInThread([robot], now_ms) as robots,
    ):
        policy.write_text(POLICY.format(receiver=receiver.address), encoding="utf-8")
        known = {"LIVE_RECORD_ROBOTS": f"ops={robots.address(robot)}#secret-1"}
        with running(folder / "stage", rtmp_port=0, policy=policy, settings=known) as stack:
            make_ready(stack, read_policy(policy))
            rows = {"url": stack.fc, "token": TOKEN, "live": stack.live, "rtmp": stack.rtmp}
            table = "".join(f'{name} = "{value}"\n' for name, value in rows.items())
            (folder / "stages.toml").write_text(f"[dev]\n{table}", encoding="utf-8")
            yield RehearsedStage(stack, Remote(stack.live), folder, receiver, robots)


Plant = Callable[[RehearsedStage], object]


@dataclass(frozen=True)
class PlantedFault:
    """`step` is the step that must find the fault; `says` is a part of its sentence. `patience_s`
    is short for faults with which nothing would ever come."""

    name: str
    plant: Plant
    step: str
    says: str
    options: tuple[str, ...] = (STREAM,)
    patience_s: float = PATIENCE_S


def _away(stage: RehearsedStage) -> None:
    stage.robots.is_away = True


FAULTS = (
    PlantedFault(
        "ingest callbacks go elsewhere",
        lambda stage: stage.live.notify(stream_url=NOBODY),
        "doctor",
        "ingest callbacks",
    ),
    PlantedFault(
        "no recording callbacks",
        lambda stage: stage.live.notify(record_url=""),
        "doctor",
        "Live does not report how",
    ),
    PlantedFault(
        "ingest callbacks are signed with another key",
        lambda stage: stage.live.notify(stream_key="another-key-00000000"),
        "doctor",
        "key",
    ),
    PlantedFault(
        "the bucket does not exist",
        lambda stage: stage.live.post(
            "recording",
            {"domain": "live.example.com", "app": "app", "on_demand": 7, "bucket": "gone-bucket"},
        ),
        "doctor",
        "gone-bucket",
    ),
    PlantedFault(
        "the application has no recording configuration",
        lambda _stage: None,
        "configuration",
        "No recording configuration covers live.example.com/other/room1",
        (OTHER,),
    ),
    PlantedFault(
        "Live records by itself",
        lambda stage: stage.live.post(
            "recording", {"domain": "live.example.com", "app": "app", "on_demand": 0}
        ),
        "configuration",
        "without being asked",
    ),
    PlantedFault(
        "nobody takes the push",
        lambda _stage: None,
        "pushed",
        "cannot be reached",
        (STREAM, "--push-to", "rtmp://127.0.0.1:9"),
    ),
    PlantedFault(
        "callbacks of a publish are lost",
        lambda stage: stage.live.detour("drop", event="publish", times=ALWAYS),
        "pushed",
        "has not detected the stream",
        patience_s=SHORT_PATIENCE_S,
    ),
    PlantedFault(
        "the stage only observes",
        lambda stage: stage.apply(lambda policy: policy.update(mode="observe")),
        "confirmed",
        "only observes",
        patience_s=SHORT_PATIENCE_S,
    ),
    PlantedFault(
        "the role lacks the permission to send a start",
        lambda stage: stage.live.fail(code="Forbidden.RAM", status=403, **START),
        "started",
        "refused live-record's own credentials",
    ),
    PlantedFault(
        "Live finds no configuration for the stream",
        lambda stage: stage.live.fail(code="CodeConfigNotFound", status=400, **START),
        "started",
        "no recording configuration covers the stream",
    ),
    PlantedFault(
        "others use the account's rate",
        lambda stage: stage.live.fail(code="Throttling.User", status=400, **START),
        "confirmed",
        "more than 50 commands a second",
        patience_s=SHORT_PATIENCE_S,
    ),
    PlantedFault(
        "Live accepts a start and does nothing",
        lambda stage: stage.live.fail(transport="swallow", **START),
        "confirmed",
        "is not recorded after 6 s. The stage says: Live accepted start",
        patience_s=SHORT_PATIENCE_S,
    ),
    PlantedFault(
        "a second start is refused",
        lambda stage: stage.live.fail(code="Forbidden.RAM", status=403, every=2, **START),
        "reconnected",
        "an operator must fix that",
        patience_s=SHORT_PATIENCE_S,
    ),
    PlantedFault(
        "a stop does not come through",
        lambda stage: stage.live.fail(
            action="RealTimeRecordCommand",
            command="stop",
            code="ServiceUnavailable",
            status=503,
            times=ALWAYS,
        ),
        "stopped",
        "Live was unavailable",
        patience_s=SHORT_PATIENCE_S,
    ),
    PlantedFault(
        "the callback of a file is lost",
        lambda stage: stage.live.detour("drop", event="file", times=ALWAYS),
        "file",
        "Live reported no file",
        patience_s=SHORT_PATIENCE_S,
    ),
    PlantedFault(
        "the file is missing",
        lambda stage: stage.live.object_fault("missing"),
        "verified",
        "The file is missing in the bucket",
        patience_s=SHORT_PATIENCE_S,
    ),
    PlantedFault(
        "the file is cut off",
        lambda stage: stage.live.object_fault("truncated"),
        "verified",
        "The file was cut off",
    ),
    PlantedFault("the robot does not answer", _away, "message", "ops", patience_s=SHORT_PATIENCE_S),
    PlantedFault(
        "the receiver of webhooks fails",
        lambda stage: stage.receiver.behave("/crm", "status:500"),
        "message",
        "crm did not accept the test event",
    ),
    PlantedFault(
        "the operator may not delete objects",
        lambda stage: stage.live.fail(
            action="DeleteObject", code="AccessDenied", status=403, times=ALWAYS
        ),
        "removed",
        "DeleteObject",
    ),
)


@dataclass(frozen=True)
class Judged:
    """The result of a rehearsal with one fault; `wrong` says what is wrong with it, "" if nothing
    is."""

    fault: str
    verdict: str
    step: str
    cause: str
    fix: str
    took_s: float
    slowest: str = ""
    wrong: str = ""


def judged(stage: RehearsedStage, fault: PlantedFault | None) -> Judged:
    """Rehearse with the fault, or without any; return the result, and whether it is right."""
    if fault is not None:
        fault.plant(stage)
    began = time.monotonic()
    patience_s = fault.patience_s if fault else PATIENCE_S
    options = fault.options if fault else (STREAM,)
    code, answer = stage.rehearse(*options, patience_s=patience_s)
    took_s = round(time.monotonic() - began, 1)
    rows: Sequence[dict[str, Any]] = answer.get("rehearsals") or ({},)
    steps: Sequence[dict[str, Any]] = rows[0].get("steps", ())
    failed = [one for one in steps if one["result"] == "failed"]
    longest = max(steps, key=lambda one: one["took_ms"], default={"step": "", "took_ms": 0})
    slowest = f"{longest['step']} {longest['took_ms']} ms"
    found = failed[0] if failed else {"step": "", "text": "", "fix": ""}
    wrong = _wrong(fault, code, str(answer["verdict"]), found)
    name = fault.name if fault else "none"
    return Judged(
        name, answer["verdict"], found["step"], found["text"], found["fix"], took_s, slowest, wrong
    )


def _wrong(fault: PlantedFault | None, code: int, verdict: str, found: dict[str, Any]) -> str:
    if fault is None:
        return "" if (code, verdict) == (0, "go") else f"exit {code}, {verdict}"
    if (code, verdict) != (3, "no-go"):
        return f"exit {code}, {verdict}"
    if found["step"] != fault.step:
        return f"found by {found['step']}, not by {fault.step}"
    if not found["fix"]:
        return "it does not say what to do"
    return "" if fault.says in found["text"] else f"it does not say {fault.says!r}"


def main(argv: list[str]) -> int:
    arguments = _parser().parse_args(argv)
    chosen = [one for one in FAULTS if not arguments.only or one.name in arguments.only]
    rows = []
    for fault in (None, *chosen):
        with tempfile.TemporaryDirectory() as folder, rehearsed_stage(Path(folder)) as stage:
            rows.append(judged(stage, fault))
        show(vars(rows[-1]), as_json=arguments.json)
    summary = {
        "faults": len(chosen),
        "right": sum(not one.wrong for one in rows[1:]),
        "go_s": rows[0].took_s,
        "passed": not any(one.wrong for one in rows),
    }
    show(summary, as_json=arguments.json)
    return 0 if summary["passed"] else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rehearsals", description=__doc__)
    names = [fault.name for fault in FAULTS]
    parser.add_argument("--only", action="append", choices=names, help="plant this fault alone")
    parser.add_argument("--json", action="store_true", help="one JSON document a rehearsal")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
