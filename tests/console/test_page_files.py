"""The files of the console: small, in both languages, typed, and others' as they were made."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from functions.console.page import FOLDER
from tests.support.node_packages import install, run_node

NODE = Path(__file__).with_name("node")
VENDOR = FOLDER / "vendor"
VENDORED: list[dict[str, Any]] = json.loads((VENDOR / "vendored.json").read_text())
OWN = sorted(FOLDER.glob("*.js"))
MAX_FIRST_LOAD_BYTES = 40 * 1024
PLAYERS = {"mpegts.js", "hls.light.min.mjs"}
HOLE = re.compile(r"\{(\w+)\}")
API_TEXT = r"[^{}`]*(?:\.text|\.fix|\.why|\bwhy|\bwhy_no_url|\b[fF]ault|\bwholeFault|\banswer)\)?"
"""An expression whose value is a text of the API."""


def loaded(*names: str) -> Iterator[Path]:
    """Yield these files, and what they import before they run."""
    waiting = [FOLDER / name for name in names]
    known = set(waiting)
    while waiting:
        file = waiting.pop()
        yield file
        if file.suffix == ".js":
            imports = re.findall(
                r'^(?:import|export) .*from "(\./[^"]+)";$', file.read_text(), re.MULTILINE
            )
            found = {(file.parent / name).resolve() for name in imports} - known
            known |= found
            waiting += found


def test_the_first_load_is_small() -> None:
    files = list(loaded("index.html", "console.css", "console.js"))
    sizes = {file.name: len(gzip.compress(file.read_bytes(), 9, mtime=0)) for file in files}

    assert {"console.js", "preact.module.js", "wall.js"} <= sizes.keys()
    assert {"drawer.js", *PLAYERS}.isdisjoint(sizes)
    assert sum(sizes.values()) <= MAX_FIRST_LOAD_BYTES, sizes


def test_every_file_is_loaded_by_the_page_or_by_its_panels_and_a_player_by_neither() -> None:
    names = {file.name for file in loaded("console.js", "panels.js")}

    assert {file.name for file in OWN} <= names
    assert names.isdisjoint(PLAYERS)


def test_it_runs_no_text_as_code_and_has_no_code_in_its_text() -> None:
    html = (FOLDER / "index.html").read_text()

    assert re.findall(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|https?://", html) == []
    for file in OWN:
        found = re.findall(
            r"innerHTML|outerHTML|insertAdjacent|\beval\(|new Function|document\.write",
            file.read_text(),
        )
        assert found == [], file.name


def words() -> dict[str, dict[str, str]]:
    """Return the texts, read from the module: it writes one on a line."""
    text = (FOLDER / "words.js").read_text()
    found: dict[str, dict[str, str]] = {}
    for language in ("en", "zh"):
        part = text.partition(f"\n  {language}: {{\n")[2].partition("\n  },\n")[0]
        pairs = re.findall(r'^    (\w+): "(.*)",$', part, re.MULTILINE)
        assert len(pairs) == len(part.splitlines())
        found[language] = dict(pairs)
    return found


def test_every_text_is_in_both_languages() -> None:
    english, chinese = words()["en"], words()["zh"]

    assert english.keys() == chinese.keys()
    for key, text in english.items():
        assert set(HOLE.findall(text)) == set(HOLE.findall(chinese[key])), key
        assert text.count("`") == chinese[key].count("`"), key
    same = {key for key in english if english[key] == chinese[key]}
    assert same == set()


def test_every_text_is_used_and_every_used_one_is_there() -> None:
    code = "".join(file.read_text() for file in OWN if file.name != "words.js")
    named = set(re.findall(r'"(\w+)"', code))
    computed = ("phase_", "outcome_", "severity_", "copy_")

    unused = {key for key in words()["en"] if key not in named and not key.startswith(computed)}
    assert {key.removesuffix("Title") for key in unused} <= {"start", "stop", "extend", "restart"}
    assert set(re.findall(r'\bsay\(\s*"(\w+)"', code)) <= words()["en"].keys()


@pytest.mark.parametrize("file", OWN, ids=lambda file: file.name)
def test_a_text_of_the_api_is_shown_with_its_marks(file: Path) -> None:
    shown = re.findall(rf"\$\{{{API_TEXT}\}}", file.read_text())

    assert [each for each in shown if not each.startswith("${marked(")] == []


SHOWS_MARKS = """
import { marked } from "./marked.js";
const shown = (part) => (part.props ? `[${part.type} ${part.props.children}]` : part);
const texts = JSON.parse(process.argv[2]);
console.log(JSON.stringify(texts.map((text) => marked(text).map(shown).join(""))));
"""
MARKS = {
    "Run `live-record doctor`.": "Run [code live-record doctor].",
    "请发送 `start`；`stop`。": "请发送 [code start]；[code stop]。",
    "`<img src=x>` `b`": "[code <img src=x>] [code b]",
    "Live wrote a file: app/a`b`c.flv": "Live wrote a file: app/a`b`c.flv",
    "app/`b`/c.flv: send `start`": "app/`b`/c.flv: send [code start]",
    "one ` alone": "one ` alone",
    "no mark, \u202egpj": "no mark, ⟨U+202E⟩gpj",
    "": "",
}
"""Texts, and how the page shows each."""


@pytest.mark.slow
def test_what_stands_between_backticks_is_code_and_a_name_stays_as_it_is(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "shows.js").write_text(SHOWS_MARKS)
    ran = run_node(tmp_path, "node", "shows.js", json.dumps(list(MARKS)))

    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == list(MARKS.values())


@pytest.mark.slow
def test_its_types_are_right() -> None:
    install(NODE)
    flags = ["--noEmit", "--allowJs", "--checkJs", "--strict", "--skipLibCheck"]
    flags += ["--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler"]
    compiler = str(NODE / "node_modules" / "typescript" / "bin" / "tsc")
    checked = run_node(NODE, "node", compiler, *flags, str(FOLDER / "console.js"))

    assert (checked.stdout, checked.returncode) == ("", 0)


# --- what others made ---------------------------------------------------------------------------


def test_every_file_of_others_is_listed_as_it_is() -> None:
    listed = {name: about["sha256"] for each in VENDORED for name, about in each["files"].items()}
    there = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in VENDOR.iterdir()
        if file.name != "vendored.json" and ".d." not in file.name
    }

    assert there == listed
    assert all(any("LICENSE" in name for name in each["files"]) for each in VENDORED)


@pytest.mark.prove
@pytest.mark.parametrize("package", VENDORED, ids=lambda package: package["name"])
def test_it_is_what_the_registry_has(package: dict[str, Any], tmp_path: Path) -> None:
    named = f"{package['name']}@{package['version']}"
    packed = run_node(tmp_path, "npm", "pack", "--silent", named)
    if packed.returncode:
        pytest.skip(f"the registry does not answer: {packed.stderr[-200:]}")
    tarball = tmp_path / packed.stdout.strip()
    digest = base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()

    assert package["tarball_integrity"] == f"sha512-{digest}"
    with tarfile.open(tarball) as members:
        for name, about in package["files"].items():
            member = members.extractfile(f"package/{about['from']}")
            assert member is not None
            assert member.read() == (VENDOR / name).read_bytes(), name
