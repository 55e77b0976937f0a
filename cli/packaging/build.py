"""Builds the code folder and its archive: our code, the policy, the pinned packages, a manifest.

The commands package, deploy and dev call build(). Two builds of the same sources must be the same
bytes.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from gettext import gettext as _
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any, get_args

from cli.errors import Failure
from cli.packaging import archive, roots
from cli.packaging.contents import (
    BUNDLE,
    ELSEWHERE,
    LARGE,
    NEEDED,
    RARE,
    WITHOUT_SDK,
    Shipped,
    is_of,
    of_s3_alone,
    of_used_modules,
    packed_zones,
    read_wheel,
    trimmed,
)
from cli.packaging.docstrings import without_docstrings
from cli.packaging.pins import only, read_pins, wheels
from cli.packaging.python import compile_all, interpreter
from cli.paths import ROOT
from cli.policy_file import packed_policy
from cli.stage_registry import STATE
from shared.outbound.live.sdk_import import Action

Warn = Callable[[str], None]
PINS = ROOT / "requirements" / "runtime.txt"
OURS = ("functions", "shared")
KINDS = ("*.py", "*.lua", "*.json")
MANIFEST = "manifest.json"
AUTHORITY = "store-ca.pem"
"""The store's root certificate: packaged if it lies in the policy's folder (docs/store.md)."""
SDK = "alibabacloud-live20161101"


@dataclass(frozen=True, slots=True)
class Package:
    """The contents of one archive to deploy.

    `prefix` begins the names of its folder and archive. `variable` is the variable of s.yaml that
    names the folder. `pins` is a file of pinned packages: those in `needed` are deployed, or all if
    `needed` is None. `page` is a folder whose files are added. The files and modules in `without`
    are left out. Those in `rare` get no bytecode.
    """

    prefix: str
    variable: str
    pins: Path
    needed: Collection[str] | None
    page: Path | None = None
    without: Collection[str] = ()
    rare: Collection[str] = LARGE


MAIN = Package("", "LIVE_RECORD_CODE", PINS, NEEDED, without=ELSEWHERE, rare=RARE)
FILES = Package("files-", "LIVE_RECORD_FILES_CODE", PINS.with_name("files.txt"), None)
"""The package of the function `files`: OSS's SDK instead of Live's."""
CONSOLE = Package(
    "console-",
    "LIVE_RECORD_CONSOLE_CODE",
    PINS,
    WITHOUT_SDK,
    ROOT / "functions" / "console" / "page",
    without=(BUNDLE,),
)
"""The package of the function `console`: its page, and no SDK."""
DELIVER = Package("deliver-", "LIVE_RECORD_DELIVER_CODE", PINS.with_name("deliver.txt"), None)
"""The package of the function `deliver`: OSS's SDK, and boto3 for the store that it copies to."""
PACKAGES = (MAIN, FILES, CONSOLE, DELIVER)


def folder_of(package: Package, runtime: str, into: Path = ROOT) -> Path:
    return into / "build" / f"{package.prefix}{runtime}"


@dataclass(frozen=True, slots=True)
class Packaged:
    """The code folder, its archive, and the content of its manifest."""

    folder: Path
    archive: Path
    manifest: Mapping[str, Any]


def build(
    runtime: str,
    package: Package = MAIN,
    *,
    policy: Path = ROOT / "policy.toml",
    into: Path = ROOT,
    whole: bool = False,
    warn: Warn,
) -> Packaged:
    """Build a package; return its folder and archive.

    Under `into`, these are `build/PREFIXRUNTIME` and `dist/live-record-PREFIXRUNTIME.zip`. With
    `whole`, the package has everything that the official SDK requires, otherwise only what our
    calls use. Raise Failure if the policy, the store's certificate or a pinned package is wrong.
    """
    own = {"policy.json": packed_policy(policy).encode(), **_authority(policy.with_name(AUTHORITY))}
    own |= _our_files() | _page(package)
    folder = folder_of(package, runtime, into)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        made = Path(temporary, "code")
        shipped = _packages(package, runtime, whole)
        trim = replace(package, without=(), rare=()) if whole else package
        manifest = _make(made, runtime, trim, shipped, own, warn=warn)
        _replace_folder(folder, made)
    packed = into / "dist" / f"live-record-{package.prefix}{runtime}.zip"
    archive.write(folder, packed)
    return Packaged(folder, packed, manifest)


