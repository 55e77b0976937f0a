"""Faults planted in the stage, through the APIs that everybody has; doctor finds each, and is
content again once the commands that it names have been executed.

Nothing here knows doctor but by its command.
"""

from __future__ import annotations

import pytest

from tests.cli.planted_faults.ground import Ground
from tests.cli.planted_faults.rows import STAGE_ROWS, is_found_and_cured

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.mark.parametrize("fault", STAGE_ROWS)
def test_a_planted_fault_is_found_and_its_cure_makes_the_finding_go(
    ground: Ground, fault: str
) -> None:
    is_found_and_cured(ground, STAGE_ROWS[fault])
