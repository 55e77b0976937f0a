"""Finds the owner of a token or a console session, among the tokens of the environment and the
store.

Every function of the HTTP API asks it. It reads the store's tokens now and then, not for each
request, so that many wrong tokens cost no more reads than one.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from shared.config.policy_cache import LastAsked
from shared.config.session import SESSION_KEY, read_session, signed
from shared.config.stored_tokens import read_stored
from shared.config.tokens import Caller, Token, Tokens
from shared.logs import Log
from shared.store.store_errors import StoreUnavailable

TOKENS_AGE_MS = 10_000
"""How long the tokens that were read count as the newest."""
FAILED_AGE_MS = 1_000
"""ms before a store that did not answer is asked again."""


class TokenSource(Protocol):
    def tokens(self) -> Mapping[str, str]: ...
    def get_text(self, name: str) -> str | None: ...
    def set_text(self, name: str, text: str) -> None: ...


class TokenCache:
    """The tokens in force: those of the environment, and those of the store. A token is searched
    for in the environment first, which costs no read."""

    def __init__(
        self,
        source: TokenSource,
        of_environment: Tokens,
        *,
        clock: Callable[[], int],
        log: Log,
        hosts: Sequence[str] = (),
    ) -> None:
        """Read tokens from `source`. `clock` gives ms since the epoch. `hosts` serve the stage's
        own pages, without ports."""
        self.hosts = hosts
        self._of_environment = of_environment
        self._source = source
        self._log = log
        self._stored = Tokens()
        self._clock = clock
        self._session_key = b""
        self._failure: StoreUnavailable | None = None
        self._asked = LastAsked(clock)

    def caller_of(self, bearer: str) -> Caller | None:
        """Return the owner of the token with this text; None if there is no such token. Raise
        StoreUnavailable if only the store could have the token, and the store does not answer."""
        token = self._token_of(bearer)
        return token.caller if token else None

    def _token_of(self, bearer: str) -> Token | None:
        token = self._of_environment.token_of(bearer) or self._newest().token_of(bearer)
        if token is None and self._failure is not None:
            raise self._failure
        return token

    def open_session(self, bearer: str) -> str | None:
        """Return the cookie text of a new session for the token with this text; None if there is no
        such token. If the store has no key to sign sessions with, store a new one. Raise
        StoreUnavailable if the store is needed and does not answer."""
        token = self._token_of(bearer)
        if token is None:
            return None
        if not self._key():
            self._source.set_text(SESSION_KEY, secrets.token_hex(32))
            self._asked.forget(SESSION_KEY)
        return signed(token, self._key(), self._clock())

    def caller_of_session(self, text: str) -> Caller | None:
        """Return the owner of the session with this cookie text. Return None if the session has
        ended, if its token was changed or revoked, or if its signature is not ours. Raise
        StoreUnavailable if the store is needed and does not answer."""
        session = read_session(text)
        if session is None:
            return None
        token = self._of_environment.named(session.name) or self._newest().named(session.name)
        if token is None and self._failure is not None:
            raise self._failure
        key = self._key() if token else b""
        is_valid = token is not None and key and session.is_of(token, key, self._clock())
        return token.caller if token and is_valid else None

    def _key(self) -> bytes:
        """Return the signing key of sessions, at most ten seconds old; b"" if the store has none,
        as after it was emptied. `open_session` then makes one."""
        if self._asked.may_ask(SESSION_KEY, TOKENS_AGE_MS):
            try:
                self._session_key = bytes.fromhex(self._source.get_text(SESSION_KEY) or "")
            except StoreUnavailable:
                self._asked.forget(SESSION_KEY)
                if not self._session_key:
                    raise
        return self._session_key

    def forget(self) -> None:
        """Make the next search in the store's tokens read them again, because this process has just
        changed them. If the store does not answer, the tokens that were read before still count."""
        self._asked.forget("tokens")

    def _newest(self) -> Tokens:
        """Return the store's tokens, at most ten seconds old; while the store is down, those that
        were read before it went down."""
        if self._asked.may_ask("tokens", FAILED_AGE_MS if self._failure else TOKENS_AGE_MS):
            try:
                self._take(self._source.tokens())
                self._failure = None
            except StoreUnavailable as error:
                self._failure = error
                self._log.warning("tokens.unread", error=error)
        return self._stored

    def _take(self, documents: Mapping[str, str]) -> None:
        """Use these tokens from now on. Leave out a stored token with the name of an environment
        token."""
        found, unreadable = read_stored(documents)
        taken = {token.caller.name for token in self._of_environment.tokens}
        self._stored = Tokens(
            tuple(stored.token for name, stored in found.items() if name not in taken)
        )
        for name in unreadable:
            self._log.error("tokens.unreadable", name=name)
