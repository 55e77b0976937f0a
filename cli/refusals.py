"""Says why ApsaraVideo Live did not do what a command asked, and what to do about it.

Every command that calls Live with the operator's own access key uses this module. The sentences
must not contain the name of a class.
"""

from __future__ import annotations

from gettext import gettext as _

from cli.account import LIVE_URL, REVOKED, Declined


def is_wrong_key(declined: Declined) -> bool:
    return declined.code.startswith((*REVOKED, "IncompleteSig"))


def refusal(declined: Declined, *, live: str, domain: str = "", policy: str = "operator") -> str:
    """Return what went wrong, and what to do. `live` is Live's address; `domain` is the one domain
    that the request was about, or ""; `policy` is the file in deploy/ram that allows the command.
    """
    return _sentence(declined, live, domain).format(
        code=declined.code,
        status=declined.status,
        domain=domain,
        live=live,
        action=f"`live:{declined.action}`",
        policy=f"deploy/ram/{policy}.json",
        error=declined,
    )


def _sentence(declined: Declined, live: str, domain: str) -> str:
    if is_wrong_key(declined):
        return _(
            "Live does not know this access key ({code}). Check ALIBABA_CLOUD_ACCESS_KEY_ID and"
            " ALIBABA_CLOUD_ACCESS_KEY_SECRET."
        )
    if domain and declined.code.startswith("InvalidDomain"):
        return _(
            "Live does not have a main streaming domain {domain} in this account. Pass the domain"
            " that streams are played from, as the Live console lists it."
        )
    if declined.is_forbidden:
        return _(
            "This access key may not call {action} ({code}). Give its user the policy {policy}."
        )
    if declined.has_no_code:
        return _unanswered(declined, live)
    return _("Live refused: {error}.")


def _unanswered(declined: Declined, live: str) -> str:
    """Return the sentence for no answer, or for one that is not Live's."""
    if declined.status:
        return _("{live} does not answer as ApsaraVideo Live does (HTTP {status}). Check `--live`.")
    if live == LIVE_URL:
        return _("Live did not answer. Check this machine's Internet connection.")
    return _(
        "Nothing answers at {live} as ApsaraVideo Live does. Start the emulator with `make dev` or"
        " `live-record dev`, or check `--live`."
    )
