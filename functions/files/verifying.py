"""Verifies the files that Live reported: reads each in the bucket until there is a verdict.

The function's timer calls this module. shared/verification judges the parts that were read. The
verdict is stored with the file; nothing in the bucket is changed.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import asdict, replace

from functions.stage_bucket import OpenBuckets, names_bucket, require_role
from shared.decoding import Undecodable, decode
from shared.inbound.function_compute import Response
from shared.inbound.request_errors import WrongState
from shared.invocation.invocation import Invocation
from shared.invocation.tasks import events_of, runner_of
from shared.outbound import oss
from shared.outbound.oss import NotJudged, Opened
from shared.outbox.backoff import BACKOFF
from shared.outbox.deliver_file import deliver_next
from shared.outbox.event import EventType
from shared.outbox.settlement import UNREADABLE, Done, Failed, Outcome
from shared.outbox.task import NewTask, Task, TaskKind
from shared.outbox.verify_file import VerifyFile
from shared.protocol import StreamKey
from shared.protocol.file import File, FileVerdict, Finding
from shared.retry import Deadline
from shared.verification.contract import Evidence, EvidenceCode, ExpectedFile, FileOutcome, Verdict

KIND = TaskKind.VERIFY_FILE
RUN_WORKERS = 4
"""Files verified at the same time, so that a slow answer of OSS delays only one."""
REHEARSED_MS = 300_000
"""ms after which the file of a rehearsal is no longer checked, even without a final verdict."""


def run(invocation: Invocation, seconds: float) -> Response:
    """Verify the files that are due, within `seconds`. Return how many tasks had each result."""
    app = invocation.app
    runner = runner_of(invocation, KIND.value, Deadline.after(seconds, clock=app.monotonic))
    if names_bucket(invocation):
        require_role(invocation)
    runner.run(app.workers(), RUN_WORKERS, lambda: _attempt_of(invocation))
    return Response(200, asdict(runner.result))


def _attempt_of(invocation: Invocation) -> _Attempt:
    return _Attempt(invocation, OpenBuckets(invocation))


class _Attempt(Struct, frozen=True):
    """Verifies one file at a time."""

    invocation: Invocation
    buckets: OpenBuckets

    def __call__(self, task: Task) -> Outcome:
        app = self.invocation.app
        if task.stream.is_rehearsal and app.store.now() - task.made_at > REHEARSED_MS:
            return Done()  # nobody waits for it any more, and its object is deleted
        try:
            body = decode(task.body, VerifyFile)
        except Undecodable:
            return UNREADABLE
        uri, file = body.uri, app.store.file(task.stream, body.uri)
        if file is None:
            return Done()  # it is not listed any more
        if not app.policy.names_object(task.stream, uri):
            # A callback gave the name, which may be that of any object of the bucket (signing.py).
            found = (Evidence(EvidenceCode.NOT_NAMED_BY_POLICY),)
            return Done(uri, _stored(Verdict(FileOutcome.UNKNOWN, found), app.clock()))
        try:
            bucket = self.buckets.of(task.stream, body.place)
        except WrongState as why:
            return Failed(why.detail)
        return self._judged(task, file, bucket, body.place)

    def _judged(self, task: Task, file: File, bucket: Opened, place: str) -> Outcome:
        app = self.invocation.app
        deadline = Deadline.after(BACKOFF[KIND].patience_ms / 1000, clock=app.monotonic)
        expected = ExpectedFile.of(file, bucket.name)
        try:
            verdict = oss.judge(bucket, expected, has_time=lambda: not deadline.passed())
        except NotJudged as error:
            return Failed(str(error))
        stored = replace(_stored(verdict, app.clock()), place=place)
        self.invocation.log.info("file.verified", uri=file.uri, outcome=stored.outcome)
        data = {"uri": file.uri, "outcome": stored.outcome, "duration_ms": stored.duration_ms}
        events = events_of(self.invocation, task, EventType.FILE_VERIFIED, data, stored.at)
        if verdict.is_final:
            return self._followed(task.stream, file.uri, stored, events)
        why = ", ".join((stored.outcome, *(finding.code for finding in stored.evidence)))
        return Failed(why, uri=file.uri, verdict=stored, tasks=events)

    def _followed(
        self, key: StreamKey, uri: str, stored: FileVerdict, events: tuple[NewTask, ...]
    ) -> Outcome:
        """Return the tasks and events that follow from the verdict: a verified file is copied if
        the policy says so."""
        rule = self.invocation.app.policy.delivery(key, uri)
        if rule is None or key.is_rehearsal or stored.outcome != FileOutcome.VERIFIED.value:
            return Done(uri, stored, events)
        return deliver_next(uri, rule.target, rule.key_of(key, uri), stored, events)


def _stored(verdict: Verdict, now: int) -> FileVerdict:
    found = tuple(Finding(each.code.value, each.numbers) for each in verdict.evidence)
    return FileVerdict(verdict.outcome.value, now, found, verdict.size_bytes, verdict.duration_ms)
