"""The decorator of every command that asks a stage: the options that name it, and the exit codes.

The commands about streams, policy, state and store use it. It parses options and calls the command;
the stage alone decides what a request means.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from cli import stage_registry, texts
from cli.api import Api
from cli.errors import NoAnswer, StageRefusal
from cli.exit_codes import FAILED, NOT_ASKED

Command = Callable[..., None]
_OPTIONS: tuple[Callable[[Command], Command], ...] = (
    click.option(
        "--stage", help="name of a stage in .live-record/stages.toml; make dev registers dev"
    ),
    click.option(
        "--url", envvar="LIVE_RECORD_URL", help="address of a stage that is not in stages.toml"
    ),
    click.option(
        "--token", envvar="LIVE_RECORD_TOKEN", help="API token; overrides the one in stages.toml"
    ),
    click.option("--json", "as_json", is_flag=True, help="print the answer as JSON"),
)


def of_stage(*, changes: bool) -> Callable[[Command], Command]:
    """Return a decorator that adds the options that name a stage and passes the command its `api`.

    `changes`: the command changes something, so that it must name its stage. With --json, a
    refusal is printed as JSON.
    """

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def run(
            stage: str | None,
            url: str | None,
            token: str | None,
            as_json: bool,
            **command_options: Any,  # noqa: ANN401 - the command's own
        ) -> None:
            with failing_with(FAILED if changes else NOT_ASKED, as_json=as_json):
                target = stage_registry.resolve_target(stage, url, token, changes=changes)
                api = Api(target.url, target.token, language=texts.current_language())
                command(api=api, as_json=as_json, **command_options)

        decorated: Command = run
        for option in reversed(_OPTIONS):
            decorated = option(decorated)
        return decorated

    return decorate


@contextmanager
def failing_with(exit_code: int, *, as_json: bool) -> Iterator[None]:
    """End a command that gets no answer or a refusal with this code, a refusal as JSON if asked."""
    try:
        yield
    except (NoAnswer, StageRefusal) as failure:
        if as_json and isinstance(failure, StageRefusal):
            click.echo(json.dumps(failure.problem, ensure_ascii=False))
        else:
            failure.show()
        sys.exit(exit_code)
