"""Takes the pictures of docs/console.md: `python -m tests.console.pictures`.

It starts the local stack, pushes streams, lets two of them be lost, and photographs the console in
a real Chromium.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from cli.local.encoder import Encoder
from cli.local.stack import TOKEN, running
from cli.paths import ROOT
from emulator.live import Remote
from tests.support.browser import Opened, browsing
from tests.support.journey import CLASSES_ARE_RECORDED, Stage

DOCS = ROOT / "docs"
SCALE = 2
"""Pixels of a picture for each of the page's."""
RECORDED = ("class-main-stage", "class-studio-2", "class-camera-3")
LOST = ("class-finals", "class-interview")
WIDTH_PX, HEIGHT_PX, PHONE_PX = 1_180, 740, 390


def main() -> int:
    with tempfile.TemporaryDirectory() as name, ExitStack() as block:
        policy = Path(name, "policy.toml")
        policy.write_text(CLASSES_ARE_RECORDED)
        stack = block.enter_context(running(Path(name, "stack"), rtmp_port=0, policy=policy))
        stage, browser = Stage(stack, Remote(stack.live)), block.enter_context(browsing(stack.fc))
        evening(stage, block)
        with browser.window(width_px=WIDTH_PX, scale=SCALE) as opened:
            photograph(opened, "console", RECORDED[0])
        with browser.window(language="zh", width_px=PHONE_PX, scheme="dark", scale=SCALE) as opened:
            photograph(opened, "console-phone")
    return 0


def evening(stage: Stage, block: ExitStack) -> None:
    """Have some streams recorded, some waiting, and some lost for a while."""
    rtmp = f"{stage.stack.rtmp}/app"
    for stream in RECORDED:
        block.enter_context(Encoder(f"{rtmp}/{stream}?vhost=push.example.com"))
        stage.until_phase(stream, "recording")
    for stream in ("gate-1", "gate-2"):
        stage.ask(stream, "start")
    stage.live.advance(1_500)
    stage.fire("reconcile")
    stage.live.fail(code="CodeConfigNotFound", status=400, command="start", times=9_999)
    for stream in LOST:
        block.enter_context(Encoder(f"{rtmp}/{stream}?vhost=push.example.com"))
        stage.until_phase(stream, "failed")
        stage.live.advance(47)
    stage.ask(RECORDED[0], "restart")
    stage.until(lambda: bool(stage.call("GET", stage.url(RECORDED[0], "/files")).json()["files"]))
    for function in ("files", "reconcile"):
        stage.fire(function)


def photograph(opened: Opened, name: str, stream: str = "") -> None:
    opened.sign_in(TOKEN)
    opened.wait_for(".verdict.critical")
    opened.page.set_viewport_size({"width": opened.width_px, "height": HEIGHT_PX})
    opened.page.screenshot(path=DOCS / f"{name}.png")
    if stream:
        opened.open_stream(f"live.example.com/app/{stream}")
        opened.wait_for("dialog .verdict-verified")
        opened.page.screenshot(path=DOCS / f"{name}-stream.png")
        opened.close_panel()


if __name__ == "__main__":
    sys.exit(main())
