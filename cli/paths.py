"""The places of the command line's own files: in a checkout, or where a wheel installed them.

Every command that reads or writes files uses this module. The folder `.live-record` and policy.toml
are taken from the working directory if it has them.
"""

from __future__ import annotations

from gettext import gettext as _
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
"""The folder with index.py, functions and shared: the checkout, or where a wheel put them."""
IS_CHECKOUT = (ROOT / "requirements").is_dir()
_TEMPLATES = ROOT if IS_CHECKOUT else Path(__file__).with_name("templates")
"""A wheel brings s.yaml, env.yaml and policy.toml for `live-record dev` and `demo`."""
S_YAML = _TEMPLATES / "s.yaml"


def state_folder() -> Path:
    """Return the folder for stages.toml and the files of the local stack."""
    here = Path.cwd() / ".live-record"
    return here if here.is_dir() or not IS_CHECKOUT else ROOT / ".live-record"


def policy_file() -> Path:
    """Return the working directory's policy, or else the example that comes with live-record."""
    here = Path.cwd() / "policy.toml"
    return here if here.is_file() else _TEMPLATES / "policy.toml"


def need_checkout(command: str) -> None:
    """Raise a usage error if live-record was installed from a wheel."""
    if not IS_CHECKOUT:
        sentence = _(
            "`{command}` needs live-record's sources. Run it in a clone of the repository, by the"
            " `live-record` of its .venv (`make setup` installs it)."
        )
        raise click.UsageError(sentence.format(command=command))
