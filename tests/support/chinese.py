"""Which English words and which punctuation a Chinese text may contain."""

from __future__ import annotations

import re

CHINESE = "\u4e00-\u9fff"
"""The members of a character class: Chinese characters."""
HALF_WIDTH = re.compile(
    rf"[{CHINESE}][,;:!?](?!\w)|[,;!] ?[{CHINESE}]|: [{CHINESE}]"
    rf"|[{CHINESE}] ?\(|\)[{CHINESE}]|[{CHINESE}]\.$"
)
"""ASCII punctuation next to Chinese characters, where Chinese punctuation belongs."""
NAMES = re.compile(
    r"""\{[^{}]*\} | %\(\w+\)s | `[^`]*` | "[^"]*" | '[^']*'     # placeholders and quotations
    | \(python3\ [^\uff09]*\uff09                                        # a command to copy
    | \b(?:live-record|make|openssl|npm|pip|python|git)(?:\ [a-zA-Z0-9_@/.\[\]=-]+)*  # commands
    | (?<!\w)--?[a-z][a-z-]*(?:[= ][A-Z]+)? | [a-zA-Z]+://\S*    # options and URLs
    | [\w*-]*[/_.:=\#][\w*/.:=\#@%-]*                            # paths, names with _ or dots
    | \b\w*(?:[a-z][A-Z]|[A-Z]{2,}[a-z]?)\w* | \w*\d\w*         # names of the API, versions
    | \b[A-Za-z]+-[A-Za-z-]+                                      # names with a dash""",
    re.VERBOSE | re.ASCII,
)
TERMS = {
    *(
        "act",
        "any",
        "app",
        "base",
        "bind",
        "control",
        "db",
        "dev",
        "doctor",
        "domain",
        "event",
        "fail",
    ),
    *("failed", "false", "files", "finalize", "flv", "health", "http", "https", "id", "ingest"),
    *("limit", "moov"),
    *("notify", "deliver", "en", "zh", "ops", "Webhook", "crm", "echo"),
    *("list", "mode", "mpv", "name", "next", "observe", "oss", "policy", "prod", "probe", "queued"),
    *(
        "reconcile",
        "redis",
        "relay",
        "release",
        "replaces",
        "restart",
        "resume",
        "rule",
        "session",
        "setup",
    ),
    *(
        "shell",
        "staging",
        "start",
        "starting",
        "state",
        "status",
        "stop",
        "streams",
        "tag",
        "token",
    ),
    *("tokens", "tomli", "true", "try", "until", "uri", "url", "wait", "watch", "why", "extend"),
    *("account", "aliyun", "config", "ffplay", "functions", "info", "maxclients", "maxmemory"),
    *("read", "release", "ros"),
    *("Authorization", "Bash", "Bearer", "Bucket", "Ctrl", "Devs", "Endpoint", "Object", "Python"),
    *("Redis", "Serverless", "Tair", "Valkey", "Windows"),
}
"""Words that a Chinese text may hold beside what NAMES matches: protocols, products, and the names
of commands, functions and values, which are typed as they are."""


def english_words(text: str) -> set[str]:
    """Return the English words of a text, apart from names and terms."""
    return set(re.findall(r"[A-Za-z]{2,}", NAMES.sub(" ", text))) - TERMS
