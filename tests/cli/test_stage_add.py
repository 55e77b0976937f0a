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
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from cli.deploying.stage import Stage
from cli.main import main
from cli.paths import ROOT
from cli.stage_add import OUTPUTS
from cli.stage_registry import target_of
from tests.support.certificate_chain import Issued
from tests.support.redis_answers import certificate

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
        self.has_certificate("record.example.com")

    def has_certificate(self, *names: str, valid_days: float = 1) -> None:
        certificate(self.folder, names, valid_days=valid_days).rename(self.folder / "fullchain.pem")

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


def test_the_environment_names_its_stage(deployer: Deployer) -> None:
    deployer.adds()
    assert deployer.environment()["LIVE_RECORD_STAGE"] == "prod"


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


def test_a_certificate_for_all_names_of_the_parent_is_accepted(deployer: Deployer) -> None:
    deployer.has_certificate("example.com", "*.example.com")
    assert deployer.adds().exit_code == 0


@pytest.mark.parametrize(
    ("names", "valid_days", "said"),
    [
        (["live.example.com"], 1, "is for live.example.com, and does not cover record.example.com"),
        (["*.a.example.com"], 1, "does not cover record.example.com"),
        (["record.example.com"], -1, "expired on "),
    ],
)
def test_a_certificate_that_does_not_serve_the_domain_is_refused(
    deployer: Deployer, names: list[str], valid_days: int, said: str
) -> None:
    deployer.has_certificate(*names, valid_days=valid_days)
    result = deployer.adds()
    assert (result.exit_code, said in result.output) == (1, True), result.output
    assert not (deployer.folder / "prod.env").exists()


ROOT_OF = Issued("Example Root")
BETWEEN = Issued("Example CA", ROOT_OF)
OWN = Issued("record.example.com", BETWEEN)
OLD, FUTURE = (-9, -1), (1, 9)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([OWN, BETWEEN, ROOT_OF], ""),
        ([OWN], "has no complete chain: the certificate of Example CA is missing"),
        ([OWN, BETWEEN], "has no complete chain: the certificate of Example Root is missing"),
        ([OWN, ROOT_OF], "has no complete chain: the certificate of Example CA is missing"),
        ([OWN, ROOT_OF, BETWEEN], "the certificate of Example CA is missing"),
        ([OWN, Issued("Example CA", ROOT_OF)], "the certificate of Example CA is missing"),
        ([Issued("record.example.com", BETWEEN, FUTURE), BETWEEN, ROOT_OF], "is valid only from "),
        ([Issued("record.example.com", BETWEEN, OLD), BETWEEN, ROOT_OF], "expired on "),
    ],
)
def test_the_certificate_has_its_chain_and_is_valid_now(
    deployer: Deployer, files: list[Issued], said: str
) -> None:
    (deployer.folder / "fullchain.pem").write_bytes(b"".join(each.pem for each in files))
    (deployer.folder / "key.pem").write_bytes(files[0].key_pem)
    result = deployer.adds()
    assert (result.exit_code, said in result.output) == (1 if said else 0, True), result.output


@pytest.mark.parametrize(("days", "said"), [(OLD, "expired on"), (FUTURE, "is valid only from")])
def test_every_certificate_of_the_chain_is_valid_now(
    deployer: Deployer, days: tuple[int, int], said: str
) -> None:
    between = Issued("Example CA", ROOT_OF, days)
    own = Issued("record.example.com", between)
    (deployer.folder / "fullchain.pem").write_bytes(own.pem + between.pem + ROOT_OF.pem)
    (deployer.folder / "key.pem").write_bytes(own.key_pem)
    assert f"fullchain.pem: the certificate of Example CA {said}" in deployer.adds().output


def test_the_root_that_every_client_has_need_not_be_in_the_file(deployer: Deployer) -> None:
    _before, _label, rest = (
        Path(DEFAULT_CA_BUNDLE_PATH).read_text(encoding="utf-8").partition("ISRG Root X1")
    )
    root = x509.load_pem_x509_certificate(rest.encode()).subject
    between = Issued("Example CA", ROOT_OF)
    between.certificate = _issued_by(root, between)
    own = Issued("record.example.com", between)
    (deployer.folder / "fullchain.pem").write_bytes(own.pem + between.pem)
    (deployer.folder / "key.pem").write_bytes(own.key_pem)
    assert deployer.adds().exit_code == 0


def _issued_by(root: x509.Name, issued: Issued) -> x509.Certificate:
    """Return the certificate with another issuer's name; only the root could sign it."""
    had = issued.certificate
    builder = x509.CertificateBuilder(root, had.subject, had.public_key(), had.serial_number)
    dated = builder.not_valid_before(had.not_valid_before_utc)
    return dated.not_valid_after(had.not_valid_after_utc).sign(issued.key, hashes.SHA256())


def test_a_certificate_and_a_key_that_are_swapped_are_refused_at_once(deployer: Deployer) -> None:
    swapped = ["--certificate", "key.pem", "--key", "fullchain.pem"]
    result = deployer.adds(*swapped)
    assert result.exit_code == 1
    assert "`--certificate`: key.pem holds a private key" in result.output
    assert "`--key`: fullchain.pem holds a certificate" in result.output


def test_the_key_of_another_certificate_is_refused(deployer: Deployer) -> None:
    other = certificate(deployer.folder / "other", ["record.example.com"]).with_name("key.pem")
    result = deployer.adds("--key", str(other))
    assert result.exit_code == 1
    assert "is not the key of the certificate" in result.output


def test_every_fault_is_named_at_once(deployer: Deployer) -> None:
    deployer.has_certificate("live.example.com", valid_days=-1)
    other = certificate(deployer.folder / "other").with_name("key.pem")
    said = deployer.adds("--key", str(other)).output
    assert [part in said for part in ("does not cover", "expired on", "not the key of")] == [
        True
    ] * 3


@pytest.mark.parametrize(
    "content",
    [
        b"# live-record\n",
        b"\xff\xfe",
        b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
        b"-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n",
    ],
)
def test_what_is_no_pem_is_refused(deployer: Deployer, content: bytes) -> None:
    (deployer.folder / "README.md").write_bytes(content)
    result = deployer.adds("--certificate", "README.md", "--key", "README.md")
    assert result.exit_code == 1
    assert "`--certificate`: README.md" in result.output
    assert "`--key`: README.md" in result.output


def test_a_key_with_a_password_is_refused(deployer: Deployer) -> None:
    key = deployer.folder / "key.pem"
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"password")
    form = serialization.PrivateFormat.PKCS8
    key.write_bytes(loaded.private_bytes(serialization.Encoding.PEM, form, locked))
    assert "key.pem is encrypted" in deployer.adds().output