def _page(package: Package) -> dict[str, bytes]:
    """Return the files of a page, without type declarations, which only a type checker reads."""
    files = [] if package.page is None else sorted(package.page.rglob("*"))
    return {
        file.relative_to(ROOT).as_posix(): file.read_bytes()
        for file in files
        if file.is_file() and not file.name.endswith(".d.ts")
    }


def _authority(file: Path) -> dict[str, bytes]:
    """Return the certificate with which the functions verify the store; nothing without the file.
    Raise Failure if the file holds a private key, or no certificate."""
    if not file.is_file():
        return {}
    data = file.read_bytes()
    if b"PRIVATE KEY" in data or b"BEGIN CERTIFICATE" not in data:
        sentence = _(
            "{file} must contain nothing but certificates in PEM form. Remove everything else."
        )
        raise Failure(sentence.format(file=file))
    return {AUTHORITY: data}


def _make(
    folder: Path,
    runtime: str,
    package: Package,
    shipped: Sequence[Shipped],
    own: Mapping[str, bytes],
    *,
    warn: Warn,
) -> dict[str, Any]:
    files = _files(package, own, shipped)
    for path, data in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    python = interpreter(runtime)
    if python:
        code = sorted(
            path for path in files if path.endswith(".py") and not is_of(path, package.rare)
        )
        compile_all(folder, python, code)
    else:
        sentence = _(
            "{runtime} is not installed, so the package has no bytecode and a cold start takes far"
            " longer. Install {runtime} and build again."
        )
        warn(sentence.format(runtime=runtime))
    manifest = _manifest(folder, runtime, shipped, bytecode=python is not None)
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    for made in folder.rglob("*"):
        made.chmod(0o755 if made.is_dir() else 0o644)
    return manifest


def _replace_folder(folder: Path, made: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    made.rename(folder)


def _packages(package: Package, runtime: str, whole: bool) -> list[Shipped]:
    version = runtime.removeprefix("python")
    pins = read_pins(package.pins.read_text(encoding="utf-8"), version)
    chosen = pins if whole or package.needed is None else only(pins, package.needed)
    shipped = [read_wheel(wheel) for wheel in wheels(chosen, version, STATE / "wheels")]
    return shipped if whole else [_trim(each) for each in shipped]


def _trim(shipped: Shipped) -> Shipped:
    files: Mapping[str, bytes] = of_used_modules(shipped.files)
    if shipped.name == "botocore":
        files = of_s3_alone(files)
    if shipped.name == SDK:
        files = trimmed(files, get_args(Action))
    if shipped.name == "tzdata":
        files = packed_zones(files)
    return replace(shipped, files=files)


def _files(
    package: Package, own: Mapping[str, bytes], shipped: Sequence[Shipped]
) -> dict[str, bytes]:
    files = dict(own)
    for each in shipped:
        files |= {**each.files, **each.licences}
    files |= roots.hashed_roots(files)
    return {path: data for path, data in files.items() if not is_of(path, package.without)}


def _our_files() -> dict[str, bytes]:
    """Return our code, the Lua scripts that the store reads, and the catalogue of texts."""
    trees = (file for tree in OURS for kind in KINDS for file in (ROOT / tree).rglob(kind))
    files = (ROOT / "index.py", *trees)
    return {file.relative_to(ROOT).as_posix(): _deployed(file) for file in files}


def _deployed(file: Path) -> bytes:
    data = file.read_bytes()
    return without_docstrings(data) if file.suffix == ".py" else data


def _manifest(
    folder: Path, runtime: str, shipped: Sequence[Shipped], *, bytecode: bool
) -> dict[str, Any]:
    """Return the manifest; its `tree` is the hash of everything else in the folder."""
    return {
        "live_record": version_of("live-record"),
        "runtime": runtime,
        "platform": "x86_64",
        "bytecode": "unchecked-hash" if bytecode else None,
        "packages": [_about(each) for each in sorted(shipped, key=lambda each: each.name)],
        "tree": archive.tree_hash(folder),
    }


def _about(shipped: Shipped) -> dict[str, object]:
    return {
        "name": shipped.name,
        "version": shipped.version,
        "license": shipped.licence,
        "license_files": sorted(shipped.licences),
        "files": len(shipped.files),
    }
