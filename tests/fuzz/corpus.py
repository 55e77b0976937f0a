"""The saved inputs of each edge, one JSON file each, and the strategy that goes on from them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

FOLDER = Path(__file__).with_name("corpus")
Case: TypeAlias = dict[str, Any]
"""What an edge is given, in values that JSON has; bytes are written as Latin-1."""

CHOICES = frozenset(["call", "command", "faults", "kind", "proof", "raw"])
"""Parts of a case that choose what is done with it: they are never mutated."""
ODD_TEXTS = (
    *("", " ", "*", ".", "..", "/", "%2F", "%", "%00", "\0", "\x1b[2J", "\r\nX: y", "\u202e", "甲"),
    *("\ud800", "\ufffd", "\ufeff", "null", "true", "-1", "0", "1e999", "NaN", "0x10", "١٢٣"),
    *("9999-12-31T23:59:59Z", "2025-11-22T08:26:40Z", "PT4H", "4h", "253402300799", "9" * 30),
    *("a" * 600, "0" * 24 + "1", "../../etc/passwd", "${jndi:x}", "'; DROP TABLE record; --"),
)
texts = st.one_of(
    st.sampled_from(ODD_TEXTS),
    st.text(max_size=20),
    st.text(st.characters(exclude_categories=()), max_size=12),
)
numbers = st.one_of(
    st.integers(),
    st.sampled_from([0, -1, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 10**400, 253_402_300_800]),
    st.floats(),
)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def half(usual: SearchStrategy[Any], odd: SearchStrategy[Any]) -> SearchStrategy[Any]:
    """Return `usual` half of the time, however many parts `odd` has: `|` counts each of them. An
    edge that refuses nearly every caller is not tested behind that check."""
    return st.one_of(st.builds(_same, usual), st.builds(_same, odd))


def _same(case: Any) -> Any:  # noqa: ANN401 - any JSON
    return case


def saved(edge: str) -> Sequence[Case]:
    files = sorted((FOLDER / edge).glob("*.json"))
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def save(edge: str, case: Case) -> Path:
    """Write the case into the corpus, for ever after tried first; return its file."""
    text = json.dumps(case, indent=1, sort_keys=True) + "\n"
    file = FOLDER / edge / f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def from_corpus(edge: str, fresh: SearchStrategy[Case]) -> SearchStrategy[Case]:
    """Return cases of `fresh`, and saved ones with a few of their parts changed."""
    cases = saved(edge)
    return st.one_of(fresh, st.sampled_from(cases).flatmap(_mutated)) if cases else fresh


@st.composite
def _mutated(draw: DrawFn, case: Case) -> Case:
    changed = json.loads(json.dumps(case))
    open_parts = {name: part for name, part in changed.items() if name not in CHOICES}
    for _ in range(draw(_few) if open_parts else 0):
        _change(draw, open_parts)
    return {**changed, **open_parts}


def _change(draw: DrawFn, node: Any) -> None:  # noqa: ANN401 - any JSON
    """Change one value below `node`, most often into another of its type: an edge reads its case by
    the types that it has."""
    while True:
        places = sorted(node) if isinstance(node, dict) else range(len(node))
        place = places[draw(_any_index) % len(places)]
        inner = node[place]
        if not (isinstance(inner, dict | list) and inner):
            node[place] = _another(draw, inner)
            return
        node = inner


def _another(draw: DrawFn, value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        return _changed_text(draw, value)
    return draw(_OF_TYPE.get(type(value), values))


def _changed_text(draw: DrawFn, text: str) -> str:
    """Return another text, or this one with something in the midst of it."""
    inner = draw(texts)
    if draw(_yes_or_no):
        return inner
    at = draw(_any_index) % (len(text) + 1)
    return text[:at] + inner + text[at + len(inner) :]


# Strategies that are built once: one that is built for each draw is checked for each draw.
_few = st.integers(1, 3)
_any_index = st.integers(0, 2**16 - 1)
_yes_or_no = st.booleans()
_OF_TYPE: Mapping[type, SearchStrategy[Any]] = {
    bool: _yes_or_no,
    int: numbers,
    float: numbers,
    list: st.lists(values, max_size=4),
    dict: st.dictionaries(texts, values, max_size=4),
}
