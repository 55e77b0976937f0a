"""The task to copy a verified file to another store, one step at a time; it stores its progress.

The function `files` makes it from a verification task, and the function `deliver` does it.
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
    """The body of the task. `target` names the [[deliver]] rule of the policy, and `key` the copy.
    `size`, `etag` and `crc64` belong to the object being copied; they are read first.

    In a multipart upload, `upload` is its id at the target, `parts` the number of parts stored, and
    `read_crc64` their checksum.

    `failing_since` is the time, in ms, of the first failure since the last successful step; 0 if
    there is none.

    A playlist is copied after its `segments`. `copied_segments` counts those already copied and
    `segments_bytes` their size. `list_etag` is the version of the playlist that named them.
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
        """Return how many quarters are copied, 0 to 3, counted in parts or segments."""
        done, of_all = self.copied_segments, self.segments
        if not self.is_playlist:
            done, of_all = self.parts, self.part_count
        return min(4 * done // max(of_all or 0, 1), 3)

    @property
    def is_playlist(self) -> bool:
        return self.uri.lower().endswith(PLAYLIST_ENDING)

    def key_of(self, uri: str) -> str:
        """Return the copy's name, for the file itself or for a segment. Copies keep their relative
        positions, because the names of playlist copies end with the names in the bucket."""
        return self.key if uri == self.uri else f"{self.key.removesuffix(self.uri)}{uri}"

    @property
    def part_bytes(self) -> int:
        """Return the size of each part except the last, large enough that there are not too
        many."""
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
        """Return the size of the file to copy, with all its segments; None for a playlist until all
        segments are copied."""
        if not self.is_playlist:
            return self.size
        is_last = self.size is not None and self.copied_segments == self.segments
        return self.segments_bytes + (self.size or 0) if is_last else None

    def anew(self) -> DeliverFile:
        """Return the task with nothing of the present object copied. The object's size and ETag are
        read again."""
        return replace(self, size=None, etag="", crc64=None, upload="", parts=0, read_crc64=0)

    def from_start(self) -> DeliverFile:
        return DeliverFile(self.uri, self.target, self.key)

    def of_listing(self, etag: str, segments: int) -> DeliverFile:
        """Return the task after the playlist was read."""
        return replace(self, list_etag=etag, segments=segments)

    def with_segment(self) -> DeliverFile:
        """Return the task after the present segment was copied."""
        copied, done_bytes = self.copied_segments + 1, self.segments_bytes + (self.size or 0)
        return replace(self.anew(), copied_segments=copied, segments_bytes=done_bytes)

    def with_part(self, crc64: int) -> DeliverFile:
        return replace(self, parts=self.parts + 1, read_crc64=crc64)

    def encoded(self) -> str:
        return msgspec.json.encode(self).decode()


def deliver_next(
    uri: str, target: str, key: str, verdict: FileVerdict, tasks: tuple[NewTask, ...] = ()
) -> Continued:
    """Return the outcome that turns a task about the file into a task that copies it."""
    body = DeliverFile(uri, target, key).encoded()
    return Continued(TaskKind.DELIVER_FILE, body, uri, verdict, tasks)
