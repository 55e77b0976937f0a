"""How Function Compute refuses a request: a status, a code and a message."""

from __future__ import annotations

import re

_NAME = re.compile(r"[_a-zA-Z][-_a-zA-Z0-9]*")
_DOMAIN = re.compile(r"([a-z0-9A-Z][-a-z0-9A-Z]{0,62}\.)+[a-zA-Z]{2,}")
MAX_DESCRIPTION_CHARS = 256


class Refusal(Exception):
    """A request is refused; `code` is what programs test for."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message


def invalid(message: str) -> Refusal:
    return Refusal(400, "InvalidArgument", message)


def missing(kind: str, name: str) -> Refusal:
    """Return the refusal for a missing object; `kind` is Function, Alias, Version and so on."""
    return Refusal(404, f"{kind}NotFound", f"{kind.lower()} '{name}' does not exist")


def exists(kind: str, name: str) -> Refusal:
    return Refusal(409, f"{kind}AlreadyExists", f"{kind.lower()} '{name}' already exists")


def check_name(kind: str, name: object, max_chars: int = 128) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > max_chars:
        message = f"{kind} name doesn't match expected format (allowed: '{_NAME.pattern}')"
        raise invalid(f"{message}, actual: {name!r}")
    return name


def check_domain(name: object) -> str:
    if not isinstance(name, str) or not _DOMAIN.fullmatch(name):
        allowed = f"allowed: '^{_DOMAIN.pattern}$', actual: {name!r}"
        raise invalid(f"domain name doesn't match expected format ({allowed})")
    return name


def check_description(text: object) -> str:
    if text is not None and (not isinstance(text, str) or len(text) > MAX_DESCRIPTION_CHARS):
        raise invalid(f"description must have at most {MAX_DESCRIPTION_CHARS} characters")
    return text or ""
