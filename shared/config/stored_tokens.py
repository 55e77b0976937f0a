"""API tokens as the store holds them: one document each, with the token's digest, never the token.

`token_cache` reads them, and the routes of /v1/tokens write them.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from shared.config.tokens import Caller, Token, read_digest, read_glob
from shared.decoding import decode


class StoredToken(Struct, frozen=True):
    """A token in the store. `made_by` is the name of the token that added it; `made_at` is in
    ms."""

    token: Token
    made_by: str
    made_at: int


class _TokenDocument(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A token's document. An unknown field may narrow what the token allows, so a token with one is
    refused."""

    digest: str
    scopes: tuple[str, ...]
    made_by: str
    made_at: int
    streams: tuple[str, ...] = ()
    until: int | None = None


def to_document(stored: StoredToken) -> str:
    caller = stored.token.caller
    document = _TokenDocument(
        digest=stored.token.digest.hex(),
        scopes=tuple(sorted(caller.scopes)),
        made_by=stored.made_by,
        made_at=stored.made_at,
        streams=tuple(map(str, caller.only)),
        until=caller.until,
    )
    return msgspec.json.encode(document).decode()


def from_document(name: str, text: str) -> StoredToken:
    """Return the token with this name from its document. Raise ValueError if any part of the
    document cannot be read."""
    document = decode(text, _TokenDocument)
    caller = Caller(
        name,
        frozenset(document.scopes),
        tuple(map(read_glob, document.streams)),
        document.until,
    )
    token = Token(caller, read_digest(document.digest))
    return StoredToken(token, document.made_by, document.made_at)


def read_stored(documents: Mapping[str, str]) -> tuple[dict[str, StoredToken], list[str]]:
    """Return the tokens by name, and the names of the tokens whose documents cannot be read.
    `documents` holds each token's document by the token's name."""
    read = {name: _read(name, text) for name, text in documents.items()}
    found = {name: stored for name, stored in read.items() if stored is not None}
    return found, [name for name in read if name not in found]


def _read(name: str, text: str) -> StoredToken | None:
    try:
        return from_document(name, text)
    except ValueError:
        return None
