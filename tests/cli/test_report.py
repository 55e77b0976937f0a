"""`live-record report`: lines, JSON, CSV, a page, and the exit code that cron acts on."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.exit_codes import AS_WANTED, FAILED, NOT_AS_WANTED, NOT_ASKED, WRONG_USAGE
from cli.main import main
from cli.report.peak import Peak, of_months, peaks
from shared.ledger.edges import Edge, EdgeKind
from shared.outbox.settlement import Next, Settlement
from shared.outbox.verify_file import verify_file
from shared.protocol import Reason, StreamKey, StreamRecord
from shared.protocol.file import File, FileVerdict
from shared.schedule.schedule import Schedule, StoredSchedule
from shared.store.contract import Save
from tests.support.http_stage import TOKEN, HttpStage, http_stage, now_ms
from tests.support.settling import settle
from tests.support.time_zone import in_zone

POLICY = """
[[domain]]
streaming = "live.example.com"
ingest = ["push.example.com"]
"""
MINUTE_MS = 60_000
APP = "live.example.com/app"
START, END = "2026-01-06T19:00:00", "2026-01-06T19:10:00"
NAUGHTY = "=1+1<b>"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[HttpStage]:
    with http_stage(tmp_path, POLICY) as stage:
        yield stage


def was_live(
    stage: HttpStage,
    name: str,
    *,
    lost_ms: int = 0,
    cause: Reason = Reason.THROTTLED,
    show: tuple[int, int] | None = None,
) -> None:
    """Note a stream that was live and wanted for ten minutes, and not recorded at first. `show`:
    after how many minutes an occurrence began, and how many it lasted."""
    key, began = StreamKey("live.example.com", "app", name), now_ms() - 12 * MINUTE_MS
    edges = (
        *([_show(began, *show)] if show else []),
        Edge(EdgeKind.LIVE, began),
        Edge(EdgeKind.WANTED, began),
        *([Edge(EdgeKind.CAUSE, began, cause, "Throttling.User")] if lost_ms else []),
        Edge(EdgeKind.RECORDED, began + lost_ms),
        Edge(EdgeKind.NOT_RECORDED, began + 10 * MINUTE_MS),
        Edge(EdgeKind.OFF, began + 10 * MINUTE_MS),
    )
    stage.app.store.save_or_claim(Save(0, StreamRecord(key, changed_at=began), edges=edges))


def _show(began: int, after_min: int, lasts_min: int) -> Edge:
    start = began + after_min * MINUTE_MS
    code = f"show@1/{start}/{start + lasts_min * MINUTE_MS}"
    return Edge(EdgeKind.OCCURRENCE, start, Reason.SCHEDULE_RECORDS, code)


def report(stage: HttpStage, *options: str) -> Result:
    return CliRunner().invoke(main, ["report", *options, "--url", stage.url, "--token", TOKEN])


def test_a_gap_has_its_length_and_its_cause_and_the_exit_code_says_so(stage: HttpStage) -> None:
    was_live(stage, "room1", lost_ms=65_000)
    was_live(stage, "room2")
    result = report(stage)

    assert result.exit_code == NOT_AS_WANTED
    shown = "recorded 0:08:55, start latency 5 s, missing 0:01:00"
    assert f"room1: live and wanted 0:10:00, {shown}" in result.output
    assert "0:01:00 missing: Live throttled start" in result.output
    shown = "recorded 0:10:00, start latency 0 s, missing 0 s (100 %)"
    assert f"room2: live and wanted 0:10:00, {shown}" in result.output
    assert "live and wanted: 2; without a gap: 1; with gaps: 1." in result.output
    assert "most streams recorded at once: 2" in result.output


def test_an_occurrence_of_a_schedule_whose_stream_never_came_is_a_row(
    stage: HttpStage, tmp_path: Path
) -> None:
    began = now_ms() - 30 * MINUTE_MS
    about = f"show@2030-01-01T19:00:00/{began}/{began + 10 * MINUTE_MS}"
    edge = Edge(EdgeKind.OCCURRENCE, began, Reason.SCHEDULE_RECORDS, about)
    key = StreamKey("live.example.com", "app", "room3")
    stage.app.store.save_or_claim(Save(0, StreamRecord(key, changed_at=began), edges=(edge,)))

    result = report(stage)
    assert result.exit_code == AS_WANTED
    assert "live.example.com/app/room3: nothing was recorded" in result.output
    line = "the stream was never live during occurrence show@2030-01-01T19:00:00 of the schedule"
    assert line in result.output
    assert "Schedule occurrences of which nothing was recorded: 1." in result.output
    (row,) = csv.DictReader(io.StringIO(report(stage, "--csv").stdout))
    assert (row["due_ms"], row["absences"]) == ("0", "1")
    (row,) = json.loads(report(stage, "--json").stdout)["streams"]
    assert (row["absences"][0]["schedule"], row["absences"][0]["ms"]) == ("show", 10 * MINUTE_MS)
    report(stage, "--html", str(tmp_path / "a.html"))
    assert line in (tmp_path / "a.html").read_text(encoding="utf-8")


def test_it_says_how_many_files_were_verified_once_one_was(stage: HttpStage) -> None:
    was_live(stage, "room2")
    key, store = StreamKey.parse("live.example.com/app/room2"), stage.app.store
    now, loaded = store.now(), store.load(key)
    files = (File("a.flv", now - 60_000, now - 30_000), File("b.flv", now - 30_000, now - 1))
    tasks = verify_file(key, "a.flv")
    store.save_or_claim(Save(loaded.version, loaded.record, files=files, tasks=tasks))
    assert "files" not in report(stage).output
    (task,) = store.take_tasks("verify_file", limit=1, lease_ms=9_000)
    found = FileVerdict("verified", now)
    settle(store, task, Settlement(Next.DONE, uri="a.flv", verdict=found))
    assert "Files: 2; verified: 1; wrong: 0; not verified: 1." in report(stage).output
    (row,) = csv.DictReader(io.StringIO(report(stage, "--csv").stdout))
    assert (row["files"], row["files_verified"], row["files_wrong"]) == ("2", "1", "0")


def test_what_is_all_there_is_as_wanted(stage: HttpStage) -> None:
    was_live(stage, "room2")
    assert report(stage).exit_code == AS_WANTED
    assert report(stage, "live.example.com/app/room2", "--from", "11m").exit_code == AS_WANTED


def test_a_target_accepts_so_much_and_a_longest_gap_no_more(stage: HttpStage) -> None:
    was_live(stage, "room1", lost_ms=65_000)
    assert report(stage, "--target", "89").exit_code == AS_WANTED
    assert report(stage, "--target", "91").exit_code == NOT_AS_WANTED
    assert report(stage, "--target", "89", "--max-gap", "59").exit_code == NOT_AS_WANTED


@pytest.mark.parametrize(
    ("aim", "code"),
    [
        ("coverage_target = 89", AS_WANTED),
        ("coverage_target = 91", NOT_AS_WANTED),
        ('coverage_target = 89\nmax_gap = "59s"', NOT_AS_WANTED),
        ('coverage_target = 89\nmax_gap = "1m"', AS_WANTED),
    ],
)
def test_the_rule_of_a_stream_says_what_is_enough(tmp_path: Path, aim: str, code: int) -> None:
    with http_stage(tmp_path, f'{POLICY}[[rule]]\nmatch = {{ app = "app" }}\n{aim}\n') as stage:
        was_live(stage, "room1", lost_ms=65_000)
        assert report(stage).exit_code == code
        assert report(stage, "--target", "100").exit_code == NOT_AS_WANTED
        assert report(stage, "--target", "80", "--max-gap", "70").exit_code == AS_WANTED


@pytest.mark.parametrize(
    ("of_rule", "of_show", "minutes", "code"),
    [
        (None, None, (0, 10), NOT_AS_WANTED),
        (None, 89, (0, 10), AS_WANTED),
        (None, 91, (0, 10), NOT_AS_WANTED),
        (89, 91, (0, 10), NOT_AS_WANTED),
        (91, 89, (0, 10), AS_WANTED),
        (91, 79, (0, 5), AS_WANTED),
        (91, 99, (5, 5), NOT_AS_WANTED),
        (79, 99, (5, 5), AS_WANTED),
    ],
)
def test_a_schedule_says_what_is_enough_of_its_occurrences(
    tmp_path: Path,
    of_rule: int | None,
    of_show: int | None,
    minutes: tuple[int, int],
    code: int,
) -> None:
    """The first of ten minutes is missing; `minutes` are when the show begins, and how long it
    is."""
    rule = f'[[rule]]\nmatch = {{ app = "app" }}\ncoverage_target = {of_rule}\n' if of_rule else ""
    with http_stage(tmp_path, POLICY + rule) as stage:
        was_live(stage, "room1", lost_ms=65_000, show=minutes)
        show = Schedule("show", (f"{APP}/room1",), START, END, "UTC", coverage_target=of_show)
        text = StoredSchedule(show).to_text()
        stage.app.store.put_schedule("show", text, due_at=None, replaces=None)
        assert report(stage).exit_code == code
        assert report(stage, "--target", "100").exit_code == NOT_AS_WANTED


def test_what_is_too_little_of_an_occurrence_is_named(stage: HttpStage, tmp_path: Path) -> None:
    was_live(stage, "room1", lost_ms=65_000, show=(0, 10))
    show = Schedule("show", (f"{APP}/room1",), START, END, "UTC", coverage_target=99.5)
    text = StoredSchedule(show).to_text()
    stage.app.store.put_schedule("show", text, due_at=None, replaces=None)
    line = "90.000 % of occurrence show@1 was recorded; 99.5 % is expected"
    assert line in report(stage).output
    (row,) = json.loads(report(stage, "--json").stdout)["streams"]
    (found,) = row["occurrences"]
    assert (found["schedule"], found["occurrence"], found["ratio"]) == ("show", "show@1", 0.9)
    assert (found["due_ms"], found["missing_ms"]) == (10 * MINUTE_MS, MINUTE_MS)
    report(stage, "--html", str(tmp_path / "a.html"))
    assert line in (tmp_path / "a.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--from", "yesterday"), "like `24h`"),
        (("--from", "0h"), "like `24h`"),
        (("--to", "24h"), "2026-11-29T20:00:00Z"),
        (("--html", "there/is/no/such/report.html"), "There is no folder there/is/no/such"),
    ],
)
def test_what_is_written_wrong_is_named_before_the_stage_is_asked(
    options: tuple[str, ...], words: str
) -> None:
    result = CliRunner().invoke(
        main, ["report", *options, "--url", "http://127.0.0.1:9", "--token", "t"]
    )
    assert result.exit_code == WRONG_USAGE, result.output
    assert words in " ".join(result.output.split())


def test_a_page_that_cannot_be_written_names_its_file(stage: HttpStage, tmp_path: Path) -> None:
    result = report(stage, "--html", str(tmp_path / ("a" * 300)))
    assert result.exit_code == FAILED
    assert "The page cannot be written to" in result.output


def test_a_stage_that_does_not_answer_is_another_code(stage: HttpStage) -> None:
    result = CliRunner().invoke(main, ["report", "--url", stage.url, "--token", "wrong"])
    assert result.exit_code == NOT_ASKED


def test_json_and_csv_have_every_stream_once(stage: HttpStage) -> None:
    names = [f"room{number:03}" for number in range(120)]
    for name in names:
        was_live(stage, name)
    document = json.loads(report(stage, "--json").stdout)
    rows = list(csv.DictReader(io.StringIO(report(stage, "--csv").stdout)))
    assert [row["stream"][-7:] for row in document["streams"]] == names
    assert [row["stream"][-7:] for row in rows] == names
    assert {row["ratio"] for row in rows} == {"1.0"}


class PageText(HTMLParser):
    """What a page loads, and the text that it shows."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.tags: list[str] = []
        self.shown = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loaded += [str(value) for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.shown += data


@pytest.mark.parametrize(("language", "word"), [("en", "missing"), ("zh", "缺失")])
def test_the_page_needs_nothing_else_and_shows_names_as_they_are(
    stage: HttpStage, tmp_path: Path, language: str, word: str
) -> None:
    was_live(stage, NAUGHTY, lost_ms=65_000)
    path = tmp_path / "report.html"
    result = CliRunner().invoke(
        main,
        ["--lang", language, "report", "--html", str(path), "--url", stage.url, "--token", TOKEN],
    )
    assert result.exit_code == NOT_AS_WANTED, result.output
    found = PageText()
    found.feed(path.read_text())
    assert found.loaded == []
    assert not {"script", "b", "link"} & set(found.tags)
    assert NAUGHTY in found.shown
    assert word in found.shown


def test_the_page_shows_what_a_reader_types_as_code(stage: HttpStage, tmp_path: Path) -> None:
    was_live(stage, "`<b>`", lost_ms=65_000, cause=Reason.NO_RECORD_CONFIG)
    path = tmp_path / "report.html"
    report(stage, "--html", str(path))
    text = path.read_text(encoding="utf-8")
    assert "run <code>live-record setup</code>, and publish" in text
    assert "<code>on_publish = &quot;on_request&quot;</code>" in text
    assert "<td>live.example.com/app/`&lt;b&gt;`</td>" in text


AT = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)


