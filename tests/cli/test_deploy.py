"""A deploy and the way back, with a Serverless Devs that records its commands."""

from __future__ import annotations

import json
import os
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.api import Api
from cli.deploying.description import describe, time_of
from cli.deploying.fingerprints import SECRETS as FINGERPRINTED
from cli.deploying.fingerprints import fingerprints
from cli.deploying.lock import only_one
from cli.deploying.rollback import plan_rollback, roll_back
from cli.deploying.stage import stage_named
from cli.deploying.store_identity import StoreId, accept_store, store_id_of
from cli.errors import Failure
from cli.local.stack import TOKEN, running
from cli.main import main
from cli.stage_registry import Target, register
from tests.conftest import EXHAUSTIVE_S
from tests.support.deploys import SOUND, Deploys, ready_account
from tests.support.http_stage import http_stage
from tests.support.program_s import Program, program_s

pytestmark = pytest.mark.slow

FIRST, SECOND, THIRD = (f"2026-11-2{day}T20:00:00Z live-record" for day in (1, 2, 3))
POLICY = '{"domain": [{"streaming": "live.acme-tv.com"}]}'


STAGE_POLICY = '[[domain]]\nstreaming = "live.example.com"\n'
SECRETS = (
    *("hush", "s3cr3t-s3cr3t-s3cr3t", "K3yK3yK3yK3yK3y0", "K3yK3yK3yK3yK3y2", "pr1vate"),
    *("unguessable-path-1", "unguessable-wake-1", "unguessable-relay-1"),
)


@dataclass
class Function:
    versions: list[str] = field(default_factory=list)
    serves: int = 0


@dataclass
class Account:
    """Serverless Devs as a deploy needs it: the commands it got, and the versions it has."""

    commands: list[str] = field(default_factory=list)
    functions: defaultdict[str, Function] = field(default_factory=lambda: defaultdict(Function))
    refuses: str = ""
    prints: str = ""
    has_no: str = ""
    environment: dict[str, str] | None = None

    def run(self, *words: str) -> str:
        self.commands.append(" ".join(words))
        if self.refuses and self.refuses in self.commands[-1]:
            raise Failure("no such permission")
        function = self.functions[words[0]]
        if words[1:3] == ("version", "publish"):
            function.versions.append(words[4])
        elif words[1:3] == ("alias", "publish"):
            latest = words[-1] == "latest"
            function.serves = len(function.versions) if latest else int(words[-1])
        return self.prints

    def ask(self, *words: str) -> list[dict[str, Any]]:
        if words[0] == self.has_no:
            raise Failure(
                f"`s {' '.join(words)}` ended with 101: FunctionNotFound: no such function"
            )
        if words[1] == "info":
            shown = {"environmentVariables": self.environment}
            return [] if self.environment is None else [shown, self.environment]
        function = self.functions[words[0]]
        if words[1:3] == ("version", "list"):
            numbered = enumerate(function.versions, 1)
            return [{"versionId": str(n), "description": named} for n, named in numbered]
        serves = {"aliasName": "release", "versionId": str(function.serves)}
        return [serves] if function.serves else []

    @property
    def serving(self) -> dict[str, int]:
        return {name: each.serves for name, each in self.functions.items() if each.serves}


@pytest.fixture
def account() -> Account:
    return Account()


def released(account: Account, named: str, functions: Sequence[str] = ("api", "timer")) -> None:
    """Release as version 0.2 did, whose descriptions do not say what served before."""
    for function in functions:
        account.run(function, "version", "publish", "--description", named)
    for function in functions:
        account.run(
            *(function, "alias", "publish", "--alias-name", "release", "--version-id", "latest")
        )


def back(account: Account, functions: Sequence[str] = ("api", "timer")) -> list[str]:
    """Return what a person is told."""
    plan = plan_rollback(account, functions)
    lines = [*plan.warnings]
    roll_back(account, plan, lines.append)
    return lines


