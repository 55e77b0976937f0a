"""Loads a policy and checks it against the settings of one stage.

Composition, the policy's API and the command line load policies through it. `policy_file` checks
the policy by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from shared.config.policy_file import Kind, load_policy
from shared.config.settings import Settings
from shared.errors import Fault, Misconfigured
from shared.protocol.policy import Policy


def load_stage_policy(text: str, *, kind: Kind, settings: Settings) -> Policy:
    policy = load_policy(text, kind=kind, ours=settings.hosts)
    if (policy.forward_to.stream or policy.forward_to.record) and not settings.relay_url:
        detail = (
            "LIVE_RECORD_RELAY_URL is missing: set it to the address of the HTTP trigger of the"
            " function `relay`"
        )
        raise Misconfigured([Fault("policy: forward_to", detail, "MissingParam")])
    return policy


def target_faults(policy: Policy, settings: Settings) -> Iterator[Fault]:
    """Yield a fault for each address of the policy to which the settings allow nothing to be sent:
    of a forwarding target, of a webhook receiver, or of a store for copies. The settings decide
    this, because a person who may change the policy may not be allowed to receive files, or
    callbacks, which hold the secrets of push URLs.

    A policy that is already in force stays in force, and its rules go on working. Only the
    functions `relay`, `notify` and `deliver` refuse to send to such an address.
    """
    targets = policy.forward_to
    for kind in ("stream", "record", "on_demand"):
        host = host_of(targets.of(kind))
        if host and host not in settings.forward_hosts:
            detail = f"{host} is not in LIVE_RECORD_FORWARD_HOSTS: add it there, and deploy"
            yield Fault(f"policy: forward_to.{kind}", detail)
    yield from _delivery_faults(policy, settings)
    for number, hook in enumerate(policy.webhooks, 1):
        host = host_of(hook.url)
        if host not in settings.webhook_hosts:
            detail = f"{host} is not in LIVE_RECORD_WEBHOOK_HOSTS: add it there, and deploy"
            yield Fault(f"policy: webhook #{number} url", detail)
        elif not (settings.is_emulated or hook.url.lower().startswith("https:")):
            yield Fault(f"policy: webhook #{number} url", "write a URL that begins with `https://`")


def _delivery_faults(policy: Policy, settings: Settings) -> Iterator[Fault]:
    """Yield the stores to which the stage may not copy files: permission to change the policy is
    not permission to receive files.

    A policy already in force stays in force: the function `deliver` refuses such a store.
    """
    for number, each in enumerate(policy.deliver, 1):
        host, field = host_of(each.endpoint), f"policy: deliver #{number} endpoint"
        if host not in settings.deliver_hosts:
            detail = f"{host} is not in LIVE_RECORD_DELIVER_HOSTS: add it there, and deploy"
            yield Fault(field, detail)
        if not each.endpoint.startswith("https://") and not settings.is_emulated:
            yield Fault(field, "http is only for the emulator: use `https`")


_EXAMPLE = r"(?i:(?:.*\.)?example\.(?:com|net|org))"


def example_faults(policy: Policy) -> Iterator[Fault]:
    """Yield a fault for each domain of the policy that is an example domain (RFC 2606): the
    packaged policy was not edited. Only an emulator has streams of such domains."""
    for domain in policy.domains:
        for name in domain.names:
            if re.fullmatch(_EXAMPLE, name):
                detail = f"{name} is an example: write your own domain"
                yield Fault("policy: domain", detail)


def host_of(url: str) -> str:
    """Return the host in lower case; "" if there is no URL."""
    return (urlsplit(url).hostname or "").lower()
