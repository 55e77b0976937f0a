"""Pages of docs of which a program writes the lines between two markers."""

from __future__ import annotations

from collections.abc import Iterable


def between(text: str, mark: str, lines: Iterable[str]) -> str:
    """Return `text` with the lines in place of those between `<!-- mark -->` and
    `<!-- /mark -->`."""
    begins, ends = f"<!-- {mark} -->\n", f"<!-- /{mark} -->"
    before, rest = text.split(begins)
    after = rest.split(ends)[1]
    content = "\n".join(lines).rstrip()
    return f"{before}{begins}\n{content}\n\n{ends}{after}"
