"""Judges a recorded file by its size, its head and its tail.

`verify(expected)` is a generator without I/O. It yields `Stat(uri)` or `ReadRange(uri, start,
length)`, is sent the answer, and returns a `Verdict`. The answer to a Stat is the object's size in
bytes. The answer to a ReadRange is its bytes, fewer only if the object ends. Either answer may be
`ABSENT` (no such object) or `DENIED` instead. For one verdict, at most `MAX_BYTES` are read, in at
most `MAX_REQUESTS` requests. A failure that says nothing about the object (a timeout, a status 500)
is no answer: the caller closes the generator and verifies again later. If the verdict's `is_final`
is False, the caller also verifies again later, because the object may still come.

`shared.outbound.oss.judge` drives `verify` against a bucket, in a task of the function `files`.
Whatever the bytes are, `verify` raises nothing. It knows neither clock nor bucket.

This module exports only the types, for functions that read verdicts but judge nothing. `verify` is
in `shared.verification.verify`, and `media_playlist` parses playlists.
"""
