"""One playlist over several recordings: what it names, what it leaves out, and when it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import requests

from emulator.live import LiveInThread
from functions import files
from functions.files import playlist
from functions.files.composing import Recorded, Slice, lay_out, written
from shared.inbound import function_compute
from shared.invocation.invocation import Invocation
from shared.ledger.spans import Span
from shared.outbox.settlement import Done, settlement
from shared.protocol import FileLeft, Occurrence, OccurrencesPlanned, TimePassed
from shared.protocol.file import FileVerdict
from shared.protocol.policy import Domain, NamedBucket
from tests.conftest import NOON, Clock
from tests.functions.test_files import ROLE, Signing, apply_policy
from tests.support.buckets import add_bucket
from tests.support.scripted_stage import Got, Stage, check
from tests.support.settling import settle

pytestmark = pytest.mark.slow

FOLDER = "record/app/room1"
PATH = "/v1/files/live.example.com/app/room1/playlist.m3u8"
ONE, TWO, THREE = (f"{FOLDER}/{name}.m3u8" for name in ("one", "two", "three"))
MINUTE_MS = 60_000
TOKENS = "ops:read+control:ops-token,brand:read@live.example.com/app/*:brand-token"


@dataclass
class Playing(Signing):
    folder: Path

    def record(self, uri: str, start: int, *seconds: float, names: str = "") -> None:
        """Put a playlist with its segments into the bucket, and report it."""
        lines = ["#EXTM3U"]
        for n, each in enumerate(seconds):
            name = names or f"{uri.rpartition('/')[2].partition('.')[0]}_{n}.ts"
            self.put(f"{uri.rpartition('/')[0]}/{name}", f"{uri} {n}")
            lines += [f"#EXTINF:{each:.6f},", name]
        self.put(uri, "\n".join([*lines, "#EXT-X-ENDLIST"]))
        length_ms = round(sum(seconds) * 1000)
        self.stage.happens(FileLeft(uri, start, start + length_ms, length_ms))

    def record_verified(self, uri: str, start: int, *seconds: float) -> None:
        """Have it found whole, too, in the bucket that is named now."""
        self.record(uri, start, *seconds)
        (task,) = self.stage.store.take_tasks("verify_file", limit=1, lease_ms=1_000)
        verdict = FileVerdict("verified", NOON, place="dev-bucket/oss-cn-shanghai.aliyuncs.com")
        settled = settlement(task, Done(uri, verdict), 0.0)
        assert settle(self.stage.store, task, settled)

    def put(self, name: str, text: str) -> None:
        path = self.folder / name
        if ".." in path.parts:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def plays(self, **query: str) -> list[str]:
        """Return the lines of the playlist, with the object's name in place of each URL."""
        got = self.fetch(**query)
        assert got.status == 200, got.text
        assert got.headers["Content-Type"] == "application/vnd.apple.mpegurl"
        return [_object(line) for line in got.text.splitlines()]

    def refusal(self, **query: str) -> tuple[int, str]:
        got = self.fetch(**query)
        problem = json.loads(got.text)
        return got.status, f"{problem['detail']} {problem.get('hint', '')}"

    def fetch(self, token: str = "ops-token", path: str = PATH, **query: str) -> Got:  # noqa: S107 - a made-up one
        event = {
            "rawPath": path,
            "headers": {"Authorization": f"Bearer {token}"},
            "queryParameters": query,
            "requestContext": {"http": {"method": "GET"}, "requestId": "1-77"},
        }
        context = SimpleNamespace(request_id="1-77", credentials=SimpleNamespace(**self.role))
        call = Invocation(self.stage.app, context, seconds=files.BUDGET_S)
        answer: Any = function_compute.answer(
            lambda asked: files.respond(call, asked),
            json.dumps(event).encode(),
            context,
            log=call.app.log,
        )
        is_json = "json" in answer["headers"]["Content-Type"]
        payload = json.loads(answer["body"]) if is_json else {}
        got = Got(answer["statusCode"], answer["headers"], payload, answer["body"])
        check("GET", path, got)
        return got


def _object(line: str) -> str:
    return unquote(urlsplit(line).path).removeprefix("/dev-bucket/") if "://" in line else line


@pytest.fixture
def playing(tmp_path: Path, clock: Clock) -> Iterator[Playing]:
    stage = Stage(
        tmp_path,
        clock,
        LIVE_RECORD_API_TOKENS=TOKENS,
        LIVE_RECORD_BUCKET="dev-bucket",
        LIVE_RECORD_OSS_ENDPOINT="oss-cn-shanghai.aliyuncs.com",
    )
    (tmp_path / "dev-bucket").mkdir()
    with LiveInThread(buckets=tmp_path) as live:
        playing = Playing(stage, live, ROLE, tmp_path / "dev-bucket")
        playing.names()
        yield playing
    stage.store.close()


