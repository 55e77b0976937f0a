"""What doctor asks, what it does not say, and what a deploy cures."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner

from cli.doctor.checks import kinds
from cli.doctor.finding import Severity
from cli.local.stack import TOKEN, Stack, running
from cli.main import main
from cli.paths import S_YAML
from cli.stage_registry import Target, register
from emulator.live import LiveInThread, Remote
from shared.protocol.durations import duration
from tests.cli.planted_faults.ground import FINE, LIVE, POLICY, PUSH, STAGE, Ground
from tests.cli.planted_faults.rows import CURED_ALONE, NEVER_CURED, ROWS, VENDOR
from tests.cli.test_doctor_compute import FAULTS, REMOVALS
from tests.cli.test_doctor_cures import CURES
from tests.support.receiver import receiving

pytestmark = [pytest.mark.slow, pytest.mark.long]


def test_ten_of_the_faults_are_the_vendors_own() -> None:
    assert len(VENDOR) >= 10


def test_the_cure_of_every_finding_is_executed_or_it_is_said_why_not() -> None:
    in_rows = {code for row in ROWS.values() for code in (row.code, *row.also)}
    lacking = {code for codes, _ in LACKS for code in codes}
    executed = in_rows | lacking | CURES | CURED_ALONE | FAULTS.keys() | REMOVALS.keys()
    all_of_them = {kind.code for kind in kinds() if kind.severity is not Severity.NOTHING}

    assert executed & NEVER_CURED.keys() == set()
    assert executed | NEVER_CURED.keys() == all_of_them


def test_doctor_only_reads_and_what_it_reads_is_documented(ground: Ground) -> None:
    """The emulator counts what came over the wire."""
    before = ground.live.calls()["next"]
    ground.doctor()
    asked = {call["action"] for call in ground.live.calls(since=before)["calls"]}

    page = (Path(__file__).parents[3] / "docs" / "doctor.md").read_text()
    documented = set(re.findall(r"`(?:live|oss):(\w+)`", page))
    assert asked - {"GetCallerIdentity", ""} == documented
    assert all(action.startswith(("Describe", "Get")) for action in documented)


def test_a_permission_that_is_missing_is_named_and_nothing_is_said_to_be_well_without_it(
    ground: Ground,
) -> None:
    ground.live.fail(
        code="Forbidden.RAM", status=403, action="DescribeLiveRecordNotifyConfig", times=9
    )
    code, found = ground.doctor()
    requests.delete(f"{ground.stack.live}/_control/fail", timeout=60)

    assert code == 3
    named = [finding["text"] for finding in found if finding["check"] == "access"]
    assert ["live:DescribeLiveRecordNotifyConfig" in text for text in named] == [True]
    assert {"record-callback", "status", "record-key"} <= {finding["check"] for finding in found}


def test_a_clock_that_is_off_is_found(ground: Ground) -> None:
    """Live tells whole seconds, and the two clocks are read one after the other."""
    ground.live.skew(-400)
    began = time.monotonic()
    code, found = ground.doctor()
    took = time.monotonic() - began
    ground.live.skew(0)

    assert code == 3
    (text,) = [finding["text"] for finding in found if finding["check"] == "clock"]
    match = re.match(
        "the stage's clock is (.+) ahead of Live's: genuine callbacks are rejected", text
    )
    assert match
    assert abs(duration(match[1]) - 400_000) <= (took + 1) * 1000


@pytest.mark.parametrize("absent", ["empty", "refused"])
def test_a_configuration_that_is_not_there_is_known_however_live_says_so(
    ground: Ground, absent: str
) -> None:
    """UNCONFIRMED: Live answers an empty configuration, or an error."""
    ground.live.switch(absent_notify_config=absent)
    ground.account.ask("DeleteLiveRecordNotifyConfig", DomainName=LIVE)
    ground.account.ask("DeleteLiveStreamsNotifyUrlConfig", DomainName=PUSH)
    code, found = ground.doctor()
    ground.execute(f"live-record setup --stage {STAGE}")

    assert {(finding["check"], finding["severity"]) for finding in found} == {
        ("stream-callback", "fault"),
        ("record-callback", "fault"),
    }
    assert code == 3
    assert ground.doctor() == (0, [])


@pytest.mark.parametrize("is_told", [True, False])
def test_a_key_that_live_does_not_tell_is_not_said_to_be_wrong(
    ground: Ground, is_told: bool
) -> None:
    ground.live.switch(record_key_is_returned=is_told)

    assert ground.doctor() == (0, [])


def test_a_callback_that_is_somebody_elses_is_never_called(ground: Ground) -> None:
    """Doctor calls the stage alone."""
    with receiving() as other:
        urls = {"NotifyUrl": f"{other.address}/record", "OnDemandUrl": f"{other.address}/ask"}
        ground.record_notify(**urls)
        code, found = ground.doctor()
        for command in dict.fromkeys(finding["fix"] for finding in found if finding["fix"]):
            ground.execute(command)

    assert code == 3
    assert other.arrived == []


BARE = {
    "LIVE_RECORD_STREAM_KEYS": "",
    "LIVE_RECORD_WAKE_URL": "",
    "LIVE_RECORD_WAKE_KEY": "",
    "LIVE_RECORD_STORE_ID": "",
}
UNHEARD = {"LIVE_RECORD_HEARTBEAT_URL": "http://127.0.0.1:1/"}
LACKS: tuple[tuple[frozenset[str], Mapping[str, str]], ...] = (
    (frozenset({"secrets.none", "wake.none", "timer.never", "identity.none"}), BARE),
    (frozenset({"heartbeat.lost", "timer.stopped"}), UNHEARD),
)
"""What is found of a stage without its timer that lacks these settings, or has wrong ones."""


@pytest.mark.parametrize(("codes", "settings"), LACKS)
def test_a_deploy_with_what_was_missing_makes_its_findings_go(
    codes: frozenset[str],
    settings: Mapping[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The cure is a deploy, in whose place the stage begins anew with its timer and with all of its
    settings. What tells of a run had one some time ago."""
    monkeypatch.setenv("LIVE_RECORD_STAGES", str(tmp_path / "stages.toml"))
    with LiveInThread(clock_file=tmp_path / "clock.json") as live, receiving() as monitor:
        if "timer.never" not in codes:
            deployed(tmp_path, live.address, settings, fire)
            Remote(live.address).advance(100)
        lacking = deployed(tmp_path, live.address, settings, has_timer=False)
        assert {one["code"] for one in lacking} >= codes
        fixes = {one["fix"] for one in lacking if one["code"] in codes and one["fix"]}
        assert fixes == {"make deploy STAGE=dev"}
        heard = {"LIVE_RECORD_HEARTBEAT_URL": f"{monitor.address}/beat"}
        assert deployed(tmp_path, live.address, heard, fire) == []


