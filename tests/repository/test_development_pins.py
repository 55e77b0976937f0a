"""What `make setup` installs is pinned by hash, every file of it, and names no registry."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).parents[2] / "requirements"
PINS = sorted(REQUIREMENTS.glob("*.txt"))
_HASHES = r"(?: (?:\\\n    )?--hash=sha256:[0-9a-f]{64})+"
_PIN = re.compile(rf"^([\w.-]+)==[\w.]+(?:; [^\n\\]+)?{_HASHES}$", re.MULTILINE)


def pinned(file: Path) -> dict[str, str]:
    return {found[1]: found[0] for found in _PIN.finditer(file.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("file", PINS, ids=lambda file: file.name)
def test_every_line_is_a_version_with_its_hashes(file: Path) -> None:
    text = "".join(
        line for line in file.read_text("utf-8").splitlines(keepends=True) if line[:1] != "#"
    )

    assert pinned(file)
    assert _PIN.sub("", text).strip() == ""


def test_what_builds_packages_is_what_is_installed_afterwards() -> None:
    build = pinned(REQUIREMENTS / "build.txt")

    for lock in ("dev.txt", "dev-3.10.txt"):
        assert {name: pinned(REQUIREMENTS / lock)[name] for name in build} == build


def test_setup_installs_nothing_without_its_hash() -> None:
    makefile = (REQUIREMENTS.parent / "Makefile").read_text(encoding="utf-8")
    installs = [line for line in makefile.splitlines() if "$(PIP) " in line]

    assert len(installs) > 2
    assert all("--require-hashes" in line or "--no-deps" in line for line in installs)
