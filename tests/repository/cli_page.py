"""Writes docs/cli.md: every command with its help, as the command prints it.

`python -m tests.repository.cli_page` writes the page; test_cli_page.py fails while it is out of
date.
"""

from __future__ import annotations

from collections.abc import Iterator

import click

from cli.main import main
from cli.paths import ROOT

PAGE = ROOT / "docs" / "cli.md"
_NAME = "live-record"
_WIDTH_CHARS = 100
_INTRODUCTION = """\
Written by `python -m tests.repository.cli_page` from the commands themselves. `--language zh` or a
Chinese locale prints this help and the answers in Chinese. `--json` prints the answer of the
[HTTP API](http-api.md).

A command that changes something needs `--stage NAME`, or `--url` and `--token`. A command that only
reads takes the one stage that is registered; of several, one has to be named. `list`, `status`,
`why`, `health`, `watch` and `doctor` take several `--stage`; the largest exit code counts. If a
stage does not have the domain of a stream, its answer says so; its exit code does not count if
another stage has the domain. The first line of an answer names the stage; in JSON it is the field
`stage`. Times are local, with their offset from UTC; the variable `TZ` names another zone.

| exit code | meaning |
|---|---|
| 0 | done; of a question: all is as it should be |
| 1 | the command failed, or the stage refused it |
| 2 | the command line is wrong |
| 3 | a question was answered, and something is not as it should be; or nobody knew it |
| 4 | a question got no answer: the stage was not reached, or refused it |"""


def page() -> str:
    """Return the page."""
    return "\n".join(["# Commands", "", *_INTRODUCTION.splitlines(), "", *_commands(main, _NAME)])


def _commands(group: click.Group, path: str) -> Iterator[str]:
    context = click.Context(group, info_name=path)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        whole = f"{path} {name}"
        yield from (f"## {whole}", "", "```text", *_help(command, whole), "```", "")
        if isinstance(command, click.Group):
            yield from _commands(command, whole)


def _help(command: click.Command, path: str) -> list[str]:
    context = click.Context(
        command,
        info_name=path,
        terminal_width=_WIDTH_CHARS,
        max_content_width=_WIDTH_CHARS,
        help_option_names=["-h", "--help"],
    )
    return command.get_help(context).splitlines()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
