"""The stage's bucket, opened with the key of one call.

Signing and verifying files use it. It asks for nothing.
"""

from __future__ import annotations

from shared.inbound.request_errors import WrongState
from shared.invocation.invocation import Invocation
from shared.outbound.oss import Bucket


def bucket_of(invocation: Invocation) -> Bucket:
    """Return the bucket; raise WrongState if the stage or the function's role leaves it out."""
    settings, key = invocation.app.settings, invocation.credentials
    if not settings.bucket:
        raise WrongState(
            "this stage does not name its bucket, so no playback URL can be signed",
            hint="set LIVE_RECORD_BUCKET and LIVE_RECORD_OSS_ENDPOINT, and deploy",
        )
    if key.are_missing():
        raise WrongState(
            "this function has no role, so it can sign nothing",
            hint="give it the role with the policy deploy/ram/files.json, and deploy",
        )
    place = (settings.bucket, settings.oss_endpoint, settings.oss_protocol)
    return Bucket(*place, key.access_key_id, key.access_key_secret, key.security_token)
