"""Parsers of single settings: each returns the value, or raises ValueError that says what to do.

`settings` calls them. No error quotes the text, because it may be a secret.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable
from typing import Final
from urllib.parse import SplitResult, urlsplit

from shared.config.store_keys import StoreKey
from shared.protocol.durations import duration
from shared.protocol.policy import Mode
from shared.store import store_url

STORES: Final = (
    "write the address as `redis://…` or `rediss://…`, or on one machine `sqlite:///absolute/path`"
)
_NAME: Final = r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"
_HOST: Final = rf"(?:{_NAME}|\[(?=[^\]]*:)[0-9A-Fa-f:.]+\])(?::[0-9]{{1,5}})?"
_UNGUESSED: Final = r"[A-Za-z0-9_-]{8,128}"


def stage(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,31}", text):
        raise ValueError("write 1 to 32 small letters, digits and `-`, a letter first, like `prod`")
    return text


def store(text: str) -> str:
    is_sqlite = text.startswith("sqlite:///") and len(text) > len("sqlite:///")
    if text.startswith(store_url.SCHEMES):
        store_url.parse(text)
    elif text and not is_sqlite:
        raise ValueError(STORES)
    return text


def store_id(text: str) -> str:
    if text and not re.fullmatch(r"[A-Za-z0-9._-]{8,128}", text):
        raise ValueError(
            "write 8 to 128 letters, digits, dots, `-` and `_`; `make deploy` makes this id"
        )
    return text


def policy(text: str) -> str:
    if not text.endswith((".json", ".toml")):
        raise ValueError("give the path of a file that ends in `.json` or `.toml`")
    return text


def keys(longest: int) -> Callable[[str], tuple[str, ...]]:
    """Return a parser of the keys that sign Live's callbacks, each of 16 to `longest` characters.
    Live accepts letters and digits (docs/platform/live.md §2 and 4); the hyphen is for the
    emulator's keys."""
    return _each(
        rf"[A-Za-z0-9-]{{16,{longest}}}",
        f"each key has 16 to {longest} letters and digits, as in Live's callback configuration",
    )


def path_tokens(text: str) -> tuple[str, ...]:
    return _each(_UNGUESSED, "each path token has 8 to 128 letters, digits, `-` and `_`")(text)


def own_key(text: str) -> str:
    if text and not re.fullmatch(_UNGUESSED, text):
        raise ValueError("write 8 to 128 letters, digits, `-` and `_`")
    return text


def _each(pattern: str, otherwise: str) -> Callable[[str], tuple[str, ...]]:
    def read(text: str) -> tuple[str, ...]:
        values = tuple(value for value in re.split(r"[,\s]+", text) if value)
        if not all(re.fullmatch(pattern, value) for value in values):
            raise ValueError(otherwise)
        return values

    return read


def callback_hosts(text: str) -> tuple[str, ...]:
    """Parse the hosts of the callback URLs, separated by commas, each with its port if it has one.
    There is more than one only if this stage may take over from another stage. Raise ValueError if
    one is not a host, for example a whole URL."""
    found = tuple(part.strip() for part in text.split(",")) if text else ()
    if not all(re.fullmatch(_HOST, host) for host in found):
        raise ValueError("give only the host of the callback's URL, like `live.example.com:8443`")
    return found


def hosts(text: str) -> tuple[str, ...]:
    """Return the host names in lower case. Raise ValueError if one has a port."""
    names = tuple(name.lower() for name in re.split(r"[,\s]+", text) if name)
    if not all(re.fullmatch(_NAME, name) for name in names):
        raise ValueError("give only hosts, without ports, like `callbacks.example.com`")
    return names


def webhook_secrets(text: str) -> dict[str, str]:
    """Parse `NAME:whsec_SECRET` entries, and return the secrets by name. A SECRET is the base64 of
    24 to 64 bytes, as in the Standard Webhooks specification."""
    pairs = [part.partition(":") for part in re.split(r"[,\s]+", text) if part]
    if not all(re.fullmatch(_RECEIVER, name) and _is_secret(each) for name, _, each in pairs):
        raise ValueError(
            "write `NAME:whsec_SECRET`, separated by commas; make a secret with"
            ' `echo "whsec_$(openssl rand -base64 32)"`'
        )
    found = {name: each for name, _, each in pairs}
    if len(found) < len(pairs):
        raise ValueError("uses one name twice: give each secret a name of its own")
    return found


_RECEIVER: Final = r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?"
_LEAST_SECRET_BYTES, _MOST_SECRET_BYTES = 24, 64


def _is_secret(text: str) -> bool:
    try:
        data = b64decode(text.removeprefix("whsec_"), validate=True)
    except ValueError:
        return False
    return text.startswith("whsec_") and _LEAST_SECRET_BYTES <= len(data) <= _MOST_SECRET_BYTES


