"""Checks the certificate and the private key of a domain before a stage uses them.

`live-record stage add` calls this module. Without these checks, a wrong pair would be found only by
Function Compute, at the last step of a deploy, or by clients afterwards. No text of this module may
hold a part of the key.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from gettext import gettext as _
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

_IS_CERTIFICATE, _IS_KEY = b"-----BEGIN CERTIFICATE-----", b"PRIVATE KEY-----"


class _Unusable(Exception):
    """The file does not hold what its option takes. The text is the sentence for the user."""


def certificate_faults(certificate: Path, key: Path, domain: str) -> list[str]:
    """Return a sentence for each reason why the domain cannot be served with these files."""
    faults = []
    served = private = None
    try:
        served = _certificate_of(certificate)
    except _Unusable as error:
        faults.append(f"`--certificate`: {error}")
    try:
        private = _key_of(key)
    except _Unusable as error:
        faults.append(f"`--key`: {error}")
    if served:
        faults += [f"`--certificate`: {fault}" for fault in _unfit(served, certificate, domain)]
    if served and private and served.public_key() != private.public_key():
        sentence = _("{file} is not the key of the certificate. Pass the key that belongs to it.")
        faults.append(f"`--key`: {sentence.format(file=key)}")
    return faults


def _certificate_of(file: Path) -> x509.Certificate:
    """Return the first certificate of the file, which is the domain's own; the chain follows it."""
    text = file.read_bytes()
    if _IS_KEY in text:
        sentence = _("{file} holds a private key. Pass the certificate with its chain.")
        raise _Unusable(sentence.format(file=file))
    try:
        return x509.load_pem_x509_certificates(text)[0]
    except ValueError:
        sentence = _("{file} is not a certificate in PEM form.")
        raise _Unusable(sentence.format(file=file)) from None


def _key_of(file: Path) -> PrivateKeyTypes:
    text = file.read_bytes()
    if _IS_CERTIFICATE in text:
        sentence = _("{file} holds a certificate. Pass a file with only the private key.")
        raise _Unusable(sentence.format(file=file))
    try:
        return load_pem_private_key(text, None)
    except TypeError:
        sentence = _("{file} is encrypted with a password. Pass the private key without one.")
        raise _Unusable(sentence.format(file=file)) from None
    except (ValueError, UnsupportedAlgorithm):
        sentence = _("{file} is not a private key in PEM form.")
        raise _Unusable(sentence.format(file=file)) from None


def _unfit(served: x509.Certificate, file: Path, domain: str) -> Iterator[str]:
    """Yield why the certificate does not serve the domain today."""
    names = _names(served)
    if not any(_covers(name.lower(), domain) for name in names):
        sentence = _("{file} is for {names}, and does not cover {domain}.")
        listed = ", ".join(names) or _("no domain")
        yield sentence.format(file=file, names=listed, domain=domain)
    if served.not_valid_after_utc < datetime.now(timezone.utc):
        day = f"{served.not_valid_after_utc:%Y-%m-%d}"
        yield _("{file} expired on {day}.").format(file=file, day=day)


def _names(served: x509.Certificate) -> list[str]:
    """Return the domains that the certificate names. Clients read no other part of it for that."""
    try:
        found = served.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return []
    return found.value.get_values_for_type(x509.DNSName)


def _covers(name: str, domain: str) -> bool:
    """Return True if the name is the domain, or its parent's with `*` for the first label."""
    return name == domain or (name[:2] == "*." and name[1:] == f".{domain.partition('.')[2]}")
