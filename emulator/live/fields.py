"""A reader of JSON objects and TOML tables that reports every mistake at once.

account.py, faults.py, object_faults.py and control.py read their input with it.
It must not know any field's meaning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")
MISSING = object()


class Unfit(Exception):
    """The input cannot be used; `faults` lists everything that is wrong with it."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = list(faults)


class Fields:
    """One table being read. Read every field, then call `raise_faults`."""

    def __init__(self, table: object, where: str = "") -> None:
        self._where = where
        self._faults: list[str] = []
        self._read: set[str] = set()
        self._inner: list[Fields] = []
        self._table: Mapping[str, object] = table if isinstance(table, dict) else {}
        if not isinstance(table, dict):
            self.fault(f"{where or 'the body'} must be an object")

    def fault(self, sentence: str) -> None:
        self._faults.append(sentence)

    def text(self, name: str, default: str | None = None) -> str:
        value = self._take(name, default, str, "a string")
        if default is None and name in self._table and value == "":
            self.fault(f"{self._full_name(name)} must not be empty")
        return value if value is not None else ""

    def maybe_text(self, name: str) -> str | None:
        return self.text(name) if self._is_given(name) else None

    def word(self, name: str, words: Sequence[str], default: str | None = None) -> str:
        value = self.text(name, default)
        if value and value not in words:
            self.fault(f"{self._full_name(name)} must be one of {', '.join(words)}, not {value!r}")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        return bool(self._take(name, default, bool, "true or false"))

    def maybe_flag(self, name: str) -> bool | None:
        return self.flag(name, default=False) if self._is_given(name) else None

    def number(
        self, name: str, default: int | None = None, *, least: int = 0, most: int = 10**9
    ) -> int:
        value = self._take(name, default, int, "a whole number")
        if value is None:
            return least
        if not least <= value <= most:
            self.fault(f"{self._full_name(name)} must be from {least} to {most}, not {value}")
        return value

    def maybe_number(self, name: str, *, least: int = 0, most: int = 10**9) -> int | None:
        return self.number(name, least=least, most=most) if self._is_given(name) else None

    def texts(self, name: str, default: Sequence[str] | None = None) -> tuple[str, ...]:
        values = self._take(name, list(default) if default is not None else None, list, "a list")
        if not all(isinstance(value, str) and value for value in values or ()):
            self.fault(f"{self._full_name(name)} must hold strings that are not empty")
            return ()
        return tuple(values or ())

    def pairs(self, name: str) -> dict[str, str]:
        values = self._take(name, {}, dict, "an object") or {}
        if not all(isinstance(value, str) for value in values.values()):
            self.fault(f"{self._full_name(name)} must hold strings")
            return {}
        return dict(values)

    def object(self, name: str) -> dict[str, object]:
        """Return an object of any content."""
        return dict(self._take(name, {}, dict, "an object") or {})

    def table(self, name: str) -> Fields:
        inner = Fields(self._take(name, {}, dict, "a table") or {}, self._full_name(name))
        self._inner.append(inner)
        return inner

    def tables(self, name: str) -> list[Fields]:
        rows = self._take(name, [], list, "a list of tables") or []
        inner = [Fields(row, f"{self._full_name(name)}[{n}]") for n, row in enumerate(rows)]
        self._inner.extend(inner)
        return inner

    def raise_faults(self) -> None:
        faults = self.faults()
        if faults:
            raise Unfit(faults)

    def faults(self) -> list[str]:
        unknown = sorted(set(map(str, self._table)) - self._read)
        known = ", ".join(sorted(self._read)) or "no fields"
        faults = [f"{self._full_name(name)} is not known here, only {known}" for name in unknown]
        return [*self._faults, *faults, *(f for inner in self._inner for f in inner.faults())]

    def _is_given(self, name: str) -> bool:
        self._read.add(name)
        return name in self._table

    def _take(self, name: str, default: T | None, kind: type[T], expected: str) -> T | None:
        self._read.add(name)
        value = self._table.get(name, MISSING)
        if value is MISSING:
            if default is None:
                self.fault(f"{self._full_name(name)} is missing")
            return default
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.fault(f"{self._full_name(name)} must be {expected}")
            return default
        return value

    def _full_name(self, name: str) -> str:
        return f"{self._where}.{name}" if self._where else name
