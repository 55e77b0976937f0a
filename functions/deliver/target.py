"""Opens the target store of a [[deliver]] rule, with the key that the environment has for it.

copying.py and sweeping.py use this module. It sends nothing.
"""

from __future__ import annotations

from functools import lru_cache
from threading import Lock
from urllib.parse import urlsplit

from shared.invocation.app import App
from shared.outbound.public_address import reachable
from shared.outbound.s3 import S3Bucket, StoreAddress, StoreRefuses
from shared.protocol.policy import CopyRule

_one_at_a_time = Lock()


def open_target(app: App, rule: CopyRule) -> S3Bucket:
    """Return a client for the rule's target store. Raise StoreRefuses if the settings have no key
    for it, or do not allow its address."""
    settings = app.settings
    key = next((k for k in settings.deliver_credentials if k.name == rule.credentials), None)
    if key is None:
        raise StoreRefuses(f"LIVE_RECORD_DELIVER_CREDENTIALS has no entry {rule.credentials}")
    url = urlsplit(rule.endpoint)
    if (url.hostname or "").lower() not in settings.deliver_hosts:
        raise StoreRefuses("the target's host is not in LIVE_RECORD_DELIVER_HOSTS")
    if url.scheme != "https" and not settings.is_emulated:
        raise StoreRefuses("the target's address is http: anybody on the way could read the files")
    hosts = settings.deliver_hosts
    address = StoreAddress(rule.bucket, rule.endpoint, rule.region, rule.path_style, hosts)
    secrets = (key.key_id, key.secret, key.token)
    with _one_at_a_time:
        return _opened(address, secrets, anywhere=settings.is_emulated)


@lru_cache(maxsize=8)
def _opened(address: StoreAddress, key: tuple[str, str, str], *, anywhere: bool) -> S3Bucket:
    """Return a client that all threads of the process share: making one takes 0.3 s, and memory."""
    return S3Bucket(address, key, reachable(anywhere=anywhere))
