"""The task to look at a file in the bucket, made once for each file that Live reports."""

from __future__ import annotations

import hashlib

import msgspec
from msgspec import Struct

from shared.outbox.task import NewTask, TaskKind
from shared.protocol.file import VOD
from shared.protocol.stream import StreamKey

ID_CHARS = 24


class VerifyFile(Struct, frozen=True, omit_defaults=True):
    """The body of the task. What the file should be is in the stream's list of files. `place` is
    the bucket that was named for it when it was reported, as name/endpoint."""

    uri: str
    place: str = ""


def verify_file(key: StreamKey, uri: str, place: str = "") -> tuple[NewTask, ...]:
    """Return the task, whose id follows from the stream and the name of the file; none for a file
    that is in no bucket."""
    if uri.startswith(VOD):
        return ()
    kind, body = TaskKind.VERIFY_FILE, msgspec.json.encode(VerifyFile(uri, place)).decode()
    named = f"{kind.value}\x00{key.domain}\x00{key.app}\x00{key.stream}\x00{uri}"
    task_id = hashlib.sha256(named.encode()).hexdigest()[:ID_CHARS]
    return (NewTask(task_id, kind, body, of_file=uri),)
