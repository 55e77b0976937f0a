"""The robots of group chats on a port of this machine: DingTalk, Feishu and WeCom.

Tests and benchmarks use them. Each robot checks signatures, counts its messages, and refuses with
the codes of its product.
"""

from __future__ import annotations

from emulator.robots.robots import Dingtalk, Feishu, Refusal, Robot, Wecom
from emulator.robots.server import RobotsInThread

__all__ = ["Dingtalk", "Feishu", "Refusal", "Robot", "RobotsInThread", "Wecom"]
