"""A policy that is checked against one stage's settings too, which its file alone does not show.

Composition, the policy's API and the command line load policies through it.
"""

from __future__ import annotations

from shared.config.policy_file import Kind, load_policy
from shared.config.settings import Settings
from shared.errors import Fault, Misconfigured
from shared.protocol.policy import Policy


def load_stage_policy(text: str, *, kind: Kind, settings: Settings) -> Policy:
    policy = load_policy(text, kind=kind, ours=settings.hosts)
    if (policy.forward_to.stream or policy.forward_to.record) and not settings.relay_url:
        detail = "LIVE_RECORD_RELAY_URL is missing: give it the address of relay's HTTP trigger"
        raise Misconfigured([Fault("policy: forward_to", detail, "MissingParam")])
    return policy
