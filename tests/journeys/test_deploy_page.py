"""Each command of docs/deploy.md, in order, from an empty account to a file that plays; and what a
step left out looks like."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from cli.account import account_at
from cli.local.encoder import Encoder
from cli.local.stack import running
from cli.paths import ROOT
from cli.stage_registry import Target, register
from emulator.live import LiveInThread, Remote, load_account
from emulator.live.account import Bucket, Domain
from tests.support import empty_account
from tests.support.empty_account import VALUES
from tests.support.journey import Stage
from tests.support.page_commands import blocks, commands, lines
from tests.support.page_shell import Shell
from tests.support.redis_answers import certificate

pytestmark = pytest.mark.slow
PAGE = "docs/deploy.md"
PROGRAMS = {name: f"tests.support.empty_account {name}" for name in empty_account.PROGRAMS}
OWN = {"live.example.com": "live.shop.cn", "push.example.com": "push.shop.cn"}
HANDED_OVER = ("STREAM_KEYS", "RECORD_KEYS", "PATH_TOKENS", "API_TOKENS", "BUCKET")
"""What of prod.env the stage on this machine is given; the rest says where things are elsewhere."""


def own(text: str) -> str:
    """Return the text with the reader's own domains in place of the page's examples, which a deploy
    refuses."""
    for example, domain in OWN.items():
        text = text.replace(example, domain)
    return text


class Reader:
    """Follows the page in an account that has nothing, but for the steps that are left out."""

    def __init__(self, folder: Path, without: str = "") -> None:
        self.folder, self._without = folder, without
        self._open = ExitStack()
        account = load_account()
        bucket = Bucket(VALUES["Bucket"], VALUES["OssEndpoint"])
        domain = Domain(OWN["live.example.com"], (OWN["push.example.com"],), ())
        account = replace(account, domains=(domain,), rules=(), buckets=(bucket,))
        self.live = self._open.enter_context(LiveInThread(account, buckets=folder / "buckets"))
        (folder / "deploy").symlink_to(ROOT / "deploy")
        (folder / "policy.prod.toml").write_text(own(next(iter(blocks(PAGE, "toml")))))
        certificate(folder, ["record.example.com"]).rename(folder / "fullchain.pem")
        stages = {"LIVE_RECORD_STAGES": str(folder / "stages.toml")}
        self._shell = self._open.enter_context(Shell(folder, PROGRAMS, **stages))
        kept = (line for line in lines(PAGE) if not (without and without in line))
        self._lines = list(map(own, kept))

    def close(self) -> None:
        self._open.close()

    def follows(self, until: str) -> str:
        """Type the commands up to the one that begins so; return what the last one printed."""
        while True:
            line = self._lines.pop(0)
            code, said = self._patiently(line)
            assert code == 0, f"{line}\n{said}"
            if line.startswith("make deploy"):
                self._runs_the_stage()
            if line.startswith(until):
                return said

    def _patiently(self, line: str) -> tuple[int, str]:
        """Type a command, and again where a busy machine was too slow for the doctor."""
        code, said = self._shell.types(line)
        while code and "gave no answer within" in said:
            code, said = self._shell.types(line)
        return code, said

    def fails_at(self, until: str) -> str:
        """Type all up to the command that begins so, and let that one fail; return what it says."""
        while True:
            line = self._lines.pop(0)
            code, said = self._shell.types(line)
            if line.startswith(until):
                assert code != 0, said
                return said

    def _runs_the_stage(self) -> None:
        """Run what the deploy would have put into the cloud on this machine, with its secrets."""
        _code, printed = self._shell.types("env")
        variables = dict(line.partition("=")[::2] for line in printed.splitlines() if "=" in line)
        settings = {f"LIVE_RECORD_{name}": variables[f"LIVE_RECORD_{name}"] for name in HANDED_OVER}
        policy = self.folder / "policy.prod.toml"
        stack = self._open.enter_context(
            running(self.folder / "cloud", live=self.live.address, policy=policy, settings=settings)
        )
        self.stage = Stage(stack, Remote(self.live.address))
        account = account_at(self.live.address)
        account.ask("DeleteLiveStreamsNotifyUrlConfig", DomainName=OWN["push.example.com"])
        account.ask("DeleteLiveRecordNotifyConfig", DomainName=OWN["live.example.com"])
        self.stage.reconcile()  # within the first minute
        token = variables["TOKEN_PROD"]
        (self.folder / "stages.toml").unlink()
        register("prod", Target(stack.fc, token, self.live.address, self.live.rtmp))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIVE_RECORD_STAGES", str(tmp_path / "stages.toml"))
    return tmp_path


@pytest.fixture
def reader(folder: Path) -> Iterator[Reader]:
    following = Reader(folder)
    try:
        yield following
    finally:
        following.close()


def test_both_languages_have_the_same_commands() -> None:
    pages = ("docs/deploy.md", "docs/deploy.zh-CN.md")
    english, chinese = (list(commands(page)) for page in pages)
    assert english == chinese


def test_the_page_leads_from_an_empty_account_to_a_file_that_plays(reader: Reader) -> None:
    reader.follows("live-record doctor")
    reader.follows("live-record start")
    stage = reader.stage
    with Encoder(f"{reader.live.rtmp}/app/room1?vhost={OWN['push.example.com']}"):
        stage.until(lambda: stage.live.state("room1")["recording"] is not None)
        stage.until(lambda: stage.live.state("room1")["recording"]["filmed_ms"] > 500)
        assert "is recorded" in reader.follows("live-record why")
        reader.follows("live-record stop")
        stage.until(lambda: stage.live.state("room1")["files"] != [])
    (url,) = re.findall(r"http://\S+", reader.follows("live-record play"))
    assert requests.get(url, timeout=60).content.startswith(b"FLV")
    reader.follows("aliyun ros DeleteStack")


@pytest.mark.parametrize(
    ("without", "command", "said"),
    [
        ("aliyun ros CreateStack", "aliyun ros GetStack", "StackNotFound"),
        ("aliyun ros", "live-record stage add", "outputs.json"),
        ("live-record stage add", "make deploy", "LIVE_RECORD_STORE is empty"),
        ("AttachPolicyToUser", "make deploy", "step functions: NoPermission"),
        ("CreateAccessKey", "s config add", "no key"),
        ("s config add", "make deploy", "step functions: there is no such access"),
        ("alidns AddDomainRecord", "make deploy", "step domain"),
        ("live-record setup", "live-record doctor", "fault"),
    ],
)
def test_a_step_left_out_fails_where_the_page_says(
    folder: Path, without: str, command: str, said: str
) -> None:
    following = Reader(folder, without)
    try:
        assert said in following.fails_at(command)
    finally:
        following.close()
