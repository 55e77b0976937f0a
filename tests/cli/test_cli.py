"""The live-record command, against the whole stack."""

from __future__ import annotations

import json
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from fcntl import LOCK_EX, flock
from functools import partial
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

import click
import pytest
import requests
from click.testing import CliRunner, Result

from cli import output, stage_registry
from cli.api import Api
from cli.errors import Failure, StageRefusal
from cli.exit_codes import AS_WANTED, FAILED, NOT_AS_WANTED, NOT_ASKED, WRONG_USAGE
from cli.local.stack import TOKEN, Stack, running
from cli.local_time import local
from cli.main import main
from cli.paths import ROOT
from cli.stage_registry import Target, register
from cli.stream_names import stream_of
from tests.support.chinese import HALF_WIDTH
from tests.support.compute_emulator import eventually
from tests.support.http_stage import http_stage
from tests.support.time_zone import in_zone

pytestmark = pytest.mark.slow

PUSHED = "push.example.com"
ELSEWHERE = """
[[domain]]
streaming = "sub.example.com"
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    policy = folder / "policy.toml"
    policy.write_text(f"{(ROOT / 'policy.toml').read_text()}\n{ELSEWHERE}")
    with running(folder, policy=policy) as stack:
        yield stack


@pytest.fixture(autouse=True)
def no_stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No stage of this machine is known, and the command speaks English."""
    monkeypatch.setenv("LIVE_RECORD_STAGES", str(tmp_path / "stages.toml"))
    for name in ("LC_ALL", "LANG", "LIVE_RECORD_URL", "LIVE_RECORD_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "stages.toml"


class Person:
    """Types commands at a stage."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.options = ("--url", stack.fc, "--token", TOKEN)

    def types(self, *words: str) -> Result:
        result = CliRunner().invoke(main, [*words, *self.options])
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    def says(self, *words: str) -> str:
        """Return what is printed below the name of the stage."""
        result = self.types(*words)
        assert result.exit_code in {AS_WANTED, NOT_AS_WANTED}, result.output
        heading, _end, answer = result.stdout.strip().partition("\n")
        assert heading == f"stage {self.stack.fc}" or "zh" in words
        return answer

    def json(self, *words: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.types(*words, "--json").stdout)
        return document

    def is_recorded(self, name: str) -> bool:
        return ": recording, " in self.says("status", name)

    def publishes(self, stream: str, app: str = "app") -> None:
        self.stack.control("publish", domain=PUSHED, app=app, stream=stream, wait=True)

    def fails(self, stream: str, code: str, times: int = 100, **more: int) -> None:
        self.stack.control("fail", code=code, stream=stream, times=times, **more)


@pytest.fixture
def person(stack: Stack) -> Person:
    return Person(stack)


def of(stream: str, app: str = "app") -> str:
    return f"live.example.com/{app}/{stream}"


def run(*words: str) -> Result:
    return CliRunner().invoke(main, words)


# --- the main job


def test_a_stream_is_started_extended_cut_and_stopped(person: Person) -> None:
    person.publishes("job")

    assert "(accepted)" in person.says("start", of("job"))
    assert eventually(partial(person.is_recorded, of("job")))
    assert "(already_recording)" in person.says("extend", of("job"), "--max-duration", "5h")
    assert "(accepted)" in person.says("restart", of("job"))
    assert "idle (accepted)" in person.says("stop", of("job"), "--hold", "session")
    assert "(accepted)" in person.says("cancel-delay", of("job"))
    assert person.says("status", of("job")).startswith(f"{of('job')}: idle, ")


def test_every_command_says_it_as_json_too(person: Person) -> None:
    person.publishes("json")

    assert person.json("start", of("json"))["outcome"] == "accepted"
    assert eventually(lambda: person.json("status", of("json"))["phase"] == "recording")
    assert person.json("why", of("json"))["reason"]["code"] in {"accepted", "confirmed"}
    assert person.json("history", of("json"), "--limit", "2")["history"]
    assert person.json("files", of("json"))["files"] == []
    assert person.json("list")["phases"]["recording"] >= 1
    assert person.json("watch", "--once")["health"]["store"] == "ok"


def test_history_and_files_are_lines(person: Person) -> None:
    person.publishes("lines")
    person.says("start", of("lines"))

    newest = person.says("history", of("lines")).splitlines()[0]
    assert newest.endswith(("Live accepted start", "Live reports that it records (record_started)"))
    assert person.says("files", of("lines")) == "the stream has no files yet"


def test_a_note_is_kept_in_the_history(person: Person) -> None:
    person.publishes("noted")
    person.says("start", of("noted"), "--note", "morning show")
    person.says("extend", of("noted"), "--max-duration", "2h", "--note", "encore")
    person.says("restart", of("noted"), "--note", "second half")
    person.says("stop", of("noted"), "--note", "that was it")
    person.says("cancel-delay", of("noted"), "--note", "we need the file")

    shown = person.says("history", of("noted"))
    notes = ("morning show", "encore", "second half", "that was it", "we need the file")
    for note in (f": {note}" for note in notes):
        assert note in shown


def test_texts_are_chinese_where_that_is_asked(person: Person) -> None:
    assert "没有人要求录制该流" in person.says("why", of("nobody"), "--language", "zh")


def test_an_answer_in_chinese_has_full_width_punctuation(person: Person) -> None:
    person.publishes("punctuated")
    person.fails("punctuated", "Throttling", times=20)
    person.types("start", of("punctuated"))
    lines = [
        line
        for words in (
            ["list"],
            ["why", of("punctuated")],
            ["health"],
            ["watch", "--once"],
            ["history", of("punctuated")],
            ["start", of("punctuated"), "--max-duration", "4"],
            ["start", of("nobody-pushed"), "--if-not-live", "fail"],
            ["start", of("plain")],
            ["stop", of("plain")],
        )
        for line in person.types(*words, "--language", "zh").output.splitlines()
    ]

    assert [line for line in lines if HALF_WIDTH.search(line)] == []


def test_the_list_is_narrowed(person: Person) -> None:
    person.publishes("narrow", app="narrow")

    assert person.says("list", "--app", "narrow", "--phase", "idle").startswith(
        of("narrow", "narrow")
    )
    assert person.says("list", "--app", "narrow", "--phase", "failed") == "no streams"


def test_a_long_list_is_gathered_from_its_pages(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        person.publishes(f"page{number}", app="pages")
    monkeypatch.setattr("cli.api.PAGE_ROWS", 2)

    assert len(person.says("list", "--app", "pages").splitlines()) == 3


def test_watch_shows_the_stage_and_what_is_busy(person: Person) -> None:
    person.publishes("watched")
    person.says("start", of("watched"))
    assert eventually(partial(person.is_recorded, of("watched")))
    shown = person.says("watch", "--once")

    assert shown.startswith("The stage is ready.")
    assert f"{of('watched')}: recording" in shown


def ended_in_its_second_wait(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long it has waited, in s; Ctrl-C ends it."""
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("cli.stream_commands.time.sleep", wait)
    return waits


def test_watch_goes_on_until_it_is_ended(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = ended_in_its_second_wait(monkeypatch)
    shown = person.types("watch", "--every", "0.5")

    assert waits == [0.5, 0.5]
    assert shown.stdout.count("The stage is") == 2


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_watch_outlasts_a_stage_that_does_not_answer_for_a_while(
    options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = ended_in_its_second_wait(monkeypatch)
    shown = run("watch", "--url", "http://127.0.0.1:9", "--token", "t", *options)
    once = run("watch", "--url", "http://127.0.0.1:9", "--token", "t", "--once")

    again = "`live-record dev` starts a stage. The next attempt is in 2 s.\n"
    assert shown.output.count(again) == 2
    assert (len(waits), once.exit_code) == (2, NOT_ASKED)


def test_watch_ends_where_waiting_helps_nobody(person: Person) -> None:
    refused = run("watch", "--url", person.stack.fc, "--token", "wrong-token")

    assert refused.exit_code == NOT_ASKED
    assert "no such token" in refused.stderr


def test_when_it_ends_is_said_where_that_is_known(person: Person) -> None:
    person.publishes("ending")
    person.says("start", of("ending"), "--max-duration", "2h")
    assert eventually(lambda: "(until 20" in person.says("status", of("ending")))
    assert "until" not in person.says("stop", of("ending"))


def test_how_long_an_event_may_last_is_refused_where_the_stage_would_cut_it(
    person: Person,
) -> None:
    refused = person.types("start", of("day-and-night"), "--max-duration", "24h")

    assert refused.exit_code == 1
    assert "at most 12h" in refused.stderr
    assert "LIVE_RECORD_MAX_DURATION" in refused.stderr


# --- why: the ten causes


def why(person: Person, stream: str) -> str:
    return person.says("why", stream).splitlines()[0]


def until_why(person: Person, stream: str, text: str) -> None:
    """Call `why` until its sentence contains the text; fail after two minutes."""
    deadline = time.monotonic() + 120
    while text not in (sentence := why(person, stream)):
        assert time.monotonic() < deadline, sentence
        time.sleep(0.05)


def test_why_nobody_asked(person: Person) -> None:
    assert "is not recorded: nobody has asked" in why(person, of("unasked"))


def test_why_no_rule_records_it(person: Person) -> None:
    person.publishes("ignored")

    assert "no rule of the policy records it" in why(person, of("ignored"))


def test_why_no_recording_configuration_covers_it(person: Person) -> None:
    person.publishes("bare", app="unconfigured")
    refused = person.types("start", of("bare", "unconfigured"))

    assert refused.exit_code == 1
    assert refused.stderr.startswith("Error: CodeConfigNotFound")
    assert "no recording configuration covers" in why(person, of("bare", "unconfigured"))


def test_why_the_domain_is_of_the_wrong_kind(person: Person) -> None:
    assert person.types("start", "sub.example.com/app/room1").exit_code == 1

    assert "it must be the main streaming domain" in why(person, "sub.example.com/app/room1")


def test_why_a_domain_is_none_of_the_stage(person: Person) -> None:
    refused = person.types("why", "elsewhere.com/app/room1")

    assert refused.exit_code == NOT_ASKED
    assert "the policy names: live.example.com" in refused.stderr


def forge(stack: Stack, stream: str) -> int:
    query = {"action": "publish", "app": PUSHED, "appname": "app", "id": stream, "time": "1"}
    headers = {"ALI-LIVE-TIMESTAMP": "1", "ALI-LIVE-SIGNATURE": "0" * 32}
    url = f"{stack.fc}/callbacks/stream/dev-path"
    return requests.get(url, params=query, headers=headers, timeout=60).status_code


def test_why_a_callback_was_not_believed(person: Person) -> None:
    assert forge(person.stack, "forged") == 401
    sentence = why(person, of("forged"))

    assert "was rejected at" in sentence
    assert (
        "the signature's timestamp is further from the present than LIVE_RECORD_SIGNATURE_WINDOW"
        in sentence
    )
    assert "was rejected" not in why(person, of("another"))


def test_what_was_not_believed_is_told_to_nobody_without_a_token(person: Person) -> None:
    url = f"{person.stack.fc}/callbacks/stream/refused"

    assert requests.get(url, timeout=60).status_code == 401


def test_why_the_stream_is_not_live(person: Person) -> None:
    person.says("start", of("absent"))

    assert "is not recorded: the stream is not live" in why(person, of("absent"))


def test_why_the_account_is_throttled(person: Person) -> None:
    person.publishes("throttled")
    person.fails("throttled", "Throttling.User", times=1, retry_after_ms=3_600_000)
    assert "(queued)" in person.says("start", of("throttled"))

    assert "is not recorded yet: Live throttled start" in why(person, of("throttled"))
    person.stack.control("clock", advance_ms=60_000)  # the rate limit was lowered for everybody


def test_why_a_stop_still_holds(person: Person) -> None:
    recorded = {"domain": "live.example.com", "app": "classroom", "on_demand": 7}
    person.stack.control("recording", **recorded)
    assert person.types("stop", of("held", "classroom")).exit_code == NOT_AS_WANTED
    person.publishes("held", app="classroom")

    until_why(person, of("held", "classroom"), "an explicit stop still holds")


def test_why_the_credentials_are_refused(person: Person) -> None:
    person.publishes("locked")
    person.fails("locked", "InvalidAccessKeyId.NotFound", status=404)
    refused = person.types("start", of("locked"))

    assert refused.exit_code == 1
    assert "UpstreamAuth" in refused.stderr
    assert "an operator must fix that" in why(person, of("locked"))


def test_why_its_time_is_over(person: Person) -> None:
    person.publishes("timed")
    person.says("start", of("timed"), "--max-duration", "60s")
    person.stack.control("clock", advance_ms=61_000)

    assert eventually(lambda: "the time of the recording is over" in why(person, of("timed")))


# --- names


@pytest.mark.parametrize(
    "name",
    [
        "live.example.com/app/room1",
        "live.example.com/app/room1/",
        "live.example.com/app/room1?auth_key=1-0-0-abc",
        "user:secret@live.example.com:1935/app/room1",
        "rtmp://live.example.com/app/room1?auth_key=1-0-0-abc",
        "RTMP://user:secret@live.example.com:1935/app/room1#x",
        "https://live.example.com/app/room1.m3u8?auth_key=1-0-0-abc",
        "http://live.example.com/app/room1.flv",
    ],
)
def test_a_name_or_a_url_is_a_stream(name: str) -> None:
    assert stream_of(name) == "live.example.com/app/room1"


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("rtmp://127.0.0.1:1935/app/room1", "push.example.com"),
        ("rtmp://localhost/app/room1?auth_key=1", "push.example.com"),
        ("rtmp://127.0.0.1:1935/app/room1?vhost=live.acme-tv.com", "live.acme-tv.com"),
    ],
)
def test_the_url_that_a_stream_is_pushed_to_on_this_machine_names_it(url: str, domain: str) -> None:
    assert stream_of(url) == f"{domain}/app/room1"


def test_ctrl_c_in_the_first_second_prints_no_traceback() -> None:
    interrupting = """
import sys
class Interrupting:
    def find_spec(self, name, *more):
        if name == "click":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
from cli.entry import run
run()
"""
    ended = subprocess.run([sys.executable, "-c", interrupting], capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (130, b"")


def test_the_module_of_the_console_script_is_a_program_too() -> None:
    words = [sys.executable, "-m", "cli.entry", "--version"]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.stdout == f"live-record {version('live-record')}\n"


def test_the_list_of_commands_imports_none_of_them() -> None:
    listing = """
import sys
from cli.main import main
try:
    main(["--help"])
except SystemExit:
    sys.exit(",".join(sorted(name for name in sys.modules if name.startswith("cli."))))
"""
    ended = subprocess.run(
        [sys.executable, "-c", listing], capture_output=True, text=True, check=False
    )
    assert ended.stderr.strip().split(",") == [
        "cli.errors",
        "cli.local",
        "cli.local.no_proxy",
        "cli.main",
        "cli.texts",
    ]


QUICK = {"click", "requests", "urllib3", "certifi", "charset_normalizer", "idna", "msgspec"}
QUICK |= {"typing_extensions"}
"""The packages that a question to a stage may import. Each takes milliseconds of every command."""


@pytest.mark.parametrize("words", [["status", "live.example.com/app/x"], ["list"], ["health"]])
def test_a_question_imports_little_and_so_is_answered_at_once(
    person: Person, words: list[str]
) -> None:
    """`python -m benchmarks.status_command` has what that takes in time."""
    asking = """
import sys
before = set(sys.modules)
from cli.main import main
try:
    main(sys.argv[1:])
finally:
    print(",".join(sorted(set(sys.modules) - before)), file=sys.stderr)
"""
    ended = subprocess.run(
        [sys.executable, "-c", asking, *words, *person.options],
        capture_output=True,
        text=True,
        check=False,
    )
    imported = ended.stderr.strip().splitlines()[-1].split(",")
    packages = {name.partition(".")[0] for name in imported} & packages_distributions().keys()
    assert packages - {"cli", "shared"} <= QUICK
    assert len([name for name in imported if name.startswith(("cli.", "shared."))]) < MOST_OF_OURS


MOST_OF_OURS = 80


@pytest.mark.parametrize(
    "name",
    [
        "room1?auth_key=hush",
        "app/room1?auth_key=hush",
        "rtmp://live.example.com/app?auth_key=hush",
        "https://live.example.com/app/room1?auth_key=hush",
        "srt://live.example.com:1105?streamid=hush",
        "rtmp://[::hush/app/room1",
    ],
)
def test_what_names_no_stream_is_a_usage_error_that_quotes_no_secret(name: str) -> None:
    result = run("status", name, "--url", "http://127.0.0.1:1", "--token", "t")

    assert result.exit_code == 2
    assert "domain/app/stream" in result.stderr
    assert "hush" not in result.output


def test_a_secret_of_a_url_goes_no_further(person: Person) -> None:
    pasted = f"rtmp://{PUSHED}/app/pasted?auth_key=hush-hush"
    started = person.types("start", pasted)

    assert started.exit_code == 0
    assert of("pasted") in started.stdout
    assert "hush" not in started.output
    assert "hush" not in (person.stack.folder / "functions.log").read_text()


def test_a_stream_that_was_never_seen_may_be_another(person: Person) -> None:
    person.publishes("keynote")

    assert f"Did you mean {of('keynote')}?" in person.types("why", of("keynot")).stderr
    for other in ("quite-another-name-xyz", "zz", "房间"):
        assert "Did you mean" not in person.types("why", of(other)).stderr


@pytest.mark.parametrize("command", ["files", "play", "history"])
def test_nothing_of_a_stream_that_was_never_seen_may_be_of_another(
    person: Person, command: str
) -> None:
    person.publishes(f"gathering-{command}")

    said = person.types(command, of(f"gatherin-{command}")).stderr
    assert f"Did you mean {of(f'gathering-{command}')}?" in said
    assert "Did you mean" not in person.types(command, of(f"gathering-{command}")).stderr


def test_a_stop_of_a_name_that_never_was_says_so_by_its_exit_code_too(person: Person) -> None:
    for command in ("stop", "stop", "cancel-delay"):
        stopped = person.types(command, of("neverwas"))

        assert stopped.exit_code == NOT_AS_WANTED
        assert "Neither Live nor the stage knows" in stopped.stderr


# --- stages


def test_a_command_that_changes_something_has_no_default(person: Person, no_stages: Path) -> None:
    register("dev", Target(person.stack.fc, TOKEN))
    refused = run("start", of("undecided"))

    assert refused.exit_code == 2
    assert "`--stage NAME` (known: dev)" in refused.stderr
    assert run("start", of("undecided"), "--stage", "dev").exit_code == 0


def test_reading_goes_to_the_one_stage_that_is_registered_and_to_none_of_several(
    person: Person,
) -> None:
    assert run("list").exit_code == WRONG_USAGE
    register("dev", Target("http://127.0.0.1:9", TOKEN))
    assert run("list").exit_code == NOT_ASKED
    register("dev", Target(person.stack.fc, TOKEN))
    assert run("list").stdout.startswith("stage dev\n")
    register("show", Target(person.stack.fc, TOKEN))

    refused = run("list")
    assert refused.exit_code == WRONG_USAGE
    assert "`--stage NAME` (known: dev, show)" in refused.stderr


def test_several_stages_are_asked_in_one_go(person: Person) -> None:
    register("dev", Target(person.stack.fc, TOKEN))
    register("down", Target("http://127.0.0.1:9", TOKEN))
    two = ("--stage", "dev", "--stage", "down")
    asked = (["list"], ["health"], ["watch", "--once"], ["status", of("several")])
    for words in (*asked, ["why", of("several")]):
        shown = run(*words, *two)
        assert shown.exit_code == NOT_ASKED
        headings = [line for line in shown.stdout.splitlines() if line.startswith("stage ")]
        assert headings == ["stage dev", "stage down"]
        assert "`live-record dev` starts a stage." in shown.stderr


@pytest.mark.parametrize("command", ["status", "why"])
def test_of_several_stages_one_without_the_domain_says_so_and_does_not_count(
    person: Person, tmp_path: Path, command: str
) -> None:
    register("dev", Target(person.stack.fc, TOKEN))
    with http_stage(tmp_path, '[[domain]]\nstreaming = "other.example.com"\n') as other:
        register("other", Target(other.url, TOKEN))
        two = ("--stage", "dev", "--stage", "other")
        known, unknown = run(command, of("one"), *two), run(command, "no.example.com/app/x", *two)
        alone = run(command, of("one"), "--stage", "other")

    assert known.exit_code == AS_WANTED
    assert "live.example.com is not a domain of this stage" in known.stderr
    assert (unknown.exit_code, alone.exit_code) == (NOT_ASKED, NOT_ASKED)


def test_json_names_the_stage_in_a_field(person: Person) -> None:
    register("dev", Target(person.stack.fc, TOKEN))
    shown = run("list", "--stage", "dev", "--json").stdout

    assert json.loads(shown)["stage"] == "dev"


def test_a_stage_that_is_no_table_is_said_to_be_none(no_stages: Path) -> None:
    no_stages.write_text('show = "https://record.example.com"\n')
    refused = run("list", "--stage", "show")

    assert refused.exit_code == WRONG_USAGE
    assert "show in" in refused.stderr
    assert "is not a table. Write `[show]`" in refused.stderr


def test_what_is_wrong_is_listed_first_with_the_seconds_lost(person: Person) -> None:
    for name in ("alright", "wrong"):
        person.publishes(name)
    person.fails("wrong", "Throttling", times=30)
    for name in ("alright", "wrong"):
        person.types("start", of(name))
    lines = person.types("list").stdout.splitlines()[1:]
    only = person.types("list", "--wrong")

    assert only.exit_code == NOT_AS_WANTED
    line = next(line for line in only.stdout.splitlines() if of("wrong") in line)
    assert re.match(rf"NOT RECORDED, \d+ s lost: {of('wrong')}: starting, ", line)
    at = r"\d{4}-\d\d-\d\d [\d:.]+[+-]\d\d:\d\d"
    assert re.search(rf"\[live, changed {at}, next attempt or check {at}, .+ times so far\]$", line)
    assert of("alright") not in only.stdout
    is_wrong = [each.startswith("NOT RECORDED") for each in lines]
    assert is_wrong == sorted(is_wrong, reverse=True)
    status = person.types("status", of("wrong"))
    assert (status.exit_code, "next attempt of `start`" in status.stdout) == (NOT_AS_WANTED, True)


def test_a_pattern_stops_what_it_names_after_it_was_confirmed(person: Person) -> None:
    names = [of(f"bulk-{name}") for name in ("first", "second", "third")]
    for name in names:
        person.publishes(name.rpartition("/")[2])
    for name in names[:2]:
        person.says("start", name)
    assert all(eventually(partial(person.is_recorded, name)) for name in names[:2])
    unsure = person.types("stop", of("bulk-*"))
    assert unsure.exit_code == WRONG_USAGE
    assert unsure.stdout.splitlines()[1:] == [f"  {name} (recording)" for name in names[:2]]

    stopped = person.says("stop", of("bulk-*"), "--yes")
    assert f"{names[0]}: idle (accepted)" in stopped
    assert stopped.endswith("Requests accepted: 2 of 2.")
    started = person.json("start", of("bulk-*"), "--yes")
    assert [row["stream"] for row in started["recordings"]] == names
    by_ingest_domain = person.says("stop", f"{PUSHED}/app/bulk-*", "--yes")
    assert by_ingest_domain.endswith("Requests accepted: 3 of 3.")


def test_a_pattern_that_names_nothing_or_is_none_is_said(person: Person) -> None:
    nothing = person.types("stop", of("*", "nobody"), "--yes")
    assert (nothing.exit_code, "matches no stream that `stop` would change" in nothing.stderr) == (
        1,
        True,
    )
    assert person.types("stop", "live.example.com/*").exit_code == WRONG_USAGE


def test_one_refusal_of_several_is_printed_and_ends_with_1(person: Person) -> None:
    person.publishes("unready", app="uncovered")
    refused = person.types("start", of("unr*", "uncovered"), "--yes", "--max-duration", "13h")

    assert refused.exit_code == FAILED
    assert f"{of('unready', 'uncovered')}: MalformedParam" in refused.stderr
    assert refused.stdout.endswith("Requests accepted: 0 of 1.\n")


def test_a_domain_whose_list_cannot_be_read_may_hide_a_stream_that_is_wrong(
    person: Person,
) -> None:
    person.stack.fire_timer("reconcile")
    shown = person.types("list", "--wrong", "--app", "nothing-here")

    assert shown.exit_code == NOT_AS_WANTED
    assert "every known stream is as wanted, but" in shown.stdout
    assert "could not be read from Live: 1 of 2" in shown.stdout


def test_times_are_local_with_their_offset_from_utc() -> None:
    with in_zone("Asia/Shanghai"):
        assert local("until 2026-11-29T12:03:21.743Z.") == "until 2026-11-29 20:03:21.743+08:00."


@pytest.mark.parametrize(
    "text",
    [
        "live.example.com/app/2026-11-29T12:03:21Z: idle",
        "live.example.com/2026-11-29T12:03:21Z/room1: idle",
        "record/app/room1-2026-11-29T12:03:21Z.flv  callback_at=2026-11-29T12:03:21Z",
        "an operator said stop (2026-99-99T12:03:21Z)",
        "an operator said stop (9999-12-31T23:59:59Z)",
    ],
)
def test_a_name_or_a_note_that_looks_like_a_time_stays_as_it_is(text: str) -> None:
    """Whoever pushes chooses the name of a stream, and a list shows it."""
    with in_zone("Asia/Shanghai"):
        assert local(text) == text


def test_a_time_is_local_right_beside_chinese_too() -> None:
    with in_zone("Asia/Shanghai"):
        assert local("截至2026-11-29T12:03:21Z，") == "截至2026-11-29 20:03:21+08:00，"


def test_registering_leaves_every_other_stage_as_it_is(no_stages: Path) -> None:
    no_stages.write_text('[dev]\nurl = "old"\n\n[show]\nurl = "https://show"\ntoken_env = "SHOW"\n')
    register("dev", Target("http://new", "t"))
    register("dev", Target("http://newer", "t"))

    assert list(stage_registry._read()) == ["show", "dev"]
    assert stage_registry._read()["dev"] == {"url": "http://newer", "token": "t"}


def test_a_new_file_of_stages_is_nobody_else_s_to_read(no_stages: Path) -> None:
    register("dev", Target("http://new", "t"))

    assert stat.S_IMODE(no_stages.stat().st_mode) == 0o600


def test_a_token_may_come_from_a_variable(no_stages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_stages.write_text('[show]\nurl = "https://show"\ntoken_env = "SHOW_TOKEN"\n')
    with pytest.raises(
        click.UsageError, match="`token_env` with the name of a variable that is set"
    ):
        stage_registry.resolve_target("show", None, None, changes=True)
    monkeypatch.setenv("SHOW_TOKEN", "from the variable")

    assert (
        stage_registry.resolve_target("show", None, None, changes=True).token == "from the variable"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--stage", "nowhere"], "There is no stage nowhere"),
        (["--stage", "nowhere"], "run `live-record stage add` (docs/deploy.md)"),
        (["--stage", "dev", "--url", "http://x", "--token", "t"], "not both"),
        (["--url", "http://x"], "`--url` needs a token"),
        ([], "No stage is named"),
    ],
)
def test_a_stage_that_cannot_be_told_is_a_usage_error(words: list[str], message: str) -> None:
    result = run("stop", of("room1"), *words)

    assert (result.exit_code, message in result.stderr) == (2, True)


def test_a_stage_whose_name_is_misspelt_is_suggested(no_stages: Path) -> None:
    no_stages.write_text('[prod]\nurl = "https://record.example.com"\ntoken = "t"\n')

    assert "Did you mean prod?" in run("stop", of("room1"), "--stage", "prd").stderr
    assert "Did you mean" not in run("stop", of("room1"), "--stage", "nowhere").stderr


def test_a_file_of_stages_that_cannot_be_read_says_so(no_stages: Path) -> None:
    no_stages.write_text("not = = toml")
    assert "is not TOML" in run("list").stderr
    no_stages.unlink()
    no_stages.mkdir()

    assert "cannot be read" in run("list").stderr


def test_a_file_of_stages_that_cannot_be_written_says_so(no_stages: Path) -> None:
    no_stages.mkdir()
    with pytest.raises(Failure, match=r"stages\.toml cannot be written"):
        register("dev", Target("http://new", "t"))


# --- what goes wrong


def test_a_refusal_is_one_sentence_and_json_where_that_is_asked(person: Person) -> None:
    refused = person.types("restart", of("never"))

    assert (refused.exit_code, refused.stdout) == (1, f"stage {person.stack.fc}\n")
    assert len(refused.stderr.strip().splitlines()) == 1
    assert person.json("restart", of("never"))["code"] == "WrongState"
    assert person.types("restart", of("never"), "--json").exit_code == 1


def test_every_bad_field_is_told(person: Person) -> None:
    refused = person.types("start", of("bad"), "--max-duration", "soon", "--until", "later")

    assert refused.exit_code == 1
    assert "max_duration: write a duration like" in refused.stderr
    assert "until: write the time as RFC 3339" in refused.stderr


@pytest.mark.parametrize("url", ["record.example.com", "127.0.0.1:9000", "ftp://x", "https://"])
def test_an_address_that_is_none_says_how_to_write_one(url: str) -> None:
    result = run("status", of("room1"), "--url", url, "--token", "t")

    assert result.exit_code == 2
    assert "https://" in result.stderr
    assert "Check that the stage is up." not in result.stderr


@pytest.mark.parametrize("token", ["ключ", "a\nb"])
def test_a_token_that_cannot_be_sent_is_said_without_showing_it(token: str) -> None:
    result = run("list", "--url", "http://127.0.0.1:9", "--token", token)

    assert (result.exit_code, token in result.output) == (2, False)
    assert "The token" in result.stderr


def test_an_address_in_the_file_of_stages_that_is_none_is_named_with_its_stage(
    no_stages: Path,
) -> None:
    no_stages.write_text('[show]\nurl = "record.example.com"\ntoken = "t"\n')

    assert f"The stage show in {no_stages}" in run("list", "--stage", "show").stderr


def test_a_stage_that_is_silent_may_have_done_it_all_the_same() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        api = Api(f"http://127.0.0.1:{silent.getsockname()[1]}", "t", timeout_s=0.05)
        with pytest.raises(Failure, match="but may have carried out the request"):
            api.ask(of("room1"), "start")
        with pytest.raises(
            Failure, match=r"gave no answer within 0\.05 s\. Check that the stage is up\.$"
        ):
            api.status(of("room1"))


def test_a_stage_that_is_not_there_says_so() -> None:
    result = run("status", of("room1"), "--url", "http://127.0.0.1:9", "--token", "t")

    assert result.exit_code == NOT_ASKED
    assert "`make dev` or `live-record dev` starts a stage" in result.stderr
    assert "ConnectionError" not in result.stderr


def test_an_https_address_at_which_plain_http_is_spoken_is_no_fault_of_a_certificate(
    stack: Stack,
) -> None:
    url = stack.fc.replace("http://", "https://")
    result = run("status", of("room1"), "--url", url, "--token", "t")

    assert result.exit_code == NOT_ASKED
    assert f"No https connection to {url} can be made" in result.stderr
    assert "certificate" not in result.stderr


def test_something_else_than_a_stage_is_told_from_one(stack: Stack) -> None:
    result = run("status", of("room1"), "--url", f"{stack.live}/_control/state?", "--token", "t")

    assert result.exit_code == NOT_ASKED
    assert len(result.stderr.splitlines()) == 1


def test_settings_that_are_wrong_are_named_where_the_stage_names_them() -> None:
    problem = {"code": "Misconfigured", "detail": "settings are wrong", "hint": "see the log"}
    rate, store = ({"field": f"LIVE_RECORD_{name}"} for name in ("RATE", "STORE"))
    message = StageRefusal({**problem, "errors": [rate, store]}).message

    assert message == (
        "Misconfigured: settings are wrong: LIVE_RECORD_RATE, LIVE_RECORD_STORE (see the log)"
    )
    assert StageRefusal(
        {**problem, "errors": [1, {"field": "a", "detail": "settings are wrong"}]}
    ).message == ("Misconfigured: settings are wrong (see the log)")


CATALOGUE = ROOT / "shared" / "inbound" / "catalogue" / "details.zh.json"
HINTS: dict[str, str] = json.loads(CATALOGUE.read_text(encoding="utf-8"))
ASKED = [text for pair in HINTS.items() for text in pair if "GET /v1/" in text]


@pytest.mark.parametrize("hint", [text for text in ASKED if "openapi.json" not in text])
def test_a_hint_names_a_command_in_place_of_a_request(hint: str) -> None:
    message = StageRefusal({"code": "Refused", "detail": "refused", "hint": hint}).message

    named = re.search(r"live-record ([a-z]+)(?: ([a-z]+))?", message)
    assert named
    assert "/v1/" not in message
    assert run(*filter(None, named.groups()), "--help").exit_code == 0


def test_a_hint_about_an_occurrence_names_the_command_that_lists_them() -> None:
    hint = "see `GET /v1/schedules/{schedule}/next`"
    problem = {"code": "NotFound", "detail": "no such occurrence", "hint": hint}

    assert StageRefusal(problem).message == (
        "NotFound: no such occurrence (see `live-record schedule next`)"
    )
    assert StageRefusal(problem).problem["hint"] == hint


def test_a_wrong_token_is_told(person: Person) -> None:
    result = run("status", of("room1"), "--url", person.stack.fc, "--token", "wrong-token")

    assert result.exit_code == NOT_ASKED
    assert "no such token" in result.stderr
    assert "wrong-token" not in result.output


def test_it_says_which_release_it_is() -> None:
    assert run("--version").output == f"live-record {version('live-record')}\n"


def test_the_list_of_commands_cuts_no_sentence_off() -> None:
    assert "..." not in run("--help").output.partition("Commands:")[2]


def test_every_command_has_a_sentence_of_help() -> None:
    context = click.Context(main)
    commands = {name: main.get_command(context, name) for name in main.list_commands(context)}
    assert [name for name, command in commands.items() if not (command and command.help)] == []


def test_ports_that_cannot_be_are_refused() -> None:
    for words in (["dev", "--port", "65536"], ["emulator", "live", "--rtmp-port", "-1"]):
        assert run(*words).exit_code == 2


def test_a_folder_that_another_stack_works_in_is_left_to_it(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        flock(lock, LOCK_EX)
        with pytest.raises(Failure, match="Another stack runs in"), running(tmp_path):
            pytest.fail("it runs beside the other")


def test_an_emulator_that_has_gone_is_reported_with_its_log(tmp_path: Path) -> None:
    gone = Stack("", "http://127.0.0.1:9", "", tmp_path, (), lambda: "")
    for ask in (gone.control, gone.get):
        with pytest.raises(Failure, match=r"has ended\. See .*functions\.log"):
            ask("state")


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(Failure, match="file/stack cannot be written to"),
        running(tmp_path / "file" / "stack"),
    ):
        pytest.fail("it runs without a folder")


def test_recordings_that_nobody_may_write_are_said_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(Failure, match="file cannot be written to"),
        running(tmp_path / "stack", buckets=tmp_path / "file"),
    ):
        pytest.fail("it runs without a place for recordings")


@pytest.mark.slow
def test_a_port_that_is_taken_is_said_with_the_options_that_take_another(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for ports in ({"live_port": port}, {"rtmp_port": port}, {"fc_port": port}):
            with pytest.raises(Failure) as raised, running(tmp_path, **ports):
                pytest.fail("it runs without its port")
            assert f"{port} " in raised.value.message
            assert "is in use" in raised.value.message
            assert "--live-port" in raised.value.message
            assert "choose another" not in raised.value.message
            assert "Errno" not in raised.value.message


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["SIGHUP", "SIGKILL"])
def test_nothing_of_the_stack_outlives_whoever_keeps_it_up(ending: str) -> None:
    dev, address = keeping_it_up()
    assert answers(address)
    dev.send_signal(signal.Signals[ending])
    dev.communicate(timeout=120)

    assert eventually(lambda: not answers(address))


def answers(address: str) -> bool:
    try:
        return requests.get(f"{address}/_fc/state", timeout=60).ok
    except requests.ConnectionError:
        return False


def keeping_it_up() -> tuple[subprocess.Popen[str], str]:
    """Start `live-record dev`; return it and the address of its Function Compute."""
    ours = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup, dev would ignore it too
    try:
        dev = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "dev", "--port", "0", "--live-port", "0"],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
    finally:
        signal.signal(signal.SIGHUP, ours)
    assert dev.stdout is not None
    lines = iter(dev.stdout.readline, "")
    return dev, next(line for line in lines if line.startswith("Function Compute")).split()[2]


