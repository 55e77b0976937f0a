"""The task to verify a file in the bucket. One is made for each file that Live reports."""

from __future__ import annotations

import hashlib

import msgspec
from msgspec import Struct

from shared.outbox.task import NewTask, TaskKind
from shared.protocol.file import VOD
from shared.protocol.stream import StreamKey

ID_CHARS = 24


class VerifyFile(Struct, frozen=True, omit_defaults=True):
    """The body of the task. The stream's list of files has the reported times and duration. `place`
    is the bucket (name/endpoint) that the policy named when the file was reported."""

    uri: str
    place: str = ""


def verify_file(key: StreamKey, uri: str, place: str = "") -> tuple[NewTask, ...]:
    """Return the task in a tuple; an empty one for a file that is in no bucket. Its id is derived
    from the stream and the file's name."""
    if uri.startswith(VOD):
        return ()
    kind, body = TaskKind.VERIFY_FILE, msgspec.json.encode(VerifyFile(uri, place)).decode()
    named = f"{kind.value}\x00{key.domain}\x00{key.app}\x00{key.stream}\x00{uri}"
    task_id = hashlib.sha256(named.encode()).hexdigest()[:ID_CHARS]
    return (NewTask(task_id, kind, body, of_file=uri),)
