"""Every secret of a stage is searched for in all that it says, logs and stores: it is nowhere.

What must hold a secret by its nature is not searched:

* Live's configuration, which has the callback URLs and keys;
* the environment of the functions, which a deploy hands to Function Compute;
* stages.toml and setup's backup, which are files of whoever works with the stage;
* the one answer of `token add`, which prints a new token;
* what Function Compute itself answers where no route leads, which repeats the path of the request.
"""

from __future__ import annotations

import json
import secrets
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

import click
import pytest
import requests
from click.testing import CliRunner

from cli.deploying.fingerprints import fingerprints
from cli.deploying.release import CODE_STEPS, Release, release
from cli.deploying.rollback import plan_rollback, roll_back
from cli.deploying.serverless import Serverless
from cli.deploying.stage import Stage, stage_named
from cli.local.redis_server import DURABLE, Engine
from cli.local.stack import Stack, running
from cli.main import main
from cli.paths import ROOT
from cli.stage_registry import DEV, Target, register
from emulator.fc_control.account import Account
from emulator.fc_control.server import running as running_control
from emulator.live import LiveInThread
from emulator.live.account import Credential, load_account
from functions.record_command.all_routes import ROUTES
from shared.config.path_tokens import KINDS, path_token_of
from tests.support.fc3 import FakeServerless, calls_to
from tests.support.real_serverless_devs import (
    add_access,
    calls,
    environment,
    put_component,
    small_template,
)

pytestmark = pytest.mark.slow

ROOM = "live.example.com/app/room1"
JSON = {"Content-Type": "application/json"}
HOLD_SECRETS = ("stages.toml", ".live-record/setup/", "setup/")
CALENDAR = ROOT / "tests" / "fixtures" / "calendars" / "icalendar.ics"
SCHEDULES = """
[[schedule]]
id = "tuesdays"
streams = ["live.example.com/app/room1"]
start = "2099-01-06T19:00:00"
end = "2099-01-06T21:00:00"
timezone = "Asia/Shanghai"
"""


def planted(name: str) -> str:
    return f"{name}-{secrets.token_hex(8)}"


@dataclass
class Planted:
    """The secrets by name; `settings` are those of the stage that hold some."""

    engine: str = ""
    secrets: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = ("stream-key", "record-key", "wake-key", "relay-key", "path-secret", "account-key")
        # Characters that quoting and JSON change, so that an encoded copy differs from the token.
        self.secrets = {name: planted(name[:6]) for name in (*names, "push-sign")}
        self.secrets["api-token"] = planted('t"k%/=')
        self.secrets["other-token"] = planted("other&t")
        self.secrets["webhook"] = b64encode(secrets.token_bytes(24)).decode()
        self.secrets |= {name: planted(name) for name in ("heartbeat", "deliver")}
        for kind in KINDS:
            self.secrets[f"path-{kind}"] = path_token_of(kind, self.secrets["path-secret"])

    def __getitem__(self, name: str) -> str:
        return self.secrets[name]

    @property
    def settings(self) -> Mapping[str, str]:
        tokens = f"ops:read+control+policy+tokens:{self['api-token']},tv:read:{self['other-token']}"
        return {
            "LIVE_RECORD_API_TOKENS": tokens,
            "LIVE_RECORD_STREAM_KEYS": self["stream-key"],
            "LIVE_RECORD_RECORD_KEYS": self["record-key"],
            "LIVE_RECORD_PATH_TOKENS": self["path-secret"],
            "LIVE_RECORD_WAKE_KEY": self["wake-key"],
            "LIVE_RECORD_RELAY_KEY": self["relay-key"],
            "LIVE_RECORD_WEBHOOK_SECRETS": f"crm:whsec_{self['webhook']}",
            "LIVE_RECORD_HEARTBEAT_URL": f"http://127.0.0.1:1/{self['heartbeat']}",
            "LIVE_RECORD_DELIVER_CREDENTIALS": f"copies:an-id:{self['deliver']}",
            **({"LIVE_RECORD_STORE": self.engine} if self.engine else {}),
        }

    def found_in(self, shown: Mapping[str, bytes]) -> Sequence[str]:
        """Return which secret is in which text, however it is encoded."""
        return [
            f"{name} in {where}"
            for where, text in shown.items()
            for name, secret in self.secrets.items()
            if any(form in text for form in forms(secret))
        ]


