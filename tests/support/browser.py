"""Chromium, driven by Playwright: pages of the console, and what they wrote to their console.

Whoever uses it skips where Playwright or a Chromium is not installed. `make prove` and .ci/run
install both.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.node_packages import install

NODE = Path(__file__).parents[1] / "console" / "node"
PATIENCE_MS = 60_000


ANIMATED = """() => Promise.allSettled(
    document.getAnimations()
        .filter((one) => one.effect.getComputedTiming().endTime !== Infinity)
        .map((one) => one.finished)
)"""
"""Ends when every animation has ended that ever ends."""


@dataclass
class Opened:
    """A page in a window of its own, and every error that it reported."""

    page: Any
    url: str
    width_px: int
    errors: list[str] = field(default_factory=list)

    def hear(self, line: Any) -> None:  # noqa: ANN401 - Playwright's
        """Note what the page writes to its console, if it is an error."""
        if line.type == "error":
            self.errors.append(line.text)

    def sign_in(self, token: str) -> None:
        self.page.goto(self.url)
        self.page.fill("#token", token)
        self.page.click("button.main")
        self.page.wait_for_selector(".verdict")

    def open_stream(self, stream: str) -> None:
        self.page.fill("#stream", stream)
        self.page.press("#stream", "Enter")
        self.page.wait_for_selector("dialog .standing")

    def close_panel(self) -> None:
        self.page.keyboard.press("Escape")
        self.page.wait_for_selector("dialog", state="detached")

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait until `holds()` is True. Playwright cannot wait for it in the page: the page's
        policy forbids that."""
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while not holds():
            assert time.monotonic() < deadline
            self.page.wait_for_timeout(100)

    def wait_for(self, selector: str, **more: Any) -> None:  # noqa: ANN401 - Playwright's options
        self.page.wait_for_selector(selector, **more)

    def violations(self) -> list[str]:
        """Return what axe-core finds wrong with the page as it is, by rule and element. A dialog
        that still slides in is transparent in part, and is waited for."""
        self.page.evaluate(ANIMATED)
        self.page.evaluate((NODE / "node_modules" / "axe-core" / "axe.min.js").read_text())
        found = self.page.evaluate("() => axe.run()")["violations"]
        return [
            f"{rule['id']}: {node['html'][:160]} {node['failureSummary']}"
            for rule in found
            for node in rule["nodes"]
        ]


@dataclass
class Browser:
    chromium: Any
    url: str

    @contextmanager
    def window(
        self, *, language: str = "en", width_px: int = 1_440, scheme: str = "light", scale: int = 1
    ) -> Iterator[Opened]:
        """Yield a page of a new window, which nobody has signed in to."""
        context = self.chromium.new_context(
            viewport={"width": width_px, "height": 900},
            locale={"en": "en-GB", "zh": "zh-CN"}[language],
            color_scheme=scheme,
            device_scale_factor=scale,
            timezone_id="Asia/Shanghai",
        )
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        opened = Opened(page, self.url, width_px)
        page.on("pageerror", lambda error: opened.errors.append(str(error)))
        page.on("console", opened.hear)
        yield opened
        context.close()


@contextmanager
def browsing(fc: str) -> Iterator[Browser]:
    """Run a Chromium for the console of the stage at `fc`."""
    playwright: Any = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium is installed")
    install(NODE)
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    options.append("--autoplay-policy=no-user-gesture-required")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=program, args=options)
        yield Browser(chromium, f"{fc}/console/")
        chromium.close()
