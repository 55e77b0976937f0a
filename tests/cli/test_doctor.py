"""Faults planted in the account, through the APIs that everybody has; doctor finds each, and is
content again once the commands that it names have been executed.

Nothing here knows doctor but by its command. Those of the vendor's own diagnosis are marked with
the step that looks for them (docs/platform/live.md, SKILL).
"""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import alibabacloud_oss_v2 as oss
import pytest
import redis
import requests
from click.testing import CliRunner

from cli.account import Account, Declined, account_at
from cli.api import Api
from cli.local.redis_server import DURABLE, Engine
from cli.local.stack import TOKEN, Stack, running
from cli.main import main
from cli.stage_registry import Target, register
from emulator.live import LiveInThread, Remote
from emulator.live.account import Domain, load_account
from shared.protocol.durations import duration
from tests.support.compute_emulator import eventually
from tests.support.receiver import receiving

pytestmark = pytest.mark.slow

FINE = ("ok", "nothing")

STAGE = "dev"
LIVE, PUSH, PUSH2, SPARE = (f"{name}.example.com" for name in ("live", "push", "push2", "spare"))
POLICY = """
[[domain]]
streaming = "live.example.com"
ingest = ["push.example.com"]
[[rule]]
match = { domain = "live.example.com", app = "app" }
on_publish = "record"
"""
BOTH = POLICY.replace('"]', '", "push2.example.com"]')
SWAPPED = """
[[domain]]
streaming = "push.example.com"
[[rule]]
match = { domain = "push.example.com", app = "app" }
on_publish = "record"
"""
OSS_CONFIG: dict[str, Any] = {
    "DomainName": LIVE,
    "AppName": "app",
    "StreamName": "*",
    "OssEndpoint": "oss-cn-shanghai.aliyuncs.com",
    "OnDemand": 7,
    "DelayTime": 180,
}
PREFIX = "record/{AppName}/{StreamName}/{StartTime}_{EndTime}"
CONFIG_NAMES = {"DomainName": LIVE, "AppName": "app", "StreamName": "*"}


def formats(prefix: str = PREFIX) -> list[dict[str, Any]]:
    return [{"Format": "mp4", "CycleDuration": 3600, "OssObjectPrefix": prefix}]