def forms(secret: str) -> Iterable[bytes]:
    """Yield the secret as it is, quoted, in JSON, in hexadecimal and in base64, wherever in a
    longer text it may stand there."""
    raw = secret.encode()
    yield from (raw, quote(secret).encode(), quote(secret, "").encode())
    yield from (json.dumps(secret)[1:-1].encode(), raw.hex().encode())
    for before in range(3):
        encoded = b64encode(b"\0" * before + raw)
        begin, end = (8 * before + 5) // 6, (before + len(raw)) * 8 // 6
        yield encoded[begin:end]
        yield encoded[begin:end].replace(b"+", b"-").replace(b"/", b"_")


@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
def test_an_encoded_secret_would_be_found(before: str) -> None:
    secret = planted('s"/')
    text = f"{before}{secret} and more"

    for encoded in (text, quote(text), json.dumps(text), b64encode(text.encode()).decode()):
        assert any(form in encoded.encode() for form in forms(secret)), encoded


@contextmanager
def running_stage(kind: str, folder: Path) -> Iterator[tuple[Stack, Planted]]:
    """Run a stage whose secrets are planted, with a store in a file or behind a password."""
    account = load_account()
    options = {**DURABLE, "requirepass": planted("passw/rd")}
    engine = nullcontext() if kind == "sqlite" else Engine(folder / "engine", options=options)
    with engine as started:
        plants = Planted()
        if started is not None:
            plants.secrets["store-password"] = options["requirepass"]
            password = quote(options["requirepass"], "")
            plants.engine = started.url.replace("://", f"://:{password}@")
        credential = Credential("dev", plants["account-key"])
        with (
            LiveInThread(
                replace(account, credentials=(credential,)), clock_file=folder / "clock.json"
            ) as live,
            running(
                folder,
                live=live.address,
                settings=plants.settings,
                fc_options=["--access-key-secret", plants["account-key"]],
            ) as stack,
        ):
            stack.control("notify", **callbacks(stack, plants))
            yield stack, plants


def callbacks(stack: Stack, plants: Planted) -> Mapping[str, str]:
    urls = {
        f"{kind.replace('-', '_')}_url": f"{stack.fc}/callbacks/{kind}/{plants[f'path-{kind}']}"
        for kind in KINDS
    }
    return {**urls, "stream_key": plants["stream-key"], "record_key": plants["record-key"]}


def publish(stack: Stack, plants: Planted) -> None:
    """Push a stream with a signed URL, whose arguments Live repeats in its callback."""
    stream = {"domain": "push.example.com", "app": "app", "stream": "room1"}
    stack.control("publish", **stream, arguments={"auth_key": plants["push-sign"]}, wait=True)


class Person:
    """Somebody who calls the stage and types commands; all that comes back is kept."""

    def __init__(self, stack: Stack, plants: Planted) -> None:
        self.stack, self.plants = stack, plants
        self.shown: dict[str, bytes] = {}

    def asks(self, method: str, path: str, token: str, body: object = None) -> None:
        headers = {"Authorization": f"Bearer {token}", **JSON}
        answer = requests.request(
            method,
            self.stack.fc + path,
            headers=headers,
            data=None if body is None else json.dumps(body),
            timeout=60,
        )
        where = f"{len(self.shown)} {method} {path.partition('?')[0]}"
        self.shown[where] = str(answer.headers).encode() + answer.content

    def types(self, *words: str) -> str:
        ran = CliRunner().invoke(main, words, input="y\n", obj=lambda _seconds: None)
        assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.output
        self.shown[f"{len(self.shown)} live-record {' '.join(words[:3])}"] = ran.output.encode()
        return ran.stdout


