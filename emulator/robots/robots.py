"""The robots of three products: the signatures, sizes and rates that each accepts, and its answers.

Signatures and limits are those of docs/platform/other.md §1. The codes of DingTalk and WeCom are
UNCONFIRMED. It knows no HTTP.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

Answer = dict[str, Any]
HOUR_MS, MINUTE_MS, SECOND_MS = 3_600_000, 60_000, 1_000
A_MINUTE, FEISHU_A_MINUTE, FEISHU_A_SECOND = 20, 100, 5
"""Messages that a robot takes: of DingTalk and WeCom in a minute, of Feishu in a minute and in a
second."""
FEISHU_MAX_BYTES, WECOM_MAX_BYTES = 20_000, 2_048


class Refusal(Exception):
    """A message is refused; `code` and `words` are the answer."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code, self.words = code, words


class Robot:
    """A robot of one group. `texts` holds the messages that the group has seen. `calls` holds the
    times, in ms, of all messages sent to the robot, and `codes` the answers to them. `muted` counts
    the messages refused because too many came."""

    path = ""

    def __init__(self, token: str, secret: str = "") -> None:
        self.token, self.secret = token, secret
        self.texts: list[str] = []
        self.calls: list[int] = []
        self.codes: list[int] = []
        self.muted = 0

    def take(self, query: Mapping[str, str], body: Mapping[str, Any], now_ms: int) -> Answer:
        """Return the answer to one message; its HTTP status is always 200."""
        self.calls.append(now_ms)
        try:
            self.check(query, body, now_ms)
            self.texts.append(self.text_of(body))
        except Refusal as refusal:
            self.codes.append(refusal.code)
            return self.answer(refusal.code, refusal.words)
        self.codes.append(0)
        return self.taken()

    def check(self, query: Mapping[str, str], body: Mapping[str, Any], now_ms: int) -> None:
        raise NotImplementedError

    def text_of(self, body: Mapping[str, Any]) -> str:
        raise NotImplementedError

    def answer(self, code: int, words: str) -> Answer:
        return {"errcode": code, "errmsg": words}

    def taken(self) -> Answer:
        return self.answer(0, "ok")

    def within(self, ms: int, now_ms: int) -> int:
        """Return how many messages the robot got in the last `ms`, this one included."""
        return sum(now_ms - at < ms for at in self.calls)

    def most_in_a_minute(self) -> int:
        """Return the largest number of messages that came within one minute."""
        return max((self.within_from(at) for at in self.calls), default=0)

    def within_from(self, first: int) -> int:
        return sum(first <= at < first + MINUTE_MS for at in self.calls)


class Dingtalk(Robot):
    """Signature in the query: HMAC-SHA256 of "timestamp NEWLINE secret", keyed by the secret. The
    timestamp is in ms and at most an hour off. The robot accepts 20 messages a minute; one more
    mutes it for 10 minutes."""

    path = "/robot/send"
    MUTED_MS = 10 * MINUTE_MS

    def __init__(self, token: str, secret: str = "", *, muted_code: int = 130101) -> None:
        """`muted_code`: the code of a refusal above the limit, which is UNCONFIRMED."""
        super().__init__(token, secret)
        self._muted_code = muted_code
        self._muted_until = 0

    def check(self, query: Mapping[str, str], body: Mapping[str, Any], now_ms: int) -> None:
        if query.get("access_token") != self.token:
            raise Refusal(300005, "token is not exist")
        if now_ms < self._muted_until:
            self.muted += 1
            raise Refusal(self._muted_code, "send too fast, exceed 20 times per minute")
        if self.within(MINUTE_MS, now_ms) > A_MINUTE:
            self._muted_until = now_ms + self.MUTED_MS
            self.muted += 1
            raise Refusal(self._muted_code, "send too fast, exceed 20 times per minute")
        if self.secret:
            self._check_sign(query, now_ms)
        if body.get("msgtype") != "text":
            raise Refusal(40035, "缺少参数 json")

    def _check_sign(self, query: Mapping[str, str], now_ms: int) -> None:
        stamp = query.get("timestamp", "")
        if not stamp.isdecimal() or abs(now_ms - int(stamp)) > HOUR_MS:
            raise Refusal(310000, "invalid timestamp")
        if query.get("sign") != _signed(self.secret, f"{stamp}\n{self.secret}"):
            raise Refusal(310000, "sign not match")

    def text_of(self, body: Mapping[str, Any]) -> str:
        return str(body["text"]["content"])


class Feishu(Robot):
    """Signature in the body: HMAC-SHA256 of nothing, keyed by "timestamp NEWLINE secret". The
    timestamp is in s and at most an hour off. The robot accepts 100 messages a minute, 5 a second,
    and 20 KB a message."""

    path = "/open-apis/bot/v2/hook/"

    def check(self, query: Mapping[str, str], body: Mapping[str, Any], now_ms: int) -> None:  # noqa: ARG002 - as for every robot
        a_minute, a_second = self.within(MINUTE_MS, now_ms), self.within(SECOND_MS, now_ms)
        if a_minute > FEISHU_A_MINUTE or a_second > FEISHU_A_SECOND:
            self.muted += 1
            raise Refusal(11232, "frequency limited psm[lark.oapi.app_platform_runtime]appID[0]")
        if self.secret:
            self._check_sign(body, now_ms)
        if body.get("msg_type") != "text" or len(self.text_of(body).encode()) > FEISHU_MAX_BYTES:
            raise Refusal(9499, "Bad Request")

    def _check_sign(self, body: Mapping[str, Any], now_ms: int) -> None:
        stamp = str(body.get("timestamp", ""))
        is_near = stamp.isdecimal() and abs(now_ms - int(stamp) * 1000) <= HOUR_MS
        if not is_near or body.get("sign") != _signed(f"{stamp}\n{self.secret}", ""):
            words = "sign match fail or timestamp is not within one hour from current time"
            raise Refusal(19021, words)

    def text_of(self, body: Mapping[str, Any]) -> str:
        return str(body["content"]["text"])

    def answer(self, code: int, words: str) -> Answer:
        return {"code": code, "msg": words, "data": {}}

    def taken(self) -> Answer:
        return {"StatusCode": 0, "StatusMessage": "success", **self.answer(0, "success")}


class Wecom(Robot):
    """No signature: the key is in the address. The robot accepts 20 messages a minute, and texts of
    at most 2,048 bytes."""

    path = "/cgi-bin/webhook/send"

    def check(self, query: Mapping[str, str], body: Mapping[str, Any], now_ms: int) -> None:
        if query.get("key") != self.token:
            raise Refusal(
                93000, "invalid webhook url, hint: [1], more info at /devtool/query?e=93000"
            )
        if self.within(MINUTE_MS, now_ms) > A_MINUTE:
            self.muted += 1
            raise Refusal(45009, "api freq out of limit, more info at /devtool/query?e=45009")
        if body.get("msgtype") != "text" or len(self.text_of(body).encode()) > WECOM_MAX_BYTES:
            raise Refusal(40058, "text.content exceed max length 2048, invalid Request Parameter")

    def text_of(self, body: Mapping[str, Any]) -> str:
        return str(body["text"]["content"])


def _signed(key: str, message: str) -> str:
    digest = hmac.new(key.encode(), message.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()
