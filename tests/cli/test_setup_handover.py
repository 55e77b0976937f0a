"""live-record setup while the stage observes, and the way to act and back: no live stream is ever
recorded by nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from cli import stage_registry
from cli.account import Account, account_at
from cli.api import Api
from cli.main import main
from cli.setup.configurations import ConfigTarget, read
from cli.setup.handover import await_recorded
from cli.stage_registry import Target, register
from functions import reconcile
from shared.config import load_policy
from shared.inbound.function_compute import answer_any
from shared.invocation.serve import answer_in
from tests.support.http_stage import RELAY, ROLE, TOKEN, HttpStage, http_stage
from tests.support.reconciling import TIMER, InlineWorkers

pytestmark = pytest.mark.slow

POLICY = """
mode = "observe"
[[domain]]
streaming = "live.example.com"
ingest = ["push.example.com"]
[[rule]]
match = { domain = "live.example.com", app = "app" }
on_publish = "record"
"""
APP = ConfigTarget("oss", "live.example.com", "app", "*")
AUTOMATIC, MANUAL = 0, 7
RUN_S = 3.0
"""s that one reconcile works at most."""


class Operator:
    """Types `live-record setup` at a stage whose streams come and go while it waits."""

    def __init__(self, stage: HttpStage, account: Account) -> None:
        self.stage, self.account, self.live = stage, account, stage.remote
        self.api = Api(stage.url, TOKEN)
        self.published = 0
        self.timer_runs = True
        self.unrecorded: list[str] = []
        self.set_on_demand(AUTOMATIC)

    def types(self, *words: str, answer: str = "") -> Result:
        command = ["setup", "--stage", "dev", *words]
        result = CliRunner().invoke(main, command, input=answer, obj=self.meanwhile)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return result

    def does(self, *words: str) -> str:
        result = self.types("--yes", *words)
        assert result.exit_code == 0, result.output
        return result.output

    def meanwhile(self, _seconds: float) -> None:
        """Let happen what happens while setup waits: the timer fires, and a stream begins."""
        if self.timer_runs:
            self.reconcile()
        self.publish()
        self.look()

    def publish(self) -> str:
        self.published += 1
        name = f"show{self.published}"
        self.live.publish(name, wait=True)
        return name

    def look(self) -> None:
        """Note each live stream that Live does not record now."""
        for stream in self.live.get("state")["streams"]:
            recording = stream["recording"] or {"state": "none"}
            if stream["live"] and recording["state"] != "recording":
                self.unrecorded.append(f"{stream['stream']} is {recording['state']}")

    def reconcile(self) -> None:
        """Run what the timer runs, in this thread."""
        app = replace(self.stage.app, workers=InlineWorkers)
        app.policies.forget()
        context = SimpleNamespace(request_id="1-78", credentials=ROLE)
        event = json.dumps(TIMER).encode()
        answer: Any = answer_in(app, answer_any, reconcile.respond, event, context, seconds=RUN_S)
        assert answer["statusCode"] == 200, answer

    def reconnect(self, name: str) -> None:
        self.live.unpublish(name, wait=True)
        self.live.publish(name, wait=True)
        self.look()

    def set_on_demand(self, on_demand: int) -> None:
        now = read(self.account, APP)
        assert now is not None
        params = {name: now[name] for name in ("OssEndpoint", "DelayTime")}
        formats = [{"Format": "flv"}]
        self.account.ask("UpdateLiveAppRecordConfig", **APP.names, **params, OnDemand=on_demand,
                         RecordFormat=formats)  # fmt: skip

    @property
    def on_demand(self) -> int:
        value = read(self.account, APP)
        return int((value or {})["OnDemand"])

    @property
    def mode(self) -> str:
        return str(self.api.examine()["mode"])


@pytest.fixture
def operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Operator]:
    monkeypatch.setenv("LIVE_RECORD_STAGES", str(tmp_path / "stages.toml"))
    for name in ("LIVE_RECORD_URL", "LIVE_RECORD_TOKEN", "ALIBABA_CLOUD_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    with http_stage(tmp_path, POLICY, RELAY) as stage:
        register(stage_registry.DEV, Target(stage.url, TOKEN, stage.live))
        found = Operator(stage, account_at(stage.live))
        found.account.ask("DeleteLiveStreamsNotifyUrlConfig", DomainName="push.example.com")
        found.account.ask("DeleteLiveRecordNotifyConfig", DomainName="live.example.com")
        yield found


def test_while_the_stage_observes_no_recording_configuration_is_changed(operator: Operator) -> None:
    shown = operator.does()

    assert (operator.on_demand, operator.mode) == (AUTOMATIC, "observe")
    assert "with `--act` these recording configurations would change, too:" in shown
    assert "  OnDemand: 0 -> 7" in shown
    document = json.loads(operator.types("--json").stdout)
    assert [change["target"] for change in document["later"]] == [APP.id]
    assert document["changes"] == []


def test_manual_is_advised_only_with_act_while_the_stage_observes(operator: Operator) -> None:
    operator.live.post("recording", {"domain": APP.domain, "app": "else", "on_demand": AUTOMATIC})

    assert "only together with `--act`" in operator.does()
    assert "pass `--manual`" in operator.types("--act").output


def test_to_act_and_back_no_live_stream_is_ever_recorded_by_nobody(operator: Operator) -> None:
    operator.does()
    first = operator.publish()
    operator.look()
    operator.does("--act")
    assert (operator.on_demand, operator.mode) == (MANUAL, "act")
    operator.reconnect(first)
    second = operator.publish()
    operator.does("--observe")
    assert (operator.on_demand, operator.mode) == (AUTOMATIC, "observe")
    operator.reconnect(first)
    operator.reconnect(second)

    assert operator.unrecorded == []
    assert operator.published >= 4


def test_a_stage_that_cannot_record_does_not_take_over_from_live(operator: Operator) -> None:
    operator.does()
    stream = operator.publish()
    operator.live.fail(code="Forbidden.RAM", status=403, times=10_000)
    operator.timer_runs = False
    result = operator.types("--act", "--yes")

    assert result.exit_code == 1
    assert f"{APP}: the stage does not record live.example.com/app/{stream}" in (result.output)
    assert operator.on_demand == AUTOMATIC
    assert operator.unrecorded == []


def test_while_the_policy_is_suspended_nothing_is_waited_for(operator: Operator) -> None:
    operator.does()
    operator.publish()
    operator.api.suspend_policy("2h", "")
    result = operator.types("--act", "--yes")

    assert (result.exit_code, operator.on_demand) == (1, AUTOMATIC)
    assert "Run `live-record policy resume`, and then `live-record setup` again" in result.output
    assert operator.published == 2  # while the mode comes into force
    operator.api.resume_policy()
    operator.does("--act")
    assert (operator.on_demand, operator.unrecorded) == (MANUAL, [])


def test_a_policy_that_is_suspended_meanwhile_ends_the_wait_at_once(operator: Operator) -> None:
    """Nothing is recorded, since the timer is off."""
    operator.does()
    operator.publish()
    before = operator.published

    def suspends(_seconds: float) -> None:
        operator.publish()
        if operator.published == before + 3:
            operator.api.suspend_policy("2h", "")

    words = ["setup", "--stage", "dev", "--act", "--yes"]
    result = CliRunner().invoke(main, words, obj=suspends)

    assert (result.exit_code, operator.on_demand) == (1, AUTOMATIC)
    assert "Run `live-record policy resume`, and then `live-record setup` again" in result.output
    assert operator.published == before + 3


def test_a_stream_that_somebody_stopped_is_not_waited_for(operator: Operator) -> None:
    operator.does()
    stopped = operator.publish()
    operator.does("--act")
    operator.api.ask(f"live.example.com/app/{stopped}", "stop")
    operator.reconcile()
    operator.does("--observe")

    assert (operator.on_demand, operator.mode) == (AUTOMATIC, "observe")


def test_what_was_interrupted_is_resumed_by_the_same_command(
    operator: Operator,
) -> None:
    """The first run ends after the mode, and before the configuration, is changed."""
    operator.does()
    operator.publish()
    ended = CliRunner().invoke(main, ["setup", "--stage", "dev", "--act", "--yes"], obj=_killed)
    assert ended.exit_code == 1
    assert (operator.on_demand, operator.mode) == (AUTOMATIC, "act")

    operator.does("--act")
    assert (operator.on_demand, operator.mode, operator.unrecorded) == (MANUAL, "act", [])


def _killed(_seconds: float) -> None:
    raise KeyboardInterrupt


MANY = 100_001


class _CrowdedApi:
    """The API of a stage that records more streams than anybody would read by hand."""

    def list_recordings(self, limit: int, **_filters: str) -> dict[str, Any]:
        rows = range(min(limit, MANY))
        recorded = {"phase": "recording", "reason": {"code": "recording"}}
        return {"recordings": [{"stream": f"live.example.com/app/{n}", **recorded} for n in rows]}

    def policy(self) -> dict[str, Any]:
        return {"policy": {}}


def test_every_stream_that_the_stage_records_counts_however_many_there_are() -> None:
    class _Online:
        def ask(self, _action: str, **_params: object) -> dict[str, Any]:
            last = {"AppName": "app", "StreamName": str(MANY - 1)}
            return {"OnlineInfo": {"LiveStreamOnlineInfo": [last]}}

    stage = SimpleNamespace(api=_CrowdedApi(), policy=load_policy(POLICY, kind="toml"))
    await_recorded(stage, _Online(), APP, lambda _s: None)  # type: ignore[arg-type] # a part of each
