"""The Lua files of the Redis store: complete, documented, and read by nobody who needs none."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cli.paths import ROOT
from shared.store import scripts
from shared.store.redis import RedisStore
from shared.store.scripts import (
    ALWAYS,
    FOLDER,
    NEW_TASKS,
    RATE_LIMIT,
    SAVE_OR_CLAIM,
    WATCHED_CLOCK,
    Script,
)
from tests.conftest import KEY

ALL = [each for each in vars(scripts).values() if isinstance(each, Script)]
LUA_FILES = sorted(FOLDER.glob("*.lua"))
OPENED = """
import sys
opened = []
sys.addaudithook(lambda event, args: event == "open" and opened.append(str(args[0])))
from shared.store import open_store, scripts
from shared.store.redis import RedisStore
from shared.protocol.stream import StreamKey
store = open_store(f"sqlite://{sys.argv[1]}/records.db", rate=45, clock=lambda: 0)
store.load(StreamKey("example.com", "app", "room1"))
scripts.NOW.digest
print([name.replace("\\\\", "/").split("/")[-1] for name in opened if name.endswith(".lua")])
"""


def header_of(file: Path) -> str:
    """Return the comment that a file begins with."""
    lines = file.read_text(encoding="utf-8").splitlines()
    end = next(number for number, line in enumerate(lines) if not line.startswith("--"))
    return "\n".join(lines[:end])


def test_every_file_is_a_script_or_in_front_of_one() -> None:
    used = {f"{name}.lua" for script in ALL for name in script.files}

    assert used == {file.name for file in LUA_FILES}


@pytest.mark.parametrize("file", LUA_FILES, ids=lambda file: file.stem)
def test_a_file_begins_with_its_contract(file: Path) -> None:
    header = header_of(file)

    if file.stem in {*RATE_LIMIT, *WATCHED_CLOCK, *ALWAYS, *NEW_TASKS}:
        assert "Prelude: " in header
        assert "Defines: " in header
    else:
        assert all(f"-- {part}: " in header for part in ("KEYS", "ARGV", "Returns", "One step"))


@pytest.mark.parametrize("script", ALL, ids=lambda script: "-".join(script.files))
def test_a_script_names_its_keys_as_a_managed_cluster_wants_it(script: Script) -> None:
    """Tair refuses any other way: "KEYS should not be in expression"."""
    calls = re.findall(r"redis\.p?call\('(\w+)'(?:, ([^,)]*))?", script.text)

    assert len(calls) == script.text.count("redis.call") + script.text.count("redis.pcall")
    assert all(re.fullmatch(r"KEYS\[\d+\]", key) for name, key in calls if name != "TIME")


def test_a_save_hands_over_as_many_keys_as_its_script_names() -> None:
    keys = RedisStore("redis://127.0.0.1", stage="test", rate=50).keys_of(KEY)
    named = {int(number) for number in re.findall(r"KEYS\[(\d+)\]", SAVE_OR_CLAIM.text)}

    assert named == set(range(1, len(keys) + 1))


def test_a_script_is_read_when_it_is_used_and_none_for_sqlite(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", OPENED, str(tmp_path)],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert ended.stdout.strip() == "['clock.lua', 'now.lua']"


def test_a_script_that_was_not_deployed_is_no_outage_of_the_engine() -> None:
    store = RedisStore("redis://127.0.0.1:1", stage="test", rate=50)

    with pytest.raises(FileNotFoundError, match=r"absent\.lua"):
        store._run(Script("absent"), [])