def test_a_wake_up_call_arrives_once_its_address_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Live throttles is due soon, and so wakes a reconcile."""
    monkeypatch.setenv("LIVE_RECORD_STAGES", str(tmp_path / "stages.toml"))
    throttled = {"code": "Throttling.User", "status": 400, "action": "RealTimeRecordCommand"}
    with LiveInThread(clock_file=tmp_path / "clock.json") as live:
        remote = Remote(live.address)
        remote.fail(times=1_000, **throttled)
        wrong = {"LIVE_RECORD_WAKE_URL": "http://127.0.0.1:9/"}
        lost = deployed(tmp_path, live.address, wrong, lambda _: remote.publish("x", wait=True))
        (advice,) = [one["text"] for one in lost if one["code"] == "wake.lost"]
        assert (
            "Set LIVE_RECORD_WAKE_URL to the address of the HTTP trigger of `reconcile`" in advice
        )

        requests.delete(f"{live.address}/_control/fail", timeout=60)
        remote.advance(130)
        assert deployed(tmp_path, live.address, {}, fire) == []


def fire(stack: Stack) -> None:
    timer = f"{stack.fc}/_fc/timer/reconcile"
    assert requests.post(timer, json={"wait": True}, timeout=100).ok


def deployed(
    folder: Path,
    live: str,
    settings: Mapping[str, str],
    then: Callable[[Stack], object] = lambda _stack: None,
    *,
    has_timer: bool = True,
) -> list[dict[str, Any]]:
    """Run a stage with these settings; return what doctor finds after `then`."""
    policy, template = folder / "policy.toml", folder / "s.yaml"
    policy.write_text(POLICY)
    text = S_YAML.read_text()
    template.write_text(text if has_timer else text.replace("enable: true", "enable: false"))
    with running(folder, live=live, policy=policy, settings=settings, template=template) as stack:
        register(STAGE, Target(stack.fc, TOKEN, stack.live))
        then(stack)
        report = json.loads(CliRunner().invoke(main, ["doctor", "--stage", STAGE, "--json"]).stdout)
    return [one for one in report["findings"] if one["severity"] not in FINE]
