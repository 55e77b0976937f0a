"""Reads the robots of group chats from LIVE_RECORD_ROBOTS: their addresses and secrets, by name.

The policy refers to a robot by its name only. A robot's address is in that setting and nowhere
else.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

_NAME: Final = r"[a-z][a-z0-9-]{0,31}"


class RobotKind(str, Enum):
    DINGTALK = "dingtalk"
    FEISHU = "feishu"
    WECOM = "wecom"


_PATHS: Final = (
    ("/robot/send", RobotKind.DINGTALK),
    ("/open-apis/bot/v2/hook/", RobotKind.FEISHU),
    ("/cgi-bin/webhook/send", RobotKind.WECOM),
)


class Robot(Struct, frozen=True):
    """A chat robot. `url` is its webhook: anybody who knows it can post to the chat. `secret` signs
    the messages; "" if the robot accepts unsigned ones."""

    name: str
    kind: RobotKind
    url: str
    secret: str = ""

    def __repr__(self) -> str:
        """Return a text without secrets."""
        return f"Robot({self.name!r}, …)"

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the texts that no log may show: the secret, and the address's secret parts."""
        parts = urlsplit(self.url)
        last = parts.path.rpartition("/")[2] if self.kind is RobotKind.FEISHU else ""
        found = (self.secret, parts.query.partition("=")[2], last)
        return tuple(one for one in found if one)


def robot_name(text: object) -> str:
    """Return the text if it may be the name of a robot; otherwise raise ValueError."""
    if not isinstance(text, str) or not re.fullmatch(_NAME, text):
        raise ValueError("write the name of a robot in LIVE_RECORD_ROBOTS, like `ops`")
    return text


def robots(text: str) -> tuple[Robot, ...]:
    """Parse the value of LIVE_RECORD_ROBOTS: `NAME=ADDRESS` or `NAME=ADDRESS#SECRET` for each
    robot, separated by spaces. Raise ValueError if a robot is invalid or two have the same name;
    the error repeats no part of an address."""
    found = tuple(_robot(part) for part in text.split())
    names = [robot.name for robot in found]
    if len(set(names)) < len(names):
        raise ValueError("give each robot a name of its own")
    return found


def _robot(part: str) -> Robot:
    name, _, address = part.partition("=")
    url, _, secret = address.partition("#")
    if not re.fullmatch(_NAME, name):
        raise ValueError(
            "write `NAME=ADDRESS` for each robot, the name like `ops` or `night-shift`"
        )
    parts = urlsplit(url)
    kind = next((kind for path, kind in _PATHS if parts.path.startswith(path)), None)
    if parts.scheme not in {"http", "https"} or not parts.hostname or kind is None:
        raise ValueError(
            f"the address of {name} is not a robot's: copy the webhook of a DingTalk, Feishu or"
            " WeCom robot; if the robot signs, add `#` and the robot's secret"
        )
    return Robot(name, kind, url, secret)
