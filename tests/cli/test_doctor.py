"""Faults planted in the account, through the APIs that everybody has; doctor finds each, and is
content again once the commands that it names have been executed.

Nothing here knows doctor but by its command. Those of the vendor's own diagnosis are marked with
the step that looks for them (docs/platform/live.md, SKILL).
"""

from __future__ import annotations

import json
import os
import re
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from cli.doctor.checks import kinds
from cli.doctor.finding import Severity
from cli.local.redis_server import DURABLE, Engine
from cli.local.stack import TOKEN, Stack, running
from cli.main import main
from cli.paths import S_YAML
from cli.stage_registry import Target, register
from emulator.live import LiveInThread, Remote
from emulator.live.account import Credential, Domain, load_account
from shared.config.path_tokens import path_token_of
from shared.protocol.durations import duration
from tests.cli.test_doctor_compute import FAULTS, REMOVALS
from tests.cli.test_doctor_cures import CURES
from tests.support.compute_emulator import eventually
from tests.support.receiver import receiving

pytestmark = [pytest.mark.slow, pytest.mark.long]

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
BY_HAND = """
[[rule]]
match = { domain = "live.example.com", app = "yard" }
on_publish = "on_request"
"""
BOTH = POLICY.replace('"]', '", "push2.example.com"]')
SWAPPED = """
[[domain]]
streaming = "push.example.com"
[[rule]]
match = { domain = "push.example.com", app = "app" }
on_publish = "record"
"""
DELAY_S = 15
"""How long Live waits for an interrupted stream before it reports the file: as short as it goes."""
POLICY_S = 10
"""How long a function goes on with the policy before."""
OSS_CONFIG: dict[str, Any] = {
    "DomainName": LIVE,
    "AppName": "app",
    "StreamName": "*",
    "OssEndpoint": "oss-cn-shanghai.aliyuncs.com",
    "OnDemand": 7,
    "DelayTime": DELAY_S,
}
OF_STREAM, OF_RECORD = (path_token_of(kind, "dev-path") for kind in ("stream", "record"))
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
        """Return its exit code and what is wrong. The stage asks Live once a second at most, and
        would wait for the rest of it."""
        self.live.advance(1)
        code, output = self.types("doctor", "--stage", STAGE, "--json")
        report = json.loads(output)
        assert report["exit"] == code
        return code, [one for one in report["findings"] if one["severity"] not in FINE]

    def phase(self, stream: str, app: str = "app") -> str:
        _, output = self.types("status", f"{LIVE}/{app}/{stream}", "--stage", STAGE, "--json")
        return str(json.loads(output)["phase"])

    def fire_timer(self) -> None:
        url = f"{self.stack.fc}/_fc/timer/reconcile"
        assert requests.post(url, json={"wait": True}, timeout=100).ok

    def until_well(self) -> None:
        """Return once doctor is content. What the stage does later or each minute comes at once."""
        eventually(self._is_well)

    def _is_well(self) -> bool:
        if self.doctor() == (0, []):
            return True
        self.live.advance(20)
        self.fire_timer()
        return False

    def now_s(self) -> int:
        return int(self.live.get("clock")["now_ms"]) // 1000

    def end_recordings(self) -> None:
        """End what is live or recorded, and return once all callbacks have arrived.

        One that came while a later test's stage takes none would be lost, which doctor finds until
        another arrives."""
        for stream in self.streams():
            if stream["live"]:
                self.live.unpublish(stream["stream"], wait=True)
        if any(stream["recording"] for stream in self.streams()):
            self.live.advance(DELAY_S)
            eventually(self._is_quiet)

    def streams(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.live.get("state")["streams"]
        return found

    def _is_quiet(self) -> bool:
        if any(stream["recording"] for stream in self.streams()):
            return False
        return all(one["took_ms"] is not None for one in self.live.calls()["callbacks"])

    def finds(self, code: str) -> tuple[int, list[dict[str, Any]]] | None:
        """Return exit code and findings once the code is among them, None until then.

        An applied policy takes up to 10 s to be in force.
        """
        exit_code, found = self.doctor()
        return (exit_code, found) if code in [finding["code"] for finding in found] else None

    def apply(self, policy: str) -> None:
        (self.folder / "policy.toml").write_text(policy)
        code, output = self.types("policy", "apply", "policy.toml", "--yes", "--stage", STAGE)
        assert code == 0, output

    def restore(self) -> None:
        """Make everything as it was, so that a test that failed fails alone."""
        heals(self)
        self.live.skew(0)
        self.live.switch(online_list_lag_ms=0)
        redis.Redis.from_url(self.engine.url).execute_command("REPLICAOF", "NO", "ONE")  # type: ignore[no-untyped-call] # redis-py's own
        for command in (
            ("min-replicas-to-write", 0),
            ("replica-read-only", "yes"),
            ("maxmemory", 0),
            ("appendonly", "yes"),
            ("maxmemory-policy", "noeviction"),
        ):
            redis.Redis.from_url(self.engine.url).config_set(*command)
        redis.Redis.from_url(self.engine.url).execute_command("ACL", "SETUSER", "default", "+@all")  # type: ignore[no-untyped-call] # redis-py's own
        self.put_config()
        self.restore_mapping()
        self.apply(POLICY)
        self.types("setup", "--stage", STAGE, "--yes", "--take-over")
        self.stop_forwarding()
        self.until_well()

    def restore_mapping(self) -> None:
        """Give the second ingest domain back to its own streaming domain, if a row has moved it."""
        with suppress(Declined):
            self.account.ask("DeleteLiveDomainMapping", PushDomain=PUSH2, PullDomain=LIVE)
            self.account.ask("AddLiveDomainMapping", PushDomain=PUSH2, PullDomain=SPARE)
            self.apply(POLICY)

    def stop_forwarding(self) -> None:
        """Take out what a take-over has put into the policy."""
        api = Api(self.stack.fc, TOKEN)
        now = api.policy()
        if now["policy"].pop("forward_to", None):
            api.apply_policy(now["policy"], replaces=now["version"])

    def execute(self, command: str) -> None:
        """As whoever reads it would, with nothing changed but the program that is at hand."""
        for part in command.split(" && "):
            self._execute(shlex.split(self._filled(part)))

    def _filled(self, command: str) -> str:
        """Return the command with what only its reader knows."""
        named = {
            "$LIVE_RECORD_STORE": self.engine.url,
            " USER ~live-record:* ": " default ",  # which may use every key
            " USER ": " default ",
            "--bucket NAME": "--bucket dev-bucket",
            "oss-REGION.": "oss-cn-shanghai.",
        }
        for placeholder, value in named.items():
            command = command.replace(placeholder, value)
        return command

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
            case ["ossutil", "api", "put-bucket-cors", "--bucket", name, _, rules]:
                (rule,) = json.loads(rules)["CORSRule"]
                self.let_pages_read(name, rule["AllowedOrigin"], rule["AllowedMethod"])
            case ["make" | "aliyun", *_]:
                """What only a real account can do: the row does it by hand."""
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

    def let_pages_read(self, bucket: str, origins: list[str], methods: list[str]) -> None:
        rule = oss.CORSRule(allowed_origins=origins, allowed_methods=methods)
        whole = oss.CORSConfiguration(cors_rules=[rule])
        self.oss().put_bucket_cors(
            oss.PutBucketCorsRequest(bucket=bucket, cors_configuration=whole)
        )

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
    root = Credential("root", "root-secret", identity="Account")
    account = replace(
        account, domains=(*account.domains, spare), credentials=(*account.credentials, root)
    )
    with (
        LiveInThread(account, clock_file=folder / "clock.json") as live,
        Engine(folder / "engine", options=DURABLE) as engine,
        running(
            folder,
            live=live.address,
            policy=folder / "policy.toml",
            settings={
                "LIVE_RECORD_STORE": engine.url,
                "LIVE_RECORD_MERGE_DELAY": f"{DELAY_S}s",
            },
        ) as stack,
    ):
        ground = Ground(stack, account_at(stack.live), engine, folder)
        ground.fire_timer()
        ground.put_config()
        ground.put_config(AppName="other")
        yield ground


@pytest.fixture
def ground(whole: Ground, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    """Register the stage and enter the folder of policy.toml; end all live streams afterwards."""
    monkeypatch.setenv("LIVE_RECORD_STAGES", str(whole.folder / "stages.toml"))
    monkeypatch.chdir(whole.folder)
    keys = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "dev", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "dev-secret"}
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    register(STAGE, Target(whole.stack.fc, TOKEN, whole.stack.live))
    if whole.doctor() != (0, []):
        whole.restore()  # what ends with doctor's content
    yield whole
    whole.live.switch(absent_notify_config="empty", record_key_is_returned=True)
    whole.stop_forwarding()
    whole.restore_mapping()
    whole.end_recordings()


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
    ground.live.publish(f"unheard-{uuid4().hex}", callback=False, time=_a_while_ago(ground))


def _delete_bucket(ground: Ground) -> None:
    ground.oss().delete_bucket(oss.DeleteBucketRequest(bucket="dev-bucket"))


@dataclass(frozen=True)
class Row:
    """A fault, and the finding that it leads to. `by_hand` is the part of the cure that no command
    does: what the finding tells people to do in a console, or to a stream. It comes last. `also`
    are further findings of the same fault."""

    code: str
    plant: Plant
    by_hand: Plant = lambda _ground: None
    also: frozenset[str] = frozenset()


def config(**changed: Any) -> Plant:  # noqa: ANN401 - as the API has them
    return lambda ground: ground.put_config(**changed)


def stream_url(path: str) -> Plant:
    return lambda ground: ground.stream_notify(NotifyUrl=f"{ground.stack.fc}{path}")


def record_url(path: str) -> Plant:
    return lambda ground: ground.record_notify(NotifyUrl=f"{ground.stack.fc}{path}")


def asks_at(url: str) -> Plant:
    def plant(ground: Ground) -> None:
        ground.put_config(OnDemand=1)
        there = url if url.startswith("http") else ground.stack.fc + url
        ground.record_notify(OnDemandUrl=there)

    return plant


def fails(**fault: object) -> Plant:
    return lambda ground: ground.live.fail(times=10_000, **fault)


def heals(ground: Ground) -> None:
    requests.delete(f"{ground.stack.live}/_control/fail", timeout=60)


def skewed(seconds: float) -> Plant:
    return lambda ground: ground.live.skew(seconds)


def server(*command: str | int) -> Plant:
    """Tell the store's server something, as its operator does."""
    return lambda ground: redis.Redis.from_url(ground.engine.url).execute_command(*command)  # type: ignore[no-untyped-call] # redis-py's own


def registered(url: str, token: str) -> Plant:
    return lambda ground: register(STAGE, Target(url or ground.stack.fc, token, ground.stack.live))


def _really_there(ground: Ground) -> None:
    register(STAGE, Target(ground.stack.fc, TOKEN, ground.stack.live))


def _walk(ground: Ground) -> None:
    """Start by hand what no rule names, and write the rule without applying it."""
    Remote(ground.stack.live, app="yard").publish("walk", wait=True)
    ground.types("start", f"{LIVE}/yard/walk", "--stage", STAGE)
    (ground.folder / "policy.toml").write_text(POLICY + BY_HAND)


def _walk_again(ground: Ground) -> None:
    """Publish the stream anew: a configuration applies from then on."""
    yard = Remote(ground.stack.live, app="yard")
    yard.unpublish("walk", wait=True)
    yard.publish("walk", wait=True)
    eventually(lambda: ground.phase("walk", app="yard") == "recording")
    ground.types("stop", f"{LIVE}/yard/walk", "--stage", STAGE)
    yard.unpublish("walk", wait=True)


def _no_configuration(ground: Ground) -> None:
    for app in ("app", "other", "yard"):
        with suppress(Declined):
            ground.account.ask("DeleteLiveAppRecordConfig", **{**CONFIG_NAMES, "AppName": app})


def _unknown_domain(ground: Ground) -> None:
    ground.apply(POLICY.replace(LIVE, "nowhere.example.com").replace(PUSH, "push9.example.com"))
    (ground.folder / "policy.toml").write_text(POLICY)


def _other_folder(ground: Ground) -> None:
    """Record into another folder, and write it into the policy without applying that."""
    ground.put_config(RecordFormat=formats(PREFIX.replace("record/", "other/")))
    names = '["record/{AppName}/{StreamName}/", "other/{AppName}/{StreamName}/"]'
    policy = POLICY.replace("[[rule]]", f"object_prefix = {names}\n[[rule]]")
    (ground.folder / "policy.toml").write_text(policy)


def _usual_folder(ground: Ground) -> None:
    ground.put_config()
    ground.apply(POLICY)


def _lose_a_callback(ground: Ground) -> None:
    ground.live.detour("drop", event="publish_done", times=1)
    ground.live.publish("lost", wait=True)
    ground.live.unpublish("lost", wait=True)


def _bring_a_callback(ground: Ground) -> None:
    ground.live.publish("lost", wait=True)
    ground.live.unpublish("lost", wait=True)


def _a_while_ago(ground: Ground) -> int:
    """Let 10 s pass; return a publish time in s within them. A start is no longer on its way then,
    and every recording configuration is older: doctor would find a newer one until the end."""
    ground.live.advance(10)
    return ground.now_s() - 8


def _bad_name(ground: Ground) -> None:
    ground.live.publish("bad*", callback=False, time=_a_while_ago(ground))


def _end_bad_name(ground: Ground) -> None:
    ground.live.unpublish("bad*", callback=False)


def _no_ingest(ground: Ground) -> None:
    _unbound(ground)
    ground.apply(POLICY.replace('ingest = ["push.example.com"]', "ingest = []"))


def _bind_again(ground: Ground) -> None:
    ground.account.ask("AddLiveDomainMapping", PushDomain=PUSH, PullDomain=LIVE)
    ground.apply(POLICY)


def _policy_of_an_unbound_domain(ground: Ground) -> None:
    ground.account.ask("DeleteLiveDomainMapping", PushDomain=PUSH2, PullDomain=SPARE)
    ground.apply(SWAPPED.replace(PUSH, PUSH2))
    (ground.folder / "policy.toml").write_text(POLICY)


def _bind_the_second(ground: Ground) -> None:
    ground.account.ask("AddLiveDomainMapping", PushDomain=PUSH2, PullDomain=SPARE)


def forwards(kind: str) -> Plant:
    """Send the callbacks on to an address where nobody answers."""
    target = f'[forward_to]\n{kind} = "http://127.0.0.1:1/"\n'
    return lambda ground: ground.apply(target + POLICY)


def _asks_others(ground: Ground) -> None:
    ground.put_config(OnDemand=1)
    forwards("on_demand")(ground)
    ground.types("setup", "--stage", STAGE, "--yes")


def _asks_nobody(ground: Ground) -> None:
    ground.stop_forwarding()
    ground.put_config()


def _delete_soon(ground: Ground) -> None:
    rule = oss.LifecycleRule(
        id="soon", prefix="", status="Enabled", expiration=oss.LifecycleRuleExpiration(days=2)
    )
    whole = oss.LifecycleConfiguration(rules=[rule])
    ground.oss().put_bucket_lifecycle(
        oss.PutBucketLifecycleRequest(bucket="dev-bucket", lifecycle_configuration=whole)
    )


def _keep(ground: Ground) -> None:
    ground.oss().delete_bucket_lifecycle(oss.DeleteBucketLifecycleRequest(bucket="dev-bucket"))


def _let_no_page_read(ground: Ground) -> None:
    ground.oss().delete_bucket_cors(oss.DeleteBucketCorsRequest(bucket="dev-bucket"))


def _let_another_page_read(ground: Ground) -> None:
    _let_pages_read(ground, "https://other.example.com")


def _let_pages_read(ground: Ground, origin: str = "*") -> None:
    ground.let_pages_read("dev-bucket", [origin], ["GET"])


def _configured_since(ground: Ground) -> None:
    ground.live.publish("early", wait=True)
    eventually(lambda: ground.phase("early") == "recording")
    ground.live.advance(2)
    ground.put_config()


def again(stream: str) -> Plant:
    """Publish a stream anew, until it is recorded."""

    def publish_anew(ground: Ground) -> None:
        ground.live.unpublish(stream, wait=True)
        ground.live.publish(stream, wait=True)
        eventually(lambda: ground.phase(stream) == "recording")

    return publish_anew


def refused(stream: str, code: str, status: int) -> Plant:
    """Let Live refuse every command, and publish a stream that is to be recorded."""

    def plant(ground: Ground) -> None:
        fails(code=code, status=status, action="RealTimeRecordCommand")(ground)
        ground.live.publish(stream, wait=True, time=_a_while_ago(ground))

    return plant


def granted(stream: str) -> Plant:
    """Let Live accept commands again, and publish the stream anew: that is not waited with."""

    def heal(ground: Ground) -> None:
        heals(ground)
        again(stream)(ground)

    return heal


def _break_a_recording(ground: Ground) -> None:
    ground.live.publish("breaks", wait=True)
    eventually(lambda: ground.phase("breaks") == "recording")
    error = {"code": "PermissionDenied.ResourceAccess", "message": "no"}
    event = {"event": "transformat_error", "error_info": error, "file_info": {"uri": "x.flv"}}
    ground.live.record_event("breaks", "transformat_error", **event)


def _many_at_once(ground: Ground) -> None:
    ground.apply(f"{POLICY}max_concurrent = 9000\n")


def _usual_policy(ground: Ground) -> None:
    ground.apply(POLICY)


def _takes_no_writes(ground: Ground) -> None:
    """Let the engine wait for replicas that it does not have, while a stream is recorded."""
    ground.live.publish("old", wait=True, time=_a_while_ago(ground))
    eventually(lambda: ground.phase("old") == "recording")
    server("CONFIG", "SET", "min-replicas-to-write", 1)(ground)


def _replica_that_takes_writes(ground: Ground) -> None:
    server("CONFIG", "SET", "replica-read-only", "no")(ground)
    server("REPLICAOF", "127.0.0.1", 1)(ground)


def _primary(ground: Ground) -> None:
    server("REPLICAOF", "NO", "ONE")(ground)
    server("CONFIG", "SET", "replica-read-only", "yes")(ground)


def _policy_of_a_later_release(ground: Ground) -> None:
    client = redis.Redis.from_url(ground.engine.url)
    newest = client.hlen(POLICIES)
    client.hset(POLICIES, str(newest + 1), f'{round(time.time() * 1000)} {{"later": 1}}')


POLICIES = "live-record:{dev}:policies"


def _unreadable(ground: Ground) -> None:
    """Let a later release have written the record of a live stream, whose turn then comes."""
    ground.live.publish("later", wait=True, time=_a_while_ago(ground))
    eventually(lambda: ground.phase("later") == "recording")
    record = f"live-record:{{dev}}:record:{LIVE}\0app\0later"
    server("HSET", record, "document", '{"format":1,"record":{"later":1}}')(ground)
    ground.fire_timer()


def _stop_the_unreadable(ground: Ground) -> None:
    """Stop it, as health says, which replaces the record; the release that wrote it would do so,
    too."""
    code, output = ground.types("stop", f"{LIVE}/app/later", "--stage", STAGE)
    assert code == 0, output
    eventually(lambda: ground.phase("later") == "idle")
    ground.live.unpublish("later", wait=True)
    ground.types("start", f"{LIVE}/app/later", "--stage", STAGE)  # which ends the hold


def _suspend(ground: Ground) -> None:
    """Suspend the policy, and let a stream begin."""
    ground.types("policy", "suspend", "--for", "1h", "--note", "x", "--stage", STAGE)
    ground.live.advance(POLICY_S)
    ground.live.publish("suspended", wait=True, time=_a_while_ago(ground))


def _resume(ground: Ground) -> None:
    code, output = ground.types("policy", "resume", "--stage", STAGE)
    assert code == 0, output


def _list_was_unread(ground: Ground) -> None:
    """Let reconcile alone be refused the online list."""
    fails(code="Forbidden.RAM", status=403, action="DescribeLiveStreamsOnlineList")(ground)
    ground.fire_timer()
    heals(ground)


def _emptied(ground: Ground) -> None:
    """Empty the store while a stream is recorded; the timer finds it in the online list."""
    ground.live.publish("forgotten", wait=True, time=_a_while_ago(ground))
    eventually(lambda: ground.phase("forgotten") == "recording")
    server("FLUSHALL")(ground)
    ground.fire_timer()


def _accept_the_store(ground: Ground) -> None:
    ground.types("start", f"{LIVE}/app/forgotten", "--stage", STAGE)
    eventually(lambda: ground.phase("forgotten") == "recording")
    code, output = ground.types("store", "accept", "--stage", STAGE)
    assert code == 0, output


def _lose_a_forwarded_callback(ground: Ground) -> None:
    """Forward callbacks to nobody, and let some come until the policy is in force."""
    forwards("stream")(ground)
    ground.live.advance(POLICY_S)
    api = Api(ground.stack.fc, TOKEN)

    def is_lost() -> bool:
        ground.live.publish("forwarded", wait=True)
        ground.live.unpublish("forwarded", wait=True)
        return api.health()["relay_lost_ms_ago"] is not None

    eventually(is_lost)


def _refused_before_its_configuration(ground: Ground) -> None:
    """Let a start be refused for want of a configuration, which is put there afterwards."""
    _delete_config(ground)
    ground.live.publish("before", wait=True, time=_a_while_ago(ground))
    eventually(lambda: ground.phase("before") == "failed")
    ground.put_config()


def _second_bucket(ground: Ground) -> None:
    ground.oss().put_bucket(oss.PutBucketRequest(bucket="second-bucket"))
    ground.let_pages_read("second-bucket", ["*"], ["GET"])
    ground.put_config(OssBucket="second-bucket")


def _ended_and_listed(ground: Ground) -> None:
    """Let a stream end that Live's list goes on to show for a while."""
    ground.live.publish("ended", wait=True, time=_a_while_ago(ground))
    eventually(lambda: ground.phase("ended") == "recording")
    ground.live.advance(60)
    ground.live.switch(online_list_lag_ms=50_000)
    ground.live.unpublish("ended", wait=True)


def _list_is_fresh(ground: Ground) -> None:
    ground.live.switch(online_list_lag_ms=0)


def swallowed(stream: str) -> Plant:
    """Let Live accept a start, and do nothing."""

    def plant(ground: Ground) -> None:
        fails(transport="swallow", command="start")(ground)
        ground.live.publish(stream, wait=True, time=_a_while_ago(ground))

    return plant


def keys(access_key: str, secret: str) -> Plant:
    """Put an access key into the environment of whoever runs doctor."""

    def plant(_ground: Ground) -> None:
        os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"] = access_key
        os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"] = secret

    return plant


VENDOR: dict[str, Row] = {
    "3.1 no configuration": Row("recording.rule", _delete_config),
    "3.1 OnDemand is not manual": Row("on-demand.automatic", config(OnDemand=0)),
    "3.1 no format of the stream": Row("formats.none", _only_transcoded),
    "3.1 a bucket that is gone": Row("bucket.none", _delete_bucket, _let_pages_read),
    "3.1 the endpoint of another region": Row(
        "bucket.endpoint", config(OssEndpoint="oss-cn-beijing.aliyuncs.com")
    ),
    "3.1 an object name for all": Row(
        "names.shared", config(RecordFormat=formats("record/{StartTime}_{EndTime}"))
    ),
    "3.2 OSS and VOD": Row("storage.both", _both_storages, also=frozenset({"delay.other"})),
    "3.3 live, manual, and nobody calls": Row("recorded.unknown", _unheard),
    "4.1 no NotifyUrl": Row(
        "record-callback.none",
        lambda ground: ground.account.ask("DeleteLiveRecordNotifyConfig", DomainName=LIVE),
    ),
    "4.1 NeedStatusNotify is false": Row(
        "status.none", lambda ground: ground.record_notify(NeedStatusNotify="false")
    ),
    "4.1 no OnDemandUrl": Row("on-demand-callback.none", _no_one_to_ask),
    "2.1 not the main streaming domain": Row("domain.not_main", _policy_of_an_ingest_domain),
}
OURS: tuple[Row, ...] = (
    Row(
        "stream-callback.none",
        lambda ground: ground.account.ask("DeleteLiveStreamsNotifyUrlConfig", DomainName=PUSH),
    ),
    Row(
        "stream-callback.elsewhere",
        lambda ground: ground.stream_notify(NotifyUrl="http://127.0.0.1:1/live"),
    ),
    Row("stream-callback.path", stream_url("/callbacks/other/dev-path")),
    Row("stream-callback.token", stream_url("/callbacks/stream/other-token")),
    Row("stream-callback.old_token", stream_url("/callbacks/stream/dev-path")),
    Row("stream-callback.other_token", stream_url(f"/callbacks/stream/{OF_RECORD}")),
    Row(
        "record-callback.elsewhere",
        lambda ground: ground.record_notify(NotifyUrl="http://127.0.0.1:1/record"),
    ),
    Row("record-callback.path", record_url("/callbacks/other/dev-path")),
    Row("record-callback.token", record_url("/callbacks/record/other-token")),
    Row("record-callback.old_token", record_url("/callbacks/record/dev-path")),
    Row("record-callback.other_token", record_url(f"/callbacks/record/{OF_STREAM}")),
    Row(
        "on-demand-callback.elsewhere",
        asks_at("http://127.0.0.1:1/ask"),
        lambda ground: ground.stop_forwarding(),
    ),
    Row("on-demand-callback.path", asks_at("/callbacks/other/dev-path")),
    Row("on-demand-callback.token", asks_at("/callbacks/on-demand/other-token")),
    Row("on-demand-callback.old_token", asks_at("/callbacks/on-demand/dev-path")),
    Row("on-demand-callback.other_token", asks_at(f"/callbacks/on-demand/{OF_STREAM}")),
    Row(
        "stream-key.unknown",
        lambda ground: ground.stream_notify(NotifyAuthKey="somebodyelseskey0"),
    ),
    Row("stream-key.unsigned", lambda ground: ground.stream_notify(NotifyReqAuth="no")),
    Row(
        "record-key.unsigned",
        lambda ground: ground.record_notify(NotifyReqAuth="false", NotifyAuthKey=None),
    ),
    Row(
        "record-key.unknown",
        lambda ground: ground.record_notify(NotifyAuthKey="somebodyelseskey0"),
    ),
    Row("names.unsigned", _other_folder, _usual_folder),
    Row("delay.other", config(DelayTime=30)),
    Row("on-demand.push_url", config(OnDemand=2)),
    Row("policy.observes", _observes),
    Row("mapping.unnamed", _another_ingest_domain),
    Row("mapping.unbound", _unbound),
    Row("domain.unknown", _unknown_domain),
    Row("recording.none", _no_configuration),
    Row("recording.by_hand", _walk, _walk_again),
    Row("recorded.name", _bad_name, _end_bad_name),
    Row("delivery.lost", _lose_a_callback, _bring_a_callback),
    Row("durable.memory", server("CONFIG", "SET", "appendonly", "no")),
    Row("durable.evicts", server("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")),
    Row("durable.fsync", server("CONFIG", "SET", "appendfsync", "no")),
    Row("durable.info", server("ACL", "SETUSER", "default", "-info")),
    Row("store.commands", server("ACL", "SETUSER", "default", "-hset")),
    Row(
        "health.stops",
        server("CONFIG", "SET", "maxmemory", 1),
        server("CONFIG", "SET", "maxmemory", 0),
    ),
    Row("stage.down", registered("http://127.0.0.1:1", TOKEN), _really_there),
    Row("stage.refuses", registered("", "another-token"), _really_there),
    Row(
        "credentials.revoked",
        fails(code="InvalidAccessKeyId.NotFound", status=404, action="GetCallerIdentity"),
        heals,
    ),
    Row(
        "credentials.owner",
        fails(code="ServiceUnavailable", status=503, action="GetCallerIdentity"),
        heals,
    ),
    Row(
        "access.forbidden",
        fails(code="Forbidden.RAM", status=403, action="DescribeLiveRecordNotifyRecords"),
        heals,
    ),
    Row(
        "access.unanswered",
        fails(code="ServiceUnavailable", status=503, action="DescribeLiveRecordNotifyRecords"),
        heals,
    ),
    Row(
        "role.list",
        fails(code="Forbidden.RAM", status=403, action="DescribeLiveStreamsOnlineList"),
        heals,
        also=frozenset({"access.forbidden"}),
    ),
    Row(
        "role.revoked",
        fails(
            code="InvalidAccessKeyId.NotFound", status=404, action="DescribeLiveStreamsOnlineList"
        ),
        heals,
    ),
    Row(
        "role.list_fails",
        fails(code="InternalError", status=500, action="DescribeLiveStreamsOnlineList"),
        heals,
        also=frozenset({"access.unanswered"}),
    ),
    Row("mapping.none", _no_ingest, _bind_again, also=frozenset({"stream-callback.none"})),
    Row("domain.unbound", _policy_of_an_unbound_domain, _bind_the_second),
    Row("formats.forward", _asks_others, _asks_nobody),
    Row("lifecycle.soon", _delete_soon, _keep),
    Row("cors.none", _let_no_page_read, _let_pages_read),
    Row("cors.others", _let_another_page_read, _let_pages_read),
    Row("fresh.older", _configured_since, again("early")),
    Row("recorded.waits", refused("throttled", "Throttling.User", 400), granted("throttled")),
    Row("role.commands", refused("barred", "Forbidden.RAM", 403), granted("barred")),
    Row("role.not_activated", refused("inactive", "LiveServiceNotFound", 404), granted("inactive")),
    Row("errors.broken", _break_a_recording, again("breaks")),
    Row("quota.small", _many_at_once, _usual_policy),
    Row("clock.far_ahead", skewed(-400), skewed(0)),
    Row("clock.far_behind", skewed(400), skewed(0)),
    Row("clock.ahead", skewed(-100), skewed(0)),
    Row("clock.behind", skewed(100), skewed(0)),
    Row(
        "store.unavailable",
        lambda ground: ground.engine.kill(),
        lambda ground: ground.engine.start(),
    ),
    Row(
        "store.unwritable",
        _takes_no_writes,
        server("CONFIG", "SET", "min-replicas-to-write", 0),
        also=frozenset({"durable.unread", "recorded.old"}),
    ),
    Row("durable.replica", _replica_that_takes_writes, _primary),
    Row("policy.refused", _policy_of_a_later_release),
    Row("recorded.unreadable", _unreadable, _stop_the_unreadable),
    Row(
        "recorded.suspended",
        _suspend,
        _resume,
        also=frozenset({"health.warns"}),
    ),
    Row("role.list_was_unread", _list_was_unread, lambda ground: ground.fire_timer()),
    Row("recorded.forgotten", _emptied, _accept_the_store, also=frozenset({"health.warns"})),
    Row("relay.lost", _lose_a_forwarded_callback, lambda ground: ground.stop_forwarding()),
    Row("recorded.config", _refused_before_its_configuration, again("before")),
    Row("bucket.other", _second_bucket, config()),
    Row("recorded.unshown", swallowed("swallowed"), granted("swallowed")),
    Row("recorded.undecided", _ended_and_listed, _list_is_fresh),
    Row("credentials.root", keys("root", "root-secret"), keys("dev", "dev-secret")),
)
ROWS = {**VENDOR, **{row.code: row for row in OURS}}
CURED_ALONE = frozenset({"wake.lost", "deployed.runtime"})
"""Findings that have a test of their own, here and in test_doctor_compute.py."""
NEVER_CURED = {
    "durable.disk": "needs a disk that is full",
    "bucket.elsewhere": "needs a bucket in another region; setup --endpoint is tried for its row",
    "role.asked": "needs two who ask within one second; to ask again cures it",
    "recorded.undated": "needs a clock that is set back; the incident clock_set_back has one",
    "service-roles.missing": "only the console can create this role",
    "service-roles.mts": "only the console can create this role",
    **dict.fromkeys(
        (f"{kind}-callback.http" for kind in ("stream", "record", "on-demand")),
        "needs a stage that is not on this machine; setup is tried for the other addresses",
    ),
}
"""Findings whose cure no test executes, and why. tests/cli/test_doctor_checks.py shows them all."""


def test_ten_of_the_faults_are_the_vendors_own() -> None:
    assert len(VENDOR) >= 10


def test_the_cure_of_every_finding_is_executed_or_it_is_said_why_not() -> None:
    in_rows = {code for row in ROWS.values() for code in (row.code, *row.also)}
    lacking = {code for codes, _ in LACKS for code in codes}
    executed = in_rows | lacking | CURES | CURED_ALONE | FAULTS.keys() | REMOVALS.keys()
    all_of_them = {kind.code for kind in kinds() if kind.severity is not Severity.NOTHING}

    assert executed & NEVER_CURED.keys() == set()
    assert executed | NEVER_CURED.keys() == all_of_them


def found_or_planted_again(ground: Ground, row: Row) -> tuple[int, list[dict[str, Any]]] | None:
    """Return what doctor finds, once the row's findings are among it, and nothing else but what
    follows from them; plant the fault again if the stage's timer repaired it already."""
    found = ground.finds(row.code)
    if found is None and row.plant is _unheard:
        row.plant(ground)
    if found is None:
        return None
    codes = {finding["code"] for finding in found[1]}
    roots = {finding["code"] for finding in found[1] if not finding["because"]}
    return found if codes >= row.also and roots <= {row.code, *row.also} else None


@pytest.mark.parametrize("fault", ROWS)
def test_a_planted_fault_is_found_and_its_cure_makes_the_finding_go(
    ground: Ground, fault: str
) -> None:
    row = ROWS[fault]
    row.plant(ground)
    code, found = eventually(lambda: found_or_planted_again(ground, row))
    assert code in (3, 4)

    for command in dict.fromkeys(finding["fix"] for finding in found if finding["fix"]):
        ground.execute(command)
    row.by_hand(ground)
    ground.until_well()


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
        assert "Set LIVE_RECORD_WAKE_URL to the address of reconcile's HTTP trigger" in advice

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