@pytest.mark.slow
def test_the_development_stage_is_registered_by_whoever_keeps_it_up(no_stages: Path) -> None:
    dev, address = keeping_it_up()
    listed = run("list", "--json")
    dev.send_signal(signal.SIGINT)
    dev.communicate(timeout=120)

    registered = stage_registry._read()["dev"]
    assert (registered["url"], registered["token"]) == (address, TOKEN)
    assert set(registered) == {"url", "token", "live", "rtmp"}
    assert (dev.returncode, listed.exit_code) == (0, 0)


def test_a_file_s_line_says_how_long_it_lasts_where_that_is_known() -> None:
    row = {"uri": "a.mp4", "start": None, "stop": None, "url": None}

    assert output.file_line({**row, "duration": 59.403}) == (
        "a.mp4  unknown time to unknown time  59.403 s"
    )
    assert output.file_line({**row, "duration": None}) == "a.mp4  unknown time to unknown time"


def test_a_development_clock_that_was_left_elsewhere_is_said() -> None:
    assert output.clock_offset(0) == "as real time"
    assert output.clock_offset(5_400_000).startswith("1h30m ahead of real time")
    assert output.clock_offset(-60_000).startswith("1m behind real time")
    assert '{"offset_ms": 0}' in output.clock_offset(1)