def test_sessions_follow_each_other_with_their_times(playing: Playing) -> None:
    playing.record(TWO, NOON - 100_000, 4.0)
    playing.record(ONE, NOON - 200_000, 10.0, 5.5)

    assert playing.plays(**{"from": "1h"}) == [
        "#EXTM3U",
        "#EXT-X-VERSION:3",
        "#EXT-X-TARGETDURATION:10",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "# the URLs are valid until 2025-11-22T09:26:40Z",
        "#EXT-X-PROGRAM-DATE-TIME:2025-11-22T08:23:20.000Z",
        "#EXTINF:10.000,",
        f"{FOLDER}/one_0.ts",
        "#EXTINF:5.500,",
        f"{FOLDER}/one_1.ts",
        "#EXT-X-DISCONTINUITY",
        "#EXT-X-PROGRAM-DATE-TIME:2025-11-22T08:25:00.000Z",
        "#EXTINF:4.000,",
        f"{FOLDER}/two_0.ts",
        "#EXT-X-ENDLIST",
    ]


def test_each_segment_plays_without_a_token(playing: Playing) -> None:
    playing.record(ONE, NOON - 200_000, 10.0, 5.5)
    lines = playing.fetch(**{"from": "1h", "for": "2h"}).text.splitlines()
    urls = [line for line in lines if line.startswith("http")]

    assert [requests.get(url, timeout=60).text for url in urls] == [f"{ONE} 0", f"{ONE} 1"]
    assert "# the URLs are valid until 2025-11-22T10:26:40Z" in lines


def test_a_part_begins_and_ends_with_the_segments_that_lie_in_it(playing: Playing) -> None:
    playing.record(ONE, NOON - 200_000, *[10.0] * 6)
    lines = playing.plays(**{"from": "2025-11-22T08:23:35Z", "to": "2025-11-22T08:23:50Z"})

    assert [line for line in lines if line.endswith(".ts")] == [
        f"{FOLDER}/one_1.ts",
        f"{FOLDER}/one_2.ts",
    ]
    assert "#EXT-X-PROGRAM-DATE-TIME:2025-11-22T08:23:30.000Z" in lines


def test_without_a_stretch_it_is_all_of_the_last_intent(playing: Playing) -> None:
    """What was recorded before it is another one's."""
    playing.record(ONE, NOON - 3_600_000, 10.0)
    playing.stage.clock.now = NOON
    playing.stage.start()
    playing.stage.clock.now += 10 * MINUTE_MS
    playing.stage.stop()
    playing.record(TWO, NOON + MINUTE_MS, 10.0, 10.0)
    playing.record(THREE, NOON + 9 * MINUTE_MS, 50.0, 15.0)

    assert [line for line in playing.plays() if line.endswith(".ts")] == [
        *(f"{FOLDER}/two_{n}.ts" for n in range(2)),
        *(f"{FOLDER}/three_{n}.ts" for n in range(2)),
    ]


def test_an_occurrence_of_a_schedule_is_named_by_its_id(playing: Playing) -> None:
    starts_at, ends_at = NOON + MINUTE_MS, NOON + 2 * MINUTE_MS
    show = Occurrence("show@1", "show", starts_at, starts_at, ends_at, ends_at)
    playing.stage.happens(OccurrencesPlanned("show", (show,)))
    status, text = playing.refusal(occurrence="show@1")
    assert (status, "no occurrence with this id has begun" in text) == (404, True)

    for moment in (starts_at, ends_at):
        playing.stage.clock.now = moment
        playing.stage.happens(TimePassed())
    playing.stage.clock.now = NOON + 10 * MINUTE_MS
    playing.record(ONE, NOON - MINUTE_MS, 10.0)
    playing.record(TWO, starts_at, 10.0, 10.0)
    playing.record(THREE, NOON + 9 * MINUTE_MS, 10.0)
    assert [line for line in playing.plays(occurrence="show@1") if line.endswith(".ts")] == [
        *(f"{FOLDER}/two_{n}.ts" for n in range(2)),
    ]
    assert playing.refusal(occurrence="show@1", **{"from": "1h"})[0] == 400


def test_a_stream_that_nobody_has_asked_for_needs_a_stretch(playing: Playing) -> None:
    playing.record(ONE, NOON - 200_000, 10.0)
    status, text = playing.refusal()
    assert (status, "`from`" in text) == (404, True)


