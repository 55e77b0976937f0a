"""Workers of a new instance's first run decode the same types at the same moment."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

FIRST_USES = """
import sys
from threading import Barrier, Thread
from types import ModuleType

from shared.decoding import convert, decode

TYPES = '''
from typing import Annotated
from msgspec import Meta, Struct

class Inner(Struct):
    count: Annotated[int, Meta(ge=0)] = 0
    names: list[str] = []

class Outer(Struct):
    number: int
    inner: Inner | None = None
    by_name: dict[str, Inner] = {}
    text: Annotated[str, Meta(min_length=1)] = "some"
'''
DOCUMENT = {"number": 1, "inner": {"count": 1, "names": ["a"]}, "text": "b"}


def first_use(module, together, ways):
    together.wait()
    for way in ways:
        if way == "decode":
            decode(b'{"number": 1, "inner": {"count": 1}, "text": "b"}', module.Outer)
        elif way == "decode inner":
            decode(b'{"count": 1, "names": ["a"]}', module.Inner)
        else:
            convert(DOCUMENT, module.Outer)


sys.setswitchinterval(1e-6)
for number in range(500):
    module = sys.modules[f"types_{number}"] = ModuleType(f"types_{number}")
    exec(TYPES, vars(module))
    together = Barrier(3)
    ways = ["decode", "decode inner", "convert"]
    threads = [
        Thread(target=first_use, args=(module, together, ways[at:] + ways[:at])) for at in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print("all decoded")
"""


def test_threads_that_decode_a_type_for_the_first_time_together_do_not_end_the_process() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FIRST_USES], capture_output=True, text=True, timeout=300, check=False
    )

    assert (ran.returncode, ran.stdout) == (0, "all decoded\n"), ran.stderr
