"""The parts that every command about a stage shares: the options that name the stage, the first
line of its answer, and the exit codes.

The commands about streams, policy, state and store use this module. It parses options and calls the
command; the stage alone decides what a request means.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from cli import output, stage_registry, texts
from cli.api import Api
from cli.errors import Failure, NoAnswer, StageRefusal
from cli.exit_codes import AS_WANTED, FAILED, NOT_ASKED
from cli.stage_registry import Target

Command = Callable[..., Any]
_NOT_FOUND = 404
_ELSEWHERE = -1
"""Stands for a stage that lacks the stream's domain. It is less than every exit code, so that the
code of a stage that has the domain counts."""
STAGE = click.option(
    "--stage", help="name of a stage in .live-record/stages.toml; `make dev` registers `dev`"
)
_STAGES = click.option(
    "--stage",
    "stage",
    multiple=True,
    help="name of a stage in .live-record/stages.toml; repeatable, to ask several stages",
)
URL = click.option(
    "--url", envvar="LIVE_RECORD_URL", help="address of a stage that is not in stages.toml"
)
TOKEN = click.option(
    "--token", envvar="LIVE_RECORD_TOKEN", help="API token; overrides the one in stages.toml"
)
_JSON = click.option("--json", "as_json", is_flag=True, help="print the answer as JSON")


def limited(default: int, most: int | None = None) -> Callable[[Command], Command]:
    """Return a decorator that adds the option --limit, a number from 1 to `most`."""
    return click.option(
        "--limit",
        default=default,
        type=click.IntRange(1, most),
        show_default=True,
        help="largest number of rows",
    )


def of_stage(
    *, changes: bool, many: bool = False, prints_value: bool = False
) -> Callable[[Command], Command]:
    """Return a decorator that adds the options that name a stage, and calls the command with `api`,
    a client of this stage.

    `changes`: the command changes something, so the person must name the stage. `many`: the person
    may name several stages, and the command is called once for each. Each answer for people begins
    with the stage's name. With `prints_value`, the name goes to stderr, because a script takes the
    rest.

    The command may return its exit code. Of several stages, the largest code counts. A stage that
    answers 404, because it does not have the stream's domain, does not count, unless all stages do.
    """

    def decorate(command: Command) -> Command:
        def run(targets: Sequence[Target], as_json: bool, **options: Any) -> None:  # noqa: ANN401
            unasked = FAILED if changes else NOT_ASKED
            ask = functools.partial(command, **options)
            not_found = _ELSEWHERE if len(targets) > 1 else unasked
            codes = []
            for target in targets:
                output.name_stage(target.name, plain=not as_json, err=prints_value)
                codes.append(asking(target, ask, unasked, as_json=as_json, not_found=not_found))
            worst = max(codes)
            sys.exit(unasked if worst == _ELSEWHERE else worst)

        return stage_options(changes=changes, many=many)(functools.wraps(command)(run))

    return decorate


def stage_options(*, changes: bool, many: bool) -> Callable[[Command], Command]:
    """Return a decorator that adds the options that name a stage, and calls the command with
    `targets`, the stages that they name. `changes` and `many` are those of `of_stage`."""

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def run(
            stage: str | Sequence[str] | None,
            url: str | None,
            token: str | None,
            as_json: bool,
            **options: Any,  # noqa: ANN401 - the command's own
        ) -> None:
            names = (stage,) if isinstance(stage, str) else tuple(dict.fromkeys(stage or ()))
            try:
                targets = [
                    stage_registry.resolve_target(name, url, token, changes=changes)
                    for name in names or (None,)
                ]
            except NoAnswer as failure:
                failure.show()
                sys.exit(FAILED if changes else NOT_ASKED)
            command(targets=targets, as_json=as_json, **options)

        decorated: Command = run
        for option in reversed((_STAGES if many else STAGE, URL, TOKEN, _JSON)):
            decorated = option(decorated)
        return decorated

    return decorate


def asking(
    target: Target, ask: Command, unasked: int, *, as_json: bool, not_found: int | None = None
) -> int:
    """Call `ask` with a client of the stage, and return the exit code that `ask` returns. If the
    stage refuses or does not answer, print that and return `unasked`. If the stage refuses with
    404, return `not_found` instead, unless `not_found` is None."""
    try:
        return ask(api=api_of(target), as_json=as_json) or AS_WANTED
    except (NoAnswer, StageRefusal) as failure:
        show(failure, as_json=as_json)
        lacks = isinstance(failure, StageRefusal) and failure.problem["status"] == _NOT_FOUND
        return not_found if lacks and not_found is not None else unasked


def api_of(target: Target) -> Api:
    return Api(target.url, target.token, language=texts.current_language())


def show(failure: Failure, *, as_json: bool) -> None:
    if as_json and isinstance(failure, StageRefusal):
        output.as_json(failure.problem)
    else:
        failure.show()
