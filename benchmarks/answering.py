"""A TLS server that answers every request at once with 200, in place of Live.

benchmarks.packaged starts it; `python -m benchmarks.answering CERTIFICATE` prints its port. It must
run in a process of its own, so that no figure includes its cost.
"""

from __future__ import annotations

import socket
import socketserver
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path

from cli.local.tether import Tether

HOST = "127.0.0.1"
BODY = b'{"RequestId": "16A96B9A-F203-4EC5-8E43-CB92E68F4CD8"}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
    len(BODY),
    BODY,
)


@dataclass(frozen=True, slots=True)
class Authority:
    """A root certificate to trust, and the file of a server certificate that it signed."""

    root: str
    certificate: Path

    @classmethod
    def made(cls, folder: Path) -> Authority:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "live-record benchmark")])
        now = datetime.now(timezone.utc)
        host = x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))])
        made = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(host, critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        pem = made.public_bytes(serialization.Encoding.PEM)
        no_password = serialization.NoEncryption()
        form = serialization.PrivateFormat.PKCS8
        certificate = folder / "live.pem"
        certificate.write_bytes(
            pem + key.private_bytes(serialization.Encoding.PEM, form, no_password)
        )
        return cls(pem.decode("ascii"), certificate)


@contextmanager
def answering(authority: Authority) -> Iterator[str]:
    """Run the server and yield its host and port."""
    command = [sys.executable, "-m", "benchmarks.answering", str(authority.certificate)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    tether = Tether(process)
    try:
        port = process.stdout.readline().strip() if process.stdout else ""
        yield f"{HOST}:{port}"
    finally:
        tether.release()
        process.terminate()
        process.communicate()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context
        super().__init__((HOST, 0), _Connection)


class _Connection(socketserver.BaseRequestHandler):
    """One connection: answers requests without a body, one after another."""

    def handle(self) -> None:
        server = self.server
        assert isinstance(server, _Server)  # noqa: S101 - for the type checker
        # otherwise the first answer waits 40 ms until the client acknowledges the TLS tickets
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with server.context.wrap_socket(self.request, server_side=True) as line:
            received = b""
            while more := line.recv(65_536):
                received += more
                while b"\r\n\r\n" in received:
                    _, _, received = received.partition(b"\r\n\r\n")
                    line.sendall(ANSWER)


def main() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1])
    with _Server(context) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