def test_a_rollback_leads_back_to_the_release_before(account: Account) -> None:
    for named in (FIRST, SECOND):
        released(account, named)

    assert f"rolling back to {FIRST}" in back(account)
    assert account.serving == {"api": 1, "timer": 1}


def test_a_second_rollback_goes_one_further_back(account: Account) -> None:
    for named in (FIRST, SECOND, THIRD):
        released(account, named)
    back(account)

    assert f"rolling back to {FIRST}" in back(account)


def test_after_a_rollback_the_next_release_serves(account: Account) -> None:
    for named in (FIRST, SECOND):
        released(account, named)
    back(account)
    released(account, THIRD)

    assert account.serving == {"api": 3, "timer": 3}
    assert f"rolling back to {SECOND}" in back(account)


def test_a_function_without_a_version_of_the_newest_release_stays_where_it_is(
    account: Account,
) -> None:
    released(account, FIRST)
    released(account, SECOND, ["api"])
    back(account)

    assert account.serving == {"api": 1, "timer": 1}


def test_a_function_that_had_no_version_then_is_left_and_said(account: Account) -> None:
    released(account, FIRST)
    released(account, SECOND, ["api", "timer", "files"])
    lines = back(account, ["api", "timer", "files"])

    assert account.serving == {"api": 1, "timer": 1, "files": 1}
    assert f"files had no version in {FIRST} and stays as it is" in lines


def test_it_holds_up_no_further_rollback(account: Account) -> None:
    for named in (FIRST, SECOND):
        released(account, named)
    released(account, THIRD, ["api", "timer", "files"])
    for _ in range(2):
        back(account, ["api", "timer", "files"])

    assert account.serving == {"api": 1, "timer": 1, "files": 1}
    with pytest.raises(Failure, match="no release before"):
        back(account, ["api", "timer", "files"])


def named(release: str, **secrets: str) -> str:
    """Describe a release by a deploy with these secrets."""
    return f"{release} secrets: {fingerprints({**SOUND, **secrets})}"


def test_a_rollback_says_which_secrets_it_revives(account: Account) -> None:
    released(account, named(FIRST))
    rotated = {"LIVE_RECORD_PATH_TOKENS": "unguessable-path-2", "LIVE_RECORD_STORE": "redis://x"}
    released(account, named(SECOND, **rotated))
    lines = back(account)

    (warning,) = [line for line in lines if "has other secrets than the present release" in line]
    assert "release: LIVE_RECORD_STORE, LIVE_RECORD_PATH_TOKENS." in warning
    assert f"rolling back to {FIRST}" in lines


@pytest.mark.parametrize("name", ["ROBOTS", "DELIVER_CREDENTIALS", "HEARTBEAT_URL"])
def test_a_rollback_names_each_secret_that_it_revives(account: Account, name: str) -> None:
    released(account, named(FIRST, **{f"LIVE_RECORD_{name}": "s3cr3t-1"}))
    released(account, named(SECOND, **{f"LIVE_RECORD_{name}": "s3cr3t-2"}))

    assert any(f"release: LIVE_RECORD_{name}." in line for line in back(account))


def test_a_rollback_to_the_same_secrets_says_nothing_of_them(account: Account) -> None:
    for release_named in (named(FIRST), named(SECOND)):
        released(account, release_named)

    assert not any("secrets" in line for line in back(account))


def test_a_rollback_beyond_what_has_fingerprints_says_that_it_cannot_tell(account: Account) -> None:
    released(account, FIRST)
    released(account, named(SECOND))

    assert any("may bring back older secrets" in line for line in back(account))


def test_a_description_shows_no_secret_and_fits() -> None:
    every = {f"LIVE_RECORD_{name}": f"s3cr3t-of-{name}" for name in FINGERPRINTED}
    label = named(f"{FIRST} 0.20.10 0123456789ab", **every)
    described = describe(label, time_of(SECOND), "0123456789ab")

    assert len(described) <= 256
    assert [secret for secret in (*SECRETS, *every.values()) if secret in described] == []


