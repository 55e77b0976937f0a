"""The project's own s.yaml: what it deploys, and that Serverless Devs reads it as we do."""

import json
import re
import subprocess
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.deploying.limits import INSTANCES
from cli.function_compute import UNRESERVED
from emulator.fc.deployment import Deployment, load_deployment
from emulator.fc.template import environments, load_template
from shared.config import Settings
from shared.config.settings import names as settings_of_all
from tests.support.real_serverless_devs import environment

ROOT = Path(__file__).parents[2]
S_YAML = ROOT / "s.yaml"
PATIENCE_S = 600
STAGES = environments(ROOT / "env.yaml")
HERE = {
    "LIVE_RECORD_CODE": str(ROOT),
    "LIVE_RECORD_FILES_CODE": str(ROOT),
    "LIVE_RECORD_CONSOLE_CODE": str(ROOT),
    "LIVE_RECORD_DELIVER_CODE": str(ROOT),
}
FUNCTIONS = (
    "record_command",
    "stream_events",
    "record_events",
    "on_demand",
    "files",
    "relay",
    "reconcile",
    "notify",
    "console",
    "deliver",
)


SPARE = {
    "record_command": 3,
    "stream_events": 2,
    "record_events": 2,
    "on_demand": 2.5,
    "files": 10,
    "relay": 3,
    "reconcile": 20,
    "notify": 14,
    "console": 2,
    "deliver": 20,
}
"""s beyond the budget within which an invocation begins what it does: to hear one more answer, to
save it and to answer; in reconcile, to wake its successor as well. A run of files may be in the
middle of one more request to OSS, one of notify in that of one more delivery, one of
deliver in that of a slow part."""


@pytest.fixture
def deployment() -> Deployment:
    return load_deployment(S_YAML, HERE)


def test_every_function_is_named_for_its_code_and_carries_the_stage(deployment: Deployment) -> None:
    staged = load_deployment(S_YAML, {**HERE, "LIVE_RECORD_STAGE": "rehearsal"})

    for key in FUNCTIONS:
        assert deployment.functions[key].handler == f"index.{key}"
        assert deployment.functions[key].name == f"live-record-{key.replace('_', '-')}-dev"
        assert staged.functions[key].name.endswith("-rehearsal")


@pytest.mark.parametrize(("key", "to_answer"), SPARE.items())
def test_a_time_out_is_the_budget_of_the_code_and_time_to_answer(
    deployment: Deployment, key: str, to_answer: float
) -> None:
    function = import_module(f"functions.{key}")
    budget: float = getattr(function, "RUN_BUDGET_S", function.BUDGET_S)

    assert deployment.functions[key].timeout == budget + to_answer


def test_no_callback_is_worked_on_for_longer_than_live_waits(deployment: Deployment) -> None:
    """docs/platform/live.md §2: 5 s."""
    callbacks = ("stream_events", "record_events", "on_demand")

    assert {deployment.functions[key].timeout for key in callbacks} == {5}


def test_every_function_gets_each_setting_from_the_variable_of_its_name() -> None:
    given = {name: f"value of {name}" for name in settings_of_all()}
    functions = load_deployment(S_YAML, {**HERE, **given}).functions.values()
    for function in functions:
        assert function.environment == {name: given[name] for name in function.environment}
    assert {name for function in functions for name in function.environment} == given.keys()


USES = {
    "API_TOKENS": r"app\.tokens",
    "STREAM_KEYS": r"settings\.stream_keys",
    "RECORD_KEYS": r"settings\.record_keys|invocation\.forwarded\(",
    "PATH_TOKENS": r"settings\.path_tokens",
    "WAKE_KEY": r"settings\.wake_key|invocation\.(handle|handle_callback|wake_reconcile)\(",
    "WEBHOOK_SECRETS": r"settings\.webhook_secrets",
    "HEARTBEAT_URL": r"invocation\.send_heartbeat\(",
    "DELIVER_CREDENTIALS": r"settings\.deliver_credentials",
    "ROBOTS": r"settings\.robots",
    "RELAY_KEY": r"settings\.relay_key|invocation\.pass_on\(",
}
"""How the code of a function reads each secret, or has shared/invocation read it. The URL of the
store, which has a password, is used by all."""


