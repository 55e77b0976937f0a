"""A stage, an account, and somebody who types commands; faults are planted there."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import alibabacloud_oss_v2 as oss
import pytest
import redis
import requests
from click.testing import CliRunner

from cli.account import Account, Declined
from cli.api import Api
from cli.local.redis_server import Engine
from cli.local.stack import TOKEN, Stack
from cli.main import main
from emulator.live import Remote
from shared.config.path_tokens import path_token_of
from tests.support.compute_emulator import eventually

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

    def heals(self) -> None:
        """End the faults of calls, and let callbacks arrive again."""
        for planted in ("fail", "callbacks"):
            requests.delete(f"{self.stack.live}/_control/{planted}", timeout=60)

    def restore(self) -> None:
        """Make everything as it was, so that a test that failed fails alone."""
        self.heals()
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
