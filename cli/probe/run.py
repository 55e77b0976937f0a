"""One run of probe: the test stream's own configuration, question after question, everything put
back, and a report that names nothing of the account's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cli.account import Declined
from cli.errors import Failure
from cli.probe.experiments import QUESTIONS, Question
from cli.probe.load import LOAD
from cli.probe.observations import RECEIVED, Hearing
from cli.probe.test_stream import DELAY, Scene, Unanswered
from cli.setup.apply import put_back
from cli.setup.backup import Kept
from cli.setup.configurations import Place, Value, read, recordings, write

ALL: Mapping[str, Question] = {**QUESTIONS, **RECEIVED, **LOAD}
NEVER: Mapping[str, str] = {
    "second_publisher (§2.1)": "it takes two programs that push the same stream at once",
    "whether RAM takes acs:live or acs:cdn for RealTimeRecordCommand (§1.4)": (
        "it takes a policy changed between two calls: docs of RAM list both"
    ),
    "what fields an exception or switch callback has (§2.1)": (
        "nobody can make the service raise one: read one that happened"
    ),
    "whether each format counts as a channel (§10)": "it shows on the bill alone",
}
OBJECT_NAME = "live-record-probe/{StreamName}/{EscapedStartTime}_{EscapedEndTime}"
MANUAL = 7


@dataclass(slots=True)
class Report:
    """`names` are what has to be hidden wherever it stands."""

    names: Mapping[str, str]
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    unanswered: dict[str, dict[str, str]] = field(default_factory=dict)

    def answered(self, name: str, answer: object, evidence: str) -> None:
        told = {"answer": answer, "evidence": self._hidden(evidence)}
        self.answers[name] = {**told, **_about(name)}

    def missed(self, name: str, why: str) -> None:
        self.unanswered[name] = {"why": self._hidden(why), **_about(name)}

    def told(self) -> dict[str, Any]:
        return {"answers": self.answers, "unanswered": self.unanswered, "never": dict(NEVER)}

    def _hidden(self, text: str) -> str:
        for secret, shown in sorted(self.names.items(), key=lambda pair: -len(pair[0])):
            text = text.replace(secret, shown)
        return text


def _about(name: str) -> dict[str, str]:
    return {"asks": ALL[name].asks, "fact": f"facts/live.md {ALL[name].fact}"}


Say = Callable[[str], None]


def ask(
    scene: Scene | Hearing, questions: Mapping[str, Question], report: Report, say: Say
) -> None:
    for name, question in questions.items():
        _ask(scene, name, question, report, say)


def _ask(scene: Scene | Hearing, name: str, question: Question, report: Report, say: Say) -> None:
    try:
        answer, evidence = question.answer(scene)
    except (Unanswered, Declined) as why:
        report.missed(name, str(why))
        say(f"{name}: not answered: {why}")
    else:
        report.answered(name, answer, evidence)
        say(f"{name}: {answer}")


@contextmanager
def prepared(scene: Scene, kept: Kept, where: Mapping[str, str], say: Say) -> Iterator[Place]:
    """The test stream has a configuration of its own, and neither it nor anything else is left when
    the block is, however that happens."""
    put_all_back(scene, kept, say)
    if scene.listed() is not None:
        raise Failure(f"{scene.app}/{scene.stream} is live: probe takes a stream of its own")
    test = Place("oss", scene.domain, scene.app, scene.stream)
    value = _configuration(scene, where)
    try:
        now = read(scene.account, test)
        kept.before(test, now, value)
        write(scene.account, test, now, value)
        yield test
    finally:
        _leave(scene)
        put_all_back(scene, kept, say)


def _leave(scene: Scene) -> None:
    """Nothing goes on being recorded or pushed."""
    for command in ("stop", "cancel_delay"):
        scene.command(command)
    scene.publisher.unpublish()


def put_all_back(scene: Scene, kept: Kept, say: Say) -> None:
    for entry in tuple(reversed(kept.entries)):
        try:
            said = put_back(scene.account, kept, entry)
        except Declined as declined:
            raise Failure(
                f"{entry.place} could not be put back ({declined}): it is kept in {kept.path},"
                " and the next probe begins with it"
            ) from None
        if not said.startswith("put back"):
            kept.drop(entry)
            say(said)


def _configuration(scene: Scene, where: Mapping[str, str]) -> Value:
    """Into the bucket that another configuration of the domain records into, unless told."""
    held = [value for _, value in recordings(scene.account, scene.domain)]
    found = next((one for one in (where, *held) if one.get("OssBucket")), None)
    if found is None:
        raise Failure("no recording configuration to go by: say --bucket and --endpoint")
    return {
        "OssBucket": found["OssBucket"],
        "OssEndpoint": found["OssEndpoint"],
        "OnDemand": MANUAL,
        "DelayTime": DELAY,
        "RecordFormat": [{"Format": "mp4", "OssObjectPrefix": OBJECT_NAME}],
    }


def chosen(questions: Mapping[str, Question], only: Iterable[str]) -> dict[str, Question]:
    wanted = set(only)
    return {name: one for name, one in questions.items() if not wanted or name in wanted}