def whole_api(person: Person) -> None:
    """Call each route with each token, with a body that is right, and one that is not."""
    plants = person.plants
    for route in ROUTES:
        path = route.path.replace("{domain}/{app}/{stream}", ROOM).replace("{name}", "nobody")
        for token in (plants["api-token"], plants["other-token"], plants["wake-key"]):
            person.asks(route.method, path, token, {} if route.method == "POST" else None)
    person.asks(
        "POST", f"/v1/recordings/{ROOM}/extend", plants["api-token"], {"max_duration": "1h"}
    )
    person.asks("GET", "/v1/doctor?path_token=" + "0" * 64, plants["api-token"])
    for method, kind in (("GET", "stream"), ("POST", "record"), ("GET", "on-demand")):
        for token in ("path-stream", "path-record", "path-on-demand", "path-secret"):
            body = {"a": 1} if method == "POST" else None
            person.asks(method, f"/callbacks/{kind}/{plants[token]}", "no-token", body)
    for function in ("reconcile", "relay"):
        person.asks("POST", f"/_fc/http/{function}/", "no-token", {"key": "no key of the stage"})


ON_A_STAGE: Sequence[Sequence[str]] = (
    *(("status", ROOM), ("why", ROOM), ("history", ROOM), ("files", ROOM), ("list",)),
    *(("start", ROOM), ("extend", ROOM, "--max-duration", "2h"), ("restart", ROOM)),
    *(("play", ROOM), ("stop", ROOM), ("cancel-delay", ROOM)),
    *(("policy", "show"), ("policy", "diff"), ("policy", "suspend", "--for", "1h")),
    *(("policy", "resume"), ("policy", "mode", "act"), ("policy", "apply", "--yes")),
    *(("token", "list"), ("token", "revoke", "nobody")),
    *(("state", "export", "state.json"), ("state", "import", "state.json")),
    *(("store", "accept"), ("setup",), ("doctor",)),
    *(("setup", "--yes", "--take-over"), ("doctor",), ("health",), ("watch", "--once")),
    *(("report",), ("alerts", "list"), ("alerts", "ack", "1"), ("alerts", "test", "--wait", "1")),
    *(
        ("schedule", "list"),
        ("schedule", "export"),
        ("schedule", "apply", "schedules.toml", "--yes"),
    ),
    *((("schedule", word, "tuesdays")) for word in ("show", "next", "pause", "resume", "skip")),
    *(("schedule", "trigger", "tuesdays"), ("schedule", "extend", "tuesdays", "--by", "5m")),
    *(("schedule", "diff", "schedules.toml"), ("schedule", "import", "tuesdays.ics")),
    *(
        ("schedule", "delete", "tuesdays"),
        ("deliveries", "list"),
        ("deliveries", "redrive", "--all"),
    ),
    *(("webhook", "list"), ("webhook", "test", "--wait", "1")),
)
ON_THE_ACCOUNT: Sequence[Sequence[str]] = (
    *(("check",), ("policy", "test", ROOM)),
    *(
        ("emergency", "live.example.com/app", "--yes"),
        ("emergency", "live.example.com/app", "--undo"),
    ),
)
ELSEWHERE = {
    *(("demo",), ("dev",), ("try",), ("emulator", "fc"), ("emulator", "live")),
    *(("deploy",), ("rollback",), ("package",)),
    *(("stage", "add"), ("token", "add"), ("push",), ("probe",), ("rehearse",)),
}
"""Commands that run a stage of their own, deploy (which is another test), ask for a secret or print
one by their nature, or push a video."""


def every_command(person: Person, *, by_json: bool) -> None:
    by_stage = ("--stage", DEV)
    for words in ON_A_STAGE:
        person.types(*words, *by_stage)
        if by_json:
            person.types(*words, *by_stage, "--json")
    for words in ON_THE_ACCOUNT:
        by_live = ("--live", person.stack.live) if words[0] == "emergency" else ()
        person.types(*words, *by_live)
    person.types("status", ROOM, "--url", person.stack.fc, "--token", "no-token-of-the-stage")
    person.types("status", ROOM, "--url", "http://127.0.0.1:1", "--token", "no-token")


def names_of(command: click.Command, *above: str) -> Iterator[tuple[str, ...]]:
    """Yield the name of each command below this one."""
    if not isinstance(command, click.Group):
        yield above
        return
    for name in command.list_commands(click.Context(command)):
        inner = command.get_command(click.Context(command), name)
        assert inner is not None
        yield from names_of(inner, *above, name)


def test_every_command_is_typed_or_said_to_be_elsewhere() -> None:
    typed = [*ON_A_STAGE, *ON_THE_ACCOUNT]
    left = {name for name in names_of(main) if not any(each[: len(name)] == name for each in typed)}

    assert left == ELSEWHERE


