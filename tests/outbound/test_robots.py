"""Messages to robots: signed as each wants, and what each answers is understood."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from emulator.robots import Dingtalk, Feishu, RobotsInThread, Wecom
from emulator.robots import Robot as Emulated
from shared.config.robots import Robot, RobotKind, robots
from shared.outbound.robots import MAX_TEXT_BYTES, RobotAnswer, cut, send
from tests.conftest import NOON, Clock

SECRET = "SEC0000000000000000"


@pytest.fixture
def groups() -> list[Emulated]:
    return [Dingtalk("ding", SECRET), Feishu("hook", SECRET), Wecom("key")]


@pytest.fixture
def known(groups: list[Emulated], clock: Clock) -> Iterator[tuple[Robot, ...]]:
    with RobotsInThread(groups, clock) as server:
        addresses = [server.address(group) for group in groups]
        secrets = (f"#{SECRET}", f"#{SECRET}", "")
        named = zip("abc", addresses, secrets, strict=True)
        yield robots(" ".join(f"{name}={address}{secret}" for name, address, secret in named))


def sent(robot: Robot, text: str = "录制", now: int = NOON) -> RobotAnswer:
    return send(robot, text, now, anywhere=True)


def test_each_robot_takes_a_message(known: tuple[Robot, ...], groups: list[Emulated]) -> None:
    assert [sent(robot).text for robot in known] == ["0 ok", "0 success", "0 ok"]
    assert [group.texts for group in groups] == [["录制"]] * 3


def test_no_text_of_a_callback_mentions_anybody(
    known: tuple[Robot, ...], groups: list[Emulated]
) -> None:
    """Feishu reads such a tag in a text as a mention of the whole group."""
    mention = 'Live could not record it: <at user_id="all">all</at>'
    assert [sent(robot, mention).is_taken for robot in known] == [True] * 3
    assert [text for group in groups for text in group.texts if "<" in text] == []
    assert all("user_id" in text for group in groups for text in group.texts)


def test_the_longest_message_fits_each(known: tuple[Robot, ...]) -> None:
    text = cut("录" * 9_999)
    assert (len(text.encode()) <= MAX_TEXT_BYTES, text[-1]) == (True, "…")
    assert all(sent(robot, text).is_taken for robot in known)
    assert cut("short") == "short"


def test_a_wrong_secret_is_the_robots_to_say(known: tuple[Robot, ...]) -> None:
    dingtalk, feishu, _ = known
    wrong = [Robot("x", each.kind, each.url, "another") for each in (dingtalk, feishu)]
    assert [sent(robot).text[:12] for robot in wrong] == ["310000 sign ", "19021 sign m"]


@pytest.mark.parametrize(("at", "pause_ms"), [(0, 600_000), (1, 60_000), (2, 60_000)])
def test_a_robot_that_was_sent_too_much_is_left_alone(
    known: tuple[Robot, ...], at: int, pause_ms: int
) -> None:
    answers = [sent(known[at]) for _ in range(21)]
    assert not answers[-1].is_taken
    assert answers[-1].pause_ms == pause_ms


@pytest.mark.parametrize("code", [130101, 410100, 660026])
def test_dingtalk_is_left_alone_whichever_code_says_that_it_was_sent_too_much(code: int) -> None:
    """Sources disagree about the code (docs/platform/other.md §1.1)."""
    group = Dingtalk("ding", muted_code=code)
    with RobotsInThread([group], lambda: NOON) as server:
        (robot,) = robots(f"a={server.address(group)}")
        answer = [sent(robot) for _ in range(21)][-1]

    assert (answer.text[:6], answer.pause_ms) == (str(code), 600_000)


def test_nobody_there_is_an_answer_too() -> None:
    gone = Robot("x", RobotKind.WECOM, "http://127.0.0.1:1/cgi-bin/webhook/send?key=k")
    assert sent(gone) == RobotAnswer(is_taken=False, text="no answer (ConnectionRefusedError)")


def test_a_message_goes_over_tls_to_public_addresses_alone() -> None:
    plain = Robot("x", RobotKind.WECOM, "http://127.0.0.1:1/cgi-bin/webhook/send?key=k")
    secure = replace(plain, url=plain.url.replace("http:", "https:"))
    assert send(plain, "x", NOON).text == "the receiver's URL does not begin with `https://`"
    assert send(secure, "x", NOON).text == "no answer (ForbiddenAddress)"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("ops", "is not a robot's"),
        ("Ops=https://oapi.dingtalk.com/robot/send?access_token=a", "NAME=ADDRESS"),
        ("ops=https://example.com/secret", "is not a robot's"),
        ("ops=ftp://oapi.dingtalk.com/robot/send", "is not a robot's"),
        ("a=https://oapi.dingtalk.com/robot/send a=https://oapi.dingtalk.com/robot/send", "own"),
    ],
)
def test_what_is_no_robot_is_refused_without_its_address(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault) as raised:
        robots(text)
    assert "secret" not in str(raised.value).replace("the robot's secret", "")


def test_the_secrets_of_an_address_are_known_and_not_shown() -> None:
    text = (
        "a=https://oapi.dingtalk.com/robot/send?access_token=tok#SEC"
        " b=https://open.feishu.cn/open-apis/bot/v2/hook/hook-1"
    )
    found = robots(text)
    assert [robot.secrets for robot in found] == [("SEC", "tok"), ("hook-1",)]
    assert "tok" not in repr(found)
