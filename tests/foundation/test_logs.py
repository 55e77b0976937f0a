from __future__ import annotations

import json
import time
from dataclasses import dataclass
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.logs import MAX_LINE_BYTES, Log, to_stdout

NOW = 1737367200005
SECRET = "s3cr3t-s3cr3t"


class Phase(str, Enum):
    IDLE = "idle"


@dataclass(frozen=True)
class Key:
    stream: str

    def __str__(self) -> str:
        return f"live/{self.stream}"


class Rude:
    def __str__(self) -> str:
        raise RuntimeError("no")


def logged(event: str = "command.sent", **fields: object) -> dict[str, Any]:
    lines: list[str] = []
    Log(lines.append, now=lambda: NOW, hide=[SECRET]).info(event, **fields)
    assert len(lines) == 1
    assert len(lines[0].encode()) < MAX_LINE_BYTES
    assert SECRET not in lines[0]
    record: dict[str, Any] = json.loads(lines[0])
    return record


def test_a_line_is_json_with_its_time_and_a_stable_name() -> None:
    assert logged(code="Throttling", attempt=2) == {
        "time": "2025-01-20T10:00:00.005Z",
        "level": "info",
        "event": "command.sent",
        "code": "Throttling",
        "attempt": 2,
    }


def test_lines_that_are_written_together_are_those_of_each_alone() -> None:
    written: list[str] = []
    log = Log(written.append, now=lambda: NOW, hide=[SECRET]).bind(request_id="1-66")
    events: list[tuple[str, dict[str, object]]] = [
        ("stream.sent", {"about": {"command": "start"}}),
        ("stream.accepted", {"token": "t", "why": f"it said {SECRET}", "odd": Rude()}),
    ]
    log.story(events)
    together = written.pop()
    for event, fields in events:
        log.info(event, **fields)

    assert together.split("\n") == written
    assert SECRET not in together


def test_no_lines_write_nothing() -> None:
    written: list[str] = []
    Log(written.append, now=lambda: NOW).story([])

    assert written == []


def test_what_is_bound_stands_in_every_line() -> None:
    lines: list[str] = []
    log = Log(lines.append, now=lambda: NOW).bind(request_id="1-66", function="reconcile")
    log.bind(stream="s").warning("callback.refused")
    log.error("store.lost", function="other")
    first, second = (json.loads(line) for line in lines)
    assert (first["request_id"], first["stream"], first["level"]) == ("1-66", "s", "warning")
    assert ("stream" in second, second["function"], second["level"]) == (False, "other", "error")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Phase.IDLE, "idle"),
        (Key("room42"), "live/room42"),
        (ValueError("odd"), "ValueError: odd"),
        ((1, None, True), [1, None, True]),
        (frozenset({1}), [1]),
        ({"a": {"b": 1}}, {"a": {"b": 1}}),
        (b"\x00\x01", "2 bytes"),
        (float("nan"), "nan"),
        (1.5, 1.5),
        ("直播", "直播"),
    ],
    ids=range(10),
)
def test_a_value_is_shown_plainly(value: object, shown: object) -> None:
    assert logged(value=value)["value"] == shown


@pytest.mark.parametrize(
    "name",
    [
        "authorization",
        "Authorization",
        "security_token",
        "access_key_secret",
        "AccessKeySecret",
        "usrargs",
        "auth_key",
        "push_url",
        "PublishUrl",
        "ALI-LIVE-SIGNATURE",
        "stream_keys",
        "password",
    ],
)
def test_a_field_with_a_telling_name_is_hidden_at_any_depth(name: str) -> None:
    assert logged(**{name: "hush"})[name] == "[hidden]"
    assert logged(headers=[{name: ["hush"]}])["headers"][0][name] == "[hidden]"


@pytest.mark.parametrize(
    "text",
    [
        "GET /a?auth_key=hush-0-0-hush&x=1",
        "usrargs=vhost%3Da%26auth_key%3Dhush",
        "vhost%3Da%26auth_key%3Dhush%26y",
        "vhost%253Da%2526auth_key%253Dhush",
        "rtmp://push.example.com/live/room42?auth_key=1&other=hush",
        "rtmps://push.example.com/live/room42?other=hush",
        "Authorization: ACS3-HMAC-SHA256 Credential=a,Signature=hush",
        "'authorization': 'Basic hush'",
        "Bearer hush",
        "AccessKeySecret=hush",
        '{"access_key_secret": "hush"}',
        "security_token = hush",
        "redis://user:hush@127.0.0.1:6379/0",
        "rediss://:hush@store",
        "/callbacks/stream/hush?action=publish",
        "ali-live-signature: hush",
    ],
)
def test_a_secret_inside_a_text_is_hidden(text: str) -> None:
    assert "hush" not in json.dumps(logged(detail=f"could not: {text}"))


