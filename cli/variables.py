"""Finds misspelt LIVE_RECORD_… variables: those that nothing in this repository reads.

The commands check, deploy, dev and demo use this module. A misspelt name would have no effect, and
nobody would notice.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from gettext import gettext as _

from cli.paths import S_YAML
from shared.config import settings

_OF_THE_COMMAND_LINE = (
    *("LIVE_RECORD_STAGES", "LIVE_RECORD_TOKEN", "LIVE_RECORD_URL"),
    "LIVE_RECORD_PUSH_KEY",
)
_NAME = re.compile(rf"{settings.PREFIX}[A-Z_]+")


def misspelt(environ: Mapping[str, str]) -> list[str]:
    """Return a sentence for each LIVE_RECORD_… variable that nothing reads. The sentence suggests
    the most similar known name."""
    known = _known()
    names = sorted(name for name in environ if name.startswith(settings.PREFIX))
    return [_sentence(name, known) for name in names if name not in known]


def without_ours(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables whose names do not begin with LIVE_RECORD_."""
    return {name: value for name, value in environ.items() if not name.startswith(settings.PREFIX)}


def _known() -> Collection[str]:
    """Return the names that s.yaml, env.yaml, the settings of a stage or a command reads."""
    templates = (S_YAML, S_YAML.with_name("env.yaml"))
    named = {name for file in templates for name in _NAME.findall(file.read_text(encoding="utf-8"))}
    return {*named, *settings.names(), *_OF_THE_COMMAND_LINE}


def _sentence(name: str, known: Collection[str]) -> str:
    bare = {one.removeprefix(settings.PREFIX): one for one in known}
    near = get_close_matches(name.removeprefix(settings.PREFIX), bare, n=1)
    if near:
        sentence = _("{name} is not known. Did you mean {near}?")
        return sentence.format(name=name, near=bare[near[0]])
    return _("{name} is not known. Unset it; docs/settings.md lists the names.").format(name=name)
