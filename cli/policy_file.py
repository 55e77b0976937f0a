"""Reads a policy file, or the policy of a stage, and reports all mistakes of a file by line.

The policy commands, deploy, the packaging and the local stack call this module. The checks
themselves are those of shared.config.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from gettext import gettext as _
from pathlib import Path
from typing import Any

from cli import texts
from cli.errors import Failure, unreadable
from shared.config import Kind, load_policy, policy_as_json
from shared.errors import Fault, Misconfigured
from shared.protocol import StreamKey
from shared.protocol.policy import Domain, Policy


def read_policy(file: Path) -> Policy:
    """Return the policy in the file. Raise a Failure that names each fault by file and line."""
    text, kind = _read_text(file)
    with _faults_as_failure(file):
        return load_policy(text, kind=kind)


def stage_policy(document: Mapping[str, Any]) -> Policy:
    """Return the policy in `document`, which a stage's API returned. Raise Failure if this release
    cannot read it."""
    try:
        return load_policy(json.dumps(document), kind="json")
    except Misconfigured as error:
        sentence = _(
            "This release of the command cannot read the stage's policy: {error}. Use the command"
            " of the release that the stage runs."
        )
        raise Failure(sentence.format(error=error)) from None


def served(policy: Policy, key: StreamKey) -> Domain:
    """Return the policy's domain to which the stream belongs. Raise Failure if the policy does not
    name that domain."""
    streaming = policy.streaming(key.domain)
    for domain in policy.domains:
        if domain.streaming == streaming:
            return domain
    known = ", ".join(domain.streaming for domain in policy.domains)
    sentence = _(
        "The policy does not contain the domain {domain}. Name a stream of one of these domains:"
        " {known}."
    )
    raise Failure(sentence.format(domain=key.domain, known=known))


def packed_policy(file: Path) -> str:
    """Return the policy in the file as JSON. The functions read that, since they have no TOML
    parser on Python 3.10. Raise a Failure that names each fault by file and line."""
    text, kind = _read_text(file)
    with _faults_as_failure(file):
        return policy_as_json(text, kind=kind)


@contextmanager
def _faults_as_failure(file: Path) -> Iterator[None]:
    try:
        yield
    except Misconfigured as error:
        raise Failure("\n".join(_line(file, fault) for fault in error.faults)) from None


def _read_text(file: Path) -> tuple[str, Kind]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise unreadable(file, error) from None
    return text, "json" if file.suffix == ".json" else "toml"


def _line(file: Path, fault: Fault) -> str:
    position = f"{file}:{fault.line}" if fault.line else str(file)
    about = fault.field.removeprefix("policy").removeprefix(": ")
    shown = texts.detail(fault.detail)
    return f"{position}: {about}: {shown}" if about else f"{position}: {shown}"