@dataclass
class Ground:
    """A stage between the emulators, an account, and somebody who types commands."""

    stack: Stack
    account: Account
    engine: Engine
    folder: Path

    @property
    def live(self) -> Remote:
        return Remote(self.stack.live)

    def types(self, *words: str) -> tuple[int, str]:
        """`obj` lets setup's wait for a policy to settle be none."""
        result = CliRunner().invoke(main, words, input="y\n", obj=lambda _seconds: None)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return result.exit_code, result.output

    def doctor(self) -> tuple[int, list[dict[str, Any]]]:
        code, output = self.types("doctor", "--stage", STAGE, "--json")
        report = json.loads(output)
        assert report["exit"] == code
        return code, [one for one in report["findings"] if one["severity"] not in FINE]

    def phase(self, stream: str) -> str:
        _, output = self.types("status", f"{LIVE}/app/{stream}", "--stage", STAGE, "--json")
        return str(json.loads(output)["phase"])

    def finds(self, check: str) -> tuple[int, list[dict[str, Any]]] | None:
        """Return exit code and findings once the check is among them, None until then.

        An applied policy takes up to 10 s to be in force.
        """
        code, found = self.doctor()
        return (code, found) if check in [finding["check"] for finding in found] else None

    def apply(self, policy: str) -> None:
        (self.folder / "policy.toml").write_text(policy)
        code, output = self.types("policy", "apply", "policy.toml", "--yes", "--stage", STAGE)
        assert code == 0, output

    def stop_forwarding(self) -> None:
        """Take out what a take-over has put into the policy."""
        api = Api(self.stack.fc, TOKEN)
        now = api.policy()
        if now["policy"].pop("forward_to", None):
            api.apply_policy(now["policy"], replaces=now["version"])

    def execute(self, command: str) -> None:
        """As whoever reads it would, with nothing changed but the program that is at hand."""
        for part in command.split(" && "):
            self._execute(shlex.split(part.replace("$LIVE_RECORD_STORE", self.engine.url)))

    def _execute(self, words: Sequence[str]) -> None:
        match words:
            case ["live-record", *rest]:
                sure = ["--yes"] if rest[:2] == ["policy", "apply"] else []  # it asks at a terminal
                code, output = self.types(*rest, *sure)
                assert code == 0, output
            case ["aliyun", "live", action, *options]:
                self.account.ask(action, **_named(options))
            case ["aliyun", "oss", "mb", url, "--endpoint", _]:
                name = url.removeprefix("oss://")
                self.oss().put_bucket(oss.PutBucketRequest(bucket=name))
            case ["redis-cli", "-u", url, *rest]:
                redis.Redis.from_url(url).execute_command(*rest)  # type: ignore[no-untyped-call] # redis-py's own
            case _:
                pytest.fail(f"nobody knows how to execute {words}")

    def oss(self) -> oss.Client:
        config = oss.config.load_default()
        config.credentials_provider = oss.credentials.StaticCredentialsProvider("dev", "dev-secret")
        config.region, config.endpoint = "cn-shanghai", self.stack.live
        config.use_path_style = True
        return oss.Client(config)

    def put_config(self, **changed: Any) -> None:  # noqa: ANN401 - as the API has them
        params = _without_none(
            {**OSS_CONFIG, "OssBucket": "dev-bucket", "RecordFormat": formats(), **changed}
        )
        with suppress(Declined):
            self.account.ask(
                "DeleteLiveAppRecordConfig", **{**CONFIG_NAMES, "AppName": params["AppName"]}
            )
        self.account.ask("AddLiveAppRecordConfig", **params)

    def record_notify(self, **changed: Any) -> None:  # noqa: ANN401 - as the API has them
        answer = self.account.ask("DescribeLiveRecordNotifyConfig", DomainName=LIVE)
        now = answer["LiveRecordNotifyConfig"]
        flags = {name: str(now[name]).lower() for name in ("NeedStatusNotify", "NotifyReqAuth")}
        wanted = _without_none({**now, **flags, **changed})
        self.account.ask("UpdateLiveRecordNotifyConfig", **wanted)

    def stream_notify(self, **changed: Any) -> None:  # noqa: ANN401 - as the API has them
        answer = self.account.ask("DescribeLiveStreamsNotifyUrlConfig", DomainName=PUSH)
        self.account.ask(
            "SetLiveStreamsNotifyUrlConfig", **{**answer["LiveStreamsNotifyConfig"], **changed}
        )


def _without_none(value: dict[str, Any]) -> dict[str, Any]:
    return {name: field for name, field in value.items() if field is not None}


def _named(options: Sequence[str]) -> dict[str, str]:
    pairs = zip(options[::2], options[1::2], strict=True)
    return {name.removeprefix("--"): value for name, value in pairs}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folder = tmp_path_factory.mktemp("doctor")
    (folder / "policy.toml").write_text(POLICY)
    account = load_account()
    spare = Domain(SPARE, (PUSH2,))
    account = replace(account, domains=(*account.domains, spare))
    with (
        LiveInThread(account, clock_file=folder / "clock.json") as live,
        Engine(folder / "engine", options=DURABLE) as engine,
        running(
            folder,
            live=live.address,
            policy=folder / "policy.toml",
            settings={"LIVE_RECORD_STORE": engine.url},
        ) as stack,
    ):
        answer = requests.post(f"{stack.fc}/_fc/timer/reconcile", json={"wait": True}, timeout=100)
        assert answer.ok
        ground = Ground(stack, account_at(stack.live), engine, folder)
        ground.put_config(AppName="other")
        yield ground


