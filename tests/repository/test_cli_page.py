"""docs/cli.md is what the commands say of themselves."""

from __future__ import annotations

from tests.repository.cli_page import PAGE, page


def test_the_page_is_what_the_commands_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m tests.repository.cli_page"
