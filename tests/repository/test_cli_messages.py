"""Every text of the command line exists in Chinese, and is asked for where it is printed."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import main
from cli.paths import ROOT
from tests.repository.cli_messages import MO, all_of, compiled, messages, translations
from tests.repository.rooms import nodes

PLACEHOLDER = re.compile(r"\{(\w*)|%\((\w+)\)s")
PRINTING = {"Failure", "UsageError", "echo", "fail"}


def test_every_text_is_translated_and_none_is_left_over() -> None:
    stored = {message.id: message.string for message in translations() if message.id}
    assert stored.keys() == messages()
    assert [text for text, translation in stored.items() if not translation] == []


def test_a_translation_names_only_what_its_text_names() -> None:
    for message in translations():
        texts, strings = all_of(message.id), all_of(message.string)
        known = {name for text in texts for name in _placeholders(text)}
        assert {name for text in strings for name in _placeholders(text)} <= known, texts


def _placeholders(text: str) -> set[str]:
    return {first or second for first, second in PLACEHOLDER.findall(text)}


def test_the_compiled_file_is_that_of_the_text() -> None:
    assert MO.read_bytes() == compiled(translations())


@pytest.mark.parametrize(
    "file",
    sorted((ROOT / "cli").rglob("*.py")),
    ids=lambda file: file.relative_to(ROOT).as_posix(),
)
def test_what_is_printed_is_asked_for_in_the_readers_language(file: Path) -> None:
    calls = [node for node in nodes(file) if isinstance(node, ast.Call)]
    printed = [call.args[0] for call in calls if _name(call.func) in PRINTING and call.args]
    assert [ast.unparse(argument) for argument in printed if _has_words(argument)] == []


def _name(function: ast.expr) -> str:
    return getattr(function, "attr", getattr(function, "id", ""))


def _has_words(argument: ast.expr) -> bool:
    """Return True for a literal text with a word in it, also within an f-string."""
    parts = argument.values if isinstance(argument, ast.JoinedStr) else [argument]
    literals = [part.value for part in parts if isinstance(part, ast.Constant)]
    return any(re.search(r"[A-Za-z]{2}", str(literal)) for literal in literals)


@pytest.mark.parametrize("option", ["--language", "--lang"])
@pytest.mark.parametrize("command", [[], ["start"], ["policy"], ["policy", "diff"], ["doctor"]])
def test_help_is_chinese_where_the_option_asks_for_it(option: str, command: list[str]) -> None:
    shown = CliRunner().invoke(main, [*command, option, "zh", "--help"])
    assert shown.exit_code == 0
    assert "用法" in shown.output
    after_usage = shown.output.partition("\n")[2]
    assert not re.search(r"[a-z]{3,} [a-z]{3,} [a-z]{3,}", after_usage)


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("LC_ALL", "zh_CN.UTF-8", "用法"),
        ("LANG", "zh_CN.UTF-8", "用法"),
        ("LANG", "de_DE.UTF-8", "Usage"),
    ],
)
def test_without_the_option_the_locale_decides(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, value)
    assert words in CliRunner().invoke(main, ["--help"]).output


def test_the_list_of_commands_says_what_each_command_says_of_itself() -> None:
    shown = CliRunner().invoke(main, ["--help"]).output
    context = main.make_context("live-record", ["list"])
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        assert (command.help or "").partition("\n")[0] in shown, name


def test_a_required_option_is_marked_in_chinese_too() -> None:
    shown = CliRunner().invoke(main, ["try", "--language", "zh", "--help"]).output
    assert ("[必填]" in shown, "[required]" in shown) == (True, False)