def test_what_stands_beside_a_secret_stays() -> None:
    shown = logged(
        url="redis://user:hush@store:6379/0", path="/callbacks/stream/hush?action=publish"
    )
    assert shown["url"] == "redis://[hidden]@store:6379/0"
    assert shown["path"] == "/callbacks/stream/[hidden]?action=publish"


@pytest.mark.parametrize("depth", [0, 3])
def test_a_known_secret_is_hidden_wherever_it_stands(depth: int) -> None:
    value: object = f"a {SECRET} b"
    for _ in range(depth):
        value = {SECRET: [value]}
    logged(value=value)


def test_a_known_secret_too_short_to_be_one_does_not_mangle_the_log() -> None:
    lines: list[str] = []
    Log(lines.append, now=lambda: NOW, hide=["", "e"]).info("command.sent")
    assert "command.sent" in lines[0]


def test_what_is_nested_too_deep_is_cut() -> None:
    value: object = "hush"
    for _ in range(9):
        value = {"in": [value]}
    assert "hush" not in json.dumps(logged(value=value))


def test_a_long_value_is_cut_and_says_so() -> None:
    assert logged(value="x" * 50_000)["value"].endswith("[cut]")


def test_a_line_of_many_values_keeps_below_the_limit() -> None:
    shown = logged(**{f"field{n}": "直" * 9000 for n in range(50)})
    assert shown["event"] == "command.sent"
    assert "field49" in shown


def test_a_line_of_too_many_values_keeps_its_head() -> None:
    shown = logged(**{f"field{n}": "x" * 100 for n in range(5000)})
    assert (shown["event"], shown["cut"]) == ("command.sent", True)


def test_an_error_is_logged_with_its_cause_and_the_way_to_it() -> None:
    with pytest.raises(ValueError, match="hush") as caught:
        raise ValueError(f"auth_key=hush {SECRET}") from OSError("lost")
    shown = logged(error=caught.value, trace=caught.value.__traceback__)
    assert shown["error"] == "ValueError: auth_key=[hidden] [hidden], from OSError: lost"
    assert "test_logs.py" in shown["trace"]


@pytest.mark.parametrize("name", ["password", "passwd", "passwpasswd", "Passwort_der_Datenbank"])
def test_a_password_is_hidden_behind_every_such_name(name: str) -> None:
    assert logged(text=f"{name}=hush&a=1")["text"] == f"{name}=[hidden]&a=1"


@pytest.mark.parametrize(
    "repeated",
    [
        *("passw", "passwo", "secret", "signature", "auth_key", "auth_key%2525", "bearer "),
        *("rtmp://", "authorization:", "usrargs=", "://a", "/callbacks/a", "security_token"),
        *("://" + "a" * 99, "bearer" + " " * 99),
    ],
)
def test_a_text_that_looks_like_many_secrets_costs_what_a_long_text_costs(repeated: str) -> None:
    """CPU time of a text eight times as long: once 64 times as much, 1.7 s for 32 KB."""
    short, long = (cpu_ms((repeated * size)[:size]) for size in (4_096, 32_768))

    assert long < 24 * short + 10


def cpu_ms(text: str) -> float:
    """Return the least CPU time of three attempts to log the text."""
    return min(_cpu_ms(text) for _ in range(3))


def _cpu_ms(text: str) -> float:
    before = time.process_time()
    logged(text=text)
    return (time.process_time() - before) * 1000


@pytest.mark.parametrize("value", [Rude(), {Rude(): 1}], ids=range(2))
def test_a_value_that_cannot_be_shown_does_no_harm(value: object) -> None:
    assert logged(value=value)["event"] == "command.sent"


def test_a_writer_that_fails_does_no_harm() -> None:
    def full(line: str) -> None:
        raise OSError("disk full")

    Log(full, now=lambda: NOW).info("command.sent")


@given(st.dictionaries(st.text(), st.text() | st.floats() | st.lists(st.binary())))
def test_whatever_is_logged_is_one_line_of_json(fields: dict[str, object]) -> None:
    logged(fields=fields)


def test_the_line_goes_to_the_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    to_stdout("{}")
    assert capsys.readouterr().out == "{}\n"
