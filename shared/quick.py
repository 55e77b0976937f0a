"""`dataclass` in a quarter of its time: a cold instance makes a hundred of them.

The standard decorator compiles six methods a class, 0.6 ms in all, and what it freezes is also
slow to make. This one has it write `__init__` alone. That nobody assigns to a frozen field is for
the type checker to see, which takes this for the standard decorator.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, cast

__all__ = ["dataclass", "replace"]

if TYPE_CHECKING:
    from dataclasses import dataclass, replace
else:

    def dataclass(
        *, frozen: bool = False, order: bool = False, **how: bool
    ) -> Callable[[type], type]:
        if order:
            return dataclasses.dataclass(frozen=frozen, order=True, **how)
        return lambda cls: _quickly(cls, how, hashed=frozen)

    def replace(given: Any, /, **changes: Any) -> Any:  # noqa: ANN401 - any dataclass
        if changed := getattr(given, "_replaced", None):
            return changed(changes)
        return dataclasses.replace(given, **changes)


def _quickly(cls: type, how: dict[str, bool], *, hashed: bool) -> type:
    cls.__doc__ = cls.__doc__ or ""  # else the signature is looked up and written out as one
    made: Any = dataclasses.dataclass(eq=False, repr=False, **how)(cls)
    fields = dataclasses.fields(made)
    told = [field.name for field in fields if field.repr]
    compared = _getter([field.name for field in fields if field.compare])

    def __repr__(self: object) -> str:  # noqa: N807 - it becomes a method
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in told)
        return f"{type(self).__qualname__}({values})"

    def __eq__(self: object, other: object) -> bool:  # noqa: N807 - it becomes a method
        if other.__class__ is not self.__class__:
            return NotImplemented
        return bool(compared(self) == compared(other))

    def __hash__(self: object) -> int:  # noqa: N807 - it becomes a method
        return hash(compared(self))

    names = [field.name for field in fields]
    values = _getter(names)

    def replaced(self: object, changes: dict[str, object]) -> object:
        had = (values(self),) if len(names) == 1 else values(self)
        return type(self)(**{**dict(zip(names, had, strict=True)), **changes})

    made._replaced = replaced  # noqa: SLF001 - for `replace` above alone
    made.__repr__, made.__eq__ = __repr__, __eq__
    made.__hash__ = __hash__ if hashed else None
    return cast("type", made)


def _getter(names: list[str]) -> Callable[[object], Any]:
    return attrgetter(*names) if names else lambda _: ()
