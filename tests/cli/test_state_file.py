"""The state of a stage as a file: what it holds, and what is printed of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.api import Api
from cli.main import main
from tests.support.raw_server import Wire, json_reply

JOINED = "a\u200db\x1b \u7532"
POLICY = {"domain": [{"streaming": "live.example.com"}], "rule": [{"match": {"stream": JOINED}}]}
STOPPED = {"domain": "live.example.com", "app": "b c", "stream": "d/e\x1b", "stop_unsent": True}


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    yield wire
    wire.close()


def types(wire: Wire, *words: str) -> Result:
    url = f"http://{wire.endpoint}"
    return CliRunner().invoke(main, [*words, "--url", url, "--token", "t"])


def exported(wire: Wire, file: Path) -> dict[str, Any]:
    row = {"domain": "live.example.com", "app": "app", "stream": JOINED}
    wire.script(
        json_reply({"streams": [row], "next": None}),
        json_reply({"version": 1, "policy": POLICY}),
        json_reply({"schedules": []}),
    )
    result = types(wire, "state", "export", str(file))
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return document


def test_names_and_policy_are_exported_as_they_are(wire: Wire, tmp_path: Path) -> None:
    document = exported(wire, tmp_path / "state.json")

    assert [entry["stream"] for entry in document["streams"]] == [JOINED]
    assert document["policy"] == POLICY


def test_an_exported_file_moves_no_terminal(wire: Wire, tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    exported(wire, file)

    assert file.read_text(encoding="utf-8").replace("\n", "").isprintable()


def test_a_policy_to_be_applied_again_is_the_one_in_force(wire: Wire) -> None:
    wire.script(json_reply({"version": 1, "policy": POLICY}))

    assert Api(f"http://{wire.endpoint}", "t").policy()["policy"] == POLICY


def test_a_policy_that_is_shown_moves_no_terminal(wire: Wire) -> None:
    wire.script(json_reply({"version": 1, "policy": POLICY}))
    shown = types(wire, "policy", "show").output

    assert shown.replace("\n", "").isprintable()
    assert r"a\\u200db" in shown


def test_a_stop_that_is_left_to_the_reader_can_be_typed(wire: Wire, tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    file.write_text(json.dumps({"format": 1, "policy": {}, "streams": [STOPPED]}))
    wire.script(json_reply({"imported": 1, "kept": 0, "refused": []}))
    shown = types(wire, "state", "import", str(file), "--no-policy").output

    assert "Run: live-record stop live.example.com/b%20c/d%2Fe%1B" in shown


ROW = {"domain": "live.example.com", "app": "app", "stream": "room"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"format": 1}',
        '{"format": 1, "policy": {}}',
        '{"format": 1, "policy": [], "streams": []}',
        '{"format": 1, "policy": {}, "streams": null}',
        '{"format": 1, "policy": {}, "streams": [5]}',
        '{"format": 1, "policy": {}, "streams": [{"domain": "live.example.com"}]}',
        '{"format": 1, "policy": {}, "streams": [], "schedules": [{"id": "a"}]}',
        '{"format": 2, "policy": {}, "streams": []}',
    ],
)
def test_a_file_that_is_not_whole_changes_nothing(wire: Wire, tmp_path: Path, text: str) -> None:
    file = tmp_path / "state.json"
    file.write_text(text)
    result = types(wire, "state", "import", str(file))

    assert result.exit_code == 1
    assert "is not an exported state. Write one with `live-record state export`." in result.output
    assert wire.seen == []


def test_an_import_that_stops_half_way_says_how_far_it_came(wire: Wire, tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    rows = [{**ROW, "stream": f"room{number}"} for number in range(60)]
    file.write_text(json.dumps({"format": 1, "policy": {}, "streams": rows}))
    refusal = {"code": "MalformedParam", "detail": "streams: one is wrong"}
    wire.script(json_reply({"imported": 50, "kept": 0, "refused": []}), json_reply(refusal, 400))
    result = types(wire, "state", "import", str(file), "--no-policy")

    assert result.exit_code == 1
    assert "streams: one is wrong. Streams imported before this error: 50." in result.output
    assert "Correct the file, and import it again." in result.output


def test_a_file_or_a_folder_that_is_missing_is_named(wire: Wire, tmp_path: Path) -> None:
    missing = types(wire, "state", "import", str(tmp_path / "none.json"))
    assert "none.json cannot be read: it does not exist." in missing.output
    nowhere = types(wire, "state", "export", str(tmp_path / "none" / "state.json"))
    assert f"The folder {tmp_path / 'none'} does not exist." in nowhere.output
    assert (missing.exit_code, nowhere.exit_code, wire.seen) == (1, 1, [])
