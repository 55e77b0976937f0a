"""The robots of group chats on a port of this machine: DingTalk, Feishu and WeCom.

Tests use it. Each checks its signature and counts its messages, and refuses in its own words.
"""

from __future__ import annotations

from emulator.robots.robots import Dingtalk, Feishu, Refusal, Robot, Wecom
from emulator.robots.server import RobotsInThread

__all__ = ["Dingtalk", "Feishu", "Refusal", "Robot", "RobotsInThread", "Wecom"]
