"""Whose token it is: the environment's are known, the store's are read now and then.

Every function of the HTTP API asks it. A wrong token costs no read of its own, however many come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from shared.config.policy_cache import LastAsked
from shared.config.stored_tokens import read_stored
from shared.config.tokens import Caller, Tokens
from shared.logs import Log
from shared.store.store_errors import StoreUnavailable

TOKENS_AGE_MS = 10_000
"""How long the tokens that were read count as the newest."""
FAILED_AGE_MS = 1_000
"""How long a store that did not answer is left alone."""


class TokenSource(Protocol):
    def tokens(self) -> Mapping[str, str]: ...


class TokenCache:
    """The tokens in force. Those of the environment come first, and cost no read."""

    def __init__(
        self, source: TokenSource, of_environment: Tokens, *, clock: Callable[[], int], log: Log
    ) -> None:
        """Read from `source`. `clock` gives ms since the epoch."""
        self._of_environment = of_environment
        self._source = source
        self._log = log
        self._stored = Tokens()
        self._failure: StoreUnavailable | None = None
        self._asked = LastAsked(clock)

    def caller_of(self, bearer: str) -> Caller | None:
        """Return the caller to whom the token belongs; None for an unknown token. Raise
        StoreUnavailable for an unknown one while the store does not answer: it may be there."""
        caller = self._of_environment.caller_of(bearer) or self._newest().caller_of(bearer)
        if caller is None and self._failure is not None:
            raise self._failure
        return caller

    def forget(self) -> None:
        """Read the store at the next unknown token: this process has just changed its tokens."""
        self._asked.forget("tokens")

    def _newest(self) -> Tokens:
        """Return the store's tokens, at most ten seconds old; the last ones known while the store
        is down."""
        if self._asked.may_ask("tokens", FAILED_AGE_MS if self._failure else TOKENS_AGE_MS):
            try:
                self._take(self._source.tokens())
                self._failure = None
            except StoreUnavailable as error:
                self._failure = error
                self._log.warning("tokens.unread", error=error)
        return self._stored

    def _take(self, documents: Mapping[str, str]) -> None:
        """Take over the tokens. A name of the environment's is not given to a second one."""
        found, unreadable = read_stored(documents)
        taken = {token.caller.name for token in self._of_environment.tokens}
        self._stored = Tokens(
            tuple(stored.token for name, stored in found.items() if name not in taken)
        )
        for name in unreadable:
            self._log.error("tokens.unreadable", name=name)
