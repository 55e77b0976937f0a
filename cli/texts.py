"""Chooses the language of the command line, and translates the help of commands into it.

cli.main calls this module once for each command. Every other module of cli takes its texts from
gettext, with the English text as the key; the translations are in cli/locale, written by `python -m
tests.repository.cli_messages`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from gettext import bindtextdomain, gettext, textdomain
from inspect import cleandoc
from pathlib import Path
from typing import Any

import click

DOMAIN = "live-record"
LOCALES = Path(__file__).with_name("locale")
LANGUAGES = ("en", "zh")
_OPTIONS = ("--language", "--lang")
_VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
"""Where gettext looks for a language; the first variable that is set counts."""


def choose_language(args: Sequence[str], environ: Mapping[str, str]) -> str:
    """Return the language that the arguments name, or else that of the locale: "en" or "zh"."""
    named = [*_named(args), *(environ[name] for name in _VARIABLES if environ.get(name)), "en"]
    return "zh" if named[0].lower().startswith("zh") else "en"


def _named(args: Sequence[str]) -> Iterator[str]:
    for word, following in zip(args, [*args, ""][1:], strict=True):
        option, equals, value = word.partition("=")
        if option in _OPTIONS:
            yield value if equals else following


def use_language(language: str) -> None:
    """Let gettext answer in this language from now on, for click's own texts too."""
    os.environ["LANGUAGE"] = language
    bindtextdomain(DOMAIN, str(LOCALES))
    textdomain(DOMAIN)


def current_language() -> str:
    return choose_language((), os.environ)


def detail(text: str) -> str:
    """Return, in the language in use, a text that `shared` writes in English, such as the detail of
    a refusal."""
    from shared.inbound.catalogue import Language
    from shared.inbound.catalogue.details import detail_in

    return detail_in(Language(current_language()), text)


def language_option() -> click.Option:
    """Return the option --language, which every command has. Click ignores its value:
    `choose_language` has read it before."""
    return click.Option(
        _OPTIONS,
        type=click.Choice(LANGUAGES),
        expose_value=False,
        help=gettext("language of all texts; by default that of your locale"),
    )


def N_(text: str) -> str:  # noqa: N802 - the name that gettext's tools look for
    """Mark the text for translation, and return it unchanged. It is translated where it is
    printed."""
    return text


def translated(command: click.Command) -> click.Command:
    """Return a copy of the command whose help, and that of its subcommands, is in the language in
    use. The copy also has the option --language."""
    copied = copy(command)
    copied.help = gettext(cleandoc(command.help)) if command.help else None
    copied.params = [_translated_parameter(parameter) for parameter in command.params]
    if not any(parameter.name == "language" for parameter in copied.params):
        copied.params.append(language_option())
    if isinstance(copied, click.Group):
        copied.commands = {name: translated(found) for name, found in copied.commands.items()}
    return copied


def _translated_parameter(parameter: click.Parameter) -> click.Parameter:
    copied = copy(parameter)
    if isinstance(copied, click.Option) and copied.help:
        copied.help = gettext(copied.help)
    if isinstance(copied.type, click.Path):
        copied.type = _named_anew(copied.type)
    if isinstance(copied.type, click.types.IntParamType | click.types.FloatParamType):
        copied.metavar = copied.metavar or NUMBER
        copied.type = copy(copied.type)
        is_whole = isinstance(copied.type, click.types.IntParamType)
        copied.type.name = gettext("whole number") if is_whole else gettext("number")
    return copied


REQUIRED = N_("required")
"""Click's word in the help of an option; click marks it in no way that `cli_messages` finds."""
NUMBER = "NUMBER"
"""Stands for the value of a numeric option in every language, as TEXT does for a text."""


def in_words(error: click.UsageError) -> click.UsageError:
    """Return the error in the language in use. In Chinese, its text is translated if `shared` wrote
    it, and the full stops and spaces that click puts between sentences become Chinese ones."""
    if current_language() != "zh":
        return error
    if type(error) is click.BadParameter:  # a missing parameter has a text of its own
        why = detail(error.message)
        error = click.BadParameter(why, error.ctx, error.param, error.param_hint)
    text = error.format_message()
    if isinstance(error, click.MissingParameter):
        text = re.sub(r"(?<=['\uff09])\.( |$)", "。", text, count=1)
    return click.UsageError(text.replace("。 ", "。"), error.ctx)


def _named_anew(kind: click.Path[Any]) -> click.Path[Any]:
    """Return the type of a path with its name in the language in use. Click chooses the name when
    the command is imported, in the language of that moment."""
    copied = copy(kind)
    if kind.file_okay and not kind.dir_okay:
        copied.name = gettext("file")
    elif kind.dir_okay and not kind.file_okay:
        copied.name = gettext("directory")
    else:
        copied.name = gettext("path")
    return copied
