"""Refuses options that contradict each other, or that another option leaves without effect.

Commands use these decorators, which check the command line before anything is asked or changed. An
option that only the environment sets is never refused.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from gettext import gettext as _
from gettext import ngettext
from typing import Any

import click
from click.core import ParameterSource

Command = Callable[..., Any]
Decorator = Callable[[Command], Command]


def exclusive(*options: str) -> Decorator:
    """Return a decorator by which a command refuses more than one of the options."""

    def check() -> None:
        if len(found := _passed(*options)) > 1:
            sentence = _("These options contradict each other: {names}. Pass only one of them.")
            raise click.UsageError(sentence.format(names=_listed(found)))

    return _checked_by(check)


def without_effect(option: str, *others: str) -> Decorator:
    """Return a decorator by which a command refuses the other options where `option` is passed. An
    argument is named as the help names it, such as STREAM."""

    def check() -> None:
        if _passed(option):
            refuse_without_effect(option, *others)

    return _checked_by(check)


def refuse_without_effect(option: str, *others: str) -> None:
    """Raise a usage error if any of the others is passed, which have no effect with `option`."""
    if found := _passed(*others):
        sentence = _(
            "With `{option}`, these have no effect: {names}. Leave them out, or leave out"
            " `{option}`."
        )
        raise click.UsageError(sentence.format(option=option, names=_listed(found)))


def need_both(bucket: str, endpoint: str) -> None:
    """Raise a usage error if a bucket was passed without its endpoint, or the other way round."""
    if bool(bucket) != bool(endpoint):
        raise click.UsageError(_("Pass `--bucket` and `--endpoint` together."))


def only_with(option: str, *needed: str) -> Decorator:
    """Return a decorator by which a command refuses `option` if none of `needed` is passed."""

    def check() -> None:
        if _passed(option) and not _passed(*needed):
            sentence = ngettext(
                "`{option}` has an effect only with {needed}. Pass {needed}, too, or leave out"
                " `{option}`.",
                "`{option}` has an effect only with {needed}. Pass one of them, or leave out"
                " `{option}`.",
                len(needed),
            )
            either = _(" or ").join(f"`{name}`" for name in needed)
            raise click.UsageError(sentence.format(option=option, needed=either))

    return _checked_by(check)


def _checked_by(check: Callable[[], None]) -> Decorator:
    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def run(*values: Any, **options: Any) -> Any:  # noqa: ANN401 - the command's own
            check()
            return command(*values, **options)

        return run

    return decorate


def _passed(*names: str) -> list[str]:
    """Return those of the names that the command line has, in the order given."""
    context = click.get_current_context()
    found = {
        name
        for parameter in context.command.params
        if context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
        for name in (*parameter.opts, parameter.human_readable_name)
    }
    return [name for name in names if name in found]


def _listed(names: list[str]) -> str:
    return _(", ").join(f"`{name}`" for name in names)