def added(person: Person) -> str:
    """Return a token of the store, whose only appearance is taken out of what was shown."""
    words = ("token", "add", "brand", "--scope", "read", "--stage", DEV)
    token = person.types(*words).splitlines()[0]
    person.shown.popitem()
    return token


def all_files(folder: Path) -> Mapping[str, bytes]:
    """Return all that the stage has left: its log, its store, the clock, what was exported."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def written_by_commands(own: Path) -> Mapping[str, bytes]:
    """Return the files that commands wrote, but for those that hold secrets by their nature."""
    left = all_files(own)
    return {name: text for name, text in left.items() if not name.startswith(HOLD_SECRETS)}


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_no_secret_is_in_an_answer_a_log_or_the_store(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, own = tmp_path / "stage", tmp_path / "own"
    own.mkdir()
    monkeypatch.setenv("LIVE_RECORD_STAGES", str(own / "stages.toml"))
    with running_stage(kind, folder) as (stack, plants):
        for name, value in {**plants.settings, **account_key(plants)}.items():
            monkeypatch.setenv(name, value)
        register(DEV, Target(stack.fc, plants["api-token"], stack.live))
        monkeypatch.chdir(own)
        (own / "policy.toml").write_bytes((ROOT / "policy.toml").read_bytes())
        (own / "schedules.toml").write_text(SCHEDULES)
        (own / "tuesdays.ics").write_bytes(CALENDAR.read_bytes())
        person = Person(stack, plants)
        publish(stack, plants)
        whole_api(person)
        plants.secrets["store-token"] = added(person)
        person.asks("GET", f"/v1/recordings/{ROOM}", plants["store-token"])
        every_command(person, by_json=kind == "sqlite")

    left = {**all_files(folder), **written_by_commands(own)}
    assert len(person.shown) > 200
    assert any(b"stream.published" in text for text in left.values())
    assert plants.found_in({**person.shown, **left}) == []


def account_key(plants: Planted) -> Mapping[str, str]:
    return {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": "dev",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": plants["account-key"],
    }


def test_no_secret_is_in_what_a_deploy_and_a_rollback_say_and_leave(tmp_path: Path) -> None:
    """What the emulator of Function Compute was given is not searched. A deploy that fails is in
    tests/cli/test_deploy_with_s.py. Only what makes room for a rollback, the first deploy, is done
    by a double of `s`: each start of the real one takes a second of CPU."""
    put_component(tmp_path)
    add_access(tmp_path, "default")
    plants = Planted("rediss://user:of-the-store@store.example.com:6380/0")
    plants.secrets |= {"store-password": "of-the-store", "access": "secret-of-default"}
    certificate = {"LIVE_RECORD_CERTIFICATE_KEY": plants.secrets.setdefault("tls", planted("tls"))}
    variables = {**environment(tmp_path), **plants.settings, **certificate}
    variables["LIVE_RECORD_WAKE_URL"] = "https://wake.example.com/"
    said, account = list[str](), Account()

    def double(stage: Stage) -> FakeServerless:
        return FakeServerless(stage, calls_to(account), lambda _words: None)

    with running_control(account) as control:
        for day, s_of in ((1, double), (2, Serverless)):
            variables |= {"S_CONTROL": control, "LIVE_RECORD_RATE": f"4{day}"}
            stage = stage_named(
                "dev",
                variables,
                template=small_template(tmp_path),
                codes={"LIVE_RECORD_CODE": tmp_path},
            )
            of_now = fingerprints(stage.environment)
            label = f"2026-11-2{day}T20:00:00Z live-record secrets: {of_now}"
            release(stage, s_of, Release(label, lambda _props: "tree", CODE_STEPS), said.append)
        s = Serverless(stage)
        roll_back(s, plan_rollback(s, ("reconcile",)), said.append)

    assert said[-1] == "reconcile: release points to 1"
    assert {call["command"] for call in calls(tmp_path)} == {"deploy", "version", "alias"}
    left = {name: text for name, text in all_files(tmp_path).items() if name != "calls"}
    assert plants.found_in({"what was said": "\n".join(said).encode(), **left}) == []
