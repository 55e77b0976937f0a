"""In a text of the command line, what a person types stands between backticks: a command, an
option, a field and a value. Else it reads as an ordinary word."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest

from cli.main import main
from tests.repository.cli_messages import all_of, own_messages, translations

MARKED = re.compile(r"`[^`]*`")
PLACEHOLDER = re.compile(r"\{\w[^{}]*\}")
BARE_ALONE = re.compile(r"^--[a-z-]+[:：]|[:：] ?live-record [^.。]+$|^\w+$")
"""A label, a command after a colon at the end of a text, which is there to be copied, and a word of
a table."""


def names(group: click.Group) -> Iterator[str]:
    """Yield the names of all commands and groups."""
    context = click.Context(group)
    for name in group.list_commands(context):
        yield name
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from names(command)


COMMANDS = "|".join(sorted(set(names(main))))
TYPED = re.compile(
    rf"(?<![\w/.-])--[a-z][a-z-]*|\blive-record (?:{COMMANDS})\b|\b[Rr]un (?:{COMMANDS})\b"
    r"|\bRun (?!(?:the|this|a|one|it)\b)\w+|\b(?:make|npm|pip) (?:dev|install|rollback|setup)\b"
    r"|(?<![\w{])\[\[?[a-z]\w*\]|\b[a-z]+_[a-z_]+\b",
    re.ASCII,
)


def typed_without_a_mark(text: str) -> list[str]:
    for pattern, instead in ((MARKED, "…"), (PLACEHOLDER, "X"), (BARE_ALONE, "")):
        text = pattern.sub(instead, text)
    return TYPED.findall(text)


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("Run live-record setup, and push again.", ["Run live"]),
        ("Run setup again.", ["Run setup"]),
        ("the log; live-record watch shows it", ["live-record watch"]),
        ("Run npm install -g @serverless-devs/s.", ["Run npm"]),
        ("Pass --all, too.", ["--all"]),
        ("{file} has no [forward_to].", ["[forward_to]"]),
        ("Raise max_concurrent of the rule.", ["max_concurrent"]),
        ("Run `live-record setup`, or pass `--all`.", []),
        ("Run the command again.", []),
        ("To stop it now: live-record try --stop", []),
    ],
)
def test_a_missing_mark_is_found(text: str, bare: list[str]) -> None:
    assert typed_without_a_mark(text) == bare


def test_what_is_typed_is_marked_in_both_languages() -> None:
    own = own_messages()
    texts = [
        text
        for message in translations()
        if message.id in own
        for text in (*all_of(message.id), *all_of(message.string))
    ]
    found = {text: bare for text in texts if (bare := typed_without_a_mark(text))}
    assert found == {}, "put it between backticks"


def test_a_translation_has_the_marks_of_its_text() -> None:
    found = {
        text: translation
        for message in translations()
        for text, translation in zip(all_of(message.id), all_of(message.string), strict=False)
        if len(MARKED.findall(text)) != len(MARKED.findall(translation))
    }
    assert found == {}
