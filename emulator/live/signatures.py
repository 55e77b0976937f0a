"""Request signatures of the official SDKs, both schemes, and callback signatures.

api.py checks each call with it; callbacks.py signs with it.
It must not know actions.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from urllib.parse import quote

from emulator.live.account import Account, Credential
from emulator.live.api_errors import ApiError

ACS3 = "ACS3-HMAC-SHA256"
RPC = "HMAC-SHA1"
SKEW_MS = 15 * 60 * 1000
AUTHORIZATION = re.compile(
    r"ACS3-HMAC-SHA256\s+Credential=([^,]+),\s*SignedHeaders=([^,]+),\s*Signature=([0-9a-f]+)"
)


class Wire(NamedTuple):
    """One request as received: query and form decoded, in order; header names in lower case.
    `connection` is the caller's port."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    form: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes
    connection: int = 0

    def parameters(self) -> dict[str, str]:
        return dict((*self.query, *self.form))


RPC_MISMATCH_STATUS = 400
"""The status of a wrong secret in RPC style, as the official core expects it (docs/platform/live.md
§1.5)."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A caller's identity as claimed, and the signature that proves it."""

    scheme: str
    access_key: str
    token: str | None
    nonce: str
    signed_at: str
    signature: str
    string_to_sign: str

    def is_signed_with(self, secret: str) -> bool:
        sign = sign_acs3 if self.scheme == ACS3 else sign_rpc
        return hmac.compare_digest(
            sign(self.string_to_sign, secret).encode(), self.signature.encode()
        )


def read_claim(wire: Wire) -> Claim:
    if wire.headers.get("authorization", "").startswith(ACS3):
        return _acs3_claim(wire)
    return _rpc_claim(wire)


def callback_signature(domain: str, timestamp: int, key: str) -> str:
    """Return the signature of a callback (docs/platform/live.md §3)."""
    return hashlib.md5(f"{domain}|{timestamp}|{key}".encode()).hexdigest()


def vod_signature(url: str, signed_at: int, key: str) -> str:
    """Return the signature of an event of ApsaraVideo VOD (docs/platform/live.md §4.1)."""
    return hashlib.md5(f"{url}|{signed_at}|{key}".encode()).hexdigest()


def sign_acs3(string_to_sign: str, secret: str) -> str:
    return hmac.new(secret.encode(), string_to_sign.encode(), hashlib.sha256).hexdigest()


def sign_rpc(string_to_sign: str, secret: str) -> str:
    mac = hmac.new(f"{secret}&".encode(), string_to_sign.encode(), hashlib.sha1)
    return base64.b64encode(mac.digest()).decode()


class Gate:
    """Admits calls that are signed, in time and not replayed (docs/platform/live.md §1.1, §1.5)."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._nonces: dict[str, int] = {}

    def admit(self, claim: Claim, real_ms: int) -> None:
        credential = self._account.credential(claim.access_key)
        if credential is None:
            raise ApiError("InvalidAccessKeyId.NotFound")
        _check_token(credential, claim)
        _check_signature(credential, claim)
        _check_skew(claim, real_ms)
        self._use_nonce(claim.nonce, real_ms)

    def _use_nonce(self, nonce: str, real_ms: int) -> None:
        if nonce in self._nonces:
            raise ApiError("SignatureNonceUsed")
        self._nonces[nonce] = real_ms + 2 * SKEW_MS
        oldest = next(iter(self._nonces))
        if self._nonces[oldest] < real_ms:
            del self._nonces[oldest]


def _check_token(credential: Credential, claim: Claim) -> None:
    if claim.token is not None and claim.token != credential.security_token:
        raise ApiError("InvalidSecurityToken.Malformed")


def _check_signature(credential: Credential, claim: Claim) -> None:
    if not claim.is_signed_with(credential.secret):
        raise ApiError(
            "SignatureDoesNotMatch",
            "Specified signature is not matched with our calculation. "
            f"server string to sign is:{claim.string_to_sign}",
            status=RPC_MISMATCH_STATUS if claim.scheme == RPC else None,
        )


def _check_skew(claim: Claim, real_ms: int) -> None:
    try:
        signed_at = datetime.strptime(claim.signed_at, "%Y-%m-%dT%H:%M:%S%z")
    except ValueError as error:
        raise ApiError("InvalidTimeStamp.Format") from error
    if abs(real_ms - signed_at.timestamp() * 1000) > SKEW_MS:
        raise ApiError("InvalidTimeStamp.Expired")


def _acs3_claim(wire: Wire) -> Claim:
    found = AUTHORIZATION.fullmatch(wire.headers["authorization"])
    if found is None:
        raise ApiError("IncompleteSignature")
    access_key, signed_headers, signature = found.groups()
    return Claim(
        scheme=ACS3,
        access_key=access_key,
        token=wire.headers.get("x-acs-security-token"),
        nonce=_require(wire.headers, "x-acs-signature-nonce"),
        signed_at=_require(wire.headers, "x-acs-date"),
        signature=signature,
        string_to_sign=_acs3_string(wire, signed_headers),
    )


def _acs3_string(wire: Wire, signed_headers: str) -> str:
    names = signed_headers.split(";")
    canonical = "\n".join(
        (
            wire.method,
            quote(wire.path, safe="/~"),
            canonical_query(wire.query),
            "".join(f"{name}:{wire.headers.get(name, '').strip()}\n" for name in names),
            signed_headers,
            hashlib.sha256(wire.body).hexdigest(),
        )
    )
    return f"{ACS3}\n{hashlib.sha256(canonical.encode()).hexdigest()}"


def _rpc_claim(wire: Wire) -> Claim:
    params = wire.parameters()
    if "AccessKeyId" not in params:
        raise ApiError("MissingAccessKeyId")
    if (params.get("SignatureMethod"), params.get("SignatureVersion")) != (RPC, "1.0"):
        raise ApiError("IncompleteSignature")
    return Claim(
        scheme=RPC,
        access_key=params["AccessKeyId"],
        token=params.get("SecurityToken"),
        nonce=_require(params, "SignatureNonce"),
        signed_at=_require(params, "Timestamp"),
        signature=_require(params, "Signature"),
        string_to_sign=_rpc_string(wire),
    )


def _rpc_string(wire: Wire) -> str:
    signed = [(name, value) for name, value in (*wire.query, *wire.form) if name != "Signature"]
    return f"{wire.method}&%2F&{_percent_encode(canonical_query(signed))}"


def canonical_query(pairs: Iterable[tuple[str, str]]) -> str:
    return "&".join(
        f"{_percent_encode(name)}={_percent_encode(value)}" for name, value in sorted(pairs)
    )


def _percent_encode(text: str) -> str:
    return quote(text, safe="~")


def _require(params: Mapping[str, str], name: str) -> str:
    if not params.get(name):
        raise ApiError("MissingParameter", f"The parameter {name} is mandatory for signing.")
    return params[name]
