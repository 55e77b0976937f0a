"""Reads the pinned packages of a runtime and downloads their wheels, whose hashes pip verifies.

cli.packaging.build calls this module. It must not download anything without a hash.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from gettext import gettext as _
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cli.errors import Failure

PLATFORMS = ("manylinux2014_x86_64", "manylinux_2_28_x86_64")
"""Platforms of the built-in runtimes, which are x86_64 only. The oldest glibc is 2.28, that of
python3.10 on Debian 10 (docs/platform/function-compute.md §4)."""


@dataclass(frozen=True, slots=True)
class Pin:
    """A pinned package; `line` is its line for pip, with the hashes."""

    name: str
    line: str


def read_pins(text: str, version: str) -> tuple[Pin, ...]:
    """Return the pins whose markers match this version of Python.

    pip itself would evaluate the markers for the version that it runs on.
    """
    lines = text.replace("\\\n", "").splitlines()
    pins = (_pin(line, version) for line in lines if line and not line.startswith("#"))
    return tuple(pin for pin in pins if pin)


def _pin(line: str, version: str) -> Pin | None:
    requirement, hashes, values = line.partition(" --hash")
    required = Requirement(requirement)
    if required.marker and not required.marker.evaluate({"python_version": version}):
        return None
    pinned = f"{required.name}{required.specifier}"
    return Pin(canonicalize_name(required.name), f"{pinned}{hashes}{values}")


def only(pins: Sequence[Pin], names: Collection[str]) -> tuple[Pin, ...]:
    return tuple(pin for pin in pins if pin.name in names)


def wheels(pins: Sequence[Pin], version: str, cache: Path) -> tuple[Path, ...]:
    """Return the paths of the wheels of these pins, for this version of Python. The wheels are
    downloaded only once, and stay in the folder `cache`. Two builds may call this at the same time.
    """
    lines = "\n".join(pin.line for pin in pins)
    cached = cache / f"{version}-{hashlib.sha256(lines.encode()).hexdigest()[:16]}"
    if not cached.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as temporary:
            _download(lines, version, Path(temporary))
            _move_into_cache(Path(temporary, "wheels"), cached)
    return tuple(sorted(cached.glob("*.whl")))


def _move_into_cache(made: Path, cached: Path) -> None:
    try:
        made.rename(cached)
    except OSError:
        if not cached.exists():
            raise


def _download(lines: str, version: str, folder: Path) -> None:
    pins, got = folder / "pins.txt", folder / "wheels"
    pins.write_text(lines, encoding="utf-8")
    target = ["--implementation", "cp", "--python-version", version]
    target += [option for platform in PLATFORMS for option in ("--platform", platform)]
    _pip("download", "--require-hashes", *target, "--prefer-binary", "-d", got, "-r", pins)
    for source in got.glob("*.tar.gz"):
        _pip("wheel", "--no-index", "-w", got, source)
        source.unlink()


def _pip(verb: str, *options: str | Path) -> None:
    usual = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation")
    ended = subprocess.run(
        [sys.executable, "-m", "pip", verb, *usual, *options],
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode != 0:
        sentence = _("`pip {verb}` failed for requirements/*.txt. Its output: {stderr}")
        raise Failure(sentence.format(verb=verb, stderr=ended.stderr))
