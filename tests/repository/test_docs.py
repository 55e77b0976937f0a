"""What the documents say is what the code does, wherever that can be checked."""

from __future__ import annotations

import json
import math
import re
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest
import yaml

from benchmarks.storm.__main__ import parser as storm_parser
from cli.deploying.stage import stage_named
from cli.doctor.checks import CHECKS
from cli.main import main
from shared.config import names
from shared.engine.effect_handler import LATE_S
from tests.simulation.bugs import BUGS
from tests.simulation.mistakes import TOLD

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_every_setting_is_documented_and_no_other() -> None:
    documented = re.findall(r"^\| `(LIVE_RECORD_\w+)`", read("docs/settings.md"), re.MULTILINE)

    assert sorted(documented) == sorted(names())


def test_every_variable_that_a_deploy_needs_is_documented_and_no_other() -> None:
    documented = re.findall(r"^\| `(LIVE_RECORD_\w+)`", read("docs/deploy.md"), re.MULTILINE)
    needed = {fault.partition(" ")[0] for fault in stage_named("prod", {}).missing()}

    assert sorted(documented) == sorted(needed)


def test_every_setting_is_passed_by_s_yaml_and_no_other() -> None:
    document = yaml.safe_load(read("s.yaml"))
    functions = [each.get("props", {}) for each in document["resources"].values()]
    parts = [document["template"]["function"], *functions]
    given = {name for part in parts for name in part.get("environmentVariables", {})}

    assert sorted(given) == sorted(names())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_of_this_repository_that_is_named_exists(page: Path) -> None:
    folders = "benchmarks|cli|deploy|docs|emulator|functions|requirements|shared|tests"
    named = re.findall(rf"`((?:{folders})/[\w./-]+)`", page.read_text(encoding="utf-8"))

    assert [one for one in named if not (ROOT / one).exists()] == []


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))
    named = {target for page in PAGES for target in re.findall(r"`make ([a-z]+)", page.read_text())}

    assert named <= targets


def test_every_check_of_doctor_is_documented_as_it_is_said() -> None:
    documented = re.findall(r"^\| `([a-z-]+)` \| (.+) \|$", read("docs/doctor.md"), re.MULTILINE)

    assert documented == [(check.name, check.holds) for check in CHECKS]


def test_what_doctor_has_to_read_is_what_its_ram_policy_allows() -> None:
    documented = set(re.findall(r"`((?:live|oss|fc|ram):\w+)`", read("docs/doctor.md")))
    statements = json.loads(read("deploy/ram/inspector.json"))["Statement"]

    assert documented == {action for one in statements for action in one["Action"]}


def test_every_command_that_is_named_exists() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = set(re.findall(r"`live-record ([a-z][a-z-]+)", text))

    assert named <= set(main.list_commands(click.Context(main)))
    assert named


def test_every_storm_that_is_named_can_be_let_loose() -> None:
    storms = re.findall(r"`(--streams [^`]+)`", read("docs/scale.md"))

    assert len(storms) == 6
    assert all(storm_parser().parse_args(options.split()).streams for options in storms)


