"""A program `s` for PATH, whose commands a test answers with the emulator of Function Compute.

Tests of the commands deploy and rollback use it. Like the real one it prints every secret.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

from cli.deploying.stage import stage_named
from emulator.fc_control.account import Account
from tests.support.fc3 import Component, Refused, calls_to

CLIENT = Path(__file__).parents[1] / "fixtures" / "serverless_devs.py"
OPTIONS = ("-t", "--env", "--access", "-o")
NOISE = "[2026-11-22 20:47:24][WARN][s_cli] It is not recommended to run as root user."


@dataclass
class Program:
    """`calls` are the commands with their settings; one that contains `fails` fails."""

    account: Account
    calls: list[dict[str, Any]] = field(default_factory=list)
    fails: str = ""

    def answer(self, words: list[str], env: dict[str, str]) -> tuple[int, str]:
        """Return the exit code and what is printed."""
        settings = {name: text for name, text in env.items() if name.startswith("LIVE_RECORD_")}
        self.calls.append({"words": words, "env": settings, "whole": env})
        if self.fails and self.fails in words:
            return 101, f"Error Message:\nrefused: {json.dumps(json.dumps(settings))}"
        stage = stage_named(words[words.index("--env") + 1], env)
        props = stage.resources()[words[0]]["props"]
        own = words[1 : min(words.index(option) for option in OPTIONS if option in words)]
        try:
            result = Component(calls_to(self.account), props)(tuple(own))
        except Refused as error:
            return 101, f"{NOISE}\nError Message:\n{error}"
        shown = {"props": props} if "deploy" in words else {words[0]: result}
        return 0, f"{NOISE}\n{json.dumps(shown, indent=2)}"


@contextmanager
def program_s(program: Program, folder: Path) -> Iterator[str]:
    """Put `s` into the folder; yield the value of S_ANSWERED_BY, which it needs."""
    file = folder / "s"
    file.write_text(f"#!{sys.executable} -IS\n{CLIENT.read_text()}")
    file.chmod(0o755)
    server = ThreadingTCPServer(("127.0.0.1", 0), _handler(program))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(program: Program) -> type[StreamRequestHandler]:
    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            asked = json.loads(self.rfile.readline())
            code, prints = program.answer(asked["words"], asked["env"])
            self.wfile.write(json.dumps({"code": code, "prints": prints}).encode() + b"\n")

    return Handler
