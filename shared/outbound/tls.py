"""The TLS context of a process. Every https call shares it, so that root certificates are read
once.

`http` and the SDK's session use this module. It must not import `requests` or an SDK: a function
that never calls Live would then load them, only to make a wake-up call.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

ROOTS = "roots"
"""The package's directory of root certificates, next to certifi's bundle
(cli/packaging/roots.py)."""
_one_at_a_time = Lock()
"""Without it, the workers of a new instance read the roots once each, and one context could replace
another that has all roots already."""


def context() -> ssl.SSLContext:
    """Return the context of this process. It trusts certifi's root certificates."""
    import certifi

    with _one_at_a_time:
        return _trusting(certifi.where())


def trust_all_roots() -> None:
    """Load every root certificate of certifi and of the machine into the context. The machine may
    trust a company's proxy. A failed handshake has sent nothing, so the caller may repeat its
    request."""
    import certifi

    with _one_at_a_time:
        _widen(certifi.where())


@cache
def _trusting(bundle: str) -> ssl.SSLContext:
    """Return a context that trusts certifi's root certificates. A package has one file for each,
    and OpenSSL opens the one that a server needs. Without those files it reads the whole bundle, in
    20 ms.
    """
    import ssl

    roots = Path(bundle).with_name(ROOTS)
    if roots.is_dir():
        return ssl.create_default_context(capath=str(roots))
    return ssl.create_default_context(cafile=bundle)


@cache
def _widen(bundle: str) -> None:
    trusted, single = _trusting(bundle), Path(bundle).with_name(ROOTS)
    for file in [Path(bundle)] if Path(bundle).is_file() else single.iterdir():
        trusted.load_verify_locations(cafile=file)
    trusted.load_default_certs()


def forget() -> None:
    """Make the next call read the root certificates again. Only tests use this, because they change
    the certificates."""
    _trusting.cache_clear()
    _widen.cache_clear()
