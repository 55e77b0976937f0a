"""The project's own s.yaml: what it deploys, and that Serverless Devs reads it as we do."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from emulator.fc.deployment import Deployment, load_deployment
from emulator.fc.template import load_template

ROOT = Path(__file__).parents[1]
S_YAML = ROOT / "s.yaml"
PINNED = Path(__file__).parent / "node_s"
FUNCTIONS = (
    "record_command",
    "stream_events",
    "record_events",
    "on_demand",
    "relay",
    "reconcile",
)


@pytest.fixture
def deployment() -> Deployment:
    return load_deployment(S_YAML, {})


def test_every_function_is_named_for_its_code_and_carries_the_stage(deployment: Deployment) -> None:
    staged = load_deployment(S_YAML, {"LIVE_RECORD_STAGE": "production"})

    for key in FUNCTIONS:
        assert deployment.functions[key].handler == f"index.{key}"
        assert deployment.functions[key].name == f"live-record-{key.replace('_', '-')}-dev"
        assert staged.functions[key].name.endswith("-production")


def test_the_time_outs_fit_the_callers(deployment: Deployment) -> None:
    assert [deployment.functions[key].timeout for key in FUNCTIONS] == [15, 5, 5, 5, 15, 90]


def test_every_function_gets_each_setting_from_the_variable_of_its_name() -> None:
    names = set(load_deployment(S_YAML, {}).functions["reconcile"].environment)
    given = {name: f"value of {name}" for name in names}
    for function in load_deployment(S_YAML, given).functions.values():
        assert function.environment == given
    assert all(name.startswith("LIVE_RECORD_") for name in names)


def test_the_domain_leads_to_the_public_functions_only(deployment: Deployment) -> None:
    public = {route.function for route in deployment.routes}

    assert not public & {deployment.functions[key].name for key in ("reconcile", "relay")}
    assert {route.path for route in deployment.routes} == {
        "/v1/*",
        "/callbacks/stream/*",
        "/callbacks/record/*",
        "/callbacks/on-demand/*",
    }


def test_the_relay_is_called_asynchronously_and_tried_again(deployment: Deployment) -> None:
    relay = deployment.functions["relay"]

    assert (set(relay.http_methods), relay.async_retries) == ({"POST"}, 3)


def test_reconcile_has_a_timer_and_a_trigger_for_the_kick(deployment: Deployment) -> None:
    reconcile = deployment.functions["reconcile"]

    assert len(reconcile.timers) == 1
    assert reconcile.http_methods == {"POST"}


def test_each_environment_is_a_stage_of_its_own_name() -> None:
    environments = yaml.safe_load((ROOT / "env.yaml").read_text())["environments"]

    assert {each["name"] for each in environments} == {"dev", "production"}
    assert {each["type"] for each in environments} <= {"testing", "staging", "production"}


def test_what_is_not_code_stays_out_of_the_package() -> None:
    ignored = set((ROOT / ".fcignore").read_text().split())

    assert {"/tests", "/emulator", "/cli", "/.git", "/.venv", ".env", "__pycache__"} <= ignored


@pytest.mark.slow
@pytest.mark.parametrize(
    "given",
    [{}, {"LIVE_RECORD_STAGE": "test", "LIVE_RECORD_API_TOKENS": 'a: ["b", {"c": 1}] #'}],
    ids=["defaults", "given"],
)
def test_serverless_devs_renders_the_resources_as_we_do(
    given: dict[str, str], tmp_path: Path
) -> None:
    assert _previewed(given, tmp_path) == load_template(S_YAML, given)


def _previewed(given: dict[str, str], home: Path) -> dict[str, Any]:
    path = {"PATH": os.environ["PATH"], "HOME": str(home)}
    preview = subprocess.run(
        [_serverless_devs(), "preview", "-t", S_YAML, "-o", "json"],
        env={**path, "serverless_devs_config_home": str(home), **given},
        cwd=home,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    rendered = json.loads(preview.stdout[preview.stdout.index("{\n") :])
    return dict(rendered["resources"])


def _serverless_devs() -> Path:
    """Installed once per lock file; in a folder of its own first, since tests run side by side."""
    if shutil.which("npm") is None:
        assert os.environ.get("CI") != "true", "npm is needed for the tests of s.yaml"
        pytest.skip("npm is not installed")
    lock = hashlib.sha256((PINNED / "package-lock.json").read_bytes()).hexdigest()[:12]
    installed = ROOT / ".live-record" / "node-s" / lock
    if not installed.exists():
        _install(installed)
    return installed / "node_modules" / ".bin" / "s"


def _install(installed: Path) -> None:
    installed.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=installed.parent) as temporary:
        folder = Path(temporary, "node")
        folder.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(PINNED / name, folder)
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=folder, check=True)
        try:
            folder.rename(installed)
        except OSError:
            assert installed.exists()
