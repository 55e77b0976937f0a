"""`live-record play`: signed addresses that play, for so long and no longer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests
from click.testing import CliRunner, Result
from msgspec.structs import replace

from cli.account import Account
from cli.main import main
from cli.play import place_of, presigned_url
from emulator.live import LiveInThread, Remote
from shared.engine.recorder import HandlingOptions
from shared.invocation.invocation import Invocation
from shared.outbound.live import Credentials
from shared.protocol import FileLeft, StreamKey
from shared.protocol.durations import rfc3339
from tests.support.http_stage import ROLE, TOKEN, HttpStage, http_stage, now_ms

ROOM = "live.example.com/app/room1"
KEY = "record/app/room1/a b/x#1.flv"
HOUR = timedelta(hours=1)


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveInThread]:
    file = tmp_path / "dev-bucket" / KEY
    file.parent.mkdir(parents=True)
    file.write_bytes(b"FLV")
    with LiveInThread(buckets=tmp_path) as running:
        yield running


def account(live: LiveInThread, secret: str = "dev-secret") -> Account:  # noqa: S107 - as above
    return Account(Credentials("dev", secret), live.address, live.address)


def the_second_ends() -> None:
    """Addresses are dated to the second, the emulator's clock is not."""
    time.sleep(1 - time.time() % 1)


def test_a_signed_address_plays(live: LiveInThread) -> None:
    place = place_of(account(live), ROOM)
    url = presigned_url(account(live), place, KEY, HOUR)
    assert (place.bucket, requests.get(url, timeout=60).content) == ("dev-bucket", b"FLV")


def test_it_plays_no_longer_than_it_was_signed_for(live: LiveInThread) -> None:
    url = presigned_url(account(live), place_of(account(live), ROOM), KEY, HOUR)
    the_second_ends()
    Remote(live.address).advance(3_601)
    assert requests.get(url, timeout=60).status_code == 403


def test_it_plays_from_a_clock_that_was_put_forward(live: LiveInThread) -> None:
    Remote(live.address).advance(30 * 86_400)
    url = presigned_url(account(live), place_of(account(live), ROOM), KEY, HOUR)
    assert requests.get(url, timeout=60).content == b"FLV"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x%231", "x%232"),
        ("x-oss-expires=3", "x-oss-expires=9"),
        ("x-oss-date=2", "x-oss-date=0"),
        ("x-oss-signature=", "&x-oss-signature=0"),
    ],
)
def test_what_was_changed_does_not_play(live: LiveInThread, old: str, new: str) -> None:
    url = presigned_url(account(live), place_of(account(live), ROOM), KEY, HOUR)
    assert old in url
    assert requests.get(url.replace(old, new), timeout=60).status_code == 403


def test_nor_does_what_another_key_signed(live: LiveInThread) -> None:
    into = place_of(account(live), ROOM)
    url = presigned_url(account(live, "guess"), into, KEY, HOUR)
    assert requests.get(url, timeout=60).status_code == 403


@pytest.mark.parametrize("period", ["8d", "0s", "soon"])
def test_a_period_that_cannot_be_is_refused(period: str) -> None:
    refused = CliRunner().invoke(main, ["play", ROOM, "--for", period, "--url", "http://x"])
    assert (refused.exit_code, "--for" in refused.output) == (2, True)


# --- the command, at a stage that signs or does not


NO_KEY = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": ""}
"""But at an emulator, where the development key is everybody's own."""
BY_ROLE = "x-oss-security-token"
POLICY = '[[domain]]\nstreaming = "live.example.com"\n'


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[HttpStage]:
    file = tmp_path / "dev-bucket" / KEY
    file.parent.mkdir(parents=True)
    file.write_bytes(b"FLV")
    with http_stage(tmp_path, POLICY, buckets=tmp_path) as stage:
        stage.role = SimpleNamespace(**{**vars(ROLE), "security_token": "dev-token"})
        names_bucket(stage)
        leaves(stage, KEY)
        yield stage


def names_bucket(stage: HttpStage, name: str = "dev-bucket") -> None:
    host = stage.live.removeprefix("http://")
    settings = replace(stage.app.settings, bucket=name, oss_endpoint=host, oss_protocol="http")
    stage.app = replace(stage.app, settings=settings)


def leaves(stage: HttpStage, uri: str) -> None:
    call = Invocation(stage.app, SimpleNamespace(request_id="1-77", credentials=ROLE), seconds=9)
    call.handle(
        StreamKey(*ROOM.split("/")),
        FileLeft(uri, now_ms(), now_ms()),
        HandlingOptions(slot_wait_ms=250),
    )


def plays(stage: HttpStage, *options: str, **env: str) -> Result:
    words = ["play", ROOM, "--url", stage.url, "--token", TOKEN, *options]
    env = {"LIVE_RECORD_LIVE_ENDPOINT": stage.live, **NO_KEY, **env}
    result = CliRunner().invoke(main, words, env=env)
    assert result.exit_code == 0, result.output
    return result


