"""A callback URL that leaks is good for its own kind of callback alone."""

from __future__ import annotations

import pytest

from shared.config.path_tokens import KINDS, CallbackKind, path_token_of
from shared.inbound.live_callbacks import verify_path_token
from shared.inbound.request_errors import UnverifiedCallback

SECRETS = ["unguessable-path-1", "unguessable-path-2"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("secret", SECRETS)
def test_each_kind_has_a_token_of_its_own(kind: CallbackKind, secret: str) -> None:
    token = path_token_of(kind, secret)

    verify_path_token(f"/callbacks/{kind}/{token}", SECRETS, kind)
    for other in set(KINDS) - {kind}:
        with pytest.raises(UnverifiedCallback):
            verify_path_token(f"/callbacks/{other}/{token}", SECRETS, other)


def test_no_token_tells_the_secret_or_another_token() -> None:
    tokens = {path_token_of(kind, secret) for kind in KINDS for secret in SECRETS}

    assert len(tokens) == len(KINDS) * len(SECRETS)
    assert not any(secret in token for secret in SECRETS for token in tokens)


@pytest.mark.parametrize("kind", KINDS)
def test_a_url_that_release_0_2_has_set_works_until_setup_replaces_it(kind: CallbackKind) -> None:
    verify_path_token(f"/callbacks/{kind}/{SECRETS[0]}", SECRETS, kind)


def test_without_a_secret_no_token_is_valid() -> None:
    with pytest.raises(UnverifiedCallback):
        verify_path_token(f"/callbacks/stream/{path_token_of('stream', '')}", ["", ""], "stream")
