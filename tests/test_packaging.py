"""What is deployed answers by itself: from its folder alone, with no other package at hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from cli.package import build
from cli.stack import ROOT

pytestmark = pytest.mark.slow
ASK = """
import sys
sys.path[:0] = [sys.argv[1]]
import index
answer = index.record_command(b"{}", None)
print(answer["statusCode"], answer["body"])
from alibabacloud_live20161101.client import Client
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    return build(folder / "code", folder / "dist" / "live-record.zip", ROOT / "policy.toml")


def test_the_package_answers_with_nothing_else_installed(archive: Path, tmp_path: Path) -> None:
    with ZipFile(archive) as opened:
        opened.extractall(tmp_path)
    command = [sys.executable, "-I", "-S", "-c", ASK, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env={})

    assert ended.returncode == 0, ended.stderr
    assert "503 {" in ended.stdout
    assert "LIVE_RECORD_STORE" in ended.stdout


def test_no_stand_in_and_no_test_is_deployed(archive: Path) -> None:
    with ZipFile(archive) as opened:
        names = {name.split("/")[0] for name in opened.namelist()}

    assert {"index.py", "policy.json", "functions", "shared"} <= names
    assert not names & {"emulator", "tests", "cli", "benchmarks"}
