"""The robots refuse as the real ones do: a wrong signature, too many messages, one too long."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from emulator.robots import Dingtalk, Feishu, Robot, Wecom

NOW = 1_763_800_000_000
TEXT = {"msgtype": "text", "text": {"content": "hello"}}
FEISHU = {"msg_type": "text", "content": {"text": "hello"}}


def signed(key: str, message: str) -> str:
    return base64.b64encode(
        hmac.new(key.encode(), message.encode(), hashlib.sha256).digest()
    ).decode()


def test_dingtalk_takes_what_is_signed_with_its_secret() -> None:
    robot, stamp = Dingtalk("t", "SEC1"), str(NOW)
    query = {"access_token": "t", "timestamp": stamp, "sign": signed("SEC1", f"{stamp}\nSEC1")}
    assert robot.take(query, TEXT, NOW) == {"errcode": 0, "errmsg": "ok"}
    assert robot.take(query, TEXT, NOW + 3_600_001)["errcode"] == 310000
    assert robot.take({**query, "sign": "x"}, TEXT, NOW)["errcode"] == 310000
    assert robot.take({"access_token": "t"}, TEXT, NOW)["errcode"] == 310000
    assert robot.take({"access_token": "u"}, TEXT, NOW)["errcode"] == 300005
    assert robot.texts == ["hello"]


def test_dingtalk_mutes_a_robot_for_ten_minutes_after_20_messages_in_one() -> None:
    robot, query = Dingtalk("t"), {"access_token": "t"}
    codes = [robot.take(query, TEXT, NOW + n)["errcode"] for n in range(22)]
    assert codes == [0] * 20 + [130101] * 2
    assert robot.take(query, TEXT, NOW + 590_000)["errcode"] == 130101
    assert robot.take(query, TEXT, NOW + 601_000)["errcode"] == 0
    assert (robot.muted, robot.most_in_a_minute()) == (3, 22)


def test_feishu_takes_what_is_signed_with_nothing_as_the_message() -> None:
    robot, stamp = Feishu("hook", "fs"), str(NOW // 1000)
    body = {"timestamp": stamp, "sign": signed(f"{stamp}\nfs", ""), **FEISHU}
    assert robot.take({}, body, NOW)["code"] == 0
    assert robot.take({}, {**body, "sign": "x"}, NOW)["code"] == 19021
    assert robot.take({}, body, NOW + 3_602_000)["code"] == 19021
    assert robot.take({}, {"msg_type": "text"} | FEISHU, NOW + 7_200_000)["code"] == 19021


def test_feishu_takes_five_a_second() -> None:
    robot = Feishu("hook")
    assert [robot.take({}, FEISHU, NOW)["code"] for _ in range(6)] == [0] * 5 + [11232]
    assert robot.take({}, FEISHU, NOW + 1_000)["code"] == 0


@pytest.mark.parametrize(
    ("robot", "query", "long"),
    [
        (Wecom("k"), {"key": "k"}, {"msgtype": "text", "text": {"content": "录" * 683}}),
        (Feishu("h"), {}, {"msg_type": "text", "content": {"text": "x" * 20_001}}),
    ],
)
def test_a_message_that_is_too_long_is_refused(
    robot: Robot, query: dict[str, str], long: dict[str, object]
) -> None:
    robot.take(query, long, NOW)
    assert robot.codes != [0]


def test_wecom_takes_20_a_minute_and_no_other_key() -> None:
    robot = Wecom("k")
    assert robot.take({"key": "x"}, TEXT, NOW)["errcode"] == 93000
    codes = [robot.take({"key": "k"}, TEXT, NOW + 60_000)["errcode"] for _ in range(21)]
    assert codes == [0] * 20 + [45009]
