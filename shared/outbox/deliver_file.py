"""The task to copy a verified file to another store in several steps.

The body of the task stores how much is copied already. Once the function `files` has verified a
file, it turns the task that verified it into this task. The function `deliver` does this task.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from shared.outbox.settlement import Continued
from shared.outbox.task import NewTask, TaskKind
from shared.protocol.file import FileVerdict

PART_BYTES = 5_242_880
"""A file no larger than this is copied in one request. S3 accepts no smaller parts."""
MAX_PARTS = 10_000
PLAYLIST_ENDING = ".m3u8"


class DeliverFile(Struct, frozen=True, omit_defaults=True):
    """The body of the task. `uri` is the file, `target` the target of a [[deliver]] rule of the
    policy, such as `s3://backup/live`, and `key` the name of the copy there. `size`, `etag` and
    `crc64` belong to the object that is being copied now; they are read before its first part.

    If that object is copied in a multipart upload, `upload` is the id that the target gave the
    upload, `parts` the number of parts copied so far, and `read_crc64` the checksum of these parts
    together.

    `failing_since` is the time, in ms, of the first failure since the last successful step; 0 if no
    step has failed since.

    If the file is a playlist, its segments are copied first, and the playlist itself last.
    `segments` is the number of its segments, and `copied_segments` the number of those already
    copied, which together have `segments_bytes`. `list_etag` is the ETag of the playlist as it was
    when its segments were read from it.
    """

    uri: str
    target: str
    key: str
    size: int | None = None
    etag: str = ""
    crc64: int | None = None
    upload: str = ""
    parts: int = 0
    read_crc64: int = 0
    list_etag: str = ""
    segments: int | None = None
    copied_segments: int = 0
    segments_bytes: int = 0
    failing_since: int = 0

    @property
    def quarters(self) -> int:
        """Return how many quarters of the file are copied, from 0 to 3. A quarter is a fourth of
        the parts of the file, or of the segments of a playlist."""
        done, of_all = self.copied_segments, self.segments
        if not self.is_playlist:
            done, of_all = self.parts, self.part_count
        return min(4 * done // max(of_all or 0, 1), 3)

    @property
    def is_playlist(self) -> bool:
        return self.uri.lower().endswith(PLAYLIST_ENDING)

    def key_of(self, uri: str) -> str:
        """Return the name of the copy of `uri`, which is the file itself or a segment of the
        playlist. Copies of segments lie relative to the playlist's copy as the segments do to the
        playlist, so that the names in the playlist stay valid."""
        return self.key if uri == self.uri else f"{self.key.removesuffix(self.uri)}{uri}"

    @property
    def part_bytes(self) -> int:
        """Return the size of each part except the last: PART_BYTES, or more if the object would
        otherwise have more than MAX_PARTS parts."""
        needed = -(-(self.size or 0) // MAX_PARTS)
        return max(PART_BYTES, needed)

    @property
    def part_count(self) -> int:
        return max(-(-(self.size or 0) // self.part_bytes), 1)

    def part(self, number: int) -> tuple[int, int]:
        """Return the start and length of a part, in bytes. The first part is number 1."""
        start = (number - 1) * self.part_bytes
        return start, min(self.part_bytes, (self.size or 0) - start)

    @property
    def copied_bytes(self) -> int:
        return self.segments_bytes + min(self.parts * self.part_bytes, self.size or 0)

    @property
    def size_bytes(self) -> int | None:
        """Return the number of bytes to copy: those of the file, or of a playlist and all its
        segments. Return None for a playlist until all its segments are copied, and for another file
        until its size was read."""
        if not self.is_playlist:
            return self.size
        is_last = self.size is not None and self.copied_segments == self.segments
        return self.segments_bytes + (self.size or 0) if is_last else None

    def anew(self) -> DeliverFile:
        """Return the body with which the copy of the present object begins again; the object's size
        and ETag are then read again, too. Segments that were copied before stay copied."""
        return replace(self, size=None, etag="", crc64=None, upload="", parts=0, read_crc64=0)

    def from_start(self) -> DeliverFile:
        return DeliverFile(self.uri, self.target, self.key)

    def of_listing(self, etag: str, segments: int) -> DeliverFile:
        """Return the body after the playlist was read, with the playlist's ETag and the number of
        its segments."""
        return replace(self, list_etag=etag, segments=segments)

    def with_segment(self) -> DeliverFile:
        """Return the body after the present object, a segment, was copied. The next object has yet
        to be read."""
        copied, done_bytes = self.copied_segments + 1, self.segments_bytes + (self.size or 0)
        return replace(self.anew(), copied_segments=copied, segments_bytes=done_bytes)

    def with_part(self, crc64: int) -> DeliverFile:
        return replace(self, parts=self.parts + 1, read_crc64=crc64)

    def encoded(self) -> str:
        return msgspec.json.encode(self).decode()


def deliver_next(
    uri: str, target: str, key: str, verdict: FileVerdict, tasks: tuple[NewTask, ...] = ()
) -> Continued:
    """Return the outcome that turns the present task into the task to copy the file `uri`. `target`
    and `key` are those of DeliverFile. In the same step, the store stores `verdict` with the file
    and adds `tasks`."""
    body = DeliverFile(uri, target, key).encoded()
    return Continued(TaskKind.DELIVER_FILE, body, uri, verdict, tasks)