@pytest.mark.parametrize("absent", ["", "files"])
def test_a_function_that_was_never_released_is_left_too(account: Account, absent: str) -> None:
    """Serverless Devs answers nothing for it, or ends with an error."""
    for named in (FIRST, SECOND):
        released(account, named)
    account.has_no = absent
    lines = back(account, ["api", "timer", "files"])

    assert account.serving == {"api": 1, "timer": 1}
    assert any(line.startswith("files had no version") for line in lines)


def test_there_is_nothing_before_the_first_release(account: Account) -> None:
    released(account, FIRST)

    with pytest.raises(Failure, match="no release before"):
        back(account)


def test_nothing_is_rolled_back_that_was_never_released(account: Account) -> None:
    with pytest.raises(Failure, match="has no release yet"):
        back(account)


# --- what stands in the way of a deploy


def faults(**more: str) -> list[str]:
    return stage_named("prod", {**SOUND, **more}).faults(POLICY)


def test_a_stage_that_has_all_it_needs_may_be_deployed() -> None:
    assert faults() == []


@pytest.mark.parametrize("name", SOUND)
def test_what_is_empty_is_named(name: str) -> None:
    assert faults(**{name: ""}) == [f"{name} is empty. Export it."]


def test_all_that_is_empty_is_named_at_once() -> None:
    found = faults(**dict.fromkeys(SOUND, " "))

    assert sorted(found) == sorted(f"{name} is empty. Export it." for name in SOUND)


UNKNOWN_REJECTION = {
    "a development secret": ("LIVE_RECORD_PATH_TOKENS", "dev-path-of-one-s-own"),
    "SQLite": ("LIVE_RECORD_STORE", "sqlite:///tmp/records.db"),
    "a rate beyond Live's": ("LIVE_RECORD_RATE", "51"),
    "the development clock": ("LIVE_RECORD_DEV_CLOCK", "/tmp/clock"),
}


@pytest.mark.parametrize("case", UNKNOWN_REJECTION)
def test_what_the_functions_would_refuse_is_refused_before(case: str) -> None:
    name, value = UNKNOWN_REJECTION[case]
    (found,) = faults(**{name: value})

    assert found.startswith(f"{name} ")
    assert value not in found


def test_a_policy_that_the_stage_cannot_serve_is_refused() -> None:
    policy = {"domain": [{"streaming": "a.acme-tv.com"}], "forward_to": {"stream": "http://x.y/"}}
    (found,) = stage_named("prod", SOUND).faults(json.dumps(policy))

    assert "LIVE_RECORD_RELAY_URL is missing" in found


@pytest.mark.parametrize(
    ("given", "runtime"),
    [
        ({}, "python3.12"),
        ({"LIVE_RECORD_REGION": "ap-southeast-1"}, "python3.10"),
        ({"LIVE_RECORD_RUNTIME": "python3.10"}, "python3.10"),
    ],
    ids=["Shanghai", "Singapore", "named"],
)
def test_the_runtime_is_one_that_is_supported_where_the_region_offers_it(
    given: dict[str, str], runtime: str
) -> None:
    props = stage_named("prod", {**SOUND, **given}).resources()["files"]["props"]

    assert props["runtime"] == runtime


# --- the id of the store


def store_id(account: Account, **more: str) -> StoreId:
    return store_id_of(account, stage_named("prod", {**SOUND, **more}))


def test_the_first_deploy_makes_an_id_and_each_has_another(account: Account) -> None:
    one, two = store_id(account, LIVE_RECORD_REGION="cn-beijing"), store_id(account)

    assert one.is_new
    assert one.value.startswith("account.cn-beijing.prod.")
    assert one.value != two.value
    assert faults(LIVE_RECORD_STORE_ID=one.value) == []


