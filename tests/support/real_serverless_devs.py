"""The real `s` of Serverless Devs, pinned, with a home of its own and tests/fixtures/fc3.js as fc3.

The tests of s.yaml and of a deploy run it. It needs npm once for each lock file, then no network.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.support.node_packages import install
from tests.support.programs import path_with_node

ROOT = Path(__file__).parents[2]
PINNED = ROOT / "tests" / "repository" / "node_s"
COMPONENT = ROOT / "tests" / "fixtures" / "fc3.js"


def installed_program() -> Path:
    """Return the program, installed if it is not."""
    install(PINNED)
    return PINNED / "node_modules" / ".bin" / "s"


def environment(home: Path) -> dict[str, str]:
    """Return the environment that keeps `s` to `home`; NODE_ENV=test keeps it from starting the
    processes in the background that report usage and look for updates."""
    folder = installed_program().parent
    return {
        "PATH": f"{folder}{os.pathsep}{path_with_node()}",
        "HOME": str(home),
        "serverless_devs_config_home": str(home),
        "S_FOLDER": str(home),
        "NODE_ENV": "test",
    }


def put_component(home: Path) -> None:
    """Fill the cache of components, where `s` looks before it downloads one. Of fc3 it has the
    pinned version alone: any other would have to be downloaded."""
    for name in ("fc3@0.1.22", "fc3-domain"):
        folder = home / ".s" / "components" / "devsapp.cn" / "v3" / name
        (folder / "dist").mkdir(parents=True)
        shutil.copy(COMPONENT, folder / "dist" / "index.js")
        (folder / "package.json").write_text(json.dumps({"name": name, "main": "dist/index.js"}))
        (folder / "publish.yaml").write_text(f"Type: Component\nName: {name}\nVersion: 0.0.0\n")
        (folder / ".s.lock").write_text("{}")


def small_template(home: Path) -> Path:
    """Return an s.yaml with reconcile and a domain: more functions would take minutes."""
    document = yaml.safe_load((ROOT / "s.yaml").read_text())
    resources = document["resources"]
    route = {"path": "/*", "functionName": "live-record-reconcile-dev", "qualifier": "release"}
    domain = {**resources["domain"]["props"], "routeConfig": {"routes": [route]}}
    document["resources"] = {
        "reconcile": resources["reconcile"],
        "domain": {**resources["domain"], "props": domain},
    }
    (home / "s.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    (home / "env.yaml").write_text((ROOT / "env.yaml").read_text())
    return home / "s.yaml"


def add_access(home: Path, name: str) -> None:
    """Add an access whose key is named for it, as `s config add` does."""
    key = {"AccountID": "1234567890123456", "AccessKeyID": f"key-of-{name}"}
    options = [part for option, value in key.items() for part in (f"--{option}", value)]
    options += ["--AccessKeySecret", f"secret-of-{name}", "-a", name]
    subprocess.run(
        ["s", "config", "add", *options], env=environment(home), check=True, capture_output=True
    )


def calls(home: Path) -> list[dict[str, Any]]:
    """Return what the component was called with, in order."""
    file = home / "calls"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
