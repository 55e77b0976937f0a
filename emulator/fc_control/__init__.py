"""Function Compute's control API, as far as a deploy needs it
(docs/platform/function-compute.md §6.3).

Tests of the deploy and of doctor run it. It runs no function; emulator.fc does.
"""
