"""A chain of certificates as an authority hands it out: root, intermediate and the domain's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_PEM = serialization.Encoding.PEM


@dataclass
class Issued:
    """A certificate with its private key. `days` are the days from now between which it is valid;
    without an `issuer`, it is self-signed."""

    name: str
    issuer: Issued | None = None
    days: Sequence[float] = (-9, 9)
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    certificate: x509.Certificate = field(init=False)

    def __post_init__(self) -> None:
        by, now = self.issuer or self, datetime.now(timezone.utc)
        begin, end = (now + timedelta(days=each) for each in self.days)
        builder = x509.CertificateBuilder(
            by.subject, self.subject, self.key.public_key(), x509.random_serial_number()
        )
        names = x509.SubjectAlternativeName([x509.DNSName(self.name)])
        dated = builder.not_valid_before(begin).not_valid_after(end)
        self.certificate = dated.add_extension(names, critical=False).sign(by.key, hashes.SHA256())

    @property
    def subject(self) -> x509.Name:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, self.name)])

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(_PEM)

    @property
    def key_pem(self) -> bytes:
        form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        return self.key.private_bytes(_PEM, form, plain)
