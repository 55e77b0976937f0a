"""Parses the values of `live-record try --stream`: patterns of streams, from which it makes a
policy for one domain.

The try command uses this module. Its engine reads the policy from a file, as the deployed functions
do.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from gettext import gettext as _

import click

from shared.protocol import StreamKey

_GLOB = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Pattern:
    """Streams by application and name; either may be a glob such as `show-*`."""

    app: str
    stream: str

    def __str__(self) -> str:
        return f"{self.app}/{self.stream}"

    @property
    def config_names(self) -> tuple[str, str]:
        """Return the application and the stream that a recording configuration for the pattern has.
        Live knows only `*`, so `*` replaces any other glob. If the application is `*`, the stream
        is `*`, too."""
        names = ("*" if _GLOB & set(name) else name for name in (self.app, self.stream))
        app, stream = names
        return app, ("*" if app == "*" else stream)

    def holds(self, key: StreamKey) -> bool:
        return fnmatchcase(key.app, self.app) and fnmatchcase(key.stream, self.stream)


class PatternType(click.ParamType[Pattern]):
    """The type of the option --stream: `app/name`, a pattern of both with wildcards, or `app` for a
    whole application."""

    name = "app/name"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Pattern:
        app, _slash, stream = str(value).strip("/").partition("/")
        if not app or "/" in stream or any(map(str.isspace, str(value))):
            sentence = _(
                "Name the streams as `app/name`, as a pattern such as `app/show-*`, or as `app`"
                " for all streams of the application."
            )
            self.fail(sentence, param, ctx)
        return Pattern(app, stream or "*")


def policy_of(domain: str, patterns: Sequence[Pattern]) -> str:
    """Return the policy, as JSON, that records these streams whenever they are published."""
    rules = [
        {
            "match": {"domain": domain, "app": each.app, "stream": each.stream},
            "on_publish": "record",
        }
        for each in dict.fromkeys(patterns)
    ]
    return json.dumps({"domain": [{"streaming": domain}], "rule": rules})
