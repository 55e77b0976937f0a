"""Checks the certificate and the private key of a domain before a stage uses them.

`live-record stage add` calls this module. Without these checks, a wrong pair would be found only by
Function Compute, at the last step of a deploy, or by clients afterwards. No text of this module may
hold a part of the key.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from gettext import gettext as _
from itertools import zip_longest
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from requests.utils import DEFAULT_CA_BUNDLE_PATH

_IS_CERTIFICATE, _IS_KEY = b"-----BEGIN CERTIFICATE-----", b"PRIVATE KEY-----"


class _Unusable(Exception):
    """The file does not hold what its option takes. The text is the sentence for the user."""


def certificate_faults(certificate: Path, key: Path, domain: str) -> list[str]:
    """Return a sentence for each reason why the domain cannot be served with these files."""
    faults = []
    chain, private = [], None
    try:
        chain = _chain_of(certificate)
    except _Unusable as error:
        faults.append(f"`--certificate`: {error}")
    try:
        private = _key_of(key)
    except _Unusable as error:
        faults.append(f"`--key`: {error}")
    if chain:
        faults += [f"`--certificate`: {fault}" for fault in _unfit(chain, certificate, domain)]
    if chain and private and chain[0].public_key() != private.public_key():
        sentence = _("{file} is not the key of the certificate. Pass the key that belongs to it.")
        faults.append(f"`--key`: {sentence.format(file=key)}")
    return faults


def _chain_of(file: Path) -> list[x509.Certificate]:
    """Return the certificates of the file; the first is the domain's own."""
    text = file.read_bytes()
    if _IS_KEY in text:
        sentence = _("{file} holds a private key. Pass the certificate with its chain.")
        raise _Unusable(sentence.format(file=file))
    try:
        return x509.load_pem_x509_certificates(text)
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


def _unfit(chain: Sequence[x509.Certificate], file: Path, domain: str) -> Iterator[str]:
    """Yield why the certificate does not serve the domain today."""
    names = _names(chain[0])
    if not any(_covers(name.lower(), domain) for name in names):
        sentence = _("{file} is for {names}, and does not cover {domain}.")
        listed = ", ".join(names) or _("no domain")
        yield sentence.format(file=file, names=listed, domain=domain)
    for number, each in enumerate(chain):
        sentence = (
            _("{file}: the certificate of {name} {fault}.") if number else _("{file} {fault}.")
        )
        for fault in _untimely(each):
            yield sentence.format(file=file, name=_name(each.subject), fault=fault)
    if (missing := _missing_issuer(chain)) is not None:
        sentence = _(
            "{file} has no complete chain: the certificate of {name} is missing. Pass the file with"
            " the whole chain, each certificate before its issuer's."
        )
        yield sentence.format(file=file, name=_name(missing))


def _untimely(certificate: x509.Certificate) -> Iterator[str]:
    """Yield why the certificate is not valid now. The days are in UTC."""
    now = datetime.now(timezone.utc)
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < begin:
        yield _("is valid only from {day} (UTC) on").format(day=f"{begin:%Y-%m-%d %H:%M}")
    if end < now:
        yield _("expired on {day} (UTC)").format(day=f"{end:%Y-%m-%d %H:%M}")


def _missing_issuer(chain: Sequence[x509.Certificate]) -> x509.Name | None:
    """Return the name of the first issuer whose certificate does not follow, None if the chain is
    complete: it ends with a root, or its last issuer is a root that every client has."""
    for issued, issuer in zip_longest(chain, chain[1:]):
        if issuer is None:
            ends = issued.issuer == issued.subject or _is_public_root(issued.issuer)
            return None if ends else issued.issuer
        if not _has_issued(issuer, issued):
            return issued.issuer
    return None


def _has_issued(issuer: x509.Certificate, issued: x509.Certificate) -> bool:
    try:
        issued.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _is_public_root(name: x509.Name) -> bool:
    """Return True if clients such as `requests` have a root certificate with this name. Of some of
    them, only OpenSSL can read the serial number."""
    roots = ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH).get_ca_certs(binary_form=True)
    return any(name.public_bytes() in root for root in roots)


def _name(subject: x509.Name) -> str:
    """Return the common name, or the whole name if there is none."""
    found = subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(found[0].value) if found else subject.rfc4514_string()


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