@pytest.mark.parametrize("key", FUNCTIONS)
def test_a_function_has_the_secrets_that_its_code_uses_and_no_others(
    deployment: Deployment, key: str
) -> None:
    files = [*(ROOT / "functions").glob(f"{key}.py"), *(ROOT / "functions" / key).glob("*.py")]
    code = "".join(file.read_text() for file in files)
    has = {name.removeprefix("LIVE_RECORD_") for name in deployment.functions[key].environment}

    assert has & USES.keys() == {name for name, use in USES.items() if re.search(use, code)}
    assert "STORE" in has


@pytest.mark.parametrize("key", FUNCTIONS)
def test_a_function_accepts_the_settings_that_it_has(key: str) -> None:
    stage = {
        "STORE": "rediss://user:hush@store.example.com:6380/0",
        "CALLBACK_HOST": "fc.example.com",
        "WAKE_URL": "https://wake.example.com/",
        "RELAY_URL": "https://relay.example.com/",
        **{name: f"unguessable-{name.lower().replace('_', '-')}" for name in USES},
        "API_TOKENS": "ops:control:unguessable-api-token",
        "ROBOTS": "ops=https://oapi.dingtalk.com/robot/send?access_token=unguessable#secret",
        "WEBHOOK_SECRETS": "crm:whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
        "DELIVER_CREDENTIALS": "archive:key-id:unguessable-secret",
        "HEARTBEAT_URL": "https://monitor.example.com/ping/unguessable-1",
    }
    given = {f"LIVE_RECORD_{name}": value for name, value in stage.items()}
    function = load_deployment(S_YAML, {**HERE, **given}).functions[key]

    settings = Settings.from_env({**function.environment, "FC_FUNC_CODE_PATH": "/code"})
    assert settings.callback_host == "fc.example.com"


def test_the_domain_leads_to_the_public_functions_only(deployment: Deployment) -> None:
    public = {route.function for route in deployment.routes}

    assert not public & {
        deployment.functions[key].name for key in ("reconcile", "relay", "notify", "deliver")
    }
    assert {route.path for route in deployment.routes} == {
        "/v1/*",
        "/v1/files/*",
        "/console",
        "/console/*",
        "/callbacks/stream/*",
        "/callbacks/record/*",
        "/callbacks/on-demand/*",
    }


def test_no_function_has_a_trigger_that_nobody_calls() -> None:
    """The functions of the domain have routes, and the timer and the others two keys of our own."""
    resources = load_template(S_YAML, {})
    triggers = {key: resources[key]["props"].get("triggers", []) for key in FUNCTIONS}
    names = {
        key: [each["triggerName"] for each in found] for key, found in triggers.items() if found
    }

    assert names == {
        "files": ["every-minute"],
        "relay": ["http"],
        "reconcile": ["every-minute", "wake"],
        "notify": ["every-minute"],
        "deliver": ["every-minute"],
    }


@pytest.mark.parametrize("stage", ["staging", "prod"])
def test_a_stage_that_people_use_speaks_https_alone(stage: str) -> None:
    given = {"LIVE_RECORD_DOMAIN": "record.example.com", "LIVE_RECORD_CERTIFICATE": "a\nb"}
    props = load_template(S_YAML, given, stage)["domain"]["props"]

    assert props["protocol"] == "HTTPS"
    assert props["domainName"] == "record.example.com"
    assert props["certConfig"]["certificate"] == "a\nb"


def test_the_relay_is_called_asynchronously_and_tried_again(deployment: Deployment) -> None:
    relay = deployment.functions["relay"]

    assert (set(relay.http_methods), relay.async_retries) == ({"POST"}, 3)


def test_reconcile_has_a_timer_and_a_trigger_for_the_wake(deployment: Deployment) -> None:
    reconcile = deployment.functions["reconcile"]

    assert len(reconcile.timers) == 1
    assert reconcile.http_methods == {"POST"}


def test_there_are_three_stages_and_dev_is_s_yaml_alone() -> None:
    assert list(STAGES) == ["dev", "staging", "prod"]
    assert {each["type"] for each in STAGES.values()} == {"testing", "staging", "production"}
    assert load_template(S_YAML, {}, "dev") == load_template(S_YAML, {})


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_carries_its_name_wherever_it_shows(stage: str) -> None:
    resources = load_template(S_YAML, {}, stage)
    routes = resources["domain"]["props"]["routeConfig"]["routes"]
    names = [resources[key]["props"]["functionName"] for key in FUNCTIONS]

    for key in FUNCTIONS:
        assert resources[key]["props"]["environmentVariables"]["LIVE_RECORD_STAGE"] == stage
    assert all(name.endswith(f"-{stage}") for name in names)
    assert {route["functionName"] for route in routes} <= set(names)


