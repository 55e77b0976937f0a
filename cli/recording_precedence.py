"""Says which recording configuration of a domain Live uses for a stream.

Doctor, `try` and `rehearse` call this module. docs/platform/live.md §6 has the order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")
Place = tuple[str, str]
"""The application and the stream of a configuration; "*" stands for all."""


def possibly_used(
    configurations: Iterable[T], place_of: Callable[[T], Place], app: str, stream: str
) -> Sequence[T]:
    """Return the configurations of which Live may use each for the stream: the most specific one,
    none if none covers the stream. There are several if it is UNCONFIRMED which one Live uses:
    `*/stream`, which comes first, or `app/*`; and one into OSS or one into VOD."""
    fitting = [
        each
        for each in configurations
        if place_of(each)[0] in ("*", app) and place_of(each)[1] in ("*", stream)
    ]
    most = max((_names(place_of(each)) for each in fitting), default=0)
    used = [each for each in fitting if _names(place_of(each)) == most]
    return sorted(used, key=lambda each: place_of(each)[1] == "*")


def _names(place: Place) -> int:
    """Return how many names the place has: more names precede fewer."""
    return sum(name != "*" for name in place)