@pytest.fixture
def ground(whole: Ground, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    """Register the stage and enter the folder of policy.toml; end all live streams afterwards."""
    monkeypatch.setenv("LIVE_RECORD_STAGES", str(whole.folder / "stages.toml"))
    monkeypatch.chdir(whole.folder)
    register(STAGE, Target(whole.stack.fc, TOKEN, whole.stack.live))
    yield whole
    whole.live.switch(absent_notify_config="empty", record_key_is_told=True)
    whole.stop_forwarding()
    for stream in whole.live.get("state")["streams"]:
        if stream["live"]:
            whole.live.unpublish(stream["stream"], wait=True)


Plant = Callable[[Ground], object]


def _delete_config(ground: Ground) -> None:
    ground.account.ask("DeleteLiveAppRecordConfig", **CONFIG_NAMES)


def _only_transcoded(ground: Ground) -> None:
    ground.put_config(RecordFormat=None, TranscodeRecordFormat=formats(), TranscodeTemplates=["sd"])


def _no_one_to_ask(ground: Ground) -> None:
    ground.put_config(OnDemand=1)
    ground.record_notify(OnDemandUrl=None)


def _both_storages(ground: Ground) -> None:
    params = {**CONFIG_NAMES, "VodTranscodeGroupId": "group", "OnDemand": 7}
    ground.account.ask("AddLiveRecordVodConfig", **params)


def _policy_of_an_ingest_domain(ground: Ground) -> None:
    ground.apply(SWAPPED)
    (ground.folder / "policy.toml").write_text(POLICY)


def _another_ingest_domain(ground: Ground) -> None:
    ground.account.ask("DeleteLiveDomainMapping", PushDomain=PUSH2, PullDomain=SPARE)
    ground.account.ask("AddLiveDomainMapping", PushDomain=PUSH2, PullDomain=LIVE)
    ground.stack.control("notify")
    (ground.folder / "policy.toml").write_text(BOTH)


def _unbound(ground: Ground) -> None:
    ground.account.ask("DeleteLiveDomainMapping", PushDomain=PUSH, PullDomain=LIVE)


def _observes(ground: Ground) -> None:
    good = (ground.folder / "policy.toml").read_text()
    ground.apply(f'mode = "observe"\n{good}')
    (ground.folder / "policy.toml").write_text(good)


def _unheard(ground: Ground) -> None:
    ground.live.publish(f"unheard-{uuid4().hex}", callback=False)


def _delete_bucket(ground: Ground) -> None:
    ground.oss().delete_bucket(oss.DeleteBucketRequest(bucket="dev-bucket"))


def _forgetful(ground: Ground) -> None:
    store = redis.Redis.from_url(ground.engine.url)
    store.config_set("appendonly", "no")
    store.config_set("maxmemory-policy", "allkeys-lru")


VENDOR: dict[str, tuple[str, Plant]] = {
    "3.1 no configuration": ("recording", _delete_config),
    "3.1 OnDemand is not manual": ("on-demand", lambda ground: ground.put_config(OnDemand=0)),
    "3.1 no format of the stream": ("formats", _only_transcoded),
    "3.1 a bucket that is gone": ("bucket", _delete_bucket),
    "3.1 the endpoint of another region": (
        "bucket",
        lambda ground: ground.put_config(OssEndpoint="oss-cn-beijing.aliyuncs.com"),
    ),
    "3.1 an object name for all": (
        "names",
        lambda ground: ground.put_config(RecordFormat=formats("record/{StartTime}_{EndTime}")),
    ),
    "3.2 OSS and VOD": ("storage", _both_storages),
    "3.3 live, manual, and nobody calls": ("recorded", _unheard),
    "4.1 no NotifyUrl": (
        "record-callback",
        lambda ground: ground.account.ask("DeleteLiveRecordNotifyConfig", DomainName=LIVE),
    ),
    "4.1 NeedStatusNotify is false": (
        "status",
        lambda ground: ground.record_notify(NeedStatusNotify="false"),
    ),
    "4.1 no OnDemandUrl": ("on-demand-callback", _no_one_to_ask),
    "2.1 not the main streaming domain": ("domain", _policy_of_an_ingest_domain),
}
OURS: dict[str, tuple[str, Plant]] = {
    "no ingest callbacks": (
        "stream-callback",
        lambda ground: ground.account.ask("DeleteLiveStreamsNotifyUrlConfig", DomainName=PUSH),
    ),
    "ingest callbacks go elsewhere": (
        "stream-callback",
        lambda ground: ground.stream_notify(NotifyUrl="http://127.0.0.1:1/live"),
    ),
    "a key that differs": (
        "stream-key",
        lambda ground: ground.stream_notify(NotifyAuthKey="somebodyelseskey0"),
    ),
    "recording callbacks that are not signed": (
        "record-key",
        lambda ground: ground.record_notify(NotifyReqAuth="false", NotifyAuthKey=None),
    ),
    "another merge delay": ("delay", lambda ground: ground.put_config(DelayTime=30)),
    "a stage that observes": ("policy", _observes),
    "an ingest domain more": ("mapping", _another_ingest_domain),
    "an ingest domain less": ("mapping", _unbound),
    "a store that forgets": ("durable", _forgetful),
}


def test_ten_of_the_faults_are_the_vendors_own() -> None:
    assert len(VENDOR) >= 10
    assert len(VENDOR) + len(OURS) >= 15


def found_or_planted_again(
    ground: Ground, check: str, plant: Plant
) -> tuple[int, list[dict[str, Any]]] | None:
    """Return what the check finds; plant the fault again if the stage's timer repaired it
    already."""
    found = ground.finds(check)
    if found is None and plant is _unheard:
        plant(ground)
    return found


@pytest.mark.parametrize("fault", [*VENDOR, *OURS])
def test_a_planted_fault_is_found_and_the_named_command_fixes_it(
    ground: Ground, fault: str
) -> None:
    check, plant = (VENDOR | OURS)[fault]
    assert ground.doctor() == (0, [])

    plant(ground)
    code, found = eventually(lambda: found_or_planted_again(ground, check, plant))
    assert code == 3
    assert found[0]["check"] == check  # the root comes first

    for command in dict.fromkeys(finding["fix"] for finding in found if finding["fix"]):
        ground.execute(command)
    assert eventually(lambda: ground.doctor() == (0, []))


def test_doctor_only_reads_and_what_it_reads_is_documented(ground: Ground) -> None:
    """The emulator counts what came over the wire."""
    before = ground.live.calls()["next"]
    ground.doctor()
    asked = {call["action"] for call in ground.live.calls(since=before)["calls"]}

    page = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text()
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
    match = re.fullmatch(
        "the stage's clock is (.+) ahead of Live's: genuine callbacks are rejected", text
    )
    assert match
    assert abs(duration(match[1]) - 400_000) <= (took + 1) * 1000


def test_what_could_not_be_converted_is_told_until_the_next_recording_begins(
    ground: Ground,
) -> None:
    ground.live.publish("breaks", wait=True)
    eventually(lambda: ground.phase("breaks") == "recording")
    error = {"code": "PermissionDenied.ResourceAccess", "message": "no"}
    event = {"event": "transformat_error", "error_info": error, "file_info": {"uri": "x.flv"}}
    ground.live.record_event("breaks", "transformat_error", **event)
    code, found = eventually(lambda: ground.finds("errors"))
    texts = [finding["text"] for finding in found if finding["check"] == "errors"]
    assert (code, ["grant it OSS" in text for text in texts]) == (3, [True])

    ground.live.unpublish("breaks", wait=True)
    ground.live.publish("breaks", wait=True)
    assert eventually(lambda: ground.doctor() == (0, []))


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
    ground.live.switch(record_key_is_told=is_told)

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