def test_the_stage_signs_where_it_can_and_nobody_needs_a_key(stage: HttpStage) -> None:
    url = plays(stage, LIVE_RECORD_LIVE_ENDPOINT="").stdout.strip()

    assert requests.get(url, timeout=60).content == b"FLV"
    assert BY_ROLE in url


def test_of_a_stream_without_files_a_player_reads_nothing(stage: HttpStage) -> None:
    words = ["play", "live.example.com/app/none", "--url", stage.url, "--token", TOKEN]
    result = CliRunner().invoke(main, words)

    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.endswith("the stream has no files yet\n")


@pytest.mark.parametrize("why", ["it names no bucket", "it has no role", "13h"])
def test_else_your_own_key_signs(stage: HttpStage, why: str) -> None:
    if why == "it names no bucket":
        names_bucket(stage, "")
    if why == "it has no role":
        stage.role = SimpleNamespace(**dict.fromkeys(vars(ROLE), ""))
    result = plays(stage, "--for", why if why == "13h" else "1h")

    assert requests.get(result.stdout.strip(), timeout=60).content == b"FLV"
    assert BY_ROLE not in result.stdout
    assert ("no role" in result.stderr) == (why == "it has no role")


@pytest.mark.parametrize(
    ("bucket", "options", "why"),
    [
        ("dev-bucket", (), "no `object_prefix` of live.example.com in the policy fits this name"),
        ("dev-bucket", ("--lang", "zh"), "策略中 live.example.com 的 `object_prefix` 都与该直播流"),
        ("", (), "no recording configuration gives a file of this stream such a name"),
    ],
)
def test_what_no_recording_is_named_is_said_and_not_signed(
    stage: HttpStage, bucket: str, options: tuple[str, ...], why: str
) -> None:
    """Neither by the stage nor by the operator's own key: a callback has named it."""
    names_bucket(stage, bucket)
    leaves(stage, "backups/users.csv")
    result = plays(stage, "--limit", "1", *options)

    assert result.stdout == ""
    assert "zh" in options or "\nbackups/users.csv gets no playback URL" in result.stderr
    assert why in result.stderr


@pytest.mark.parametrize("bucket", ["dev-bucket", ""])
def test_what_lies_in_vod_is_said_and_not_signed(stage: HttpStage, bucket: str) -> None:
    names_bucket(stage, bucket)
    leaves(stage, "vod:v-1")
    result = plays(stage, "--limit", "1")

    assert (result.stdout, result.stderr.splitlines()[1:]) == (
        "",
        [
            "vod:v-1 is in VOD and has no playback URL here",
            "Only 1 row is shown, and there may be more. `--limit` sets how many.",
        ],
    )


# --- one playlist over all of it


PLAYLIST_KEY = "record/app/room1/x.m3u8"


@pytest.fixture
def joined(stage: HttpStage, tmp_path: Path) -> HttpStage:
    """Provide a stage with a recording of two segments."""
    path = tmp_path / "dev-bucket" / PLAYLIST_KEY
    path.write_text("#EXTM3U\n#EXTINF:10.0,\n0.ts\n#EXTINF:10.0,\n1.ts\n#EXT-X-ENDLIST\n")
    at = now_ms() - 60_000
    call = Invocation(stage.app, SimpleNamespace(request_id="1-77", credentials=ROLE), seconds=9)
    left = FileLeft(PLAYLIST_KEY, at, at + 20_000, 20_000)
    call.handle(StreamKey(*ROOM.split("/")), left, HandlingOptions(slot_wait_ms=250))
    return stage


def test_a_playlist_is_printed_as_a_player_takes_it(joined: HttpStage) -> None:
    shown = plays(joined, "--all", "--from", "1h", "--for", "2h").stdout
    assert shown.startswith("#EXTM3U\n")
    assert len([line for line in shown.splitlines() if "://" in line]) == 2

    late = rfc3339(now_ms() - 45_000)
    shown = plays(joined, "--all", "--from", "1h", "--to", late).stdout
    assert "/0.ts?" in shown
    assert "/1.ts?" in shown  # a part has whole segments

    early = rfc3339(now_ms() - 55_000)
    assert "/1.ts?" not in plays(joined, "--all", "--from", "1h", "--to", early).stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--all",), "nobody has asked for this stream"),
        (("--occurrence", "show@1"), "no occurrence with this id"),
        (("--from", "1h"), "Pass `--all`, too"),
        (("--occurrence", "show@1", "--from", "1h"), "Pass either `--occurrence`"),
    ],
)
def test_what_cannot_be_joined_says_what_to_do(
    joined: HttpStage, options: tuple[str, ...], said: str
) -> None:
    words = ["play", ROOM, "--url", joined.url, "--token", TOKEN, *options]
    result = CliRunner().invoke(main, words)
    assert (result.exit_code != 0, said in result.output) == (True, True), result.output
