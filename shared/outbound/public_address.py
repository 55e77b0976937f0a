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
    """Return a function that decides whether an address may be called: a public one always, any
    other only with `anywhere`. Set `anywhere` for the emulator, whose receivers run on the same
    machine."""
    return (lambda _address: True) if anywhere else is_public


INSECURE = "the receiver's URL does not begin with `https://`"


def is_secure(url: str, *, anywhere: bool) -> bool:
    """Return True if the URL uses TLS. With `anywhere`, which is for the emulator, return True for
    every URL."""
    return anywhere or url.lower().startswith("https://")


def is_public(text: str) -> bool:
    """Return True if the text is an address of the public internet. Return False for private,
    loopback, reserved, link-local and shared addresses. Clouds have their metadata services at
    link-local and shared addresses (Alibaba Cloud at 100.100.100.200)."""
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
