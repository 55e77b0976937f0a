"""From a pushed stream to an address that plays, over HTTP and through the stage's own routes."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from cli.local.encoder import Encoder
from cli.local.stack import Deployed, running
from cli.packaging import FILES, build
from emulator.live import Remote
from tests.cli.test_play import the_second_ends
from tests.support.journey import Stage
from tests.support.programs import RUNTIME_PARAMS, python_of

pytestmark = pytest.mark.slow
SOURCE = "source"
FILMED_MS = 500
"""Of a file with a picture or two, nobody can say whether it is whole."""


@pytest.mark.parametrize("code", [SOURCE, *RUNTIME_PARAMS])
def test_a_recorded_file_is_listed_signed_and_played(code: str, tmp_path: Path) -> None:
    """Of a runtime, both packages are what runs, on nothing but its own library."""
    deployed, settings = of_package(code, tmp_path / "package") if code != SOURCE else (None, {})
    folder = tmp_path / "stage"
    with running(folder, rtmp_port=0, deployed=deployed, settings=settings) as stack:
        stage = Stage(stack, Remote(stack.live))
        uri = recorded(stage)
        stage.fire("files")
        where = stage.call("GET", stage.url("room1", "/files")).json()["signed"]
        (file,) = stage.call("GET", f"{stack.fc}{where}").json()["files"]
        kept = (folder / "buckets" / "dev-bucket" / uri).read_bytes()

        assert (file["uri"], file["size"], kept[:3]) == (uri, len(kept), b"FLV")
        assert file["verified"]["outcome"] == "verified", file
        assert requests.get(file["url"], timeout=60).content == kept
        changed = file["url"].replace("x-oss-expires=3", "x-oss-expires=9")
        assert requests.get(changed, timeout=60).status_code == 403
        the_second_ends()
        stage.live.advance(3_601)
        assert requests.get(file["url"], timeout=60).status_code == 403


def test_what_is_wrong_with_an_object_is_found_and_what_is_late_is_waited_for(
    tmp_path: Path,
) -> None:
    with running(tmp_path, rtmp_port=0) as stack:
        stage = Stage(stack, Remote(stack.live))
        stage.live.object_fault("truncated", stream="room1")
        stage.live.object_fault("late", stream="room2", delay_ms=120_000)
        for name in ("room1", "room2"):
            recorded(stage, name)
        stage.fire("files")
        assert (outcome(stage, "room1"), outcome(stage, "room2")) == ("truncated", "missing")
        (task,) = stage.call("GET", f"{stack.fc}/v1/deliveries?state=open").json()["deliveries"]
        assert (task["attempts"], task["why"]) == (1, "missing, no_object")
        stage.live.advance(121)
        stage.fire("files")
        assert outcome(stage, "room2") == "verified"


def outcome(stage: Stage, stream: str) -> str:
    (file,) = stage.call("GET", stage.url(stream, "/files")).json()["files"]
    return str(file["verified"]["outcome"])


def recorded(stage: Stage, stream: str = "room1") -> str:
    """Record a pushed stream and return the URI of its only file."""
    stage.ask(stream, "start")
    with Encoder(f"{stage.stack.rtmp}/app/{stream}?vhost=push.example.com") as encoder:
        assert encoder.refusal == ""
        stage.until(lambda: stage.records(stream))
        stage.until_phase(stream, "recording")
        stage.until(lambda: stage.live.state(stream)["recording"]["filmed_ms"] > FILMED_MS)
        stage.ask(stream, "stop", finalize=True)
    files = stage.url(stream, "/files")
    stage.until(lambda: len(stage.call("GET", files).json()["files"]) == 1)
    return str(stage.call("GET", files).json()["files"][0]["uri"])


def of_package(runtime: str, into: Path) -> tuple[Deployed, dict[str, str]]:
    python = python_of(runtime)
    main = build(runtime, into=into, warn=pytest.fail)
    files = build(runtime, FILES, into=into, warn=pytest.fail)
    return Deployed(main.folder, str(python)), {"LIVE_RECORD_FILES_CODE": str(files.folder)}
