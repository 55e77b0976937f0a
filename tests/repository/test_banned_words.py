"""No private word of this project is in what strangers read: pages, command help, messages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cli.main import main
from tests.repository.rooms import ROOT, nodes

WORDS = [
    word
    for line in (ROOT / "tests/banned_words.txt").read_text(encoding="utf-8").splitlines()
    if (word := line.partition("#")[0].strip())
]
BANNED = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, WORDS))})(?![\w-])", re.IGNORECASE)
PAGES = [ROOT / "README.md", ROOT / "README.zh-CN.md", *sorted(ROOT.glob("docs/*.md"))]
SPOKEN = ("cli", "functions", "shared")
CATALOGUES = sorted((ROOT / "shared/inbound/catalogue").glob("*.json"))


def banned_in(text: str) -> list[str]:
    lines = text.splitlines()
    return [f"{number}: {line}" for number, line in enumerate(lines, 1) if BANNED.search(line)]


def test_a_banned_word_is_found_and_a_part_of_a_word_is_none() -> None:
    assert banned_in("It is told\nat once; recommended, unwished") == ["1: It is told"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_uses_a_private_word(page: Path) -> None:
    assert banned_in(page.read_text(encoding="utf-8")) == []


def helps(command: click.Command, path: str = "live-record") -> Iterator[str]:
    yield f"{path}: {command.get_help(click.Context(command))}"
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from helps(found, f"{path} {name}")


def test_no_help_uses_a_private_word() -> None:
    texts = list(helps(main))

    assert len(texts) > 20
    assert [text for text in texts if banned_in(text)] == []


def messages(file: Path) -> Iterator[str]:
    """Every string of more than one word that is no docstring."""
    alone = {id(node.value) for node in nodes(file) if isinstance(node, ast.Expr)}
    for node in nodes(file):
        text = node.value if isinstance(node, ast.Constant) and id(node) not in alone else None
        if isinstance(text, str) and " " in text:
            yield text


@pytest.mark.parametrize("tree", SPOKEN)
def test_no_message_uses_a_private_word(tree: str) -> None:
    found = {
        f"{file.relative_to(ROOT)}: {text}"
        for file in sorted((ROOT / tree).rglob("*.py"))
        for text in messages(file)
        if banned_in(text)
    }
    assert sorted(found) == []


@pytest.mark.parametrize("tree", SPOKEN)
def test_no_docstring_begins_with_note(tree: str) -> None:
    """A reader takes "Note that" as said to him. Write "Record that" or "Remember that"."""
    found = [
        f"{file.relative_to(ROOT)}: {node.value.value!r}"
        for file in sorted((ROOT / tree).rglob("*.py"))
        for node in nodes(file)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if re.match(r"Notes? |Noted ", str(node.value.value))
    ]
    assert found == []


@pytest.mark.parametrize("catalogue", CATALOGUES, ids=lambda file: file.name)
def test_no_sentence_of_the_history_uses_a_private_word(catalogue: Path) -> None:
    assert banned_in(catalogue.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "page", [page for page in PAGES if ".zh-CN" in page.name], ids=lambda page: page.name
)
def test_a_chinese_page_has_chinese_punctuation(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if re.search(r"[\u4e00-\u9fff][,;:!?(]", line)] == []