def test_what_the_scale_page_says_of_the_pace_follows_from_the_code() -> None:
    rate, text = 45, " ".join(read("docs/scale.md").split())
    in_a_second = math.floor((1 + LATE_S) * rate) + 1
    bunched = math.floor((50 - (1 + LATE_S) * rate) / rate * 1000)

    assert f"{in_a_second} with a rate limit of {rate}" in text
    assert f"{bunched} ms with a rate limit of {rate}" in text
    assert f"within {LATE_S * 1000:.0f} ms of its slot" in text
    assert f"| {rate} |" in read("docs/settings.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_lint_rule_that_is_ignored_has_its_reason_beside_it() -> None:
    text = read("pyproject.toml")
    block = text[text.index("[tool.ruff.lint]") : text.index("[tool.ruff.lint.mccabe]")]
    rules = [line for line in block.splitlines() if re.match(r'\s+"[A-Z]+[0-9]*"', line)]

    assert rules
    assert [rule for rule in rules if "#" not in rule] == []


def test_no_requirements_file_names_a_registry() -> None:
    files = [*ROOT.glob("requirements/*.txt"), *ROOT.glob("tests/**/package-lock.json")]

    assert files
    assert [file.name for file in files if "://" in _without_funding(file.read_text())] == []


def _without_funding(text: str) -> str:
    """Npm writes down where a package asks for donations; that is no registry."""
    return re.sub(r'"(url|funding)": "[^"]*"', "", text)


def test_every_mistake_put_in_on_purpose_is_documented_and_some_are_told() -> None:
    page = read("tests/simulation/mistakes.md")
    table = page.partition("<!-- mistakes -->")[2].partition("<!-- /mistakes -->")[0]
    stories = page.partition("<!-- stories -->")[2].partition("<!-- /stories -->")[0]

    assert re.findall(r"^\| (.+) \| \d+ \| .+ \|$", table, re.MULTILINE) == list(BUGS)
    assert re.findall(r"^### (.+)$", stories, re.MULTILINE) == [bug.capitalize() for bug in TOLD]
    assert f"puts {len(BUGS)} mistakes into the code" in read("docs/reliability.md")


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_a_figure_of_the_readme_is_the_one_of_the_page_that_measured_it(page: str) -> None:
    rows = [
        line for line in read(page).splitlines() if line.startswith("| ") and "`python -m" in line
    ]
    figures = [figure for row in rows for figure in re.findall(r"\d+(?:,\d{3})+|\d+\.\d+", row)]
    measured = "".join(
        read(f"docs/{name}.md") for name in ("protocol-explored", "reliability", "scale")
    )

    assert len(figures) > 4
    assert [figure for figure in figures if figure not in measured] == []
    assert re.findall(r"\| (\d+) (?:of \d+|个全部)", read(page)) == [str(len(BUGS))]


def test_every_module_that_a_text_runs_is_a_program() -> None:
    """Without `__main__`, `python -m` does nothing and exits with 0."""
    trees = ("cli", "emulator", "shared", "functions", "tests", "benchmarks")
    sources = [file for tree in trees for file in ROOT.glob(f"{tree}/**/*.py")]
    texts = [*PAGES, ROOT / "Makefile", *sources]
    named = {
        name
        for file in texts
        for name in re.findall(
            rf"python -m ((?:{'|'.join(trees)})(?:\.\w+)*)", file.read_text(encoding="utf-8")
        )
    }

    assert {"cli.entry", "emulator.fc", "tests.explorer"} <= named
    assert sorted(name for name in named if not _is_program(name)) == []


def _is_program(module: str) -> bool:
    path = ROOT.joinpath(*module.split("."))
    file = path.with_suffix(".py")
    is_guarded = file.exists() and '__name__ == "__main__"' in file.read_text(encoding="utf-8")
    return is_guarded or (path / "__main__.py").exists()


def test_contributing_names_every_generator() -> None:
    files = [*ROOT.glob("tests/repository/[!t]*.py"), *ROOT.glob("cli/**/*_page.py")]
    texts = {file: file.read_text(encoding="utf-8") for file in files}
    own = [file for file, text in texts.items() if '"__main__":' in text and ".write_" in text]
    modules = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in own]
    named = set(re.findall(r"`python -m ([\w.]+)[^`]*`", read("CONTRIBUTING.md")))

    assert {"tests.repository.cli_page", "cli.local.errors_page"} <= set(modules)
    assert set(modules) - named == set()


@pytest.mark.parametrize("container", ["shared", "shared.protocol"])
def test_contributing_lists_the_rooms_of_the_import_contracts(container: str) -> None:
    toml = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    contracts = toml.loads(read("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    layers = [one["layers"] for one in contracts if one.get("containers") == [container]]
    blocks = re.findall(r"^```\w*\n(.*?)^```$", read("CONTRIBUTING.md"), re.DOTALL | re.MULTILINE)
    listed = [[re.split(r"  +", line)[0] for line in block.splitlines()] for block in blocks]

    assert layers
    assert layers[0] in listed
