"""Each command of docs/migrate.md, in order, against the emulators: from an automatic set-up to a
stage that acts, and back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.local.stack import TOKEN, running
from cli.main import main
from cli.stage_registry import Target, register
from emulator.live import Remote
from tests.support.journey import Stage
from tests.support.page_commands import blocks, commands
from tests.support.receiver import Receiver, receiving

pytestmark = pytest.mark.slow
PAGE = "docs/migrate.md"
AUTOMATIC, MANUAL = 0, 7


class Reader:
    """Follows the page: types its commands, writes its files, and looks at what comes of it."""

    def __init__(self, folder: Path, old: Receiver, patch: pytest.MonkeyPatch) -> None:
        self._folder, self._old, self._patch = folder, old, patch
        self._open = ExitStack()
        self._blocks = iter(blocks(PAGE, "toml"))
        self._commands = commands(PAGE)
        self.policy = folder / "policy.prod.toml"
        self.stage: Stage

    def writes_policy(self) -> None:
        """Add the page's next block to the policy."""
        before = self.policy.read_text() if self.policy.exists() else ""
        self.policy.write_text(f"{before}\n{next(self._blocks)}")

    def types(self, *expected: str) -> str:
        """Type the page's next command, which begins with the expected words."""
        words = next(self._commands)
        assert words[: len(expected)] == list(expected)
        if words[0] == "make":
            self._deploys()
            return ""
        sure = ["--yes"] if "apply" in words else []  # which asks at a terminal alone
        typed = [*words[1:], *sure]
        ran = CliRunner().invoke(main, typed, input="y\n" * 9, obj=self._waits)
        assert ran.exit_code == 0, f"{words}: {ran.output}"
        return ran.output

    def _waits(self, seconds: float) -> None:
        """Let the seconds that setup waits pass, with the reconcile of their minute."""
        self.stage.live.advance(seconds)
        self.stage.reconcile()

    def _deploys(self) -> None:
        hosts = {"LIVE_RECORD_FORWARD_HOSTS": "127.0.0.1"}
        stack = self._open.enter_context(
            running(self._folder / "prod", policy=self.policy, settings=hosts)
        )
        self.stage = Stage(stack, Remote(stack.live))
        self._patch.setenv("LIVE_RECORD_LIVE_ENDPOINT", stack.live)
        register("prod", Target(stack.fc, TOKEN, stack.live, stack.rtmp))
        self.stage.live.notify(
            stream_url=f"{self._old.address}/stream", record_url=f"{self._old.address}/record"
        )
        self.records(AUTOMATIC)

    def records(self, on_demand: int) -> None:
        where = {"domain": "live.example.com", "app": "app", "on_demand": on_demand}
        self.stage.live.post("recording", where)

    def publishes(self, stream: str) -> None:
        self.stage.publish(stream)
        self.stage.until(lambda: self.stage.records(stream))

    def close(self) -> None:
        self._open.close()


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIVE_RECORD_STAGES", str(tmp_path / "stages.toml"))
    monkeypatch.delenv("ALIBABA_CLOUD_ACCESS_KEY_ID", raising=False)
    with receiving() as old:
        following = Reader(tmp_path, old, monkeypatch)
        try:
            yield following
        finally:
            following.close()


def test_the_page_leads_from_automatic_recording_to_a_stage_that_acts_and_back(
    reader: Reader,
) -> None:
    reader.writes_policy()
    reader.types("make", "deploy")
    reader.types("live-record", "setup")
    reader.writes_policy()
    reader.types("live-record", "policy", "test")
    assert "forward_to" not in reader.types("live-record", "policy", "diff")
    assert "forwarding of callbacks stays as it is" in reader.types(
        "live-record", "policy", "apply"
    )
    stage = reader.stage
    stage.live.advance(10)
    reader.publishes("room1")
    assert "would have been sent" in reader.types("live-record", "history")
    assert stage.sent("room1") == []
    reader.types("live-record", "files")
    reader.types("live-record", "report")
    reader.types("live-record", "setup", "--stage", "prod", "--act")
    assert stage.sent("room1") == ["start"]
    reader.publishes("room2")
    stage.until_sent("room2", "start")
    reader.types("live-record", "doctor")
    assert "room2" in reader.types("live-record", "list")

    reader.types("live-record", "setup", "--stage", "prod", "--observe")
    reader.types("live-record", "setup", "--stage", "prod", "--undo")
    reader.publishes("room3")
    assert stage.sent("room3") == []

    reader.records(MANUAL)
    reader.types("live-record", "emergency")
    reader.publishes("room4")
    assert reader.types("live-record", "emergency").endswith("next publish on.\n")


def test_without_the_step_to_act_setup_leaves_automatic_recording_as_it_is(reader: Reader) -> None:
    reader.writes_policy()
    reader.types("make", "deploy")
    reader.types("live-record", "setup")
    reader.writes_policy()
    for command in ("test", "diff", "apply"):
        reader.types("live-record", "policy", command)
    reader.stage.live.advance(10)
    ran = CliRunner().invoke(main, ["setup", "--stage", "prod", "--yes"], obj=time.sleep)
    assert ran.exit_code == 0, ran.output
    reader.publishes("room1")
    assert reader.stage.sent("room1") == []
