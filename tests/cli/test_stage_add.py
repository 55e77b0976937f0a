"""`live-record stage add`: the outputs of a stack become an environment that a deploy accepts."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from cli.deploying.stage import Stage
from cli.main import main
from cli.paths import ROOT
from cli.stage_add import OUTPUTS
from cli.stage_registry import target_of

TEMPLATE = yaml.safe_load((ROOT / "deploy" / "account.ros.yaml").read_text(encoding="utf-8"))
VALUES = {
    "Account": "1234567890123456",
    "Region": "cn-shanghai",
    "StoreHost": "r-uf6abc.redis.rds.aliyuncs.com",
    "StorePort": 6379,
    "OssEndpoint": "oss-cn-shanghai.aliyuncs.com",
    "Bucket": "live-record-1234567890123456-cn-shanghai",
    "Failures": "acs:mns:cn-shanghai:1234567890123456:/queues/live-record-failures/messages",
}


ADDRESSES = {f"LIVE_RECORD_{name}_URL": "https://wake.example.com/" for name in ("WAKE", "RELAY")}
"""What a deploy reads of Function Compute."""


def stack_of(**more: object) -> dict[str, object]:
    rows = [
        {"OutputKey": name, "OutputValue": VALUES.get(name, f"{name.lower()}-1")}
        for name in TEMPLATE["Outputs"]
    ]
    return {"Status": "CREATE_COMPLETE", "Outputs": rows, **more}


class Deployer:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.outputs = folder / "outputs.json"
        self.outputs.write_text(json.dumps(stack_of()))
        for name in ("fullchain.pem", "key.pem"):
            (folder / name).write_text(f"-----{name}-----\n")

    def adds(self, *more: str) -> Result:
        words = ["stage", "add", "prod", "--from-stack", "outputs.json"]
        words += ["--domain", "record.example.com"]
        words += ["--certificate", "fullchain.pem", "--key", "key.pem", *more]
        return CliRunner().invoke(main, words)

    def environment(self) -> Mapping[str, str]:
        """Return what a shell has after it has read the file."""
        script = "set -a; . ./prod.env; set +a; env -0"
        shell = subprocess.run(
            ["sh", "-c", script], cwd=self.folder, capture_output=True, check=True, env={}
        )
        pairs = (line.partition("=") for line in shell.stdout.decode().split("\0"))
        return {
            name: value for name, _equals, value in pairs if name.startswith(("LIVE_", "TOKEN_"))
        }


@pytest.fixture
def deployer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployer:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIVE_RECORD_STAGES", str(tmp_path / "stages.toml"))
    monkeypatch.setenv("STORE_PASSWORD", "Aa1234567890")
    return Deployer(tmp_path)


def test_the_template_has_every_output_that_is_read() -> None:
    assert {*OUTPUTS.values(), "StoreHost", "StorePort", "Account"} == set(TEMPLATE["Outputs"])


def test_the_environment_is_one_that_a_deploy_accepts(deployer: Deployer) -> None:
    result = deployer.adds()
    assert result.exit_code == 0, result.output
    addresses = {
        f"LIVE_RECORD_{name}_URL": "https://wake.example.com/" for name in ("WAKE", "RELAY")
    }
    stage = Stage("prod", ROOT / "s.yaml", {**addresses, **deployer.environment()})
    policy = '{"domain": [{"streaming": "live.acme-tv.com"}]}'
    assert [fault for fault in stage.faults(policy) if ".env would be read" not in fault] == []


def test_the_stage_is_registered_with_a_token_of_its_own(deployer: Deployer) -> None:
    deployer.adds()
    target = target_of("prod", None)
    assert target.url == "https://record.example.com"
    assert deployer.environment()["LIVE_RECORD_API_TOKENS"].endswith(f":{target.token}")


def test_it_says_what_is_next_and_no_secret(deployer: Deployer) -> None:
    said = deployer.adds().output
    assert "--Value 1234567890123456.cn-shanghai.fc.aliyuncs.com" in said
    hidden = [
        value for name, value in deployer.environment().items() if re.search("KEY|TOKEN", name)
    ]
    assert [secret for secret in hidden if secret in said] == []


def test_only_its_owner_can_read_the_files(deployer: Deployer) -> None:
    deployer.adds()
    modes = [Path(name).stat().st_mode & 0o077 for name in ("prod.env", "stages.toml")]
    assert modes == [0, 0]


def test_a_second_run_keeps_the_secrets_and_renews_the_rest(
    deployer: Deployer, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployer.adds()
    before = deployer.environment()
    monkeypatch.delenv("STORE_PASSWORD")
    rows = json.dumps(stack_of()).replace("vpc-1", "vpc-2")
    deployer.outputs.write_text(rows)
    with (deployer.folder / "prod.env").open("a") as file:
        file.write("LIVE_RECORD_MODE=observe\n")
    assert deployer.adds().exit_code == 0
    after = deployer.environment()
    assert after == {**before, "LIVE_RECORD_VPC": "vpc-2", "LIVE_RECORD_MODE": "observe"}


def test_without_the_store_s_password_it_says_so(
    deployer: Deployer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STORE_PASSWORD")
    assert "STORE_PASSWORD is unset" in deployer.adds().output


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("no JSON", "is not the JSON"),
        ("{}", "is not the JSON"),
        ('{"Outputs": []}', "lacks Region"),
        (json.dumps(stack_of(Status="CREATE_IN_PROGRESS")), "CREATE_IN_PROGRESS. Wait"),
    ],
)
def test_what_is_no_finished_stack_is_refused(deployer: Deployer, document: str, said: str) -> None:
    deployer.outputs.write_text(document)
    result = deployer.adds()
    assert (result.exit_code, said in result.output) == (1, True), result.output
