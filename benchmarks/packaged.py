"""The environment of cold_start and warm_call: the unpacked archive, the whole SDK, a fast Live.

Both benchmarks call bench_environment(); the others use print_figures() and machine() at most. The
archive is unpacked to a new path, so that nothing is cached from an earlier run.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from benchmarks.answering import Authority, answering
from cli.errors import Failure
from cli.local.redis_server import Engine
from cli.packaging import RUNTIMES, build, interpreter, roots

TOKEN = "dev-token"  # noqa: S105 - the development account's
SQLITE, REDIS = "sqlite", "redis"


@dataclass(frozen=True, slots=True)
class Trees:
    """Folders of code that trust the benchmark's own server as well as certifi's roots."""

    python: Path
    ours: Path
    stock: Path
    uncompiled: Path
    archive: Path


@dataclass(frozen=True, slots=True)
class BenchEnvironment:
    """The environment of a program: the code, the address of Live, and a store of each kind."""

    trees: Trees
    live: str
    stores: Mapping[str, str]

    def environment(self, store: str) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", ""),
            "PYTHONDONTWRITEBYTECODE": "1",  # as the deployed one (docs/platform/sdk.md §A3)
            "ALIBABA_CLOUD_ACCESS_KEY_ID": "dev",
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "dev-secret",
            "ALIBABA_CLOUD_SECURITY_TOKEN": "dev-security-token",
            "FC_EMULATOR": "1",  # the secrets are those of development
            "LIVE_RECORD_STORE": self.stores[store],
            "LIVE_RECORD_POLICY": str(self.trees.ours / "policy.json"),
            "LIVE_RECORD_API_TOKENS": f"dev:read+control:{TOKEN}",
            "LIVE_RECORD_LIVE_ENDPOINT": f"https://{self.live}",
        }

    def run(self, program: Path, *arguments: str, store: str = SQLITE) -> dict[str, Any]:
        """Run a program in a new process; return the JSON of its last line; raise Failure."""
        ended = subprocess.run(
            [str(self.trees.python), "-W", "ignore", str(program), *arguments],
            env=self.environment(store),
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode != 0:
            raise Failure(f"{program.name} failed: {ended.stderr[-2000:]}")
        figures: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
        return figures


@contextmanager
def bench_environment(runtime: str | None = None) -> Iterator[BenchEnvironment]:
    with tempfile.TemporaryDirectory(prefix="live-record-") as name:
        folder = Path(name)
        authority = Authority.made(folder)
        trees = _trees(folder, runtime or _runtime(), authority)
        with answering(authority) as live, Engine(folder / "engine") as engine:
            stores = {SQLITE: f"sqlite:///{folder}/records.db", REDIS: engine.url}
            yield BenchEnvironment(trees, live, stores)


def _runtime() -> str:
    found = next((runtime for runtime in RUNTIMES if interpreter(runtime)), None)
    if found is None:
        raise Failure(f"none of {', '.join(RUNTIMES)} is installed. Install one with pyenv or uv.")
    return found


def _trees(folder: Path, runtime: str, authority: Authority) -> Trees:
    """Unpack the archive and the whole official SDK, with and without bytecode."""
    slim = build(runtime, into=folder / "slim", warn=_warn)
    whole = build(runtime, into=folder / "whole", whole=True, warn=_warn)
    ours, uncompiled = folder / "unpacked", folder / "uncompiled"
    with ZipFile(slim.archive) as archive:
        archive.extractall(ours)
    shutil.copytree(whole.folder, uncompiled, ignore=shutil.ignore_patterns("__pycache__"))
    for tree in (ours, whole.folder, uncompiled):
        _trust(tree, authority.root)
    python = interpreter(runtime)
    if python is None:
        raise Failure(f"no {runtime} is installed. Install it with pyenv or uv.")
    return Trees(python.resolve(), ours, whole.folder, uncompiled, slim.archive)


def _trust(tree: Path, root: str) -> None:
    """Add a root certificate to a tree in the form of certifi's."""
    with (tree / roots.BUNDLE).open("a", encoding="ascii") as bundle:
        bundle.write(root)
    for name, certificate in roots.by_name(root.encode("ascii")).items():
        (tree / roots.FOLDER / name).write_bytes(certificate)


def _warn(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr)


def machine(python: Path) -> dict[str, object]:
    command = [
        str(python),
        "-c",
        "import ssl, sys; print(sys.version.split()[0], ssl.OPENSSL_VERSION)",
    ]
    versions = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    packages = ("alibabacloud-live20161101", "alibabacloud-tea-openapi", "darabonba-core")
    named = (*packages, "requests", "urllib3", "redis")
    return {
        "machine": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpus": f"{os.cpu_count()} x {_cpu()}",
        "python": versions,
        **{name: version(name) for name in named},
    }


def _cpu() -> str:
    lines = Path("/proc/cpuinfo")
    text = lines.read_text(encoding="utf-8") if lines.exists() else ""
    models = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return models[0] if models else platform.processor()


def print_figures(
    figures: Mapping[str, object], about: Mapping[str, object], *, as_json: bool
) -> None:
    """Print the machine, then the figures, with `as_json` as one last line of JSON."""
    for name, value in about.items():
        print(f"{name}: {value}")
    if as_json:
        print(json.dumps(figures))
    else:
        print("\n".join(f"{name} {value}" for name, value in figures.items()))
