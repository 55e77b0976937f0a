"""The commands that the store needs of a Redis: listed, documented, tried, and enough."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from redis import Redis

from benchmarks.drills.servers import ask
from cli.local.redis_server import Engine
from cli.paths import ROOT
from shared.store.contract import Stored
from shared.store.engine_commands import NEEDED, OPTIONAL
from shared.store.redis import RedisStore
from shared.store.store_errors import StoreUnavailable
from tests.conftest import NOON, version_of
from tests.store.test_store_redis import SAVING, touch_everything

STORE = ROOT / "shared" / "store"
OF_LUA = re.compile(r"redis\.p?call\(\s*'([A-Za-z]+)'")
OF_PYTHON = re.compile(
    r"(?:_do|execute|send_command)\(\s*\"([A-Z]+)\"|\[+\(?\"([A-Z]+)\"|prefix\}?\"([A-Z]+)\""
)
OF_THE_CLIENT = {"AUTH", "PING", "SELECT"}
"""What redis-py sends by itself; AUTH needs no permission."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(tmp_path_factory.mktemp("acl")) as engine:
        yield engine


def store_as(engine: Engine, *rules: str, stage: str) -> RedisStore:
    """Return a store of a user with these rules alone."""
    ask(engine, "ACL", "SETUSER", stage, "reset", "on", ">pw", "~live-record:*", *rules)
    url = engine.url.replace("redis://", f"redis://{stage}:pw@")
    return RedisStore(url, stage=stage, rate=50, clock=lambda: NOON)


def all_needed(*, but: str = "") -> list[str]:
    return [f"+{name.lower()}" for name in NEEDED if name != but]


def test_every_command_of_the_source_is_listed_and_no_other() -> None:
    scripts = "".join(file.read_text() for file in STORE.glob("lua/*.lua"))
    source = "".join((STORE / name).read_text() for name in ("redis.py", "redis_connection.py"))
    used = {*OF_LUA.findall(scripts), *(n for found in OF_PYTHON.findall(source) for n in found)}

    assert (used - {""}) | OF_THE_CLIENT == {*NEEDED, *OPTIONAL, "AUTH"}


def test_the_page_lists_the_same_commands() -> None:
    page = (ROOT / "docs" / "store.md").read_text()
    section = page.partition("## The commands that it uses")[2].partition("\n## ")[0]
    needed, _, optional = section.partition("| without |")

    assert set(re.findall(r"`([A-Z]+)`", needed)) == set(NEEDED)
    assert set(re.findall(r"^\| `([A-Z]+)`", optional, flags=re.MULTILINE)) == set(OPTIONAL)


def test_nothing_of_ours_expires() -> None:
    """So that no eviction policy but allkeys-* endangers a record."""
    assert not {"EXPIRE", "PEXPIRE", "EXPIREAT", "SET", "SETEX", "GETEX"} & {*NEEDED, *OPTIONAL}


def test_what_is_listed_is_enough_for_everything(engine: Engine) -> None:
    with closing(store_as(engine, *all_needed(), stage="enough")) as store:
        saved = store.save_or_claim(SAVING)
        touch_everything(store)

        assert saved == Stored(version_of(store))
        assert store.missing_commands() == []
        assert store.durability().settings == {}
        assert store.replicated(100) is None


@pytest.mark.parametrize("name", NEEDED)
def test_a_command_that_is_missing_is_found(engine: Engine, name: str) -> None:
    with closing(store_as(engine, *all_needed(but=name), stage="lacks")) as store:
        assert store.missing_commands() == [name]


def test_a_user_without_dangerous_commands_lacks_nothing(engine: Engine) -> None:
    with closing(store_as(engine, "+@all", "-@dangerous", stage="usual")) as store:
        store.touch("examined")
        assert store.missing_commands() == []


def test_a_trial_changes_nothing(engine: Engine) -> None:
    with closing(store_as(engine, "+@all", stage="unchanged")) as store:
        store.touch("examined")
        store.save_or_claim(SAVING)
        before = dump(engine)
        assert store.missing_commands() == []
        store.touch("examined")

        assert dump(engine) == before


def dump(engine: Engine) -> dict[bytes, bytes]:
    with Redis(host="127.0.0.1", port=engine.port) as client:
        return {key: client.dump(key) for key in client.keys("*{unchanged}*")}


def test_an_engine_that_is_away_is_not_asked_for_each_command(tmp_path: Path) -> None:
    with Engine(tmp_path) as gone:
        store = RedisStore(gone.url, stage="test", rate=50)
    with pytest.raises(StoreUnavailable) as refused:
        store.missing_commands()
    assert refused.value.problem == "store_unreachable"
