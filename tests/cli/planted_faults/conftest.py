"""One stage for each module of faults. They wait for it most of the time, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from cli.account import account_at
from cli.local.redis_server import DURABLE, Engine
from cli.local.stack import TOKEN, running
from cli.stage_registry import Target, register
from emulator.live import LiveInThread
from emulator.live.account import Credential, Domain, load_account
from tests.cli.planted_faults.ground import DELAY_S, POLICY, PUSH2, SPARE, STAGE, Ground


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
