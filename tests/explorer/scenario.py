"""The subject of one exploration: asks, events of the stream, and the faults that may strike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from shared.protocol import Asked, StreamSettings
from shared.protocol.events import Scheduled
from tests.explorer.live_model import Switches
from tests.explorer.world import Fault


class ScriptStep(str, Enum):
    """What the stream truly does, what is reported of it late, and what somebody with a captured
    signature reports of it."""

    PUBLISH = "publish"
    SILENT_PUBLISH = "publish that no callback tells of"
    UNPUBLISH = "unpublish"
    FOREIGN_START = "foreign start"
    LATE_REPORT = "late report that an earlier recording began"
    REPLAYED_PUBLISH = "replayed publish"
    DOUBTED_PUBLISH = "publish whose signature is an old one"
    DOUBTED_REPLAY = "replayed publish whose signature is an old one"
    REPLAYED_END = "replayed publish_done"


@dataclass(frozen=True, slots=True)
class Scenario:
    """`before` runs first, in order and undisturbed; with `aged`, long ago. Asks keep their order,
    and so do events; everything else may happen in any order."""

    name: str
    asks: tuple[Asked | Scheduled, ...] = ()
    script: tuple[ScriptStep, ...] = ()
    before: tuple[Asked | ScriptStep, ...] = ()
    aged: bool = True
    settings: StreamSettings = field(default_factory=StreamSettings)
    switches: Switches = field(default_factory=Switches)
    faults: frozenset[Fault] = frozenset()
    budget: int = 2
    polls: int = 0  # polls of the minute's timer that may come at any moment
    instances: int = 2
    slow: bool = False  # instances may also stand still between load and save
    fine: bool = False  # loads and saves as steps of their own
    gap: int = 6_000  # ms from one publish to the next
    skew: int = 0  # the list's PublishTime, counted from the callback's time
    goes_on: bool = False  # Live never pauses it: a restart of our own splits a file for nothing
    says_so: bool = False  # at rest, the record does not deny that Live records what is wanted
    limit: int = 400_000  # states; more is a mistake in the scenario

    @property
    def status(self) -> bool:
        """Return True if Live reports what its recordings do."""
        return self.settings.status_known


Scenarios = Mapping[str, Scenario]