def store_keys(text: str) -> tuple[StoreKey, ...]:
    """Parse `NAME:ACCESS_KEY_ID:SECRET` entries, the access keys of other stores. A session token
    may follow as a fourth part. No fault quotes the text."""
    entries = [part.split(":") for part in re.split(r"[,\s]+", text) if part]
    counts = (_STORE_KEY_PARTS, _STORE_KEY_PARTS + 1)
    if not all(len(each) in counts and all(each) for each in entries):
        raise ValueError("write each as `NAME:ACCESS_KEY_ID:SECRET`, separated by commas")
    found = tuple(StoreKey(*each) for each in entries)
    if not all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", each.name) for each in found):
        raise ValueError("a name has letters, digits, `-` and `_`, 64 at most")
    if len({each.name for each in found}) < len(found):
        raise ValueError("each name may occur only once")
    return found


_STORE_KEY_PARTS = 3
"""Name, id and secret; a session token may follow."""


def rate(text: str) -> float:
    otherwise = (
        "write the largest number of commands a second, from 1 to 50 (the limit of the account)"
    )
    try:
        rate = float(text)
    except ValueError:
        raise ValueError(otherwise) from None
    if not 1 <= rate <= 50:  # noqa: PLR2004 - docs/platform/live.md §1.5
        raise ValueError(otherwise)
    return rate


def count_or_none(text: str) -> int | None:
    if not text:
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,6}", text):
        raise ValueError("write a whole number from 1, or nothing for no limit")
    return int(text)


def endpoint(text: str) -> tuple[str, str]:
    protocol, _, host = text.rpartition("://")
    if protocol not in {"", "http", "https"} or not re.fullmatch(_HOST, host):
        raise ValueError(
            "give a host like `live.aliyuncs.com`, or for the emulator `http://host:port`"
        )
    return protocol or "https", host


def bucket(text: str) -> str:
    if text and not re.fullmatch(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", text):
        raise ValueError("give only the bucket's name: 3 to 63 small letters, digits and `-`")
    return text


def oss_endpoint(text: str) -> tuple[str, str]:
    """Return the protocol and host of a public endpoint of OSS, or of the emulator. Raise
    ValueError for an `-internal` endpoint: a URL signed for it works only within the region."""
    protocol, _, host = text.rpartition("://")
    is_theirs = is_oss_host(host)
    is_emulator = protocol == "http" and re.fullmatch(_HOST, host)
    if text and not is_emulator and not (is_theirs and protocol in {"", "https"}):
        raise ValueError(
            "give the bucket's public endpoint, like `oss-cn-shanghai.aliyuncs.com`, or for the"
            " emulator `http://host:port`"
        )
    return protocol or "https", host


def is_oss_host(host: str) -> bool:
    """Return True for a public endpoint of OSS, such as `oss-cn-shanghai.aliyuncs.com`."""
    return bool(re.fullmatch(r"oss-[a-z0-9-]+(?<!-internal)\.aliyuncs\.com", host))


def url(text: str) -> str:
    otherwise = "give a URL that begins with `https://` or `http://`"
    url = _split(text, otherwise)
    if text and not (url.scheme in {"http", "https"} and url.hostname):
        raise ValueError(otherwise)
    return text


def secrets_of_url(text: str) -> tuple[str, ...]:
    """Return the texts in a secret URL that no log may show. These are the URL, its path, its
    query, its password, and each part of path or query that is no plain word. Texts of fewer than 8
    characters are left out."""
    url = urlsplit(text)
    parts = (text, url.path, url.query, url.password or "")
    unguessable = re.findall(r"(?=[a-z_-]*[0-9A-Z])[\w-]{8,}", f"{url.path}/{url.query}")
    return tuple(part for part in (*parts, *unguessable) if len(part) >= _SECRET_CHARS)


_SECRET_CHARS = 8
"""Shorter parts of a URL, such as `/ping`, are no secrets; hiding them would redact plain words
everywhere."""


def mode(text: str) -> Mode:
    if text not in {mode.value for mode in Mode}:
        raise ValueError("write `act` or `observe`")
    return Mode(text)


def merge_delay(text: str) -> int:
    """Return the merge delay in ms. Raise ValueError unless it is from 15 s to 6 h, the limits of
    `DelayTime` in Live's configuration (docs/platform/live.md §6)."""
    delay = duration(text)
    if not duration("15s") <= delay <= duration("6h"):
        raise ValueError("write `15s` to `6h`, the same as `DelayTime` in Live's configuration")
    return delay


def signature_window(text: str) -> int:
    """Return, in ms, how far the time of a signature may be from the present. Raise ValueError if
    it is more than 5 minutes, which is Live's own limit, or less than 40 s: for about 35 s, Live
    repeats a callback with the same signature (docs/platform/live.md §2 and 3)."""
    window = duration(text)
    if not duration("40s") <= window <= duration("5m"):
        raise ValueError("write `40s` to `5m`: Live itself repeats a callback for 35 s")
    return window


def keep(text: str) -> int:
    """Return for how long to keep a stream's record or ledger, in ms. Raise ValueError if it is
    less than seven days. For seven days, Live lists a callback that it could not deliver
    (docs/platform/live.md §7), and live-record needs the record to handle the callback."""
    kept = duration(text)
    if kept < duration("7d"):
        raise ValueError("write `7d` or longer: Live lists a lost callback for that long")
    return kept


def _split(text: str, otherwise: str) -> SplitResult:
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError:
        raise ValueError(otherwise) from None
    return url
