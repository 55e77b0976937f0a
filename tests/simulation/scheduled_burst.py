"""Measures how late the starts of many streams are whose schedules all begin at one minute.

`python -m tests.simulation.scheduled_burst --streams 2000` runs the deployed functions in virtual
time: people write the schedules over HTTP, and the timer's reconcile begins them. It exits with 1
if a start is more than 2 s later than the API said when the schedules were created.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from tests.simulation.fleet import Process
from tests.simulation.plan import DOMAIN, INGEST, NOON, SECOND, Deed, Do, Plan, Timetable
from tests.simulation.simulation import Simulation
from tests.simulation.world import Config, Stream, Switches

AT_MS = NOON + 200 * SECOND
"""When all schedules begin: 08:30:00 UTC."""
LATE_S = 2.0
OF_ONE = 330
"""Streams of one schedule: the body of a request has 16 KiB at most."""
POLICY = json.dumps({"domain": [{"streaming": DOMAIN, "ingest": [INGEST]}], "rule": []})


class Burst(Struct, frozen=True):
    """`said` is the API's answer about the load when the last schedule was created, `take_s` the
    time that it names. `last_s`: from the beginning until the last start reached Live."""

    streams: int
    started: int
    said: str
    take_s: float
    first_s: float
    last_s: float

    @property
    def is_in_time(self) -> bool:
        return self.started == self.streams and self.last_s <= self.take_s + LATE_S


class _Answers(Simulation):
    """A simulation that keeps the API's answers to the schedules that are written."""

    answers: tuple[Mapping[str, object], ...] = ()

    def ended(self, process: Process, reply: Mapping[str, object] | None) -> None:
        if process.request.method and reply is not None:
            self.answers += (json.loads(str(reply["body"])),)
        super().ended(process, reply)


def burst(streams: int, *, of_one: int = OF_ONE) -> Burst:
    """Return what happened to so many live streams. Raise Broken if a promise breaks."""
    names = tuple(Stream(DOMAIN, "app", f"room{number}") for number in range(streams))
    deeds = sorted([*_published(streams), *_written(streams, of_one)], key=lambda deed: deed.at)
    config = Config(delay_ms=180_000)
    plan = Plan(1, names, tuple(deeds), Switches(), config, 180_000, POLICY, instances=100)
    simulation = _Answers(plan)
    simulation.lots.rates = {}
    result = simulation.run()
    if result.broken is not None:
        raise result.broken
    return _measured(simulation, streams)


def _published(streams: int) -> Iterator[Deed]:
    for number in range(streams):
        yield Deed(NOON + number * 60 * SECOND // streams, Do.PUBLISH, number)


def _written(streams: int, of_one: int) -> Iterator[Deed]:
    for first in range(0, streams, of_one):
        numbers = tuple(range(first, min(first + of_one, streams)))
        timetable = Timetable(f"show{first}", numbers, (AT_MS,), 600 * SECOND, 0)
        yield Deed(NOON + 70 * SECOND + first * 10, Do.SCHEDULE, timetable=timetable)


def _measured(simulation: _Answers, streams: int) -> Burst:
    load = simulation.answers[-1]["load"]
    assert isinstance(load, dict)
    starts = [one for one in simulation.live.arrived if one.command == "start"]
    first: dict[str, int] = {}
    for one in starts:
        first.setdefault(one.stream.name, one.at)
    after_s = [(at - AT_MS) / 1000 for at in first.values()]
    return Burst(
        streams, len(first), load["text"], load["take_s"], round(min(after_s), 3), max(after_s)
    )


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.scheduled_burst")
    parser.add_argument("--streams", type=int, default=2000, help="how many (2000)")
    found = burst(parser.parse_args(arguments).streams)
    shown = {name: getattr(found, name) for name in Burst.__struct_fields__}
    print(json.dumps({**shown, "in_time": found.is_in_time}))
    return 0 if found.is_in_time else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
