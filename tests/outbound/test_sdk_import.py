"""The quick way into the official SDK is the plain one: same requests, same errors, same models."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

import pytest

from shared.outbound.live.sdk_import import Action
from tests.support.raw_server import (
    CLOSED,
    GARBAGE,
    HANG,
    RESET,
    SeenRequest,
    Step,
    Wire,
    html_reply,
    json_reply,
    xml_reply,
)

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
ACCEPTED = json_reply({"RequestId": "R-1"})
XML_REFUSAL = "<Error><Code>TaskAlreadyStarted</Code><RequestId>R-3</RequestId></Error>"


def refusal(code: str, status: int, **headers: str) -> Step:
    payload = {"Code": code, "Message": f"%s {code}", "RequestId": "R-2"}
    return json_reply(
        payload, status, headers={name.replace("_", "-"): headers[name] for name in headers}
    )


WRONG = [
    refusal("TaskAlreadyStarted", 409),
    refusal("Throttling.User", 429),
    refusal("Throttling.User", 503, x_acs_retry_after="1500"),
    refusal("InternalError", 500),
    refusal("Forbidden.RAM", 403),
    xml_reply(409, XML_REFUSAL),
    *(html_reply(200), html_reply(502), json_reply({}, 400), json_reply([])),
    *(CLOSED, RESET, GARBAGE, HANG),
]


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    yield wire
    wire.close()


class Probed:
    """What a Python of its own did, and what came over the wire."""

    def __init__(self, payload: dict[str, Any], seen: list[SeenRequest]) -> None:
        self.way: str = payload["way"]
        self.loaded: list[str] = payload["loaded"]
        self.answers: list[Any] = payload["answers"]
        self.models: dict[str, str] = payload["models"]
        self.requests = [(one.method, one.query, dict(one.headers)) for one in seen]


def probe(wire: Wire, lazy_imports: str, named: str = "", *, before: Path | None = None) -> Probed:
    """With the packages of the folder `before` in place of the installed ones."""
    wire.script(*[ACCEPTED] * len(get_args(Action)), *WRONG, ACCEPTED)
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.support.sdk_import_probe",
            wire.endpoint,
            lazy_imports,
            str(len(WRONG)),
            named,
        ],
        env={**os.environ, "PYTHONPATH": str(before or "")},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return Probed(json.loads(ended.stdout), wire.seen)


@pytest.fixture
def plain(wire: Wire) -> Probed:
    return probe(wire, "plain", "names")


def test_the_quick_way_sends_the_same_and_understands_the_same(wire: Wire, plain: Probed) -> None:
    quick = probe(wire, "lazy")
    assert (quick.way, plain.way) == ("lazy", "plain")
    assert quick.requests == plain.requests
    assert quick.answers == plain.answers
    assert len(quick.requests) == len(get_args(Action)) + len(WRONG)


def test_the_quick_way_loads_nothing_of_what_is_heavy(wire: Wire, plain: Probed) -> None:
    assert probe(wire, "lazy").loaded == []
    assert len(plain.loaded) > 3


def test_the_quick_way_has_every_model_of_the_plain_one(wire: Wire, plain: Probed) -> None:
    found = probe(wire, "lazy", "names").models
    assert len(found) > 1_000
    assert found == plain.models


# A release to come that is not what we know


def installed(name: str) -> Path:
    found = find_spec(name)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent


def changed(folder: Path, package: str, file: str, text: str) -> Path:
    """Copy the package with a file that ends in this text; return the folder of the copy."""
    copy = folder / package
    shutil.copytree(installed(package), copy, ignore=shutil.ignore_patterns("__pycache__"))
    with (copy / file).open("a", encoding="utf-8") as opened:
        opened.write(text)
    return folder


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("response.py", "\nclass Streamed(ClientResponse): pass\n"),
        ("core.py", "\nTIMEOUT = aiohttp.ClientTimeout(total=3)\n"),
    ],
    ids=["subclasses", "calls"],
)
def test_an_sdk_that_uses_what_is_left_out_is_imported_as_it_comes(
    wire: Wire, tmp_path: Path, file: str, text: str
) -> None:
    other = probe(wire, "lazy", before=changed(tmp_path, "darabonba", file, text))
    assert other.way == "plain"
    assert other.answers[0] == [{"RequestId": "R-1"}]


def test_an_sdk_with_other_private_names_is_called_all_the_same(wire: Wire, tmp_path: Path) -> None:
    """Neither way may need a name that begins with an underscore: a release may change it."""
    core = changed(tmp_path, "darabonba", "core.py", "\n") / "darabonba" / "core.py"
    text = core.read_text(encoding="utf-8")
    private = set(re.findall(r"(?<=[ .])_[a-z]\w+(?=\()", text))
    assert len(private) > 3
    for name in private:
        text = re.sub(rf"\b{name}\b", f"{name}_renamed", text)
    core.write_text(text, encoding="utf-8")
    other = probe(wire, "lazy", before=tmp_path)
    assert other.way == "lazy"
    assert other.answers[0] == [{"RequestId": "R-1"}]


def test_without_the_products_client_it_says_what_is_missing(wire: Wire, tmp_path: Path) -> None:
    package = "alibabacloud_live20161101"
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text("raise RuntimeError('not what you know')\n")
    with pytest.raises(AssertionError, match="not what you know"):
        probe(wire, "lazy", before=tmp_path)


NEWEST = (
    *("alibabacloud-live20161101", "alibabacloud-tea-openapi", "alibabacloud-tea"),
    *("alibabacloud-credentials", "darabonba-core"),
)


@pytest.mark.prove
def test_the_newest_release_is_reached_the_quick_way_too(wire: Wire, tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade"]
    ended = subprocess.run(
        [*pip, "--target", str(tmp_path), *NEWEST], capture_output=True, text=True, check=False
    )
    if ended.returncode != 0:
        pytest.fail(f"The newest release cannot be fetched: {ended.stderr[-200:]}")
    newest = probe(wire, "plain", before=tmp_path)
    quick = probe(wire, "lazy", before=tmp_path)
    assert (quick.way, newest.way) == ("lazy", "plain")
    assert (quick.requests, quick.answers) == (newest.requests, newest.answers)
