"""Which stream an object of the bucket is of, by the object names of the recording configurations.

The policy and the command line use it. A template is an OssObjectPrefix as Live has it.
"""

from __future__ import annotations

import re

APP, STREAM = "{AppName}", "{StreamName}"
DEFAULT_PREFIX = f"record/{APP}/{STREAM}/"
"""What the object names of `live-record setup` begin with."""
_VARIABLE = re.compile(r"\{[^{}]*\}")
_STEPS = frozenset(("", ".", ".."))
"""Parts of a name that HTTP clients leave out, so that it would lead to another object."""


def prefix_of(template: str) -> str:
    """Return what is known of a name before a recording begins: all before the first variable but
    those of the stream's own names."""
    times = (found.start() for found in _VARIABLE.finditer(template) if not _is_name(found[0]))
    return template[: next(times, len(template))]


def is_named_by(template: str, app: str, stream: str, uri: str) -> bool:
    """Return True if the template names the object for a recording of this stream."""
    values = {APP: app, STREAM: stream}
    begins = _VARIABLE.sub(lambda found: values[found[0]], prefix_of(template))
    return bool(begins) and uri.startswith(begins) and not _STEPS & set(uri.split("/"))


def owner_by(template: str, uri: str) -> tuple[str, str] | None:
    """Return application and stream of the recordings that the template gives this name; "" for
    one that the folders of the name do not tell; None if it names no recording so."""
    folders, parts = prefix_of(template).split("/")[:-1], uri.split("/")
    if len(parts) <= len(folders):
        return None
    owner = {APP: "", STREAM: ""}
    for folder, part in zip(folders, parts, strict=False):
        if folder in owner:
            if owner[folder] not in {"", part}:
                return None
            owner[folder] = part
        elif folder != part and not _VARIABLE.search(folder):
            return None
    return owner[APP], owner[STREAM]


def _is_name(variable: str) -> bool:
    return variable in {APP, STREAM}
