"""A server that gives Redis clients the answers of a script, and certificates for such servers.

Tests of what an answer of the engine becomes use it.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@contextmanager
def saying(*answers: bytes, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Yield the port of a server that sends the answers in turn, the last one for ever. It closes
    the connection in place of an empty one."""
    listener = socket.create_server(("127.0.0.1", 0))
    left = list(answers)

    def next_answer() -> bytes:
        return left.pop(0) if len(left) > 1 else left[0]

    def serve() -> None:
        with suppress(OSError):
            while True:
                talk, _ = listener.accept()
                with suppress(OSError), _encrypted(talk, tls) as client:
                    while client.recv(1 << 16):
                        answer = next_answer()
                        if not answer:
                            break
                        client.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def _encrypted(talk: socket.socket, tls: ssl.SSLContext | None) -> socket.socket:
    if tls is None:
        return talk
    try:
        return tls.wrap_socket(talk, server_side=True)
    except OSError:
        talk.close()
        raise


def certificate(
    folder: Path, names: Sequence[str] = ("127.0.0.1",), *, valid_days: float = 1
) -> Path:
    """Write a self-signed cert.pem with its key.pem, for these names; return the path of
    cert.pem. With negative days it has expired."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name(
        [x509.NameAttribute(x509.NameOID.COMMON_NAME, f"{names[0]} of {folder.name}")]
    )
    now = datetime.now(timezone.utc)
    signed = (
        x509.CertificateBuilder(issuer, issuer, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(now + timedelta(days=valid_days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(list(map(_name, names))), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    folder.mkdir(exist_ok=True)
    (folder / "cert.pem").write_bytes(signed.public_bytes(pem))
    form = serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(pem, form, plain))
    return folder / "cert.pem"


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def server_context(folder: Path) -> ssl.SSLContext:
    """Return the TLS context of a server with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context
