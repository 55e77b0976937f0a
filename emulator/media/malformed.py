"""The one thing that reading whatever bytes may raise."""

from __future__ import annotations


class Malformed(Exception):
    """These bytes are not what they should be; the text says how."""
