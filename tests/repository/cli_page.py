"""Writes docs/cli.md: every command with its help, as the command prints it. The options that many
commands have stand once, in the introduction.

`python -m tests.repository.cli_page` writes the page; test_cli_page.py fails while it is out of
date.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from cli.main import main
from cli.paths import ROOT

PAGE = ROOT / "docs" / "cli.md"
_NAME = "live-record"
_WIDTH_CHARS = 100
_INTRODUCTION = """\
Written by `python -m tests.repository.cli_page` from the help of the commands.

A *stage* is one deployment of live-record, such as `prod`. The first line of an answer names the
stage; in JSON, the field `stage` names it. Times are in the local zone, or in the one that the
variable `TZ` names, with their offset from UTC.

## Options of many commands

Every command has these options:

| option | meaning |
|---|---|
| `--language`, `--lang` | language of all texts, `en` or `zh`; by default that of your locale |
| `-h`, `--help` | print the help of the command |

The *stage options* belong to each command that calls a stage:

| option | meaning |
|---|---|
| `--stage NAME` | a stage in `.live-record/stages.toml`; `make dev` registers `dev` |
| `--url`, or the variable `LIVE_RECORD_URL` | the address of a stage that is not in `stages.toml` |
| `--token`, or the variable `LIVE_RECORD_TOKEN` | the API token; overrides that in `stages.toml` |
| `--json` | print the answer of the [HTTP API](http-api.md) |

- A command that changes something needs `--stage`, or `--url` and `--token`.
- If only one stage is registered, a command that only reads takes that stage. If several are
  registered, name one.
- `list`, `status`, `why`, `health`, `watch` and `doctor` accept several `--stage`. The largest exit
  code counts. A stage that does not have the domain of the stream says so; its exit code counts
  only if no other stage has the domain.

## Exit codes

In this table, a *question* is a command that only reads:

| exit code | meaning |
|---|---|
| 0 | the command is done; for a question: all is as it should be |
| 1 | the command failed, or the stage refused it |
| 2 | the command line is wrong |
| 3 | for a question: something is not as it should be; for `stop`: nobody knows the stream |
| 4 | the question got no answer: the stage was not reached, or refused the question |"""
_OF_STAGE = ("--stage", "--url", "--token", "--json")
_STAGE_LINE = "The command also has the [stage options](#options-of-many-commands)."


def page() -> str:
    """Return the page."""
    return "\n".join(["# Commands", "", *_INTRODUCTION.splitlines(), "", *_commands(main, _NAME)])


def _commands(group: click.Group, path: str) -> Iterator[str]:
    context = click.Context(group, info_name=path)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        whole = f"{path} {name}"
        yield from (f"## {whole}", "", *_help(command, whole))
        if isinstance(command, click.Group):
            yield from _commands(command, whole)


def _help(command: click.Command, path: str) -> Iterator[str]:
    """Yield the help without the options that the introduction explains."""
    context = click.Context(
        command,
        info_name=path,
        terminal_width=_WIDTH_CHARS,
        max_content_width=_WIDTH_CHARS,
        help_option_names=[],
    )
    options = {o.opts[0]: o for o in command.get_params(context) if isinstance(o, click.Option)}
    is_of_stage = options.keys() >= set(_OF_STAGE)
    explained = ("--language", *(_OF_STAGE if is_of_stage else ()))
    with _hidden([option for name, option in options.items() if name in explained]):
        yield from ("```text", *command.get_help(context).splitlines(), "```", "")
    if is_of_stage:
        yield from (_STAGE_LINE, "")


@contextmanager
def _hidden(options: Sequence[click.Option]) -> Iterator[None]:
    for option in options:
        option.hidden = True
    yield
    for option in options:
        option.hidden = False


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
