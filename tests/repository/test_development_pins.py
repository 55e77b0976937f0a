"""What `make setup` installs is pinned by hash, every file of it, and names no registry."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

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


def test_the_least_version_of_a_dependency_is_one_that_the_tests_run_with() -> None:
    """An older one may lack what the code calls: redis 6.4 raised a TypeError."""
    project = (REQUIREMENTS.parent / "pyproject.toml").read_text(encoding="utf-8")
    block = project.partition("dependencies = [")[2].partition("\n]")[0]
    needed = re.findall(r'^    "([\w-]+)([^\w;"]+)([\w.]+)', block, re.MULTILINE)

    assert len(needed) == block.count('    "') > 10
    for name, operator, least in needed:
        assert operator == ">="
        assert Version(least) == min(versions_of(name)), name


def versions_of(name: str) -> list[Version]:
    """Return the versions of a package that the tests run with: one for each lock that has it."""
    return [
        Version(line.partition("==")[2].split()[0].rstrip(";"))
        for lock in ("dev.txt", "dev-3.10.txt")
        for package, line in pinned(REQUIREMENTS / lock).items()
        if canonicalize_name(package) == canonicalize_name(name)
    ]


def test_setup_installs_nothing_without_its_hash() -> None:
    makefile = (REQUIREMENTS.parent / "Makefile").read_text(encoding="utf-8")
    installs = [line for line in makefile.splitlines() if "$(PIP) " in line]

    assert len(installs) > 2
    assert all("--require-hashes" in line or "--no-deps" in line for line in installs)
