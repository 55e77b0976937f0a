"""The policy that comes with live-record names domains that nobody can stream to."""

from __future__ import annotations

import pytest

from shared.config import example_faults, load_policy


@pytest.mark.parametrize(
    ("name", "is_example"),
    [
        ("live.example.com", True),
        ("EXAMPLE.org", True),
        ("example.net", True),
        ("live.acme-tv.com", False),
        ("example.com.cn", False),
        ("myexample.com", False),
    ],
)
def test_a_domain_that_is_reserved_for_examples_is_found(name: str, is_example: bool) -> None:
    policy = load_policy(f'[[domain]]\nstreaming = "{name}"\n', kind="toml")
    assert bool(list(example_faults(policy))) is is_example
