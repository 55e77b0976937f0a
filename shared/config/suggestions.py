"""Suggests the known name that an unknown one was probably meant to be, for error messages."""

from __future__ import annotations

from collections.abc import Collection


def did_you_mean(name: str, known: Collection[str], *, prefix: str = "") -> str:
    """Return a sentence that suggests a known name. Names are compared without the common
    `prefix`."""
    import difflib

    bare = [one.removeprefix(prefix) for one in known]
    close = difflib.get_close_matches(name.removeprefix(prefix), bare, n=1)
    if close:
        return f"is not known; did you mean {prefix}{close[0]}?"
    return f"is not known; remove it, or use one of {', '.join(sorted(known))}"