def test_a_stage_of_the_release_before_gets_one(account: Account) -> None:
    account.environment = {"LIVE_RECORD_STAGE": "prod"}

    assert store_id(account).is_new


def test_a_later_deploy_keeps_the_id_that_is_deployed_and_it_is_new_until_a_release_served(
    account: Account,
) -> None:
    account.environment = {"LIVE_RECORD_STORE_ID": "account.cn-shanghai.prod.aaaa"}
    assert store_id(account) == StoreId("account.cn-shanghai.prod.aaaa", is_new=True)
    released(account, FIRST, ["record_command"])

    assert store_id(account) == StoreId("account.cn-shanghai.prod.aaaa", is_new=False)


def test_the_deployer_s_own_id_comes_first(account: Account) -> None:
    account.environment = {"LIVE_RECORD_STORE_ID": "account.cn-shanghai.prod.aaaa"}
    given = store_id(account, LIVE_RECORD_STORE_ID="account.cn-shanghai.prod.bbbb")

    assert given == StoreId("account.cn-shanghai.prod.bbbb", is_new=False)


def test_a_deploy_that_cannot_read_what_is_deployed_makes_no_id(account: Account) -> None:
    account.environment = {}
    account.ask = lambda *_words: [{"functionName": "record_command"}]  # type: ignore[method-assign] # a stranger's answer

    with pytest.raises(Failure, match="expected_id"):
        store_id(account)


def test_a_new_id_that_nobody_can_accept_now_is_said(
    says: Callable[..., Result], capsys: pytest.CaptureFixture[str]
) -> None:
    del says
    said: list[str] = []
    accept_store("prod", StoreId("account.cn-shanghai.prod.aaaa", is_new=True), said.append)
    accept_store("prod", StoreId("account.cn-shanghai.prod.aaaa", is_new=False), said.append)

    (line,) = said
    assert "live-record store accept --stage prod" in line
    assert capsys.readouterr().out == ""


# --- the commands


@pytest.fixture
def program() -> Program:
    return Program(ready_account())


@pytest.fixture
def says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: Program
) -> Iterator[Callable[..., Result]]:
    """With an `s` on PATH that the emulator of Function Compute answers."""
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    ours = {**SOUND, "PATH": path, "LIVE_RECORD_STAGES": str(tmp_path / "stages.toml")}
    for name in ("AccessKeyID", "ALIBABA_CLOUD_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ours.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("cli.deploying.lock.STATE", tmp_path)
    policy = tmp_path / "own.json"
    policy.write_text(POLICY)

    def says(*words: str, typed: str = "", **more: str) -> Result:
        for name, value in more.items():
            monkeypatch.setenv(name, value)
        own = ["--policy", str(policy)] if words[0] == "deploy" and "--policy" not in words else []
        return CliRunner().invoke(main, [*words, *own], input=typed)

    with program_s(program, tmp_path) as address:
        monkeypatch.setenv("S_ANSWERED_BY", address)
        yield says


@pytest.mark.parametrize("command", ["deploy", "rollback"])
@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (
            "production",
            "env.yaml has no stage 'production'. Pass one of these: dev, staging, prod.",
        ),
        ("", "No stage is named. Pass one of env.yaml: dev, staging, prod."),
    ],
)
def test_an_unknown_stage_is_refused(
    says: Callable[..., Result], command: str, stage: str, message: str
) -> None:
    result = says(command, "--stage", stage, "--yes")

    assert result.exit_code == 1
    assert result.output == f"Error: {message}\n"


def test_a_rollback_asks_first_and_says_when_it_cannot_tell_what_is_recorded(
    says: Callable[..., Result], program: Program
) -> None:
    deploys = Deploys(program.account)
    for code in ("1", "2"):
        deploys.deploy(code)
    serving = deploys.serving()
    result = says("rollback", "--stage", "prod", typed="n\n")

    assert "unknown whether prod is recording" in result.output
    assert "Roll prod back to 2026-11-01T20:00:00Z live-record" in result.output
    assert result.exit_code == 1
    assert deploys.serving() == serving


