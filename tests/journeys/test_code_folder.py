"""The functions find what is packaged with them, in whatever folder they start; where they cannot
serve, a timer's run fails (docs/platform/function-compute.md §1.2, §3)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli.local.stack import dev_settings
from cli.paths import ROOT
from cli.policy_file import packed_policy
from emulator.fc import FcInThread, Settings
from tests.support.compute_emulator import ask

pytestmark = pytest.mark.slow

PACKAGED = ("index.py", "functions", "shared")


@pytest.fixture(params=["in the folder of the code", "in another folder"])
def working_directory(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path if "another" in request.param else None


@contextmanager
def deployed(folder: Path, working_directory: Path | None) -> Iterator[FcInThread]:
    """Deploy a code folder as it is packaged; the settings name no policy, as in s.yaml."""
    code = folder / "code"
    for name in PACKAGED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, _made(code) / name)
    (code / "policy.json").write_text(packed_policy(ROOT / "policy.toml"))
    env = dev_settings(folder, fc="http://127.0.0.1:9", live="http://127.0.0.1:9")
    env |= {"LIVE_RECORD_POLICY": "", "LIVE_RECORD_CODE": str(code)}
    env |= {"LIVE_RECORD_FILES_CODE": str(code), "LIVE_RECORD_DELIVER_CODE": str(code)}
    settings = Settings(retry_seconds=0.001, working_directory=working_directory)
    with FcInThread(ROOT / "s.yaml", env=env, settings=settings) as fc:
        yield fc


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def listed(fc: FcInThread) -> int:
    token = [("Authorization", "Bearer dev-token")]
    return ask(fc, "GET", "/v1/recordings", headers=token).status


def succeeds(fc: FcInThread, function: str) -> bool:
    """Return whether Function Compute takes a timer's call for a success, at last."""
    (fired,) = ask(fc, "POST", f"/_fc/timer/{function}", {"wait": True}).json["fired"]
    ok: bool = fired["ok"]
    return ok


def test_the_policy_is_found_beside_the_code(
    tmp_path: Path, working_directory: Path | None
) -> None:
    with deployed(tmp_path, working_directory) as fc:
        assert listed(fc) == 200


def test_a_timer_that_could_do_nothing_fails_and_is_tried_again(tmp_path: Path) -> None:
    with deployed(tmp_path, None) as fc:
        (tmp_path / "code" / "policy.json").unlink()

        assert not succeeds(fc, "reconcile")
        state = ask(fc, "GET", "/_fc/state").json["functions"]["reconcile"]
        assert state["errors"] == state["invocations"] >= 9
        assert listed(fc) == 503
