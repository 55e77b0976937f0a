"""A release and the one before it serve one store at once, as they do while the aliases move."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.local.redis_server import Engine
from cli.local.stack import REDIS, SQLITE, Stack, running
from cli.paths import ROOT
from emulator.live import Remote
from tests.support.journey import Stage

pytestmark = pytest.mark.slow
STREAMS = [f"room{number}" for number in range(12)]
WRITES = "    return msgspec.json.encode(_Document(FORMAT_NUMBER, record)).decode()\n"
WROTE = """    document = msgspec.to_builtins(_Document(0, record))
    document["record"].pop("restart_doubted", None)
    document["record"]["lease"] = {"by": "somebody", "until": 1}
    return msgspec.json.encode(document).decode()
"""
READS = "return replace(document.record, "
READ = "return replace(document.record, restart_doubted=False, "


def release_before(folder: Path) -> Path:
    """Our code as it might have been: of its record it knew one field less, and wrote one that is
    no more."""
    for tree in ("functions", "shared"):
        shutil.copytree(ROOT / tree, folder / tree, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "index.py", folder)
    codec = folder / "shared" / "store" / "codec.py"
    text = codec.read_text(encoding="utf-8")
    for now, then in ((WRITES, WROTE), (READS, READ)):
        assert now in text
        text = text.replace(now, then)
    codec.write_text(text, encoding="utf-8")
    return folder


@dataclass(frozen=True)
class Both:
    """Two stages with one store and one Live."""

    new: Stage
    old: Stage

    def of(self, number: int) -> Stage:
        return (self.new, self.old)[number % 2]

    def hears(self, stage: Stage) -> None:
        """From now on it is this one that Live calls back."""
        path = f"{stage.stack.fc}/callbacks"
        urls = {"stream_url": f"{path}/stream/dev-path", "record_url": f"{path}/record/dev-path"}
        stage.live.notify(**urls)

    def published(self, *, shift: int) -> None:
        """Every other one is heard by the release that does not hear of its neighbours."""
        for turn in (0, 1):
            self.hears(self.of(turn + shift))
            for name in STREAMS[turn::2]:
                self.new.publish(name)

    def ask(self, what: str, *, shift: int) -> None:
        with ThreadPoolExecutor(4) as crowd:
            asked = [
                crowd.submit(self.of(number + shift).ask, name, what)
                for number, name in enumerate(STREAMS)
            ]
        assert [each.result().text for each in asked if not each.result().ok] == []

    def until(self, holds: Callable[[], bool]) -> None:
        """Run the timers of both releases until `holds`; fail after 180 s."""
        deadline = time.monotonic() + 180
        while not holds():
            assert time.monotonic() < deadline, "it never came true"
            self.new.reconcile()
            self.old.reconcile()

    def recording(self) -> int:
        return sum(self.new.records(name) for name in STREAMS)


@pytest.fixture(params=[SQLITE, REDIS])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == SQLITE:
        yield f"sqlite:///{tmp_path}/records.db"
        return
    with Engine(tmp_path / "store") as engine:
        yield engine.url


@pytest.fixture
def both(store: str, tmp_path: Path) -> Iterator[Both]:
    shared = {"LIVE_RECORD_STORE": store, "LIVE_RECORD_DEV_CLOCK": f"{tmp_path}/new/clock.json"}
    before = {**shared, "LIVE_RECORD_CODE": str(release_before(tmp_path / "code"))}
    with running(tmp_path / "new", settings=shared) as new:
        (tmp_path / "old").mkdir()  # one store: the second stack must not claim it for itself
        shutil.copy(tmp_path / "new" / "store_id", tmp_path / "old")
        with running(tmp_path / "old", settings=before, live=new.live) as old:
            yield Both(at(new), at(old))


def at(stack: Stack) -> Stage:
    return Stage(stack, Remote(stack.live))


def test_while_two_releases_take_turns_every_start_and_every_stop_is_carried_out(
    both: Both, store: str
) -> None:
    both.ask("start", shift=0)
    assert formats(store) in ({0, 1}, None)
    both.published(shift=1)
    both.until(lambda: both.recording() == len(STREAMS))
    for name in STREAMS:
        both.new.unpublish(name)
    both.published(shift=0)
    both.until(lambda: both.recording() == len(STREAMS))

    both.ask("stop", shift=1)
    both.until(lambda: both.recording() == 0)
    for sent in map(both.new.sent, STREAMS):
        assert sent.count("start") >= 2
        assert set(sent[sent.index("stop") :]) == {"stop"}
    for stage in (both.new, both.old):
        assert {stage.status(name)["phase"] for name in STREAMS} == {"idle"}


def formats(store: str) -> set[int] | None:
    """Those of the records, where a file shows them."""
    if not store.startswith("sqlite:"):
        return None
    with closing(sqlite3.connect(store.removeprefix("sqlite://"))) as database:
        columns = "SELECT json_extract(document, '$.format') FROM record"
        return {format_ for (format_,) in database.execute(columns)}
