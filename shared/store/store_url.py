"""Parses the URL of a Redis, and reports every fault in it.

`shared.config` uses this module to check the settings, and RedisStore uses it to connect. The
module itself connects to nothing. No fault quotes the URL, because the URL holds a password.

    redis[s]://[user[:password]@]host[:port][,host[:port]…][/database][?name=value&…]
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote

from msgspec import Struct

SCHEMES: Final = ("redis://", "rediss://")
_DEFAULT_PORT_NUMBER: Final = 6379
CONNECT_S, ANSWER_S = 0.5, 1.0
"""s that a connection and an answer may take; after that the store counts as unavailable."""
_MAX_PORT_NUMBER = 65_535
_LABEL = "[A-Za-z0-9_-]{1,63}"
_HOST = (
    rf"(?P<host>(?!-){_LABEL}(?:\.{_LABEL}){{0,31}}|\[[0-9A-Fa-f:.%]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
)
_ENCODE: Final = (
    "a reserved character of the user or password must be percent-encoded, like `%2F` for `/`,"
    " `%23` for `#` and `%40` for `@` (`python3 -c 'import urllib.parse as u;"
    ' print(u.quote(input(), ""))\'`)'
)


class Address(Struct, frozen=True):
    """The address of a Redis server. `host` is the host to connect to, and `name` is the host as
    the URL writes it. They differ if a cluster has redirected us. The server's certificate may have
    either name."""

    host: str
    port: int
    name: str


class Tls(Struct, frozen=True):
    """The encryption of a connection. `ca` is the file of a private certificate authority; without
    it, the system's authorities are trusted. `cert` and `key` are the files of our client
    certificate, if the server asks for one."""

    ca: str = ""
    cert: str = ""
    key: str = ""
    check_hostname: bool = True


class StoreUrl(Struct, frozen=True):
    """The parts of a store's URL. `seeds` are the servers. `tls` is None for a connection without
    encryption. `stage` replaces the stage's own name in the keys; "" keeps it."""

    seeds: tuple[Address, ...]
    username: str
    password: str
    database: int
    stage: str
    tls: Tls | None
    connect_s: float
    answer_s: float

    def __repr__(self) -> str:
        """Return a text without the password."""
        return f"StoreUrl({self.where})"

    @property
    def where(self) -> str:
        """Return the hosts and ports, as an operator would write them."""
        return ",".join(f"{seed.host}:{seed.port}" for seed in self.seeds)


def parse(text: str) -> StoreUrl:
    """Parse the URL. If it has faults, raise ValueError, whose text names each fault and its
    remedy."""
    read = _Reader()
    url = read.url(text)
    if read.faults:
        raise ValueError("; ".join(read.faults))
    return url


def secrets_of(text: str) -> tuple[str, ...]:
    """Return the password of a URL, plain and percent-encoded; nothing if there is none."""
    userinfo = text.partition("://")[2].rpartition("@")[0]
    written = userinfo.partition(":")[2]
    return tuple({written, unquote(written), quote(unquote(written), "")} - {""})


