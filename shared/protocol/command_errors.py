"""The ways in which a command can fail. Each class stands for one reaction of the caller, such as
to retry, or to call an operator."""

from __future__ import annotations

from shared.errors import LiveRecordError
from shared.protocol.stored_text import storable


class LiveError(LiveRecordError):
    """Any answer of Live but 200, or no answer. `code` and `request_id` are Live's, if it gave
    them; `status` is 0 if unknown. A command may be retried after `retry_after` ms; 0 if Live did
    not say."""

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
    """No request was sent, or none arrived. With a `status`, the request was refused before Live
    read it."""


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
