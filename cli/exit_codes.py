"""The exit codes of live-record, which cron and scripts act on.

docs/cli.md lists them. A code never changes its meaning.
"""

from __future__ import annotations

from typing import Final

AS_WANTED: Final = 0
"""The command did its work; or a question's answer is that all is as it should be."""
FAILED: Final = 1
"""The command failed, or the stage refused it."""
WRONG_USAGE: Final = 2
"""The command line is wrong, and nothing was asked. It is the code of click."""
NOT_AS_WANTED: Final = 3
"""The answer to a question is that something is not as it should be."""
NOT_ASKED: Final = 4
"""A question got no answer: whether all is as it should be is unknown."""
