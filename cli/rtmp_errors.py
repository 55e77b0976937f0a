"""Says in the reader's language why a server did not accept a stream.

`push`, `demo` and `rehearse` use this module. `emulator.media` writes these texts in English,
because it knows no language.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from gettext import gettext as _
from socket import gaierror

from cli.texts import N_
from emulator.media.publisher import NotTaken

FAULTS = (
    N_("write the address as rtmp://host/app/stream"),
    N_("{place} cannot be reached: {error}"),
    N_("the connection is lost: {error}"),
    N_("not connected"),
    N_("the server speaks another protocol (version {version})"),
    N_("the server hung up during the handshake"),
    N_("the server hung up"),
    N_("the answer of the server cannot be read: {error}"),
    N_("refused"),
)
_CAUSES: Mapping[int | None, str] = {
    errno.ECONNREFUSED: N_("nothing listens at this address"),
    errno.ECONNRESET: N_("the server closed the connection"),
    errno.EPIPE: N_("the server closed the connection"),
    errno.ENETUNREACH: N_("no route leads to this address"),
    errno.EHOSTUNREACH: N_("no route leads to this address"),
    errno.ETIMEDOUT: N_("no answer in time"),
}


def why_not_taken(refused: NotTaken) -> str:
    """Return in the language in use why the server did not accept the stream. The server's own
    words stay as they are."""
    values = {name: _shown(value) for name, value in refused.values.items()}
    return _(refused.text).format(**values)


def _shown(value: object) -> object:
    """Return the cause of an error of the network, whose own text is in English."""
    if isinstance(value, TimeoutError):
        return _("no answer in time")
    if isinstance(value, gaierror | UnicodeError):
        return _("there is no such host")
    known = _CAUSES.get(value.errno) if isinstance(value, OSError) else None
    return _(known) if known else value
