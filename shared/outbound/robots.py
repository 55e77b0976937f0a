"""Sends a message to the robot of a group chat: DingTalk, Feishu or WeCom.

The function `notify` calls this module. Retries and rate limits are the caller's job.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Struct

from shared.config.robots import Robot, RobotKind
from shared.decoding import Undecodable, decode
from shared.outbound import http
from shared.outbound.http import Outgoing, Unanswered
from shared.outbound.relay import with_query

PATIENCE_S = 5.0
"""s for the call, with the resolution of the name."""
INTERVAL_MS = 3_500
"""ms between two messages to one robot: 17 a minute, where 20 are allowed."""
MAX_TEXT_BYTES = 2_000
"""The largest message; WeCom takes 2,048 bytes."""
ANSWER_CHARS = 200

RATE_CODES: Final[Mapping[RobotKind, frozenset[int]]] = {
    RobotKind.DINGTALK: frozenset({130101, 410100, 660026}),
    RobotKind.FEISHU: frozenset({11232}),
    RobotKind.WECOM: frozenset({45009}),
}
"""The codes with which each robot refuses too many messages. Feishu's is CONFIRMED, WeCom's is
UNCONFIRMED, and sources disagree about DingTalk's (docs/platform/other.md §1)."""
PENALTY_MS: Final[Mapping[RobotKind, int]] = {
    RobotKind.DINGTALK: 600_000,
    RobotKind.FEISHU: 60_000,
    RobotKind.WECOM: 60_000,
}
"""ms without messages after such a refusal."""


class RobotAnswer(Struct, frozen=True):
    """A robot's answer. `pause_ms`: if the robot answered that it got too many messages, how long
    to send it no message; otherwise 0."""

    is_taken: bool
    text: str
    pause_ms: int = 0


class _AnswerBody(Struct, frozen=True):
    """DingTalk and WeCom answer with `errcode`, Feishu with `code`; all with status 200."""

    errcode: int | None = None
    errmsg: str = ""
    code: int | None = None
    msg: str = ""


def send(robot: Robot, text: str, now_ms: int, *, anywhere: bool = False) -> RobotAnswer:
    """Send a message and return the robot's answer. Only public addresses are called, over TLS;
    `anywhere` is for the emulator, whose robots run on the same machine."""
    from shared.outbound.public_address import INSECURE, is_secure, reachable

    if not is_secure(robot.url, anywhere=anywhere):
        return RobotAnswer(is_taken=False, text=INSECURE)
    may_reach = reachable(anywhere=anywhere)
    try:
        status, body = http.call(
            outgoing(robot, text, now_ms), patience=PATIENCE_S, may_reach=may_reach
        )
    except Unanswered as error:
        return RobotAnswer(is_taken=False, text=f"no answer ({error})")
    return _answer(robot.kind, status, body)


def outgoing(robot: Robot, text: str, now_ms: int) -> Outgoing:
    """Return the request that sends the text. It is signed if the robot is of DingTalk or Feishu
    and has a secret."""
    url, body = robot.url, _body(robot.kind, text)
    if robot.secret and robot.kind is RobotKind.DINGTALK:
        stamp = str(now_ms)
        sign = _hmac(robot.secret, f"{stamp}\n{robot.secret}")
        url = with_query(url, {"timestamp": stamp, "sign": sign})
    elif robot.secret and robot.kind is RobotKind.FEISHU:
        stamp = str(now_ms // 1000)
        sign = _hmac(f"{stamp}\n{robot.secret}", "")
        body = {"timestamp": stamp, "sign": sign, **body}
    headers = {"Content-Type": "application/json; charset=utf-8"}
    return Outgoing("POST", url, headers, msgspec.json.encode(body))


def _body(kind: RobotKind, text: str) -> dict[str, object]:
    # A message repeats names and reports of Live, which a replayed callback may have made up;
    # Feishu reads `<at user_id="all">` in a text as a mention of the whole group.
    text = text.replace("<", "(").replace(">", ")")
    if kind is RobotKind.FEISHU:
        return {"msg_type": "text", "content": {"text": text}}
    return {"msgtype": "text", "text": {"content": text}}


def _hmac(key: str, message: str) -> str:
    digest = hmac.new(key.encode(), message.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def _answer(kind: RobotKind, status: int, body: bytes) -> RobotAnswer:
    try:
        answered = decode(body, _AnswerBody)
    except Undecodable:
        answered = _AnswerBody()
    code = answered.code if kind is RobotKind.FEISHU else answered.errcode
    words = answered.msg if kind is RobotKind.FEISHU else answered.errmsg
    if code is None or not http.is_taken(status):
        return RobotAnswer(is_taken=False, text=f"status {status}, no code")
    text = f"{code} {words}"[:ANSWER_CHARS]
    is_too_fast = code in RATE_CODES[kind]
    return RobotAnswer(code == 0, text, PENALTY_MS[kind] if is_too_fast else 0)


def cut(text: str) -> str:
    """Return the beginning of a text, short enough for every robot."""
    encoded = text.encode()
    if len(encoded) <= MAX_TEXT_BYTES:
        return text
    return encoded[: MAX_TEXT_BYTES - 3].decode(errors="ignore") + "…"


__all__ = ["INTERVAL_MS", "RobotAnswer", "cut", "outgoing", "send"]