def hours(*ends: float) -> tuple[datetime, datetime]:
    start, stop = (AT + timedelta(hours=end) for end in ends)
    return start, stop


@pytest.fixture
def utc() -> Iterator[None]:
    with in_zone("UTC"):
        yield


@pytest.mark.usefixtures("utc")
def test_the_peak_of_a_day_is_the_most_at_once() -> None:
    spans = [hours(0, 2), hours(1, 3), hours(2, 4), hours(2.5, 2.6)]
    assert peaks(spans) == [Peak(3, AT + timedelta(hours=2.5))]


@pytest.mark.usefixtures("utc")
def test_what_goes_on_past_midnight_counts_on_either_day() -> None:
    midnight = AT + timedelta(hours=12)
    found = peaks([hours(0, 30), hours(13, 14)])
    assert found == [Peak(1, AT), Peak(2, AT + timedelta(hours=13))]
    assert peaks([hours(0, 30)])[1] == Peak(1, midnight)
    assert list(of_months(found)) == ["2026-11"]


def test_a_day_on_which_the_clocks_change_ends_at_its_own_midnight() -> None:
    """In Berlin 25 October 2026 has 25 hours: it ends at 23:00 UTC, and began at 22:00."""
    noon = datetime(2026, 10, 24, 12, tzinfo=timezone.utc)
    with in_zone("Europe/Berlin"):
        days = peaks([(noon, noon + timedelta(days=2))])
    starts = [day.at.astimezone(timezone.utc).strftime("%d %H:%M") for day in days]
    assert starts == ["24 12:00", "24 22:00", "25 23:00"]


def test_a_stream_of_which_nothing_is_known_is_called_so(stage: HttpStage) -> None:
    """Its name may be mistyped; a report for cron would be content with it for ever."""
    was_live(stage, "room1")
    mistyped = report(stage, "live.example.com/app/rooom1")
    assert "live.example.com/app/rooom1 was neither live and wanted nor recorded" in mistyped.stderr
    assert report(stage, "live.example.com/app/room1").stderr.count("\n") == 1