def test_a_sound_s_yaml_is_said_to_be(says: Callable[..., Result]) -> None:
    shown = says("check").output
    assert "s.yaml is sound in every stage: dev, staging, prod" in shown
    assert "policy.toml: live.example.com is an example: write your own domain." in shown
    assert "The settings of a stage are not checked here" in shown


def test_without_serverless_devs_it_says_how_to_get_it(says: Callable[..., Result]) -> None:
    result = says("deploy", "--stage", "prod", "--yes", PATH="/nowhere")

    assert "npm install -g @serverless-devs/s" in result.output


def test_a_policy_of_the_example_s_domains_is_refused() -> None:
    policy = {"domain": [{"streaming": "live.example.com", "ingest": ["push.acme-tv.com"]}]}
    found = stage_named("prod", SOUND).faults(json.dumps(policy))

    assert found == ["policy: domain live.example.com is an example: write your own domain"]


def test_a_policy_with_mistakes_is_refused_with_all_of_them(
    says: Callable[..., Result], tmp_path: Path
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[[domain]]\nstreaming = "live.example.com"\ncolour = 1\n[[rule]]\nx = 2\n')
    result = says("deploy", "--stage", "prod", "--yes", "--policy", str(policy))

    assert result.exit_code == 1
    assert "colour" in result.output
    assert "x" in result.output


def test_variables_that_name_no_stage_are_said_to_be_unchecked(
    says: Callable[..., Result], program: Program
) -> None:
    line = "Add the line `LIVE_RECORD_STAGE=prod` to prod.env"
    words = ("deploy", "--stage", "prod", "--dry-run")

    assert line in says(*words).stderr
    assert line not in says(*words, LIVE_RECORD_STAGE="prod").stderr


def test_a_rollback_with_the_variables_of_another_stage_is_refused(
    says: Callable[..., Result], program: Program
) -> None:
    result = says("rollback", "--stage", "staging", "--yes", LIVE_RECORD_STAGE="prod")

    assert result.exit_code == 1
    assert "are those of the stage prod, not of staging" in result.output


@pytest.mark.parametrize("stage", ["staging", "dev"])
def test_the_variables_of_another_stage_are_refused(
    says: Callable[..., Result], program: Program, stage: str
) -> None:
    result = says("deploy", "--stage", stage, "--dry-run", LIVE_RECORD_STAGE="prod")

    assert result.exit_code == 1
    assert f"are those of the stage prod, not of {stage}" in result.output
    assert f"set -a; . ./{stage}.env; set +a" in result.output
    assert program.calls == []


def test_variables_that_are_not_loaded_are_said_once(
    says: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prod.env").touch()
    result = says("deploy", "--stage", "prod", "--dry-run", **dict.fromkeys(SOUND, ""))

    assert result.output.splitlines()[1:] == [
        "  The variables of prod.env are not loaded. Load them: `set -a; . ./prod.env; set +a`."
    ]


def test_some_empty_ones_are_named_though_there_is_a_file_of_them(
    says: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prod.env").touch()
    result = says("deploy", "--stage", "prod", "--dry-run", LIVE_RECORD_VPC="")

    assert "LIVE_RECORD_VPC is empty. Export it." in result.output


@pytest.mark.parametrize("command", ["deploy", "rollback"])
def test_without_a_stage_it_names_those_that_there_are(
    says: Callable[..., Result], command: str
) -> None:
    result = says(command)

    assert "No stage is named. Pass one of env.yaml: dev, staging, prod." in result.output


def test_a_first_deploy_says_that_no_answer_is_normal(says: Callable[..., Result]) -> None:
    register("prod", Target("https://127.0.0.1:9", "t"))
    result = says("deploy", "--stage", "prod", typed="n\n")

    assert "prod does not answer, so it is unknown whether it is recording." in result.output
    assert "Before the first deploy of a stage, this is normal." in result.output
    assert "Check that the stage is up" not in result.output


def test_the_empty_ones_are_refused_before_anything_is_deployed(
    says: Callable[..., Result], program: Program
) -> None:
    result = says("deploy", "--stage", "prod", "--yes", LIVE_RECORD_STORE="", LIVE_RECORD_VPC="")

    assert "the stage prod cannot be deployed" in result.output
    assert [name for name in SOUND if f"{name} is empty" in result.output] == [
        "LIVE_RECORD_STORE",
        "LIVE_RECORD_VPC",
    ]
    assert program.calls == []


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(EXHAUSTIVE_S)
def test_a_stage_is_deployed_twice_and_rolled_back(
    says: Callable[..., Result], program: Program
) -> None:
    for deploys, command in enumerate(("deploy", "deploy", "rollback")):
        key = SECRETS[-1] if deploys else ""
        result = says(command, "--stage", "prod", "--yes", LIVE_RECORD_RELAY_KEY=key)
        assert result.exit_code == 0, result.output
        assert [secret for secret in SECRETS if secret in result.output] == []
    assert "release: LIVE_RECORD_RELAY_KEY." in result.output
    made = program.calls

    assert {call["env"]["LIVE_RECORD_ALIAS"] for call in made} == {"release"}
    assert {call["env"]["LIVE_RECORD_STAGE"] for call in made} == {"prod"}
    ids = {call["env"]["LIVE_RECORD_STORE_ID"] for call in made if "deploy" in call["words"]}
    assert len(ids) == 1
    assert str(ids.pop()).startswith("account.cn-shanghai.prod.")
    assert made[-1]["words"][-2:] == ["--env", "prod"]
    assert Deploys(program.account).serving()["relay"] == "1"


def test_a_dry_run_changes_nothing_and_a_step_can_be_run_alone(
    says: Callable[..., Result], program: Program
) -> None:
    dry = says("deploy", "--stage", "prod", "--dry-run", "--only", "reservations")
    alone = says("deploy", "--stage", "prod", "--yes", "--only", "domain")

    assert (
        "reservations reconcile: would set reserved instances to 5 (no reserved instances)"
        in dry.output
    )
    assert "prod: steps that would change something: 2" in dry.output
    assert "FunctionNotFound" in alone.output
    assert program.account.changes == [("CreateCustomDomain", "record.example.com")]


def test_the_steps_speak_the_readers_language(says: Callable[..., Result]) -> None:
    """Each line is named by a step and a function, which are the same in every language."""
    steps = ("--only", "reservations", "--only", "triggers")
    shown = says("deploy", "--language", "zh", "--stage", "prod", "--dry-run", *steps).output
    lines = [line.partition(":")[2] for line in shown.splitlines()]
    assert len(lines) > len(steps)
    assert [line for line in lines if re.search("[a-z]{3,} [a-z]{3,}", line)] == []


def test_s_is_handed_every_variable_and_one_version_of_fc3(
    says: Callable[..., Result], program: Program
) -> None:
    says("rollback", "--stage", "prod", "--yes", DOTENV_KEY="dotenv://…")
    given = program.calls[0]["whole"]

    assert {given[name] for name in ("LIVE_RECORD_RATE", "LIVE_RECORD_ROLE")} == {""}
    assert given["core_load_serverless_devs_component"] == "fc3@0.1.22"
    assert "DOTENV_KEY" not in given


def test_a_file_that_s_would_read_and_no_check_sees_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LIVE_RECORD_RATE=1\n")
    found = stage_named("prod", SOUND, codes={"LIVE_RECORD_CODE": tmp_path}).faults(POLICY)

    assert [fault.partition(", but")[0] for fault in found] == [
        f"Serverless Devs (`s`) would read variables from {tmp_path / '.env'}"
    ]


def test_two_deploys_of_a_stage_on_one_machine_do_not_run_at_once() -> None:
    with only_one("rehearsal"), pytest.raises(Failure, match=f"by process {os.getpid()}"):  # noqa: SIM117
        with only_one("rehearsal"):
            pytest.fail("both run")
    with only_one("rehearsal"):
        pass


def test_a_rollback_that_fails_shows_no_secret(
    says: Callable[..., Result], program: Program
) -> None:
    program.fails = "list"
    result = says("rollback", "--stage", "prod", "--yes")

    assert result.exit_code == 1
    assert "version list -o json` ended with 101: refused:" in result.output
    assert [secret for secret in SECRETS if secret in result.output] == []


def test_a_deploy_is_refused_shortly_before_an_occurrence_and_during_it(
    says: Callable[..., Result], program: Program, tmp_path: Path
) -> None:
    with http_stage(tmp_path, STAGE_POLICY) as stage:
        register("prod", Target(stage.url, TOKEN))
        at = datetime.fromtimestamp(time.time() + 1200, timezone.utc).replace(tzinfo=None)
        times = [each.isoformat(timespec="seconds") for each in (at, at + timedelta(hours=1))]
        fields = {
            "streams": ["live.example.com/app/room1"],
            "start": times[0],
            "end": times[1],
            "timezone": "UTC",
        }
        Api(stage.url, TOKEN).put_schedule("gala", fields)

        refused = says("deploy", "--stage", "prod", typed="n\n")
        meant = says("deploy", "--stage", "prod", "--during-event", typed="n\n")

    assert f"begins within 30 minutes: gala@{times[0]}. Deploy later" in refused.output
    assert "begins within" not in meant.output


def test_a_deploy_says_which_schedules_nobody_knows_the_occurrences_of(
    says: Callable[..., Result], program: Program, tmp_path: Path
) -> None:
    with http_stage(tmp_path, STAGE_POLICY) as stage:
        register("prod", Target(stage.url, TOKEN))
        stage.app.store.put_schedule("later", "{}", 0, replaces=None)
        known = says("deploy", "--stage", "prod", typed="n\n")
        register("prod", Target(stage.url, "not-its-token"))
        unknown = says("deploy", "--stage", "prod", typed="n\n")

    assert "later: the stage cannot read this schedule" in known.output
    assert "it is unknown whether an occurrence of a schedule is under way" in unknown.output


def test_a_rollback_says_that_a_suspension_has_to_be_ended_first(
    says: Callable[..., Result], program: Program, tmp_path: Path
) -> None:
    deploys = Deploys(program.account)
    for code in ("1", "2"):
        deploys.deploy(code)
    with http_stage(tmp_path, STAGE_POLICY) as stage:
        register("prod", Target(stage.url, TOKEN))
        api, words = Api(stage.url, TOKEN), ("rollback", "--stage", "prod")
        api.suspend_policy("2h", "")
        suspended = says(*words, typed="n\n").output
        api.resume_policy()

        assert "Before the rollback, run `live-record policy resume --stage prod`." in suspended
        assert "policy resume" not in says(*words, typed="n\n").output


@pytest.mark.slow
def test_a_deploy_of_a_stage_that_records_says_so(
    says: Callable[..., Result], program: Program, tmp_path: Path
) -> None:
    with running(tmp_path / "stack") as stack:
        register("prod", Target(stack.fc, TOKEN))
        stack.control("publish", domain="push.example.com", app="app", stream="room1")
        Api(stack.fc, TOKEN).ask("live.example.com/app/room1", "start")

        result = says("deploy", "--stage", "prod", typed="n\n")

    assert "prod is in use: 1 " in result.output
    assert "1 recording" in result.output or "1 starting" in result.output
    chinese = says("deploy", "--stage", "prod", "--lang", "zh", typed="n\n").output
    assert "1 recording" not in chinese
    assert result.exit_code == 1
    assert program.calls == []
