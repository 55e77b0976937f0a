"""Imports a package quickly, without the heavy modules that our calls never use.

Inside the block of `stub_imports`, the import of such a module gives a stub. The stub imports the
real module when it is first used after the block. If a stub is used inside the block, for example
as a base class, StubUsedTooEarly is raised; the caller then imports everything, by `first_working`.
A regular expression that is defined inside the block is compiled at its first use.
"""

from __future__ import annotations

import gc
import importlib
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

T = TypeVar("T")
ZONES = Path(__file__).parents[1] / "tzdata.zip"
"""The time zones, as one archive; only a deployed package has it."""
_WORD = re.compile(r"[A-Z]+[^A-Z]*")
_compiled: Any = re.compile


class StubUsedTooEarly(ImportError):
    """A stub was used inside `stub_imports`, where its real module cannot be imported."""


class _StubModule(ModuleType):  # in place of a module
    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever is asked for
        if name.startswith("__"):
            raise AttributeError(name)
        return _Name(self.__name__, name)


class _Name:  # in place of a name in a module
    def __init__(self, module: str, name: str) -> None:
        self._at = module, name

    def _real(self) -> Any:  # noqa: ANN401 - as above
        module, name = self._at
        if isinstance(sys.modules.get(module), _StubModule):
            raise StubUsedTooEarly(f"{module}.{name} is used too early")
        real = importlib.import_module(module)
        found = getattr(real, name, self)
        return importlib.import_module(f"{module}.{name}") if found is self else found

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as above
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._real(), name)

    def __call__(self, *args: object, **named: object) -> Any:  # noqa: ANN401 - as above
        return self._real()(*args, **named)

    def __mro_entries__(self, _bases: object) -> tuple[type, ...]:
        raise StubUsedTooEarly(f"{self._at} is used as a base")

    def __instancecheck__(self, instance: object) -> bool:
        """Return False while the real module is not loaded, because no instances can exist."""
        return self._at[0] in sys.modules and isinstance(instance, self._real())


class _StubPattern:  # in place of a compiled pattern
    __class__ = re.Pattern  # type: ignore[assignment] # so that the functions of `re` take it

    def __init__(self, pattern: str | bytes, flags: int = 0) -> None:
        self._source = pattern, flags

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as above
        found = getattr(_compiled(*self._source), name)
        setattr(self, name, found)
        return found


@contextmanager
def _stub_patterns() -> Iterator[None]:
    """Let each pattern be compiled at its first use. Most of those that an import defines are never
    used: urllib3's for IPv6, those for cookies and for encoded mail headers."""
    module: Any = re
    before, module.compile = module.compile, _StubPattern
    try:
        yield
    finally:
        module.compile = before


class _LazyPackage(ModuleType):
    """A package with one class per file. A file is imported when its class is first used."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as above
        if name.startswith("__") and name != "__all__":
            raise AttributeError(name)
        words = _WORD.findall(name)
        for length in range(len(words), 0, -1):
            file = f"{self.__name__}._{'_'.join(words[:length]).lower()}"
            if find_spec(file):
                found = vars(importlib.import_module(file))
                if name in found:
                    setattr(self, name, found[name])
                    return found[name]
        spec: Any = vars(self)["__spec__"]
        spec.loader_state.loader.exec_module(self)  # run the package's own code
        return object.__getattribute__(self, name)


class _Finder(MetaPathFinder, Loader):
    def __init__(self, unused: Iterable[str], one_by_one: Iterable[str]) -> None:
        self._unused = {name for name in unused if name not in sys.modules}
        self._one_by_one = {name for name in one_by_one if name not in sys.modules}

    def find_spec(self, name: str, path: Any, _target: object = None) -> ModuleSpec | None:  # noqa: ANN401 - as importlib has it
        above, _, last = name.rpartition(".")
        if name in self._unused or (above in self._unused and not last.startswith("__")):
            self._unused.add(name)
            return ModuleSpec(name, self, is_package=True)
        real = PathFinder.find_spec(name, path) if name in self._one_by_one else None
        if real is None:
            return None
        spec = ModuleSpec(name, self, origin=real.origin, loader_state=real, is_package=True)
        spec.submodule_search_locations = real.submodule_search_locations
        spec.has_location = True
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return (_LazyPackage if spec.name in self._one_by_one else _StubModule)(spec.name)

    def exec_module(self, module: ModuleType) -> None: ...


@contextmanager
def stub_imports(unused: Iterable[str], one_by_one: Iterable[str] = ()) -> Iterator[None]:
    """Import stubs in place of the modules `unused` while the block runs, and import the packages
    `one_by_one` class by class: a class's file is read when the class is first used. Modules that
    are imported already stay as they are. Use the block in one thread only, because all threads get
    the stubs.
    """
    finder = _Finder(unused, one_by_one)
    sys.meta_path.insert(0, finder)
    try:
        with warnings.catch_warnings(), _stub_patterns():
            warnings.simplefilter("ignore")  # a package warns of modules that it misses
            yield
    finally:
        sys.meta_path.remove(finder)
        for name, module in list(sys.modules.items()):
            if isinstance(module, _StubModule):
                del sys.modules[name]


def first_working(ways: Sequence[Callable[[], T]], packages: Iterable[str]) -> T:
    """Call the functions `ways` one after the other, and return the first result. If a way raises,
    unload the `packages`, so that nothing stays half imported, and try the next way. Raise what the
    last way raises."""
    for way in ways[:-1]:
        try:
            return way()
        except Exception:  # noqa: BLE001, PERF203 - whatever it is, there is another way
            for name in list(sys.modules):
                if name.partition(".")[0] in packages:
                    del sys.modules[name]
    return ways[-1]()


@cache
def find_zones() -> None:
    """Add the archive of time zones (ZONES) to Python's search path. Do nothing if there is no
    archive: only a deployed package has one."""
    if ZONES.is_file():
        sys.path.append(str(ZONES))


@contextmanager
def without_collector() -> Iterator[None]:
    """Pause the garbage collector while the block runs. All objects that exist at its end, such as
    the imported modules, stay exempt from collection: they live as long as the process, so
    examining them would only cost time."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if on:
            gc.enable()
