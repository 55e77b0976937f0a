"""The one exception of all readers of bytes.

Every module of emulator.media raises it; ingest.py and publisher.py catch it.
It carries only a text.
"""

from __future__ import annotations


class Malformed(Exception):
    """Bytes are not in their format; the text explains how."""
