"""The ways in which a command to Live can fail, as exceptions. Each class stands for one reaction
of the caller, for example to retry, or to call an operator."""

from __future__ import annotations

from shared.errors import LiveRecordError
from shared.protocol.stored_text import storable


class LiveError(LiveRecordError):
    """Live answered a command with anything but 200, or did not answer. `code` and `request_id` are
    Live's. Without an answer, `code` is one of live-record's own, such as `NoTime`, or the name of
    the class, and `request_id` is empty. `status` is the HTTP status, 0 if unknown. Live asked not
    to retry for `retry_after` ms; 0 if Live did not say."""

    def __init__(
        self,
        code: str = "",
        message: str = "",
        *,
        status: int = 0,
        request_id: str = "",
        retry_after: int = 0,
    ) -> None:
        super().__init__(storable(message or code or type(self).__name__))
        self.code = storable(code or type(self).__name__)
        self.status = status
        self.request_id = storable(request_id)
        self.retry_after = retry_after


class AlreadyStarted(LiveError):
    pass


class StreamNotLive(LiveError):
    pass


class InvalidCommand(LiveError):
    pass


class NoRecordConfig(InvalidCommand):
    pass


class UnknownRejection(LiveError):
    pass


class Retryable(LiveError):
    """The command had no effect, and may be sent again."""


class Throttled(Retryable):
    pass


class NeverSent(Retryable):
    """Live did not get the command. If `status` is 0, no request was sent, or it did not arrive.
    Otherwise the request arrived, but Live refused it before it read the command."""


SLOT_MISSED = "SlotMissed"
"""The code of a command that was not sent because its slot had passed."""


class Unavailable(Retryable):
    pass


class InDoubt(LiveError):
    pass


class OperatorActionNeeded(LiveError):
    pass


class LiveNotActivated(OperatorActionNeeded):
    pass
