"""Lists and deletes the objects of rehearsals in a recording bucket, through the official SDK of
OSS.

The steps of a rehearsal call this module. It deletes an object only if the object's name holds the
name of a throw-away stream.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from cli.account import Account
from cli.doctor.bucket import calling, client
from shared.protocol import StreamKey
from shared.protocol.stream import REHEARSAL_PREFIX

NAMES = ("OssObjectPrefix", "SliceOssObjectPrefix")
_TIME = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(rf"{REHEARSAL_PREFIX}(\d{{8}}T\d{{6}}Z)-[0-9a-f]{{8}}")
LEFT_AFTER_S = 900.0
"""After this time, a rehearsal that left an object has certainly ended."""


def throwaway_name(at_s: float, suffix: str) -> str:
    """Return the name of a throw-away stream. The name says that its rehearsal began at `at_s`, in
    seconds since the epoch. `suffix` has eight hex digits."""
    began = datetime.fromtimestamp(at_s, timezone.utc).strftime(_TIME)
    return f"{REHEARSAL_PREFIX}{began}-{suffix}"


def is_left(key: str, now_s: float) -> bool:
    """Return True if the object's name, `key`, shows a rehearsal that began more than LEFT_AFTER_S
    before `now_s`. That rehearsal has ended, and has left the object."""
    found = _NAME.search(key)
    if found is None:
        return False
    began = datetime.strptime(found[1], _TIME).replace(tzinfo=timezone.utc)
    return now_s - began.timestamp() > LEFT_AFTER_S


class RehearsalObjects:
    """The objects of one application's rehearsals, in the bucket of its recording configuration.
    Every method raises Declined if OSS refuses or does not answer."""

    def __init__(self, account: Account, app: str, configuration: Mapping[str, Any]) -> None:
        import alibabacloud_oss_v2 as oss

        self.bucket = str(configuration.get("OssBucket", ""))
        endpoint = str(configuration.get("OssEndpoint", "")).replace("-internal", "")
        self._oss, self._client = oss, client(oss, account, endpoint)
        self._prefixes = list(_prefixes(app, configuration))

    def own_and_left(
        self, stream: StreamKey, reported: Sequence[str], now_s: float
    ) -> tuple[Sequence[str], Sequence[str]]:
        """Return two lists of names: the objects of this rehearsal, which were found in the bucket
        or `reported` by Live, and the objects that are left of earlier rehearsals that were killed.
        A reported name that does not contain the name of `stream` is in neither list."""
        found = list(dict.fromkeys((*self._all(), *reported)))
        own = [key for key in found if stream.stream in key]
        return own, [key for key in found if key not in own and is_left(key, now_s)]

    def delete(self, key: str) -> None:
        if _NAME.search(key) is None:
            raise AssertionError(f"{key} is not of a rehearsal")
        request = self._oss.DeleteObjectRequest(bucket=self.bucket, key=key)
        calling("DeleteObject", lambda: self._client.delete_object(request))

    def _all(self) -> Iterator[str]:
        """Yield the names of all objects of rehearsals of this application."""
        for prefix in self._prefixes:
            request = self._oss.ListObjectsV2Request(bucket=self.bucket, prefix=prefix)
            while True:
                answer = self._listed(request)
                found = [str(each.key) for each in answer.contents or ()]
                yield from (key for key in found if _NAME.search(key))
                if not answer.is_truncated:
                    break
                request.continuation_token = answer.next_continuation_token

    def _listed(self, request: Any) -> Any:  # noqa: ANN401 - the SDK is untyped
        return calling("ListObjects", lambda: self._client.list_objects_v2(request))


def _prefixes(app: str, configuration: Mapping[str, Any]) -> Iterator[str]:
    """Yield the beginnings of rehearsal objects' names, once each. Skip a name with a time before
    the stream: its objects could be found only by reading the whole bucket."""
    rows = configuration.get("RecordFormat") or ()
    patterns = [str(row[name]) for row in rows for name in NAMES if row.get(name)]
    for pattern in dict.fromkeys(patterns):
        before, names_stream, _rest = pattern.replace("{AppName}", app).partition("{StreamName}")
        if names_stream and "{" not in before:
            yield before + REHEARSAL_PREFIX
