"""The Redis commands that the store uses, and for each a harmless way to try it.

RedisStore tries them for the doctor; docs/store.md lists them. A test compares this module and the
page with the scripts and the source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

TOUCHED: Final = "examined"
"""The field of the timestamps' hash on which commands are tried. Nobody reads it."""
_RANGE = ("0", "0")
_LEX = ("-", "(-")

NEEDED: Final[Mapping[str, Sequence[str]]] = {
    "EVAL": ("return 1", "0"),
    "EVALSHA": ("0" * 40, "0"),
    "TIME": (),
    "HGET": ("", TOUCHED),
    "HMGET": ("", TOUCHED),
    "HGETALL": ("",),
    "HLEN": ("",),
    "HSET": ("", TOUCHED, "0"),
    "HSETNX": ("", TOUCHED, "0"),
    "HINCRBY": ("", TOUCHED, "0"),
    "HDEL": ("", "nothing"),
    "PERSIST": ("",),
    "LINDEX": ("", "0"),
    "LRANGE": ("", *_RANGE),
    "LPUSH": ("", "nothing"),
    "LSET": ("", "0", "nothing"),
    "LTRIM": ("", *_RANGE),
    "ZADD": ("", "0", "nothing"),
    "ZREM": ("", "nothing"),
    "ZREMRANGEBYSCORE": ("", *_RANGE),
    "ZCARD": ("",),
    "ZCOUNT": ("", *_RANGE),
    "ZLEXCOUNT": ("", *_LEX),
    "ZRANGE": ("", *_RANGE),
    "ZRANGEBYLEX": ("", *_LEX),
    "ZRANGEBYSCORE": ("", *_RANGE),
    "ZREVRANGE": ("", *_RANGE),
    "ZSCORE": ("", "nothing"),
}
"""Each command with the arguments of its trial; "" stands for the key of the timestamps, a hash.
Commands for lists and sorted sets fail, because a hash is of the wrong type, but only after the
permission was checked."""
OPTIONAL: Final[Mapping[str, str]] = {
    "SELECT": "a database other than 0 cannot be used",
    "PING": "a connection that was idle for 15 s is not tried before it is used",
    "INFO": "the doctor cannot say how safe the data is",
    "CONFIG": "the doctor cannot say how often the engine writes to its disk",
    "ROLE": "only the first write shows that an address leads to a replica; and of several replicas"
    " an answer counts at most one",
    "ASKING": "while a cluster moves our slot to another node, requests fail",
    "WAIT": "no answer says how many replicas have the change",
}
"""The commands that the store can do without, and what is lost without each."""
REFUSALS: Final = ("store_no_permission", "store_unknown_command")
"""The problems that a trial looks for. Any other answer comes after the permission was checked."""
