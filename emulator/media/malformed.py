"""The exception of everything that parses bytes.

amf.py, chunks.py, flv.py, ingest.py and push.py raise it; ingest.py, publisher.py and flv.py catch
it.
It carries only a text.
"""

from __future__ import annotations


class Malformed(Exception):
    """Bytes are not in their format; the text explains how."""
