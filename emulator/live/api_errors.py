"""The errors of Live's API: codes, HTTP status and messages.

Every module that refuses a call raises ApiError; api.py turns it into the answer.
It must not know which action failed.
"""

from __future__ import annotations

from collections.abc import Mapping

CODES: Mapping[str, tuple[int, str]] = {
    # docs/platform/live.md §1.3; messages are templates that begin with %s and are never to be
    # parsed
    "MissingParam": (400, "%s, a mandatory parameter is missing."),
    "MalformedParam": (400, "%s, a parameter is malformed."),
    "CodeConfigNotFound": (400, "%s, no effective recording configuration was found."),
    "StreamNotFound": (409, "%s, the stream does not exist or is not being ingested."),
    "TaskAlreadyStarted": (409, "%s, the recording task has already been started."),
    "InternalError": (500, "%s, the request processing has failed due to some unknown error."),
    # docs/platform/live.md §1.3, the older names and those of all Live APIs
    "InvalidDomain.NotFound": (404, "The domain provided does not exist in our records."),
    "InvalidStream.NotFound": (404, "The specified stream does not exist."),
    "InvalidConfig.NotFound": (404, "The specified recording configuration does not exist."),
    "Forbidden": (403, "User not authorized to operate on the specified resource."),
    "Forbidden.RAM": (403, "User not authorized to operate on the specified resource."),
    "IllegalOperation": (403, "Illegal domain, the operation is not permitted."),
    "InvalidIdentity.ServiceDisabled": (400, "The service is not enabled."),
    "ConfigAlreadyExists": (400, "The configuration already exists."),
    # the documented errors of AddLiveRecordNotifyConfig
    "InvalidNotifyUrl.Malformed": (400, "Specified NotifyUrl is invalid."),
    # docs/platform/live.md §1.5
    "Throttling": (400, "Request was denied due to request throttling."),
    "Throttling.User": (400, "Request was denied due to user flow control."),
    "Throttling.Api": (400, "Request was denied due to api flow control."),
    "ServiceUnavailable": (503, "The request has failed due to a temporary failure of the server."),
    "InvalidTimeStamp.Expired": (400, "Specified time stamp or date value is expired."),
    "InvalidAccessKeyId.NotFound": (404, "Specified access key is not found."),
    "SignatureDoesNotMatch": (403, "Specified signature is not matched with our calculation."),
    "SignatureNonceUsed": (400, "Specified signature nonce was used already."),
    # errors of the gateway, which docs/platform does not list
    "InvalidAction.NotFound": (
        404,
        "Specified api is not found, please check your url and method.",
    ),
    "InvalidVersion": (404, "Specified parameter Version is not valid."),
    "InvalidSecurityToken.Malformed": (400, "The specified SecurityToken is malformed."),
    "InvalidTimeStamp.Format": (400, "Specified time stamp or date value is not well formatted."),
    "MissingAccessKeyId": (400, "AccessKeyId is mandatory for this action."),
    "MissingParameter": (400, "An input parameter that is mandatory for signing is missing."),
    "IncompleteSignature": (400, "The request signature does not conform to Aliyun standards."),
    # represents every undocumented 4xx (switches whose value is OtherError)
    "OtherError": (400, "%s, the operation is not possible now."),
}


class ApiError(Exception):
    """An error with which Live answers."""

    def __init__(self, code: str, message: str | None = None, *, status: int | None = None) -> None:
        known_status, known_message = CODES.get(code, (400, "%s, the request was refused."))
        self.code = code
        self.status = status or known_status
        self.message = message or known_message
        super().__init__(f"{self.status} {code}: {self.message}")