def test_what_cannot_be_played_is_a_gap_and_says_why(playing: Playing) -> None:
    playing.record(ONE, NOON - 200_000, 10.0)
    playing.stage.happens(FileLeft(TWO, NOON - 180_000, NOON - 155_000, 25_000))  # no object
    playing.record(THREE, NOON - 150_000, 10.0)
    lines = playing.plays(**{"from": "1h"})

    note = next(line for line in lines if "left out" in line)
    assert TWO in note
    assert "no such object" in note
    assert lines.count("#EXT-X-GAP") == 3  # in parts as long as a segment may be
    assert _gap_seconds(lines) == 25.0
    assert lines.index("#EXT-X-PROGRAM-DATE-TIME:2025-11-22T08:23:40.000Z") < lines.index(
        "#EXT-X-GAP"
    )


def _gap_seconds(lines: list[str]) -> float:
    found = [lines[n + 1] for n, line in enumerate(lines) if line == "#EXT-X-GAP"]
    return sum(float(re.sub(r"[^0-9.]", "", line)) for line in found)


@pytest.mark.parametrize(
    ("names", "why"),
    [
        ("../room2/x.ts", "no `object_prefix` of live.example.com"),
        ("/backups/users.csv", "no `object_prefix` of live.example.com"),
        ("https://other-bucket.example.com/x.ts", "in no bucket of this stage"),
        ("../../../../x.ts", "in no bucket of this stage"),
    ],
)
def test_a_segment_that_may_be_anothers_is_never_signed(
    playing: Playing, names: str, why: str
) -> None:
    playing.put(ONE, f"#EXTM3U\n#EXTINF:10.0,\n{names}\n#EXT-X-ENDLIST\n")
    playing.stage.happens(FileLeft(ONE, NOON - 20_000, NOON - 10_000, 10_000))
    status, text = playing.refusal(**{"from": "1h"})

    assert (status, why in text) == (404, True)


def test_a_bound_token_gets_no_segment_of_what_may_be_another_stream_s(playing: Playing) -> None:
    apply_policy(playing, Domain("live.example.com", object_prefix=("record/", "a/{AppName}/")))
    playing.record(ONE, NOON - 20_000, 10.0)

    assert playing.plays(**{"from": "1h"})
    status, text = playing.refusal(token="brand-token", **{"from": "1h"})
    assert (status, "the token may not see" in text) == (404, True)


def test_where_no_playlist_is_written_it_says_which_setting_adds_it(playing: Playing) -> None:
    playing.stage.happens(FileLeft(f"{FOLDER}/x.mp4", NOON - 20_000, NOON - 10_000, 10_000))
    status, text = playing.refusal(**{"from": "1h"})

    assert (status, "only mp4" in text) == (409, True)
    assert "live-record setup --format m3u8" in text


def test_of_two_configurations_each_moment_is_played_once(playing: Playing) -> None:
    playing.record(ONE, NOON - 200_000, 10.0, 10.0)
    playing.record(TWO, NOON - 199_000, 10.0, 9.0)

    assert [line for line in playing.plays(**{"from": "1h"}) if line.endswith(".ts")] == [
        f"{FOLDER}/one_{n}.ts" for n in range(2)
    ]


def test_each_file_is_played_from_the_bucket_that_it_was_verified_in(playing: Playing) -> None:
    """The policy names another bucket by now, for what is reported from now on."""
    playing.record_verified(ONE, NOON - 200_000, 10.0)
    add_bucket(playing.live.address, "other-bucket")
    other = NamedBucket("other-bucket", "oss-cn-beijing.aliyuncs.com")
    apply_policy(playing, Domain("live.example.com", bucket=(other,)))
    replace(playing, folder=playing.folder.parent / "other-bucket").record(TWO, NOON, 10.0)
    playing.stage.clock.now = NOON + MINUTE_MS

    urls = [line for line in playing.fetch(**{"from": "1h"}).text.splitlines() if "://" in line]
    assert [requests.get(url, timeout=60).text for url in urls] == [f"{ONE} 0", f"{TWO} 0"]


def test_a_stage_that_names_no_bucket_any_more_plays_what_was_verified_in_one(
    playing: Playing,
) -> None:
    playing.record_verified(ONE, NOON - 200_000, 10.0)
    playing.record(TWO, NOON - 100_000, 10.0)
    playing.names(bucket="")

    lines = playing.plays(**{"from": "1h"})
    shown = [line for line in lines if line.endswith(".ts")]
    assert shown == [f"{FOLDER}/one_0.ts", "gap.ts"]
    assert any(TWO in line and "does not name its bucket" in line for line in lines)


