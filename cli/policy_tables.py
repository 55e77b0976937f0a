"""Compares the tables of two policies, such as `[[rule]]` and `[[webhook]]`.

cli.policy shows the differences beside the streams that get another rule.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from cli.api import Json
from cli.printable import printable
from shared.config.policy_dump import policy_document
from shared.protocol.policy import Match, Policy

ABSENT = "-"
"""What a row has in `before` or `after` if there is nothing."""
_LABELS: Mapping[str, Callable[[Json], str]] = {
    "domain": lambda table: str(table["streaming"]),
    "rule": lambda table: str(Match(**table["match"])),
    "notify": lambda table: str(table["sink"]),
    "webhook": lambda table: str(table["name"]),
    "deliver": lambda table: str(table["target"]),
}
_NAMED = ("domain", "rule", "webhook")
"""The kinds of which a policy has only one table of each label. If a table of another kind changes,
the old one is removed, and the new one added."""


def table_changes(old: Policy, new: Policy) -> Iterator[Json]:
    """Yield a row with `what`, `before` and `after` for each table that only one of the policies
    has, and for each field that differs in a table of both. Also yield one for each kind of table,
    such as `[[rule]]`, whose tables are in another order."""
    before, after = policy_document(old), policy_document(new)
    for kind in _LABELS:
        tables = (_by_identity(kind, document.get(kind, ())) for document in (before, after))
        yield from _changes_of(kind, *tables)


def _by_identity(kind: str, tables: Iterable[Json]) -> dict[str, Json]:
    """Return the tables by what says that a table of both policies is the same one."""
    identity = _LABELS[kind] if kind in _NAMED else _fields
    return {identity(table): table for table in tables}


def _changes_of(kind: str, old: Mapping[str, Json], new: Mapping[str, Json]) -> Iterator[Json]:
    for identity, table in {**old, **new}.items():
        label = printable(f"[[{kind}]] {_LABELS[kind](table)}")
        if identity in old and identity in new:
            yield from _field_changes(label, old[identity], new[identity])
        else:
            yield _row(
                label, *(_fields(one[identity]) if identity in one else "" for one in (old, new))
            )
    orders = (_labels(kind, old, new), _labels(kind, new, old))
    yield from _order_change(kind, *orders)


def _field_changes(label: str, old: Json, new: Json) -> Iterator[Json]:
    for field in {**old, **new}:
        if old.get(field) != new.get(field):
            texts = (_text(table[field]) if field in table else "" for table in (old, new))
            yield _row(f"{label} {field}", *texts)


def _labels(kind: str, tables: Mapping[str, Json], others: Mapping[str, Json]) -> Sequence[str]:
    """Return the labels, in their order, of the tables that both policies have."""
    return [_LABELS[kind](table) for identity, table in tables.items() if identity in others]


def _order_change(kind: str, old: Sequence[str], new: Sequence[str]) -> Iterator[Json]:
    if old != new:
        yield _row(f"[[{kind}]]", _text(old), _text(new))


def _row(what: str, before: str, after: str) -> Json:
    return {"what": what, "before": before or ABSENT, "after": after or ABSENT}


def _fields(table: Json) -> str:
    """Return the fields of a table on one line, as TOML would have them."""
    return ", ".join(f"{name} = {_text(value)}" for name, value in table.items())


def _text(value: Any) -> str:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return f"{{{_fields(value)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    return printable(json.dumps(value, ensure_ascii=False))
