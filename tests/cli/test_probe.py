"""live-record probe: it finds how each switch of the emulator is set, and leaves nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from cli import stage_registry
from cli.account import account_at
from cli.main import main
from cli.paths import ROOT
from cli.probe.experiments import EXPERIMENTS
from cli.probe.load import LOAD_EXPERIMENTS, CommandAnswer, classify_limiter
from cli.probe.publisher import ManualPublisher
from cli.probe.run import ALL_EXPERIMENTS, UNANSWERABLE
from cli.setup.configurations import ConfigTarget, read, recordings
from cli.stage_registry import Target, register
from cli.texts import use_language
from emulator.live import load_account
from emulator.live.account import Manners
from emulator.live.switches import Switches
from tests.support.http_stage import TOKEN, HttpStage, http_stage
from tests.support.receiver import poll

pytestmark = pytest.mark.slow

POLICY = """
[[domain]]
streaming = "live.example.com"
ingest = ["push.example.com"]
[[rule]]
match = { domain = "live.example.com", app = "app" }
on_publish = "record"
"""
QUICK = replace(load_account(), manners=Manners(timeout_ms=1_500), commands_per_second=10)
TOO_SLOWLY = "too slowly"
"""What the probe says where a busy machine does not reach the limit: it says nothing false, and the
next try may."""
MEASURED_MS = 400
MEASURED = ("stream_visible_after_publish_ms", "online_list_lag_ms")
HIDING = ("manual_resumes_within_delay",)
PROBED = {"app": "live-record-probe", "stream": "test"}


class Person:
    def __init__(self, stage: HttpStage, folder: Path) -> None:
        self.stage, self.control = stage, stage.remote
        self.report = folder / "facts-report.json"
        self.account = account_at(stage.live)

    def types(self, *words: str) -> Result:
        command = ["probe", "--stage", "dev", "--out", str(self.report), *words]
        result = CliRunner().invoke(main, command)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return result

    def asks(self, *names: str, patience: float = 1.0) -> dict[str, Any]:
        """Run only these experiments and return the report."""
        only = [word for name in names for word in ("--only", name)]
        load = ["--load"] if set(names) & set(LOAD_EXPERIMENTS) else []
        result = self.types(*only, *load, "--patience", str(patience))
        assert result.exit_code == 0, result.output
        report: dict[str, Any] = json.loads(self.report.read_text())
        return report

    def measures(self, name: str) -> int:
        """In ms; its stream is gone from the list before anybody measures again."""
        took: int = self.asks(name)["answers"][name]["answer"]
        poll(lambda: "PublishTime" not in str(self.lists()))
        return took

    def lists(self) -> object:
        return self.account.ask("DescribeLiveStreamsOnlineList", DomainName="live.example.com")

    def sees(self) -> list[Any]:
        """All that Live has."""
        callbacks = (
            ConfigTarget("stream", "push.example.com"),
            ConfigTarget("record", "live.example.com"),
        )
        held = [read(self.account, target) for target in callbacks]
        return [*held, *recordings(self.account, "live.example.com")]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpStage]:
    with http_stage(tmp_path_factory.mktemp("stage"), POLICY, account=QUICK) as stage:
        yield stage


@pytest.fixture
def person(stage: HttpStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Person:
    monkeypatch.setenv("LIVE_RECORD_STAGES", str(tmp_path / "stages.toml"))
    for name in ("LIVE_RECORD_URL", "LIVE_RECORD_TOKEN", "ALIBABA_CLOUD_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    stage.remote.reset()
    url = f"{stage.url}/callbacks"
    stage.remote.notify(stream_url=f"{url}/stream/dev-path", record_url=f"{url}/record/dev-path")
    register(stage_registry.DEV, Target(stage.url, TOKEN, stage.live))
    return Person(stage, tmp_path)


def test_every_switch_of_the_emulator_is_an_experiment_or_unanswerable_with_the_reason() -> None:
    never = {name.partition(" ")[0] for name in UNANSWERABLE}
    switches = {field.name for field in fields(Switches)}
    assert switches - never == set(ALL_EXPERIMENTS)
    assert not never & set(ALL_EXPERIMENTS)


def test_what_is_never_answered_is_documented_with_the_reason() -> None:
    page = (ROOT / "docs/probe.md").read_text(encoding="utf-8")
    assert [
        f"* {name}: {why}" for name, why in UNANSWERABLE.items() if f"* {name}: {why}" in page
    ] == [f"* {name}: {why}" for name, why in UNANSWERABLE.items()]


def test_every_experiment_is_documented_with_what_it_needs_and_no_other() -> None:
    page = (ROOT / "docs/probe.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:5] for line in page.splitlines() if line.startswith("| `")]
    documented = {
        name.strip(" `"): (asks.strip(), bool(needs.strip())) for name, asks, _, needs in rows
    }
    assert documented == {
        name: (experiment.question, name not in EXPERIMENTS)
        for name, experiment in ALL_EXPERIMENTS.items()
    }


BOTH_WAYS: list[tuple[str, object]] = [
    ("stop_when_idle", "ok"),
    ("stop_when_idle", "StreamNotFound"),
    ("stop_when_idle", "OtherError"),
    ("stop_when_offline", "StreamNotFound"),
    ("stop_when_offline", "ok"),
    ("cancel_delay_without_stop", "ok"),
    ("cancel_delay_without_stop", "StreamNotFound"),
    ("cancel_delay_without_stop", "OtherError"),
    ("cancel_delay_when_offline", "StreamNotFound"),
    ("cancel_delay_when_offline", "ok"),
    ("start_after_stop_within_delay", "resumes"),
    ("start_after_stop_within_delay", "new_file"),
    ("start_after_stop_within_delay", "already_started"),
    ("start_after_interruption_within_delay", "resumes"),
    ("start_after_interruption_within_delay", "new_file"),
    ("start_after_interruption_within_delay", "already_started"),
    ("manual_resumes_within_delay", False),
    ("manual_resumes_within_delay", True),
    ("restart_before_start", "error"),
    ("restart_before_start", "ok"),
    ("wrong_domain_code", "InvalidDomain.NotFound"),
    ("wrong_domain_code", "CodeConfigNotFound"),
    ("wrong_domain_code", "StreamNotFound"),
    ("publish_time_offset_ms", 0),
    ("publish_time_offset_ms", 3_000),
    ("publish_time_offset_ms", -2_000),
    ("status_events_carry_time", False),
    ("status_events_carry_time", True),
    ("record_key_is_returned", True),
    ("record_key_is_returned", False),
    ("throttle_mode", "refuse"),
    ("throttle_mode", "drop"),
    ("throttle_status", 400),
    ("throttle_status", 429),
    ("throttle_retry_after", None),
    ("throttle_retry_after", 700),
    ("limiter", "bucket"),
    ("limiter", "sliding_second"),
    ("callback_retry_on_5xx", False),
    ("callback_retry_on_5xx", True),
    ("callback_resigns", True),
    ("callback_resigns", False),
    ("record_signature_host", "host"),
    ("record_signature_host", "host_with_port"),
    ("on_demand_carries_signature", False),
    ("on_demand_carries_signature", True),
    ("on_demand_failure_records", False),
    ("on_demand_failure_records", True),
    ("remarks_carry_signature", True),
    ("remarks_carry_signature", False),
    ("absent_notify_config", "empty"),
    ("absent_notify_config", "refused"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "played"), BOTH_WAYS)
def test_it_finds_how_a_switch_is_set_and_leaves_nothing(
    person: Person, name: str, played: object
) -> None:
    person.control.switch(**{name: played})
    before = person.sees()
    report = person.asks(name)
    while TOO_SLOWLY in str(report["unanswered"]):
        report = person.asks(name)
    assert report["answers"][name]["answer"] == played, report
    assert person.sees() == before


@pytest.mark.slow
@pytest.mark.parametrize("name", ["stream_visible_after_publish_ms", "online_list_lag_ms"])
@pytest.mark.parametrize("played", [0, MEASURED_MS])
def test_it_measures_how_long_a_publish_takes_to_be_known(
    person: Person, name: str, played: int
) -> None:
    person.control.switch(**{name: played})
    """The middle one of three: the machine may stand still for as long."""
    measured = sorted(person.measures(name) for _ in range(3))
    assert (measured[1] >= MEASURED_MS * 0.9) is (played > 0), measured


def second(*taken: float, refused: Sequence[float]) -> list[CommandAnswer]:
    answers = [CommandAnswer(at, "OK", 200, 0) for at in taken]
    answers += [CommandAnswer(at, "Throttling.User", 400, 0) for at in refused]
    return sorted(answers, key=lambda answer: answer.at)


TEN = [0.01 * number for number in range(1, 11)]


def test_a_limit_is_told_by_what_was_answered_within_the_second() -> None:
    refused = [0.12, 0.24, 0.36, 0.48]
    bucket = classify_limiter(second(*TEN, 0.2, 0.3, 0.4, refused=refused))
    sliding = classify_limiter(second(*TEN, 1.2, refused=refused))
    assert (bucket or "?")[0] == "bucket"
    assert (sliding or "?")[0] == "sliding_second"


@pytest.mark.parametrize("refused", [[], [0.12], [0.12, 1.2], [0.7, 0.8]])
def test_what_was_answered_too_slowly_tells_nothing_of_a_limit(refused: list[float]) -> None:
    assert classify_limiter(second(*TEN, 1.1, refused=refused)) is None


@pytest.mark.slow
def test_one_run_finds_how_all_of_them_are_set(person: Person) -> None:
    others = {name: played for name, played in BOTH_WAYS if name not in HIDING}
    person.control.switch(**others)
    result = person.types("--load", "--patience", "1")
    assert result.exit_code == 0, result.output
    report = json.loads(person.report.read_text())
    set_so = {name: entry["value"] for name, entry in person.control.get("switches").items()}
    found = {name: entry["answer"] for name, entry in report["answers"].items()}
    hidden = {"throttle_status", "throttle_retry_after"}
    hidden |= {name for name, why in report["unanswered"].items() if TOO_SLOWLY in str(why)}
    assert set(report["unanswered"]) <= hidden, report["unanswered"]
    assert {n: found[n] for n in found if n not in MEASURED} == {
        n: set_so[n] for n in found if n not in MEASURED
    }


# --- what it may do, and what it leaves


FEW = ("wrong_domain_code", "stop_when_offline", "cancel_delay_when_offline")


@pytest.mark.parametrize("played", ["ok", "StreamNotFound"])
def test_a_question_is_answered_as_the_switch_is_set(person: Person, played: str) -> None:
    person.control.switch(stop_when_offline=played)
    report = person.asks("stop_when_offline")
    assert report["answers"]["stop_when_offline"]["answer"] == played
    assert report["answers"]["stop_when_offline"]["fact"] == "docs/platform/live.md §1.2"


def test_the_report_names_nothing_of_the_account(person: Person) -> None:
    person.control.fail(code="Forbidden.RAM", message="of live.example.com/live-record-probe/test")
    text = json.dumps(person.asks(*FEW))
    assert "Forbidden.RAM" in text
    for own in ("example.com", "live-record-probe", "dev-path", "dev-stream-key", "dev-secret"):
        assert own not in text


def test_only_the_test_stream_is_ever_commanded_and_all_is_put_back(person: Person) -> None:
    person.control.publish("other")  # which the policy records
    poll(lambda: (person.control.state("other")["recording"] or {}).get("state") == "recording")
    before, calls = person.sees(), person.control.calls()["next"]
    person.asks(*FEW, "stop_when_idle", "callback_resigns")
    commanded = {call["stream"] for call in person.control.calls(calls)["calls"] if call["command"]}
    assert commanded == {"test"}
    assert person.control.state("other")["recording"]["state"] == "recording"
    assert person.sees() == before


def test_callbacks_of_others_are_never_led_away(person: Person) -> None:
    person.control.publish("other")
    calls = person.control.calls()["next"]
    report = person.asks("callback_resigns")
    assert "other streams are live" in report["unanswered"]["callback_resigns"]["why"]
    wrote = [call["action"] for call in person.control.calls(calls)["calls"]]
    assert "SetLiveStreamsNotifyUrlConfig" not in wrote


def test_why_a_question_stays_open_is_said_in_chinese_and_reported_in_english(
    person: Person,
) -> None:
    person.control.notify(record_key="")
    shown = person.types("--only", "record_key_is_returned", "--language", "zh").output
    report = json.loads(person.report.read_text())

    assert (
        "record_key_is_returned：没有结果：视频直播未对录制回调签名，因此没有可返回的密钥。"
        "请先运行 `live-record setup`" in shown
    )
    why = report["unanswered"]["record_key_is_returned"]["why"]
    assert (
        why
        == "Live does not sign the recording callbacks, so there is no key that it could return."
        " Run `live-record setup` first"
    )


def test_a_person_is_asked_in_chinese_to_begin_and_to_end_a_push(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(click, "pause", asked.append)
    monkeypatch.setenv("LANGUAGE", "zh")
    use_language("zh")
    publisher = ManualPublisher("rtmp://push.example.com/app/test")
    publisher.publish()
    publisher.unpublish()

    assert asked == ["开始推流后，请按任意键。", "请现在停止推流，停止后按任意键。"]


def test_the_limit_is_never_exceeded_unless_it_is_asked_for(person: Person) -> None:
    for name in ("throttle_mode", "limiter"):
        result = person.types("--only", name, "--patience", "1")
        assert result.exit_code == 2, result.output
        assert "--load" in result.output


@pytest.mark.parametrize("stream", ["live.example.com/app/room", "nowhere.example.com/app/room"])
def test_a_stream_that_the_policy_records_or_does_not_know_is_no_test_stream(
    person: Person, stream: str
) -> None:
    before = person.sees()
    result = person.types("--stream", stream)
    assert (result.exit_code, person.sees()) == (1, before)
    assert not person.report.exists()


def test_a_stream_that_is_live_is_no_test_stream(person: Person) -> None:
    person.control.post("publish", {**PROBED, "domain": "push.example.com"})
    result = person.types("--only", FEW[0])
    assert (result.exit_code, "is live" in result.output) == (1, True)
    assert person.control.get("state", stream="test")["streams"][0]["live"] is True


def test_what_could_not_be_put_back_is_put_back_by_the_next_run(person: Person) -> None:
    before = person.sees()
    person.control.fail(code="ServiceUnavailable", action="DeleteLiveAppRecordConfig")
    result = person.types("--only", FEW[0])
    assert (result.exit_code, "could not be restored" in result.output) == (1, True)
    assert person.sees() != before
    person.asks(FEW[0])
    assert person.sees() == before


def test_without_a_recording_configuration_it_has_to_be_told_the_bucket(person: Person) -> None:
    app = {"DomainName": "live.example.com", "AppName": "app"}
    person.account.ask("DeleteLiveAppRecordConfig", **app)
    result = person.types("--only", FEW[0])
    assert (result.exit_code, "Pass `--bucket` and `--endpoint`." in result.output) == (1, True)
    where = ("--bucket", "dev-bucket", "--endpoint", "oss-cn-shanghai.aliyuncs.com")
    assert person.types("--only", FEW[0], *where).exit_code == 0


def test_without_anybody_to_push_the_stream_nothing_is_begun(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"):
        monkeypatch.setenv(name, "not-dev")
    register(stage_registry.DEV, Target(person.stage.url, TOKEN))
    result = person.types()
    assert (result.exit_code, "--push" in result.output) == (2, True)


PUSH = """
import json, signal, sys, urllib.request
def post(what):
    body = json.dumps({"domain": "push.example.com", "app": "live-record-probe", "stream": "test"})
    urllib.request.urlopen(f"{sys.argv[1]}/_control/{what}", body.encode()).read()
def end(*_):
    post("unpublish")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
post("publish")
signal.pause()
"""


@pytest.mark.slow
def test_a_program_may_push_the_stream(person: Person, tmp_path: Path) -> None:
    (tmp_path / "push.py").write_text(PUSH)
    push = f"{sys.executable} {tmp_path / 'push.py'} {person.stage.live}"
    result = person.types("--push", push, "--only", "stop_when_idle", "--patience", "5")
    assert "stop_when_idle: ok" in result.output
    assert person.control.get("state", stream="test")["streams"][0]["live"] is False