def test_a_stage_that_names_no_bucket_says_which_settings_it_lacks(playing: Playing) -> None:
    playing.record(ONE, NOON - 200_000, 10.0)
    playing.names(bucket="")
    status, text = playing.refusal(**{"from": "1h"})
    assert (status, "LIVE_RECORD_BUCKET" in text) == (409, True)


def test_a_stretch_that_is_too_long_is_refused(
    playing: Playing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(playlist, "MAX_SEGMENTS", 3)
    playing.record(ONE, NOON - 200_000, *[10.0] * 4)
    status, text = playing.refusal(**{"from": "1h"})
    assert (status, "a shorter period with `from` and `to`" in text) == (409, True)

    part = {"from": "2025-11-22T08:23:25Z", "to": "2025-11-22T08:23:30Z"}
    assert len([line for line in playing.plays(**part) if line.endswith(".ts")]) == 1


def test_a_bucket_that_does_not_answer_gives_no_playlist_full_of_gaps(playing: Playing) -> None:
    playing.record(ONE, NOON - 200_000, 10.0)
    playing.names(endpoint="127.0.0.1:1")
    assert playing.refusal(**{"from": "1h"})[0] == 409


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"to": "2025-11-22T08:23:40Z"}, 400),
        ({"from": "2025-11-22T09:00:00Z"}, 400),
        ({"from": "soon"}, 400),
        ({"from": "1h", "for": "13h"}, 400),
        ({"from": "1h", "limit": "3"}, 400),
        ({"from": "1h"}, 404),  # nothing is there
    ],
)
def test_what_cannot_be_asked_is_refused(
    playing: Playing, query: dict[str, str], status: int
) -> None:
    assert playing.refusal(**query)[0] == status


def test_the_address_of_the_recording_leads_to_it(playing: Playing) -> None:
    address = "/v1/recordings/live.example.com/app/room1/playlist.m3u8"
    got = playing.stage.ask("GET", address, query={"from": "2h", "for": "3h"})
    assert (got.status, got.headers["Location"]) == (307, f"{PATH}?from=2h&for=3h")

    assert playing.stage.ask("GET", address, query={"from": "soon"}).status == 400


def test_a_pause_within_a_file_moves_what_follows_it() -> None:
    """A file's media runs on through a pause; the wall clock does not."""
    file = Recorded(
        [Span(0, 20_000), Span(50_000, 70_000)],
        [Slice(f"{n}.ts", 10_000) for n in range(4)],
    )
    pieces = lay_out([file], [Span(20_000, 50_000)], Span(0, 100_000))

    assert [(piece.span.start, piece.uri) for piece in pieces] == [
        (0, "0.ts"),
        (10_000, "1.ts"),
        (20_000, None),
        (50_000, "2.ts"),
        (60_000, "3.ts"),
    ]
    text = written(pieces, lambda uri, _place: uri, [])
    assert text.count("#EXT-X-PROGRAM-DATE-TIME") == 2
    assert _gap_seconds(text.splitlines()) == 30.0


def test_what_is_shorter_than_the_tolerance_is_no_gap() -> None:
    file = Recorded([Span(0, 12_000)], [Slice("0.ts", 10_000)])
    pieces = lay_out([file], file.spans, Span(0, 100_000))
    assert [piece.uri for piece in pieces] == ["0.ts"]


MAX_PROBLEM_CHARS = 8_192
LINE = "https://evil.example.com/x.ts"


@pytest.mark.parametrize("separator", ["\n", "\r", "\r\n", "\u2028", "\x85"])
def test_no_name_that_a_callback_made_up_adds_a_line(playing: Playing, separator: str) -> None:
    """A note about a file that is left out repeats its name: once a replayed callback so put a
    segment of its own into the playlist."""
    playing.record(ONE, NOON - 200_000, 10.0)
    named = f"{FOLDER}/a{separator}{LINE}{separator}.m3u8"
    playing.stage.happens(FileLeft(named, NOON - 400_000, NOON - 300_000, 100_000))

    lines = playing.fetch(**{"from": "1h"}).text.splitlines()
    assert all(line.startswith("#") for line in lines if "evil" in line)
    assert any("left out" in line and "evil" in line for line in lines)


@pytest.mark.parametrize("ending", [".m3u8", "0" * 800])
def test_no_answer_grows_with_the_names_that_callbacks_made_up(
    playing: Playing, ending: str
) -> None:
    for number in range(200):
        uri, start = f"{FOLDER}/{'x' * 200}.{number}{ending}", NOON - 1_000 * (number + 2)
        playing.stage.happens(FileLeft(uri, start, start + 1_000, 1_000))

    got = playing.fetch(**{"from": "1h"})
    assert got.status in (404, 409)
    assert len(got.text) < MAX_PROBLEM_CHARS
