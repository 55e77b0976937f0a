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
    """The body of the task. `uri` is the file; the stream's list of files has its reported times
    and duration. `place` is the bucket (name/endpoint) that the policy or the settings named for
    the stream when Live reported the file; "" if they named none."""

    uri: str
    place: str = ""


def verify_file(key: StreamKey, uri: str, place: str = "") -> tuple[NewTask, ...]:
    """Return the task to verify a file, alone in a tuple; return an empty tuple for a file in VOD.
    For the same stream and file, the task's id is always the same."""
    if uri.startswith(VOD):
        return ()
    kind, body = TaskKind.VERIFY_FILE, msgspec.json.encode(VerifyFile(uri, place)).decode()
    named = f"{kind.value}\x00{key.domain}\x00{key.app}\x00{key.stream}\x00{uri}"
    task_id = hashlib.sha256(named.encode()).hexdigest()[:ID_CHARS]
    return (NewTask(task_id, kind, body, of_file=uri),)
