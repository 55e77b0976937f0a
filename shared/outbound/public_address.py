"""Decides whether an address belongs to the public internet; no other address may be called.

Every call to a host that the policy names checks each resolved address, because whoever may change
the policy chooses the host.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

from shared.outbound.bounded_socket import MayReach

_TRANSLATED = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))
"""IPv6 addresses that a gateway translates into IPv4 ones, private ones too (RFC 6052 and 8215)."""


def reachable(*, anywhere: bool) -> MayReach:
    """Return a test of addresses that may be called: public ones only; with `anywhere` all, for the
    emulator and programs on its machine."""
    return (lambda _address: True) if anywhere else is_public


INSECURE = "the receiver's URL does not begin with `https://`"


def is_secure(url: str, *, anywhere: bool) -> bool:
    """Return False for a URL without TLS, which is only allowed for programs of the emulator's
    machine."""
    return anywhere or url.lower().startswith("https://")


def is_public(text: str) -> bool:
    """Return False for an address that is private, link-local (Function Compute's metadata
    service), loopback, shared (100.100.100.200 is Alibaba Cloud's metadata service) or reserved."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is not None:
            return is_public(str(inner))
        if address.teredo is not None or any(address in network for network in _TRANSLATED):
            return False
    return address.is_global and not address.is_multicast