@pytest.mark.parametrize("stage", STAGES)
def test_all_that_calls_a_function_calls_the_alias(stage: str) -> None:
    resources = load_template(S_YAML, {"LIVE_RECORD_ALIAS": "release"}, stage)
    routes = resources["domain"]["props"]["routeConfig"]["routes"]
    triggers = [each for key in FUNCTIONS for each in resources[key]["props"].get("triggers", [])]

    assert {each["qualifier"] for each in [*routes, *triggers]} == {"release"}


@pytest.mark.parametrize("stage", ["staging", "prod"])
@pytest.mark.parametrize("key", ["relay", "reconcile"])
def test_what_failed_asynchronously_for_good_is_kept(stage: str, key: str) -> None:
    queue = "acs:mns:cn-shanghai:1234567890123456:/queues/failures/messages"
    props = load_template(S_YAML, {"LIVE_RECORD_FAILURES": queue}, stage)[key]["props"]
    config = props["asyncInvokeConfig"]

    assert config["destinationConfig"] == {"onFailure": {"destination": queue}}
    assert config["maxAsyncRetryAttempts"] == {"relay": 3, "reconcile": 8}[key]


def test_a_line_of_the_log_is_a_record_of_its_own(deployment: Deployment) -> None:
    """`auto` and DefaultRegex begin a record at a time, and a line of JSON begins with a brace."""
    for key in deployment.functions:
        assert load_template(S_YAML, {})[key]["props"]["logConfig"]["logBeginRule"] == "None"


def test_prod_reserves_for_two_functions_and_leaves_the_others_room() -> None:
    resources = load_template(S_YAML, {}, "prod")
    reserved = {key: resources[key]["props"].get("concurrencyConfig") for key in FUNCTIONS}
    numbers = {key: each["reservedConcurrency"] for key, each in reserved.items() if each}

    assert numbers.keys() == {"stream_events", "reconcile"}
    assert sum(numbers.values()) <= INSTANCES - UNRESERVED


def test_no_secret_stands_in_either_file() -> None:
    """What holds one is taken from the environment, and is nothing by default."""
    text = S_YAML.read_text() + (ROOT / "env.yaml").read_text()
    for name in ("STORE", "API_TOKENS", "STREAM_KEYS", "RECORD_KEYS", "PATH_TOKENS", "WAKE_KEY"):
        assert f"LIVE_RECORD_{name}: ${{env('LIVE_RECORD_{name}', '')}}" in text


def test_neither_file_names_an_access() -> None:
    """`s` never expands one at the root and ignores one on a resource: the deploy passes it."""
    named = [each.get("access") for each in load_template(S_YAML, {}).values()]

    assert yaml.safe_load(S_YAML.read_text()).get("access") is None
    assert {*named, *(each.get("access") for each in STAGES.values())} == {None}


GIVEN = {
    "defaults": {},
    "given": {
        "LIVE_RECORD_REGION": "cn-beijing",
        "LIVE_RECORD_API_TOKENS": 'a: ["b", {"c": 1}] #',
        "LIVE_RECORD_CERTIFICATE": "-----BEGIN X-----\nMIIB: #\n-----END X-----\n",
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("stage", STAGES)
def test_serverless_devs_renders_every_stage_as_we_do(
    stage: str, given: str, tmp_path: Path
) -> None:
    env = GIVEN[given]
    previewed = _previewed(stage, env, tmp_path)

    assert previewed == load_template(S_YAML, env, stage)
    assert "${" not in json.dumps(previewed)


def _previewed(stage: str, given: dict[str, str], home: Path) -> dict[str, Any]:
    preview = subprocess.run(
        ["s", "preview", "-t", S_YAML, "--env", stage, "-o", "json"],
        env={**environment(home), **given},
        cwd=home,
        check=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    rendered = json.loads(preview.stdout[preview.stdout.index("{\n") :])
    return dict(rendered["resources"])


@pytest.mark.parametrize(
    "name",
    [".env", "prod.env", "deploy/staging.env", "fullchain.pem", "key.pem", "outputs.json"],
)
def test_git_ignores_a_file_with_the_secrets_of_a_stage(name: str) -> None:
    subprocess.run(["git", "check-ignore", "--quiet", name], cwd=ROOT, check=True)


def test_the_certificate_that_is_packaged_with_the_policy_is_kept_in_git() -> None:
    ignored = subprocess.run(
        ["git", "check-ignore", "--quiet", "store-ca.pem"], cwd=ROOT, check=False
    )
    assert ignored.returncode == 1
