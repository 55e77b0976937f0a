"""One run of probe: prepares the test stream's configuration, runs experiments, restores all.

The probe command calls this module. It restores the configuration whatever happens. The report must
not contain names of the account.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from gettext import gettext as _
from typing import Any

from cli.account import Declined
from cli.errors import Failure
from cli.probe.experiments import EXPERIMENTS, Experiment
from cli.probe.load import LOAD_EXPERIMENTS
from cli.probe.observations import OBSERVATIONS, ObservedStream
from cli.probe.test_stream import MERGE_DELAY_S, TestStream, Unanswered
from cli.setup.apply import restore
from cli.setup.backup import Backup
from cli.setup.configurations import ConfigTarget, Value, read, recordings, write

ALL_EXPERIMENTS: Mapping[str, Experiment] = {**EXPERIMENTS, **OBSERVATIONS, **LOAD_EXPERIMENTS}
UNANSWERABLE: Mapping[str, str] = {
    "second_publisher (§2.1), what Live does if a second program pushes the same stream": (
        "two programs would have to push at the same time"
    ),
    "file_stop_time (§4), whether a file's stop_time is the time of its last frame": (
        "only the recorded file shows that, and probe does not open it"
    ),
    "whether a RAM policy must name acs:live or acs:cdn to allow RealTimeRecordCommand (§1.4)": (
        "the test would have to change a RAM policy between two calls"
    ),
    "what fields an exception or switch callback has (§2.1)": (
        "nobody can make Live send such a callback; if Live has sent one, the log names its fields"
    ),
    "whether each format is billed as a channel of its own (§10)": "only the bill shows that",
}
OBJECT_NAME = "live-record-probe/{StreamName}/{EscapedStartTime}_{EscapedEndTime}"
MANUAL = 7


@dataclass(slots=True)
class Report:
    """The report. `names` holds the account's own names, each with the word that replaces it in the
    report."""

    names: Mapping[str, str]
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    unanswered: dict[str, dict[str, str]] = field(default_factory=dict)

    def record_answer(self, name: str, answer: object, evidence: str) -> None:
        entry = {"answer": answer, "evidence": self._redacted(evidence)}
        self.answers[name] = {**entry, **_about(name)}

    def record_unanswered(self, name: str, why: str) -> None:
        self.unanswered[name] = {"why": self._redacted(why), **_about(name)}

    def document(self) -> dict[str, Any]:
        return {"answers": self.answers, "unanswered": self.unanswered, "never": dict(UNANSWERABLE)}

    def _redacted(self, text: str) -> str:
        for secret, shown in sorted(self.names.items(), key=lambda pair: -len(pair[0])):
            text = text.replace(secret, shown)
        return text


def _about(name: str) -> dict[str, str]:
    return {
        "asks": ALL_EXPERIMENTS[name].question,
        "fact": f"docs/platform/live.md {ALL_EXPERIMENTS[name].fact}",
    }


Say = Callable[[str], None]


def run_experiments(
    test_stream: TestStream | ObservedStream,
    experiments: Mapping[str, Experiment],
    report: Report,
    say: Say,
) -> None:
    for name, experiment in experiments.items():
        _run_experiment(test_stream, name, experiment, report, say)


def _run_experiment(
    test_stream: TestStream | ObservedStream,
    name: str,
    experiment: Experiment,
    report: Report,
    say: Say,
) -> None:
    try:
        answer, evidence = experiment.answer(test_stream)
    except (Unanswered, Declined) as why:
        report.record_unanswered(name, str(why))
        shown = why.shown() if isinstance(why, Unanswered) else why
        say(_("{name}: not answered: {why}").format(name=name, why=shown))
    else:
        report.record_answer(name, answer, evidence)
        say(f"{name}: {answer}")


@contextmanager
def prepared(
    test_stream: TestStream, backup: Backup, where: Mapping[str, str], say: Say
) -> Iterator[ConfigTarget]:
    """Give the test stream a recording configuration of its own while the block runs. `where` names
    its bucket and endpoint; if `where` is empty, those of another configuration of the domain are
    used.

    However the block ends, all configurations are restored. Raise Failure if the stream is live.
    """
    restore_all(test_stream, backup, say)
    if test_stream.publish_time() is not None:
        sentence = _(
            "{app}/{stream} is live, but `probe` needs a stream of its own. Name another stream"
            " with `--stream`."
        )
        raise Failure(sentence.format(app=test_stream.app, stream=test_stream.stream))
    target = ConfigTarget("oss", test_stream.domain, test_stream.app, test_stream.stream)
    value = _configuration(test_stream, where)
    try:
        now = read(test_stream.account, target)
        backup.before(target, now, value)
        write(test_stream.account, target, now, value)
        yield target
    finally:
        _end_everything(test_stream)
        restore_all(test_stream, backup, say)


def _end_everything(test_stream: TestStream) -> None:
    """Stop recording and publishing the test stream."""
    for command in ("stop", "cancel_delay"):
        test_stream.command(command)
    test_stream.publisher.unpublish()


def restore_all(test_stream: TestStream, backup: Backup, say: Say) -> None:
    for entry in tuple(reversed(backup.entries)):
        try:
            result = restore(test_stream.account, backup, entry)
        except Declined as declined:
            sentence = _(
                "{target} could not be restored ({declined}). Its previous value is kept in"
                " {path}; the next run of `probe` restores this value before anything else."
            )
            raise Failure(
                sentence.format(target=entry.target, declined=declined, path=backup.path)
            ) from None
        if entry in backup.entries:
            backup.drop(entry)
            say(result)


def _configuration(test_stream: TestStream, where: Mapping[str, str]) -> Value:
    """Return the test stream's configuration, for the bucket of `where`, or else for the bucket of
    another configuration of the domain; raise Failure if there is none."""
    existing = [value for _, value in recordings(test_stream.account, test_stream.domain)]
    source = next((value for value in (where, *existing) if value.get("OssBucket")), None)
    if source is None:
        raise Failure(
            _("There is no recording configuration to copy. Pass `--bucket` and `--endpoint`.")
        )
    return {
        "OssBucket": source["OssBucket"],
        "OssEndpoint": source["OssEndpoint"],
        "OnDemand": MANUAL,
        "DelayTime": MERGE_DELAY_S,
        "RecordFormat": [{"Format": "mp4", "OssObjectPrefix": OBJECT_NAME}],
    }


def select(experiments: Mapping[str, Experiment], only: Iterable[str]) -> dict[str, Experiment]:
    names = set(only)
    return {
        name: experiment for name, experiment in experiments.items() if not names or name in names
    }
