"""The tokens of the stage: who may do what, changed without a deploy.

The client makes the token and sends only its digest. So the token is in no request, answer, log or
store, and a request whose answer was lost can be repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functions.record_command.answers import TokenRevokedView, TokensView, TokenView
from functions.record_command.routes import ApiRequest
from shared.config.stored_tokens import StoredToken, read_stored, to_document
from shared.config.tokens import (
    FOR_ALL_STREAMS,
    NAME_PATTERN,
    SCOPES,
    Caller,
    Token,
    digest_of,
    is_token_name,
    read_digest,
    read_glob,
)
from shared.errors import Fault
from shared.inbound.function_compute import Response
from shared.inbound.request_errors import (
    BadRequest,
    Forbidden,
    NotFound,
    RequestError,
    WrongState,
)
from shared.inbound.request_fields import PRINTABLE, Field, list_of, moment, texts
from shared.invocation.app import App
from shared.protocol.durations import rfc3339
from shared.protocol.policy import Match

MAX_TOKENS_NUMBER = 200
"""Tokens in the store. Each instance in use reads them all every ten seconds."""
MAX_GLOBS_NUMBER, MAX_GLOB_CHARS = 16, 256


def _name(value: object) -> str:
    if not isinstance(value, str) or not is_token_name(value):
        raise ValueError("write 1 to 64 of A-Z, a-z, 0-9, dot, dash and underscore")
    return value


def _digest(value: object) -> bytes:
    if not isinstance(value, str) or value != value.lower():
        raise ValueError("write the SHA-256 of the token, as 64 hexadecimal digits in lower case")
    return read_digest(value)


def _scopes(value: object) -> frozenset[str]:
    names = texts(value, len(SCOPES))
    if not names or not set(names) <= set(SCOPES):
        raise ValueError(f"write a list of {', '.join(SCOPES)}")
    return frozenset(names)


def _streams(value: object) -> tuple[Match, ...]:
    globs = texts(value, MAX_GLOBS_NUMBER)
    if any(len(glob) > MAX_GLOB_CHARS or not glob.isprintable() for glob in globs):
        raise ValueError(f"write globs of at most {MAX_GLOB_CHARS} printable characters")
    return tuple(map(read_glob, globs))


_SCOPE = {"type": "string", "enum": list(SCOPES)}
_GLOB = {
    "type": "string",
    "maxLength": MAX_GLOB_CHARS,
    "pattern": f"^[{PRINTABLE} ]*$",
    "allOf": [{"pattern": "^[^/]+/[^/]+/[^/]+$"}],
}
_EXAMPLE = digest_of("an example of 32 random bytes").hex()
TOKEN_NAME = {"type": "string", "pattern": f"^{NAME_PATTERN}$"}

ADD: tuple[Field, ...] = (
    Field(
        "name",
        _name,
        TOKEN_NAME,
        "the owner's name, which the log and the history show",
        "brand-a",
        is_required=True,
    ),
    Field(
        "digest",
        _digest,
        {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "SHA-256 of a token of at least 128 random bits",
        _EXAMPLE,
        is_required=True,
    ),
    Field(
        "scopes",
        _scopes,
        list_of(_SCOPE, len(SCOPES), least=1),
        "what the token allows; at most the scopes of your own token",
        ["read", "control"],
        is_required=True,
    ),
    Field(
        "streams",
        _streams,
        list_of(_GLOB, MAX_GLOBS_NUMBER),
        "the streams that the token is bound to, as globs of `domain/app/stream`; if left out, all",
        ["live.example.com/brand-a/*"],
    ),
    moment("until", "when the token ends; if left out, the token lasts until it is revoked"),
)


def listed(request: ApiRequest) -> Response:
    app = request.invocation.app
    stored, unreadable = read_stored(app.store.tokens())
    shown = [_view(token) for token in app.settings.api_tokens.tokens]
    shown += [_view(each.token, each) for each in stored.values()]
    return Response(200, TokensView(shown, unreadable))


def _view(token: Token, stored: StoredToken | None = None) -> TokenView:
    caller = token.caller
    return TokenView(
        name=caller.name,
        scopes=[scope for scope in SCOPES if scope in caller.scopes],
        streams=list(map(str, caller.only)),
        until=None if caller.until is None else rfc3339(caller.until),
        kept_in="store" if stored else "environment",
        made_by=stored.made_by if stored else None,
        made_at=rfc3339(stored.made_at) if stored else None,
    )


def add(request: ApiRequest) -> Response:
    """Store a token, which every instance accepts within ten seconds. If the request is repeated,
    it changes nothing more."""
    app, body = request.invocation.app, request.body
    now = app.clock()
    token = _asked_for(body, request.caller, now)
    documents = app.store.tokens()
    stored, _ = read_stored(documents)
    before = stored.get(token.caller.name)
    if before is None or before.token != token:
        _require_new(app, token, documents, stored)
        before = StoredToken(token, request.who, now)
        if not app.store.add_token(token.caller.name, to_document(before)):
            raise _taken(token.caller.name)
        app.tokens.forget()
        request.invocation.log.warning("tokens.added", who=request.who, **_about(token.caller))
    return Response(200, _view(token, before))


def _asked_for(body: Mapping[str, Any], caller: Caller, now: int) -> Token:
    """Return the token in the request. Raise BadRequest if it makes no sense, Forbidden if it
    allows more than the caller's own token."""
    only, until = body.get("streams", ()), body.get("until")
    if only and (unbound := body["scopes"] & FOR_ALL_STREAMS):
        about = " and ".join(sorted(unbound))
        detail = (
            f"a token with the scope {about} cannot be limited to some streams: leave out"
            " `streams`, or this scope"
        )
        raise BadRequest([Fault("scopes", detail)])
    if until is not None and until <= now:
        raise BadRequest([Fault("until", "is past: write a time to come")])
    missing = body["scopes"] - caller.scopes
    if missing:
        raise Forbidden(
            f"the token {caller.name} lacks {', '.join(sorted(missing))}; a token grants"
            " only scopes that it has itself",
            hint="use a token that has every scope of the new token",
        )
    if caller.until is not None and (until is None or until > caller.until):
        raise Forbidden(
            f"the token {caller.name} expires before the new token",
            hint=f"let the new token expire by {rfc3339(caller.until)}",
        )
    return Token(Caller(body["name"], body["scopes"], only, until), body["digest"])


