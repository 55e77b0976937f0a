"""`dataclass` in a quarter of its time: a cold instance makes a hundred of them.

The standard decorator compiles six methods a class, 0.6 ms in all, and what it freezes is also
slow to make. This one compiles `__init__` alone, when the first of a class is made: of most there
is none in a process. That nobody assigns to a frozen field is for the type checker to see, which
takes this for the standard decorator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, cast

from shared.lazy_imports import stub_imports

with stub_imports(["inspect"]):  # for the docstring of a class without one
    import dataclasses

__all__ = ["dataclass", "replace"]

if TYPE_CHECKING:
    from dataclasses import dataclass, replace
else:

    def dataclass(
        *, frozen: bool = False, order: bool = False, **how: bool
    ) -> Callable[[type], type]:
        def made(cls: type) -> type:
            cls.__doc__ = cls.__doc__ or cls.__name__  # else its signature is looked up for it
            if order:
                return dataclasses.dataclass(frozen=frozen, order=True, **how)(cls)
            return _quickly(cls, how, hashed=frozen)

        return made

    def replace(given: Any, /, **changes: Any) -> Any:  # noqa: ANN401 - any dataclass
        if changed := getattr(given, "_replaced", None):
            return changed(changes)
        return dataclasses.replace(given, **changes)


def _quickly(cls: type, how: dict[str, bool], *, hashed: bool) -> type:
    made: Any = dataclasses.dataclass(init=False, eq=False, repr=False, **how)(cls)
    fields = dataclasses.fields(made)
    shown = [field.name for field in fields if field.repr]
    compared = _getter([field.name for field in fields if field.compare])

    def __repr__(self: object) -> str:  # noqa: N807 - it becomes a method
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
        return f"{type(self).__qualname__}({values})"

    def __eq__(self: object, other: object) -> bool:  # noqa: N807 - it becomes a method
        if other.__class__ is not self.__class__:
            return NotImplemented
        return bool(compared(self) == compared(other))

    def __hash__(self: object) -> int:  # noqa: N807 - it becomes a method
        return hash(compared(self))

    names = [field.name for field in fields]
    values = _getter(names)
    places = {name: place for place, name in enumerate(names)}

    def replaced(self: object, changes: dict[str, object]) -> object:
        """By place: a call by names takes twice as long."""
        parts = list(values(self))
        for name, part in changes.items():
            if name not in places:
                raise TypeError(f"{type(self).__name__} has no field {name}")
            parts[places[name]] = part
        return type(self)(*parts)

    in_order = len(fields) > 1 and all(field.init and not field.kw_only for field in fields)
    made.__init__ = _written_when_needed(made, fields)
    made._replaced = replaced if in_order else None  # noqa: SLF001 - for `replace` above alone
    made.__repr__, made.__eq__ = __repr__, __eq__
    made.__hash__ = __hash__ if hashed else None
    return cast("type", made)


def _getter(names: list[str]) -> Callable[[object], Any]:
    return attrgetter(*names) if names else lambda _: ()


_Fields = Sequence["dataclasses.Field[Any]"]


def _written_when_needed(made: Any, fields: _Fields) -> Callable[..., None]:  # noqa: ANN401 - a dataclass
    def __init__(self: object, *values: object, **named: object) -> None:  # noqa: N807 - it becomes a method
        made.__init__ = _written(made, fields)
        made.__init__(self, *values, **named)

    return __init__


def _written(made: type, fields: _Fields) -> Callable[..., None]:
    """`__init__` as the standard decorator has it of a class that is not frozen."""
    known: dict[str, Any] = {"_missing": dataclasses.MISSING}
    known |= {f"_default_{field.name}": field.default for field in fields}
    known |= {f"_make_{field.name}": field.default_factory for field in fields}
    lines = [f"def __init__({', '.join(_parameters(fields))}):", *_body(made, fields)]
    exec("\n ".join(lines), known)  # noqa: S102 - the names are those of our own code
    written: Callable[..., None] = known["__init__"]
    written.__qualname__, written.__module__ = f"{made.__qualname__}.__init__", made.__module__
    return written


def _parameters(fields: _Fields) -> Iterator[str]:
    asked = [field for field in fields if field.init]
    yield "__self__"
    yield from (_parameter(field) for field in asked if not field.kw_only)
    if any(field.kw_only for field in asked):
        yield "*"
    yield from (_parameter(field) for field in asked if field.kw_only)


def _parameter(field: dataclasses.Field[Any]) -> str:
    needed = field.default is field.default_factory is dataclasses.MISSING
    return field.name if needed else f"{field.name}=_default_{field.name}"


def _body(made: type, fields: _Fields) -> Iterator[str]:
    for field in fields:
        if value := _value(field):
            yield f"__self__.{field.name} = {value}"
    yield "__self__.__post_init__()" if hasattr(made, "__post_init__") else "return"


def _value(field: dataclasses.Field[Any]) -> str:
    if field.default_factory is not dataclasses.MISSING:
        fresh = f"_make_{field.name}()"
        return f"{fresh} if {field.name} is _missing else {field.name}" if field.init else fresh
    if field.init:
        return field.name
    return "" if field.default is dataclasses.MISSING else f"_default_{field.name}"
