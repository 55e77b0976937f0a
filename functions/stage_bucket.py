"""Opens the bucket of a stream's recordings, with the credentials of one call.

Signing, verifying and copying files use this module. It sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, field

from shared.config import Settings
from shared.inbound.request_errors import WrongState
from shared.invocation.invocation import Invocation
from shared.outbound.oss import Bucket, Opened
from shared.protocol import StreamKey
from shared.protocol.file import File
from shared.protocol.policy import NamedBucket


def bucket_of(invocation: Invocation, stream: StreamKey, place: str = "") -> Bucket:
    """Return the bucket at `place` (name/endpoint). If that is "", return the bucket that the
    policy names for the stream or, if it names none, the stage's own. Raise WrongState if there is
    no bucket, or if the function has no role."""
    require_role(invocation)
    settings, key = invocation.app.settings, invocation.credentials
    named = _placed(place) or invocation.app.policy.bucket_of(stream.domain, stream.app)
    name = named.name if named else settings.bucket
    if not name:
        raise WrongState(
            "this stage does not name its bucket, so no playback URL can be signed",
            hint="set LIVE_RECORD_BUCKET and LIVE_RECORD_OSS_ENDPOINT, and deploy",
        )
    # An emulator has all buckets at its own address, and that is http.
    is_oss = settings.oss_protocol != "http"
    at = (named.endpoint, "https") if named and is_oss else _own(settings)
    return Bucket(name, *at, key.access_key_id, key.access_key_secret, key.security_token)


def _placed(place: str) -> NamedBucket | None:
    name, _, endpoint = place.partition("/")
    return NamedBucket(name, endpoint) if endpoint else None


class OpenBuckets(Struct):
    """Opens the buckets of streams and keeps one client for each. Only one thread may use it."""

    invocation: Invocation
    opened: dict[Bucket, Opened] = field(default_factory=dict)

    def of(self, stream: StreamKey, place: str = "") -> Opened:
        """Return a client of the bucket that `bucket_of` finds for the stream and `place`. Raise
        WrongState if there is no bucket, or if the function has no role."""
        bucket = bucket_of(self.invocation, stream, place)
        if bucket not in self.opened:
            self.opened[bucket] = bucket.open()
        return self.opened[bucket]

    def require(self, stream: StreamKey, files: Iterable[File]) -> None:
        """Raise WrongState if the function has no role, or if neither the files, the policy nor the
        settings name a bucket."""
        self.of(stream, next((file.place for file in files if file.place), ""))


def _own(settings: Settings) -> tuple[str, str]:
    return settings.oss_endpoint, settings.oss_protocol


def require_role(invocation: Invocation) -> None:
    """Raise WrongState if the function has no role."""
    if invocation.credentials.are_missing():
        raise WrongState(
            "this function has no role, so it may read nothing of the bucket",
            hint=(
                "give the function a role with the RAM policy that is named like the function, such"
                " as deploy/ram/files.json for `files`, and deploy"
            ),
        )


def names_bucket(invocation: Invocation) -> bool:
    """Return True if the settings or the policy name a bucket. The function then needs a role, even
    before there are files."""
    domains = invocation.app.policy.domains
    return bool(invocation.app.settings.bucket) or any(domain.bucket for domain in domains)
