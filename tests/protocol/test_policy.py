from __future__ import annotations

import fnmatch
import re
from functools import lru_cache

import pytest
from msgspec.structs import replace

from shared.config import load_policy
from shared.errors import Misconfigured
from shared.protocol.policy import (
    Domain,
    Match,
    NamedBucket,
    OnInterruption,
    OnPublish,
    Policy,
    Rule,
)
from shared.protocol.stream import StreamKey

CLASSES = Rule(match=Match(app="class*"), on_publish=OnPublish.RECORD)
ROOM = Rule(match=Match(app="classroom", stream="room42"))
POLICY = Policy(
    domains=(Domain("live.example.com", ingest=("push.example.com",), sub=("sub.example.com",)),),
    rules=(CLASSES, ROOM),
)


def key(
    app: str = "classroom", stream: str = "room42", domain: str = "live.example.com"
) -> StreamKey:
    return StreamKey(domain, app, stream)


def test_the_first_rule_that_matches_holds() -> None:
    assert POLICY.rule(key()) is CLASSES


def test_a_stream_that_no_rule_matches_is_ignored_and_would_resume() -> None:
    rule = POLICY.rule(key(app="other"))
    assert (rule.on_publish, rule.on_interruption) == (OnPublish.IGNORE, OnInterruption.RESUME)


@pytest.mark.parametrize(
    ("match", "holds"),
    [
        (Match(domain="LIVE.example.*"), True),
        (Match(domain="other.example.com"), False),
        (Match(app="Classroom"), False),
        (Match(stream="room*"), True),
        (Match(stream="room"), False),
    ],
)
def test_a_domain_is_compared_in_any_case_and_the_names_as_they_are(
    match: Match, holds: bool
) -> None:
    assert match.holds(key(domain="Live.Example.com")) is holds


def test_each_of_many_globs_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.10, which Function Compute runs, keeps no more than 256 of them."""
    of_310 = lru_cache(256)(vars(fnmatch)["_compile_pattern"].__wrapped__)
    monkeypatch.setattr(fnmatch, "_compile_pattern", of_310)
    compile_, compiled = re.compile, list[str]()

    def counting(glob: str) -> re.Pattern[str]:
        compiled.append(glob)
        return compile_(glob)

    monkeypatch.setattr(re, "compile", counting)
    matches = [Match(stream=f"one-of-many-{n}-*") for n in range(1_000)]

    for _ in range(2):
        assert not any(match.holds(key()) for match in matches)

    assert len(set(compiled)) >= len(matches)
    assert len(compiled) == len(set(compiled))


@pytest.mark.parametrize("name", ["live.example.com", "PUSH.example.com", "sub.example.com"])
def test_every_domain_leads_to_its_main_streaming_domain(name: str) -> None:
    assert POLICY.streaming(name) == "live.example.com"


def test_an_unknown_domain_leads_nowhere() -> None:
    assert POLICY.streaming("example.com") is None


def test_a_rule_is_named_for_what_it_matches() -> None:
    assert ROOM.name == "*/classroom/room42"


VIP = NamedBucket("vip-recordings", "oss-cn-beijing.aliyuncs.com", "vip*")
REST = NamedBucket("rest-recordings", "oss-cn-hangzhou.aliyuncs.com")


@pytest.mark.parametrize(
    ("buckets", "app", "bucket"),
    [
        ((), "vip", None),
        ((VIP,), "vip-1", VIP),
        ((VIP,), "other", None),
        ((VIP, REST), "vip-1", VIP),
        ((VIP, REST), "other", REST),
    ],
)
def test_the_first_bucket_that_fits_an_application_holds_its_recordings(
    buckets: tuple[NamedBucket, ...], app: str, bucket: NamedBucket | None
) -> None:
    policy = Policy(domains=(Domain("live.example.com", bucket=buckets),))
    assert policy.bucket_of("live.example.com", app) is bucket
    assert policy.bucket_of("tv.example.com", app) is None


@pytest.mark.parametrize(
    "endpoint",
    [
        *("oss-cn-beijing-internal.aliyuncs.com", "oss.example.com", "http://127.0.0.1:8080"),
        *(
            "oss-x.aliyuncs.com.example.com",
            "oss-x.aliyuncs.com/",
            "https://oss-x.aliyuncs.com",
            "",
        ),
    ],
)
def test_the_key_of_the_function_goes_to_no_host_but_oss(endpoint: str) -> None:
    text = f"""
        [[domain]]
        streaming = "live.example.com"
        [[domain.bucket]]
        name = "recordings"
        endpoint = "{endpoint}"
    """
    with pytest.raises(Misconfigured, match="public endpoint"):
        load_policy(text, kind="toml")


NAMES = ("", "a", "b", "ab", "cam", "cam1", "cam-b", "room", "a-cam", "?", "[a]")


@pytest.mark.parametrize("pattern", ["*", "cam*", "*cam", "a*b", "cam-*", "**", "r*m"])
@pytest.mark.parametrize("wider", ["*", "cam*", "*cam", "cam?", "[ac]*", "c*m*", "cam1", "a*b"])
def test_a_match_covers_a_pattern_only_if_it_holds_for_all_that_it_fits(
    pattern: str, wider: str
) -> None:
    match, of_pattern = Match("live.*", "app", wider), Match("live.example.com", "app", pattern)
    key = StreamKey("live.example.com", "app", pattern)
    named = [replace(key, stream=name) for name in NAMES]
    fitting = [one for one in named if of_pattern.holds(one)]

    if match.covers(key):
        assert all(map(match.holds, fitting))
    assert not match.covers(replace(key, app="other"))
    assert not match.covers(replace(key, domain="tv.example.com"))


@pytest.mark.parametrize(
    ("wider", "pattern", "covers"),
    [
        ("*", "cam*", True),
        ("cam*", "cam*", True),
        ("cam*", "cam-b*", True),
        ("cam*", "c*", False),
        ("cam?", "cam*", False),
        ("a*b", "a*b", True),
        ("cam*", "cam1", True),
        ("cam?", "cam1", True),
    ],
)
def test_a_narrower_pattern_is_covered(wider: str, pattern: str, covers: bool) -> None:
    assert Match(stream=wider).covers(StreamKey("live.example.com", "app", pattern)) is covers
