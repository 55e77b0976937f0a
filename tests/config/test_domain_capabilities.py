"""What is known of a domain's callbacks, while several threads ask at the same time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shared.config.policy_cache import DomainCapabilities
from shared.logs import Log
from tests.conftest import KEY, Clock


@dataclass
class SlowTimestamps:
    """Has every timestamp. `meanwhile` happens once, while the first one is read."""

    meanwhile: Callable[[], object] = lambda: None

    def touch(self, _name: str) -> None:
        """Every timestamp is there already."""

    def age_ms(self, _name: str) -> int:
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        return 1


def test_who_asks_while_the_answer_is_on_its_way_is_not_told_no(clock: Clock) -> None:
    timestamps, answers = SlowTimestamps(), list[bool]()
    capabilities = DomainCapabilities(timestamps, clock=clock, log=Log(print, now=clock))

    def ask() -> None:
        answers.append(capabilities.has_status_callbacks(KEY.domain))

    timestamps.meanwhile = ask
    ask()
    assert answers == [True, True]
