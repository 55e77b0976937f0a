"""Suggests, for error messages, a known name in place of an unknown one that is similar."""

from __future__ import annotations

from collections.abc import Collection


def did_you_mean(name: str, known: Collection[str], *, prefix: str = "") -> str:
    """Return a text that says that the name is not known. The text suggests the most similar known
    name, or lists them all if none is similar. Names are compared without `prefix`."""
    import difflib

    bare = [one.removeprefix(prefix) for one in known]
    close = difflib.get_close_matches(name.removeprefix(prefix), bare, n=1)
    if close:
        return f"is not known; did you mean {prefix}{close[0]}?"
    return f"is not known; remove it, or use one of {', '.join(sorted(known))}"