def _require_new(
    app: App, token: Token, documents: Mapping[str, str], stored: Mapping[str, StoredToken]
) -> None:
    """Raise WrongState if the name or digest is taken, or if there is no room."""
    name = token.caller.name
    if name in documents or _is_of_environment(app, name):
        raise _taken(name)
    used = [each.digest for each in app.settings.api_tokens.tokens]
    used += [each.token.digest for each in stored.values()]
    used += map(digest_of, app.settings.secrets)
    if token.digest in used:
        raise WrongState(
            "the stage has a token with this digest already", hint="make another token"
        )
    if len(documents) >= MAX_TOKENS_NUMBER:
        raise WrongState(
            f"the stage has {MAX_TOKENS_NUMBER} tokens, which is the limit",
            hint="revoke a token that nobody uses",
        )


def _taken(name: str) -> WrongState:
    return WrongState(
        f"there is a token {name} already",
        hint="use another name: log and history show this name for its earlier owner",
    )


def _about(caller: Caller) -> Mapping[str, object]:
    until = None if caller.until is None else rfc3339(caller.until)
    streams = list(map(str, caller.only))
    return {"name": caller.name, "scopes": sorted(caller.scopes), "only": streams, "until": until}


def revoke(request: ApiRequest) -> Response:
    """Remove a token from the store. Within ten seconds no instance accepts it any more."""
    app, (name,) = request.invocation.app, request.values
    if not is_token_name(name) or not app.store.remove_token(name):
        raise _not_in_store(app, name)
    app.tokens.forget()
    request.invocation.log.warning("tokens.revoked", name=name, who=request.who)
    return Response(200, TokenRevokedView(name))


def _not_in_store(app: App, name: str) -> RequestError:
    if _is_of_environment(app, name):
        return WrongState(
            f"the token {name} is set in the environment variables of the stage",
            hint="remove the token from LIVE_RECORD_API_TOKENS, and deploy",
        )
    return NotFound("there is no token of that name", hint="see `GET /v1/tokens`")


def _is_of_environment(app: App, name: str) -> bool:
    return any(name == each.caller.name for each in app.settings.api_tokens.tokens)
