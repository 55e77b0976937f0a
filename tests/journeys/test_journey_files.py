"""From a pushed stream to an address that plays, over HTTP and through the stage's own routes."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from cli.local.encoder import Encoder
from cli.local.stack import Deployed, running
from cli.packaging import DELIVER, FILES, RUNTIMES, build
from emulator.live import Remote
from tests.cli.test_play import the_second_ends
from tests.support.journey import Stage
from tests.support.programs import RUNTIME_PARAMS, python_of
from tests.support.s3_target import BUCKET, S3Target, s3_target

pytestmark = [pytest.mark.slow, pytest.mark.long]
SOURCE = "source"
CODES = (SOURCE, RUNTIME_PARAMS[0], pytest.param(RUNTIMES[1], marks=pytest.mark.prove))
"""The second runtime takes 25 CPU seconds more. Its packages answer, sign and copy in
tests/cli/test_packaging.py too."""
FILMED_MS = 500
"""Of a file with a picture or two, nobody can say whether it is whole."""


@pytest.mark.parametrize("code", CODES)
def test_a_recorded_file_is_listed_signed_and_played(code: str, tmp_path: Path) -> None:
    """And copied to another store. Of a runtime, its packages are what runs, on nothing but its own
    library."""
    deployed, settings = of_package(code, tmp_path / "package") if code != SOURCE else (None, {})
    settings |= {"LIVE_RECORD_DELIVER_CREDENTIALS": "archive:key-id:key-secret"}
    folder = tmp_path / "stage"
    with (
        s3_target() as s3,
        running(
            folder,
            rtmp_port=0,
            deployed=deployed,
            settings=settings,
            policy=copies_to(s3, tmp_path / "policy.toml"),
        ) as stack,
    ):
        stage = Stage(stack, Remote(stack.live))
        uri = recorded(stage)
        stage.fire("files")
        where = stage.call("GET", stage.url("room1", "/files")).json()["signed"]
        (file,) = stage.call("GET", f"{stack.fc}{where}").json()["files"]
        kept = (folder / "buckets" / "dev-bucket" / uri).read_bytes()

        assert (file["uri"], file["size"], kept[:3]) == (uri, len(kept), b"FLV")
        assert file["verified"]["outcome"] == "verified", file
        assert requests.get(file["url"], timeout=60).content == kept
        stage.fire("deliver")
        (copied,) = stage.call("GET", stage.url("room1", "/files")).json()["files"]
        assert copied["copy"]["state"] == "delivered", copied
        assert s3.read(f"tv/{uri}") == kept
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


def copies_to(s3: S3Target, file: Path) -> Path:
    """Write a policy with a store that verified files are copied to."""
    rule = {"target": f"s3://{BUCKET}/tv", "credentials": "archive"}
    lines = ["[[domain]]", 'streaming = "live.example.com"', 'ingest = ["push.example.com"]']
    lines += ["[[deliver]]", *(f'{name} = "{value}"' for name, value in rule.items())]
    lines += [f'endpoint = "{s3.proxy.address}"', "path_style = true"]
    file.write_text("\n".join(lines))
    return file


def of_package(runtime: str, into: Path) -> tuple[Deployed, dict[str, str]]:
    python = python_of(runtime)
    main = build(runtime, into=into, warn=pytest.fail)
    files = build(runtime, FILES, into=into, warn=pytest.fail)
    deliver = build(runtime, DELIVER, into=into, warn=pytest.fail)
    codes = {"FILES": files, "DELIVER": deliver}
    return Deployed(main.folder, str(python)), {
        f"LIVE_RECORD_{name}_CODE": str(each.folder) for name, each in codes.items()
    }