class _Reader:
    """Reads the URL part by part, and collects the faults."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def url(self, text: str) -> StoreUrl:
        scheme, _, rest = text.partition("://")
        authority, path, query = _split(rest)
        if "@" in path + query:
            self.faults.append(_ENCODE)
            return self.url("redis://host")  # an @ has split it at the wrong place
        userinfo, _, hosts = authority.rpartition("@")
        username, _, password = userinfo.partition(":")
        values = self._query(query)
        return StoreUrl(
            seeds=tuple(self._seeds(hosts)),
            username=unquote(username),
            password=unquote(password),
            database=self._database(path),
            stage=values.get("stage", ""),
            tls=self._tls(scheme, values),
            connect_s=values.get("socket_connect_timeout", CONNECT_S),
            answer_s=values.get("socket_timeout", ANSWER_S),
        )

    def _seeds(self, hosts: str) -> Iterator[Address]:
        for text in hosts.split(","):
            match = re.fullmatch(_HOST, text)
            port = int(match["port"] or _DEFAULT_PORT_NUMBER) if match else 0
            if match is None or not 0 < port <= _MAX_PORT_NUMBER:
                self.faults.append(
                    "write each host as `name`, `name:port` or `[IPv6]:port`, several with a comma"
                    f" and no blank between them, like `redis://h1:6379,h2:6379/0`; {_ENCODE}"
                )
                return
            host = match["host"].strip("[]")
            yield Address(host, port, host)

    def _database(self, path: str) -> int:
        number = path.removeprefix("/")
        if number and not re.fullmatch(r"[0-9]{1,5}", number):
            self.faults.append("after the host, write only the number of the database, like `/0`")
            return 0
        return int(number or 0)

    def _query(self, query: str) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, text in parse_qsl(query, keep_blank_values=True):
            if name in _INSTEAD:
                self.faults.append(_INSTEAD[name])
            elif name not in _VALUES:
                known = ", ".join(_VALUES)
                self.faults.append(
                    f"after the `?`, {name} is unknown: write only {known}"
                    if re.fullmatch(r"\w{1,40}", name)
                    else f"after the `?`, a parameter is unknown: write only {known}"
                )
            else:
                try:
                    values[name] = _VALUES[name](text)
                except ValueError as error:
                    self.faults.append(f"{name}: {error}")
        return values

    def _tls(self, scheme: str, values: Mapping[str, Any]) -> Tls | None:
        named = [name for name in _VALUES if name.startswith("ssl_") and name in values]
        if scheme != "rediss":
            for name in named:
                self.faults.append(f"`{name}` needs `rediss://` in place of `redis://`")
            return None
        tls = Tls(
            ca=values.get("ssl_ca_certs", ""),
            cert=values.get("ssl_certfile", ""),
            key=values.get("ssl_keyfile", ""),
            check_hostname=values.get("ssl_check_hostname", True),
        )
        if not tls.check_hostname and not tls.ca:
            self.faults.append(
                "`ssl_check_hostname=false` needs your own certificate authority: name its file"
                " with `ssl_ca_certs`, or leave out `ssl_check_hostname`"
            )
        if bool(tls.cert) != bool(tls.key):
            self.faults.append(
                "`ssl_certfile` and `ssl_keyfile` belong together: name both or neither"
            )
        return tls


def _split(rest: str) -> tuple[str, str, str]:
    """Return authority, path and query. A fragment is not split off, so that it shows as a
    fault."""
    before, _, query = rest.partition("?")
    authority, slash, path = before.partition("/")
    return authority, slash + path, query


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3})?", text) or float(text) == 0:
        raise ValueError("write the seconds as a number over 0, like `0.5`")
    return float(text)


def flag(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError("write `true` or `false`")
    return text == "true"


def _file(text: str) -> str:
    if not text or "\0" in text:
        raise ValueError("give the path of a PEM file; a relative path begins at the code's folder")
    return text


def _stage(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text):
        raise ValueError("write a name of letters, digits, `-` and `_`")
    return text


_VALUES: Mapping[str, Callable[[str], Any]] = {
    "stage": _stage,
    "socket_connect_timeout": _seconds,
    "socket_timeout": _seconds,
    "ssl_ca_certs": _file,
    "ssl_certfile": _file,
    "ssl_keyfile": _file,
    "ssl_check_hostname": flag,
}
_REDISS = (
    "for an encrypted connection write `rediss://` in place of `redis://`, and leave out `ssl` and"
    " `tls`"
)
_UNVERIFIED = (
    "`ssl_cert_reqs` cannot be set, because the server is always verified: name the file of your"
    " own authority with `ssl_ca_certs`"
)
_INSTEAD: Mapping[str, str] = {
    **dict.fromkeys(("ssl", "tls"), _REDISS),
    "ssl_cert_reqs": _UNVERIFIED,
    "db": "write the number of the database after the host, like `/2`, and leave out `db`",
    "password": "write the password before the host, like `redis://user:password@host`",
    "username": "write the user before the host, like `redis://user:password@host`",
}
