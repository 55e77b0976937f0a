"""Where a token goes, and what of a stage's answer reaches the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner

from cli.api import Api
from cli.doctor import report
from cli.doctor.callback_probe import probe_stream_callback
from cli.doctor.finding import fault
from cli.doctor.snapshot import Callback
from cli.errors import Failure, NoAnswer
from cli.main import main
from cli.printable import printable
from cli.web import PROBLEM, hides_a_token, why_unanswered
from tests.support.raw_server import Step, Wire, html_reply, json_reply, redirect
from tests.support.self_signed import self_signed

ROOM = "live.example.com/app/room1"
STATUS = {
    "stream": ROOM,
    "phase": "idle",
    "ever_live": True,
    "reason": {"code": "never_live", "text": "never live"},
}


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    yield wire
    wire.close()


@pytest.mark.parametrize(
    ("url", "hides"),
    [
        ("https://record.example.com", True),
        ("http://127.0.0.1:9000", True),
        ("http://127.8.8.8", True),
        ("http://[::1]:9000", True),
        ("http://localhost:9000", True),
        ("http://record.example.com", False),
        ("http://localhost.example.com", False),
        ("http://127.0.0.1.example.com", False),
        ("http://192.0.2.1", False),
        ("http://0.0.0.0", False),
        ("HTTP://record.example.com", False),
        ("HTTPS://record.example.com", True),
    ],
)
def test_a_token_goes_over_https_or_to_this_machine(url: str, hides: bool) -> None:
    assert hides_a_token(url) is hides


@pytest.mark.parametrize("command", [("status", ROOM), ("stop", ROOM), ("doctor",), ("list",)])
def test_a_command_sends_no_token_over_http(command: tuple[str, ...]) -> None:
    """192.0.2.1 is reserved for documentation: a request would time out."""
    result = CliRunner().invoke(main, [*command, "--url", "http://192.0.2.1", "--token", "t" * 16])

    assert result.exit_code == (1 if command[0] == "stop" else 4)
    assert "over http, in clear text" in result.output
    assert "t" * 16 not in result.output


def test_the_token_is_not_replaced_by_netrc(
    wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ada password hush\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    wire.script(json_reply(STATUS))
    Api(f"http://{wire.endpoint}", "the-token").status(ROOM)

    assert [seen.headers["authorization"] for seen in wire.seen] == ["Bearer the-token"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(wire: Wire, status: int) -> None:
    wire.script(redirect(status, "http://192.0.2.1/\x1b[2J"), json_reply(STATUS))
    with pytest.raises(Failure, match="redirects to") as caught:
        Api(f"http://{wire.endpoint}", "the-token").status(ROOM)

    assert len(wire.seen) == 1
    assert "\x1b" not in caught.value.message


def test_an_address_in_an_answer_leads_to_no_other_host(wire: Wire) -> None:
    with pytest.raises(Failure, match="Check the address"):
        Api(f"http://{wire.endpoint}", "the-token").playback_urls("@192.0.2.1/x", "1h", 1)

    assert wire.seen == []


@pytest.mark.parametrize("as_json", [(), ("--json",)])
@pytest.mark.parametrize(
    "hostile", ["\x1b[2J\x1b[1;1H", "a\r\nall is well", "\x9b2J", "\u202egnp", "\u2028", "\ud800"]
)
def test_no_text_of_an_answer_moves_the_terminal(
    wire: Wire, hostile: str, as_json: tuple[str, ...]
) -> None:
    reason = {"code": "unknown_rejection", "text": f"Live answered {hostile}"}
    wire.script(json_reply({**STATUS, "reason": reason}))
    url = f"http://{wire.endpoint}"
    result = CliRunner().invoke(main, ["status", ROOM, "--url", url, "--token", "t", *as_json])

    assert result.exit_code == 0
    assert result.output.endswith("\n")
    assert all(line.isprintable() for line in result.output[:-1].split("\n"))
    assert result.output.count("\n") == (1 if as_json else 2)  # the stage, and its answer
    assert "Live answered" in result.output


def test_a_refusal_moves_no_terminal_either(wire: Wire) -> None:
    wire.script(json_reply({"code": "NotLive", "detail": "no\x1b[2J"}, 409))
    with pytest.raises(Failure) as caught:
        Api(f"http://{wire.endpoint}", "the-token").status(ROOM)

    assert caught.value.message == r"NotLive: no\u001b[2J"


def test_a_finding_about_a_stream_is_one_line() -> None:
    kind = fault("errors.broken", "the last recording of {stream} failed")
    finding = kind.found("fix a\x1b[8m", stream="a\nok  stage  all is well")

    assert len(list(report.lines([finding]))) == 4
    assert all(line.isprintable() for line in report.lines([finding]))


@pytest.mark.parametrize("text", ["房间 42", "naïve ☃", "emoji 🎥", "\u3000wide"])
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


THROTTLED = {
    "errorMessage": "no instance of the function is free",
    "errorType": "ResourceThrottled",
}


@pytest.mark.parametrize("busy", [json_reply(THROTTLED, 429), html_reply(429)])
def test_function_compute_without_a_free_instance_is_named(wire: Wire, busy: Step) -> None:
    wire.script(busy)
    with pytest.raises(NoAnswer, match="has no free instance for"):
        Api(f"http://{wire.endpoint}", "the-token").status(ROOM)


@pytest.mark.parametrize("method", ["status", "stop"])
def test_a_request_that_found_no_free_instance_is_sent_again(wire: Wire, method: str) -> None:
    wire.script(json_reply(THROTTLED, 429), json_reply({**STATUS, "outcome": "accepted"}))
    api = Api(f"http://{wire.endpoint}", "the-token")
    answer = api.status(ROOM) if method == "status" else api.ask(ROOM, "stop")
    assert answer["phase"] == "idle"
    assert len(wire.seen) == 2


def test_a_refusal_of_the_stage_itself_is_not_sent_again(wire: Wire) -> None:
    problem = {"code": "TooManyRequests", "detail": "once a second"}
    wire.script(json_reply(problem, 429, headers={"Content-Type": PROBLEM}), json_reply(STATUS))
    with pytest.raises(Failure, match="once a second"):
        Api(f"http://{wire.endpoint}", "the-token").status(ROOM)
    assert len(wire.seen) == 1


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:9/live", "the connection fails"),
        ("http://no-such-host.invalid/live", "the host name is unknown"),
        ("http://" + "a" * 70 + ".example.com/live", "no host can have this name"),
    ],
)
def test_doctor_says_in_words_why_a_callback_url_gives_no_answer(url: str, why: str) -> None:
    callback = Callback("push.example.com", url, signs=False)
    assert probe_stream_callback(callback, 0).why == why


def test_doctor_says_in_words_that_a_certificate_is_not_trusted(tmp_path: Path) -> None:
    with closing(Wire(tls=self_signed(tmp_path))) as wire:
        callback = Callback("push.example.com", f"https://{wire.endpoint}/live", signs=False)
        assert probe_stream_callback(callback, 0).why == "its certificate cannot be verified"


def test_an_answer_that_takes_too_long_is_called_so() -> None:
    assert why_unanswered(requests.ReadTimeout("x")) == "no answer in time"
    assert why_unanswered(requests.ConnectTimeout("x")) == "no answer in time"
    assert why_unanswered(requests.exceptions.SSLError("wrong version")) == "it speaks no https"


def test_an_address_that_no_host_can_have_ends_in_one_sentence() -> None:
    words = ["status", ROOM, "--url", f"https://{'a' * 70}.example.com", "--token", "t"]
    result = CliRunner().invoke(main, words)
    assert (result.exit_code, type(result.exception)) == (4, SystemExit)
    assert "cannot be reached" in result.stderr
