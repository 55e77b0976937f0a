"""Copies files to other stores, each in several steps. The result of a step is stored before the
next step begins.

    look → put                                an object of one part
    look → begin → part → … → part → complete

A file is one object. A playlist is several: its segments, and the playlist itself at the end.

The timer's run calls this module. A failed step is repeated after a pause. If another run has taken
the task over, this run discards the result of its step, and neither completes nor aborts an upload.
The source is only read.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from msgspec import Struct
from msgspec.structs import asdict, replace

from functions.deliver.listing import Listing, Listings, NotCopied
from functions.deliver.target import open_target
from functions.stage_bucket import OpenBuckets, names_bucket, require_role
from shared.decoding import Undecodable, decode
from shared.engine.task_runner import TaskRunResult
from shared.inbound.request_errors import WrongState
from shared.invocation.invocation import Invocation
from shared.invocation.tasks import events_of, runner_of
from shared.outbound.oss import NotRead, Opened, crc64
from shared.outbound.s3 import NotThere, S3Bucket, StoreRefuses
from shared.outbox.backoff import BACKOFF
from shared.outbox.deliver_file import DeliverFile
from shared.outbox.event import EventType
from shared.outbox.settlement import (
    UNREADABLE,
    Continued,
    Done,
    Failed,
    Next,
    Outcome,
    Settlement,
)
from shared.outbox.task import NewTask, Task, TaskKind
from shared.protocol.file import FileCopy, FileVerdict
from shared.protocol.policy import CopyRule

KIND = TaskKind.DELIVER_FILE
RUN_WORKERS = 3
"""Copies at the same time. Each holds one part of a file in memory."""
DELIVERING, DELIVERED, FAILED = "delivering", "delivered", "failed"
_CHANGED_STATUS = 412


def run(invocation: Invocation) -> TaskRunResult:
    """Do the steps of copy tasks that are due, within the time of the call. Return how many steps
    had each result."""
    runner = runner_of(
        invocation, KIND.value, invocation.deadline, crashed=partial(_crashed, invocation)
    )
    if names_bucket(invocation):
        require_role(invocation)
    runner.run(invocation.app.workers(), RUN_WORKERS, lambda: attempt_of(invocation))
    return runner.result


def _crashed(invocation: Invocation, task: Task, failed: Failed) -> Outcome:
    """Treat a step that crashed as a step that failed, so that people and webhook receivers get the
    same report of both."""
    body = decode(task.body, DeliverFile)
    file = invocation.app.store.file(task.stream, body.uri)
    if file is None or file.verdict is None:
        return failed
    copying = _Copying(invocation, task, body, file.verdict)
    return copying.failed(failed.why, is_final=failed.is_final)


def attempt_of(invocation: Invocation) -> Callable[[Task], Outcome]:
    """Return a function that does the next step of a task, and returns its outcome. The function
    has clients of its own, so only one thread may use it."""
    return _CopyAttempt(invocation, OpenBuckets(invocation), Listings(invocation.app))


class _CopyAttempt(Struct, frozen=True):
    invocation: Invocation
    buckets: OpenBuckets
    listings: Listings

    def __call__(self, task: Task) -> Outcome:
        app = self.invocation.app
        try:
            body = decode(task.body, DeliverFile)
        except Undecodable:
            return UNREADABLE
        file = app.store.file(task.stream, body.uri)
        if file is None or file.verdict is None:
            return Done()  # it is not listed any more
        rules = (rule for rule in app.policy.deliver if rule.target == body.target)
        copying = _Copying(self.invocation, task, body, file.verdict)
        if (rule := next(rules, None)) is None:
            return copying.failed("no `[[deliver]]` of the policy has this target", is_final=True)
        if not app.policy.names_object(task.stream, body.uri):
            return copying.failed("no `object_prefix` of the policy fits this name", is_final=True)
        return self._tried(copying, rule)

    def _tried(self, copying: _Copying, rule: CopyRule) -> Outcome:
        try:
            return self._step(copying, rule)
        except WrongState as why:
            return copying.failed(why.detail)
        except NotCopied as why:
            return copying.failed(str(why), is_final=True)
        except NotRead as why:
            if why.status == _CHANGED_STATUS:
                return copying.failed(
                    "the object was changed while it was copied", again=copying.body.anew()
                )
            return copying.failed(str(why))
        except StoreRefuses as why:
            return copying.failed(str(why))

    def _step(self, copying: _Copying, rule: CopyRule) -> Outcome:
        """Do the next step and return its outcome. Raise WrongState, NotCopied, NotRead or
        StoreRefuses if the step cannot be done."""
        body = copying.body
        source = self.buckets.of(copying.task.stream, copying.verdict.place)
        target = open_target(self.invocation.app, rule)
        stream = copying.task.stream
        listing = self.listings.of(source, stream, body) if body.is_playlist else None
        if listing is not None:
            if body.list_etag not in ("", listing.etag):
                why = "the playlist was changed while it was copied"
                return copying.failed(why, again=body.from_start())
            body = body.of_listing(listing.etag, len(listing.segments))
        known = (copying.invocation, copying.task, body, copying.verdict)
        return _Step(*known, source, target, listing).do()


class _TakenOverError(StoreRefuses):
    """Another run has taken the task meanwhile, so the result of this run is discarded."""


class _Copying(Struct, frozen=True):
    """One copy task, and the stored verdict on its file."""

    invocation: Invocation
    task: Task
    body: DeliverFile
    verdict: FileVerdict

    def failed(
        self, why: str, *, is_final: bool = False, again: DeliverFile | None = None
    ) -> Outcome:
        """Return the outcome of a failed step. If `is_final` is True, the copy has failed for good.
        Otherwise the step is repeated; or, if `again` is given, the copy begins again with this
        body of the task."""
        is_last = is_final or self.task.attempts >= BACKOFF[KIND].attempts
        copy = self._copy(FAILED if is_last else DELIVERING, again or self.body, why)
        since = self.body.failing_since or copy.at
        body = replace(again or self.body, failing_since=since).encoded()
        events = self._events(EventType.FILE_DELIVERY_FAILED, copy)
        return Failed(why, is_final, self.body.uri, self._with(copy), events, body)

    def _events(self, event: EventType, copy: FileCopy) -> tuple[NewTask, ...]:
        known = {name: value for name, value in asdict(copy).items() if value not in (None, "")}
        del known["state"], known["at"]
        data = {"uri": self.body.uri, **known}
        return events_of(self.invocation, self.task, event, data, copy.at)

    def _with(self, copy: FileCopy) -> FileVerdict:
        return replace(self.verdict, copy=copy)

    def _copy(self, state: str, body: DeliverFile, why: str = "") -> FileCopy:
        scheme, bucket = body.target.split("/")[0], body.target.split("/")[2]
        target, now = f"{scheme}//{bucket}/{body.key}", self.invocation.app.clock()
        copied, size = body.copied_bytes, body.size_bytes
        segments = (body.segments, body.copied_segments) if body.is_playlist else (None, None)
        return FileCopy(state, target, now, copied, size, why, *segments)


class _Step(_Copying, frozen=True):
    """The next step of one task. Its methods raise NotRead if the source fails, StoreRefuses if the
    target fails."""

    source: Opened
    target: S3Bucket
    listing: Listing | None

    @property
    def segment(self) -> str | None:
        """Return the segment to copy now; None if the file itself is to be copied."""
        segments = self.listing.segments if self.listing else ()
        return (
            segments[self.body.copied_segments]
            if self.body.copied_segments < len(segments)
            else None
        )

    @property
    def uri(self) -> str:
        return self.segment or self.body.uri

    @property
    def key(self) -> str:
        return self.body.key_of(self.uri)

    def do(self) -> Outcome:
        body = self.body
        if self.listing and self.segment is None:
            return self._put_listing(self.listing)
        if body.size is None:
            return self._look().do()
        if body.part_count == 1:
            return self._put()
        if not body.upload:
            return self._begin()
        return self._copy_part() if body.parts < body.part_count else self._complete()

    def _look(self) -> _Step:
        """Read the size, ETag and checksum of the source; return the step with them."""
        found = self.source.stat(self.uri)
        body = replace(self.body, size=found.size, etag=found.etag, crc64=found.crc64)
        return replace(self, body=body)

    def _put(self) -> Outcome:
        data = self._read(1)
        if self.body.crc64 not in (None, crc64(data)):
            return self.failed("the checksum of what was read differs from the one that OSS gives")
        self.target.put(self.key, data)
        return self.delivered()

    def _put_listing(self, listing: Listing) -> Outcome:
        """Store the playlist. All of its segments are copied by now."""
        self.target.put(self.key, listing.text)
        body = replace(self.body, size=len(listing.text))
        return replace(self, body=body).delivered()

    def _begin(self) -> Outcome:
        """Begin a multipart upload. Abort an earlier one whose id was lost."""
        for upload in self.target.uploads(self.key):
            if upload.key == self.key:
                self._hold()
                self.target.abort(upload.key, upload.id)
        return self._continued(replace(self.body, upload=self.target.begin(self.key)))

    def _copy_part(self) -> Outcome:
        body, number = self.body, self.body.parts + 1
        data = self._read(number)
        try:
            self.target.put_part(self.key, body.upload, number, data)
        except NotThere:
            return self.failed("the target has dropped the unfinished copy", again=body.anew())
        return self._continued(body.with_part(crc64(data, body.read_crc64)))

    def _complete(self) -> Outcome:
        body = self.body
        if body.crc64 not in (None, body.read_crc64):
            return self._dropped(
                "the checksum of what was read differs from the one that OSS gives"
            )
        try:
            parts = self.target.parts(self.key, body.upload)
            expected = [(n, body.part(n)[1]) for n in range(1, body.part_count + 1)]
            if [(part.number, part.size) for part in parts] != expected:
                return self._dropped("the parts in the target differ from those that were copied")
            self._hold()
            self.target.complete(self.key, body.upload, parts)
        except NotThere:
            return self._completed_before()
        return self.delivered()

    def _completed_before(self) -> Outcome:
        """Return the outcome if the target does not know the upload: either it was completed and
        the answer got lost, or it was aborted."""
        try:
            if self.target.size(self.key) == self.body.size:
                return self.delivered()
        except NotThere:
            pass
        return self.failed("the target has dropped the unfinished copy", again=self.body.anew())

    def _dropped(self, why: str) -> Outcome:
        self._hold()
        self.target.abort(self.key, self.body.upload)
        return self.failed(why, again=self.body.anew())

    def delivered(self) -> Outcome:
        size = self.target.size(self.key)
        if size != self.body.size:
            return self.failed("the copy has another size", again=self.body.anew())
        if self.segment is not None:
            return self._continued(self.body.with_segment())
        self.invocation.log.info("file.delivered", uri=self.body.uri, target=self.body.target)
        whole = replace(self.body, parts=self.body.part_count)
        copy = self._copy(DELIVERED, whole)
        events = self._events(EventType.FILE_DELIVERED, copy)
        return Done(self.body.uri, self._with(copy), events)

    def _continued(self, body: DeliverFile) -> Outcome:
        body = replace(body, failing_since=0)
        copy = self._copy(DELIVERING, body)
        has_more = self.body.quarters < body.quarters
        events = self._events(EventType.FILE_DELIVERING, copy) if has_more else ()
        return Continued(KIND, body.encoded(), body.uri, self._with(copy), events)

    def _read(self, number: int) -> bytes:
        start, length = self.body.part(number)
        data = self.source.read(self.uri, start, length, etag=self.body.etag)
        if len(data) != length:
            raise NotRead("OSS returned fewer bytes of the object than were requested")
        return data

    def _hold(self) -> None:
        """Extend the lease of the task; raise _TakenOverError if another run has taken it. Only the
        run that holds the lease may complete or abort the upload."""
        held = Settlement(Next.RETRY, retry_in_ms=BACKOFF[KIND].lease_ms, why=self.task.why)
        (is_ours,) = self.invocation.app.store.settle_tasks([(self.task, held)])
        if not is_ours:
            raise _TakenOverError("another run has taken it")
