"""The configuration of a stage, typed and immutable. All mistakes in it are reported at once."""

from __future__ import annotations

from shared.config.policy_file import Kind, load_policy, policy_as_json
from shared.config.settings import Settings, mode_of, names
from shared.config.stage_policy import example_faults, load_stage_policy, target_faults
from shared.config.tokens import Caller, Tokens

__all__ = [
    "Caller",
    "Kind",
    "Settings",
    "Tokens",
    "example_faults",
    "load_policy",
    "load_stage_policy",
    "mode_of",
    "names",
    "policy_as_json",
    "target_faults",
]
