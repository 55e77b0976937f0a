"""What stands in for a module is that module for whoever uses it later."""

from __future__ import annotations

import gc
import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from shared.lazy_imports import StubUsedTooEarly, first_working, stub_imports, without_collector

ROOT = Path(__file__).parents[2]
HEAVY = "class Base: ...\ndef twice(n): return 2 * n\nTHREE = 3\n"
USES = "import heavy\nfrom heavy import Base, twice\nfrom heavy.below import deep\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Two packages: `light` names `heavy`."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)
    write(tmp_path, "heavy", HEAVY)
    (tmp_path / "heavy" / "below.py").write_text("deep = 'deep'\n")
    write(tmp_path, "light", USES)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).mkdir(exist_ok=True)
    (folder / name / "__init__.py").write_text(text)
    importlib.invalidate_caches()


def light() -> ModuleType:
    with stub_imports(["heavy"]):
        return importlib.import_module("light")


def test_what_is_left_out_is_not_loaded(folder: Path) -> None:
    light()
    assert {"heavy", "heavy.below"} & set(sys.modules) == set()


def test_what_is_left_out_is_fetched_when_it_is_used(folder: Path) -> None:
    module = light()
    assert module.twice(4) == 8
    assert module.heavy.twice(4) == 8
    assert module.Base().__class__ is importlib.import_module("heavy").Base
    assert module.deep.upper() == "DEEP"


PATTERNS = """
import re
NAME = re.compile("[a-z]+", re.IGNORECASE)
WRONG = re.compile("(")
"""


def test_a_pattern_is_compiled_when_it_is_first_used(folder: Path) -> None:
    write(folder, "patterns", PATTERNS)
    with stub_imports([]):
        module = importlib.import_module("patterns")
        assert module.NAME.fullmatch("Ab")
    assert module.NAME.sub("x", "Ab 1") == "x 1"
    assert module.NAME.pattern == "[a-z]+"
    assert re.split(module.NAME, "1Ab2") == ["1", "2"]
    assert isinstance(module.NAME, re.Pattern)
    with pytest.raises(re.error):
        module.WRONG.search("a")


def test_afterwards_a_pattern_is_compiled_at_once() -> None:
    with stub_imports([]), stub_imports([]):
        pass
    with pytest.raises(re.error):
        re.compile("(")


def test_afterwards_an_import_gives_the_real_one(folder: Path) -> None:
    light()
    assert importlib.import_module("heavy").THREE == 3


def test_nothing_is_an_instance_of_what_was_never_loaded(folder: Path) -> None:
    module = light()
    assert not isinstance("anything", module.Base)
    assert "heavy" not in sys.modules
    assert isinstance(importlib.import_module("heavy").Base(), module.Base)


def test_what_is_loaded_already_is_not_stood_in_for(folder: Path) -> None:
    heavy = importlib.import_module("heavy")
    assert light().heavy is heavy


@pytest.mark.parametrize(
    "cannot_wait", ["class Own(Base): ...", "FOUR = twice(2)", "NAME = Base.NAME"]
)
def test_what_cannot_wait_is_a_surprise(folder: Path, cannot_wait: str) -> None:
    write(folder, "light", f"{USES}{cannot_wait}\n")
    with pytest.raises(StubUsedTooEarly):
        light()


def test_after_a_surprise_everything_is_imported_as_it_comes(folder: Path) -> None:
    write(folder, "light", f"{USES}class Own(Base): ...\n")
    module = first_working([light, lambda: importlib.import_module("light")], ["light"])
    assert issubclass(module.Own, importlib.import_module("heavy").Base)


def test_the_last_ways_error_is_told(folder: Path) -> None:
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        first_working([light, lambda: importlib.import_module("nowhere")][1:], [])


def test_a_package_of_many_classes_is_loaded_one_by_one(folder: Path) -> None:
    write(folder, "models", "from ._add_stream_request import AddStreamRequest\nEXTRA = 'extra'\n")
    (folder / "models" / "_add_stream_request.py").write_text(
        "class AddStreamRequest: ...\nclass AddStreamRequestPart: ...\n"
    )
    with stub_imports([], ["models"]):
        models = importlib.import_module("models")
    assert "models._add_stream_request" not in sys.modules
    assert models.AddStreamRequestPart.__qualname__ == "AddStreamRequestPart"
    assert models.AddStreamRequest.__module__ == "models._add_stream_request"
    assert models.EXTRA == "extra"
    with pytest.raises(AttributeError):
        _ = models.Unknown


def test_the_collector_works_again_afterwards() -> None:
    with without_collector():
        assert not gc.isenabled()
    assert gc.isenabled()
    gc.unfreeze()


OTHER_UUID = """
import sysconfig
from pathlib import Path
from subprocess import CalledProcessError
class Failed(CalledProcessError): ...
exec(Path(sysconfig.get_path("stdlib"), "uuid.py").read_text())
"""
INITIALIZE = """
import index
index.initialize(None)
import uuid
print(issubclass(uuid.Failed, Exception), uuid.uuid4().version)
"""


def test_an_instance_starts_though_pythons_own_modules_use_a_stub_at_once(tmp_path: Path) -> None:
    """Function Compute gives Python its releases, and an instance that does not start answers
    nobody."""
    (tmp_path / "uuid.py").write_text(OTHER_UUID)
    paths = os.pathsep.join(map(str, (tmp_path, ROOT)))
    ran = subprocess.run(
        [sys.executable, "-c", INITIALIZE],
        env={"PYTHONPATH": paths, "LIVE_RECORD_STORE": f"sqlite:///{tmp_path}/records.db"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.stdout == "True 4\n", ran.stderr
