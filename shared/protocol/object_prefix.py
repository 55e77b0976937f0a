"""Finds the stream whose recording left an object in the bucket, from the object's name.

A recording configuration has a template for the names of objects (OssObjectPrefix), such as
`record/{AppName}/{StreamName}/`. The policy and the command line use this module.
"""

from __future__ import annotations

import re

APP, STREAM = "{AppName}", "{StreamName}"
DEFAULT_PREFIX = f"record/{APP}/{STREAM}/"
"""The names of recorded objects begin with this if `live-record setup` made the recording
configuration."""
_VARIABLE = r"\{[^{}]*\}"
_STEPS = frozenset(("", ".", ".."))
"""Parts of a name that HTTP clients remove, so that the name would lead to another object."""


def prefix_of(template: str) -> str:
    """Return the part of an object's name that is known before the recording begins: the template
    up to its first variable other than {AppName} and {StreamName}."""
    times = (found.start() for found in re.finditer(_VARIABLE, template) if not _is_name(found[0]))
    return template[: next(times, len(template))]


def is_named_by(template: str, app: str, stream: str, uri: str) -> bool:
    """Return True if the template lets a recording of this stream leave an object with the name
    `uri`."""
    values = {APP: app, STREAM: stream}
    begins = re.sub(_VARIABLE, lambda found: values[found[0]], prefix_of(template))
    return bool(begins) and uri.startswith(begins) and not _STEPS & set(uri.split("/"))


def owner_by(template: str, uri: str) -> tuple[str, str] | None:
    """Return the application and the stream whose recording left the object `uri`, by the template.
    A part that the name does not show is "". Return None if the template cannot produce the name.
    """
    folders, parts = prefix_of(template).split("/")[:-1], uri.split("/")
    if len(parts) <= len(folders):
        return None
    owner = {APP: "", STREAM: ""}
    for folder, part in zip(folders, parts, strict=False):
        if folder in owner:
            if owner[folder] not in {"", part}:
                return None
            owner[folder] = part
        elif folder != part and not re.search(_VARIABLE, folder):
            return None
    return owner[APP], owner[STREAM]


def _is_name(variable: str) -> bool:
    return variable in {APP, STREAM}
