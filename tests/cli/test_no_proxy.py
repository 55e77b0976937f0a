"""A proxy of the company's is not asked for what is on this machine."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from requests.utils import should_bypass_proxies

from cli.main import main
from emulator.live import LiveInThread

NOWHERE = {"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}


@pytest.mark.parametrize("own", ["", "intern.example.com", "*"])
def test_this_machine_is_reached_directly_and_all_else_as_before(own: str) -> None:
    with LiveInThread() as live, pytest.MonkeyPatch.context() as environment:
        for name, value in {**NOWHERE, "no_proxy": "", "NO_PROXY": own}.items():
            environment.setenv(name, value)
        words = ["list", "--url", live.address, "--token", "t"]
        output = CliRunner().invoke(main, words).output

        assert "without JSON" in output  # an emulator of Live, no stage
        assert should_bypass_proxies("http://intern.example.com/", no_proxy=None) == bool(own)
        assert should_bypass_proxies("http://record.example.com/", no_proxy=None) == (own == "*")
