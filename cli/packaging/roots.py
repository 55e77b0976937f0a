"""Splits certifi's root certificates into one file each, named `HASH.N` for OpenSSL's lookup.

cli.packaging.build calls this module; shared/outbound/tls.py uses the folder. A connection needs
one root, and reading the whole bundle takes a tenth of a cold start.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from shared.outbound.tls import ROOTS

BUNDLE = PurePosixPath("certifi/cacert.pem")
FOLDER = BUNDLE.with_name(ROOTS)
_CERTIFICATE = re.compile(
    rb"-----BEGIN CERTIFICATE-----\n.+?\n-----END CERTIFICATE-----\n", re.DOTALL
)


def by_name(bundle: bytes) -> dict[str, bytes]:
    """Return the certificates of a PEM file by the file name under which OpenSSL finds each:
    HASH.N, which is the same in OpenSSL 1.0 to 3. N counts certificates with equal hashes, in the
    order of the file."""
    found: dict[str, bytes] = {}
    for certificate in _CERTIFICATE.findall(bundle):
        found[next(name for name in _names(certificate) if name not in found)] = certificate
    return found


def _names(certificate: bytes) -> Iterator[str]:
    from OpenSSL import crypto

    read = crypto.load_certificate(crypto.FILETYPE_PEM, certificate)
    return (f"{read.subject_name_hash():08x}.{number}" for number in range(10_000))


def hashed_roots(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return certifi's root certificates as single files, by path in the code folder. `files` are
    those of the package; without certifi among them, return nothing."""
    bundle = files.get(str(BUNDLE), b"")
    return {str(FOLDER / name): certificate for name, certificate in by_name(bundle).items()}
