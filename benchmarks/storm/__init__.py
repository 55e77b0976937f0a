"""The storm benchmark: a big event whose many streams begin at once, between the emulators.

`python -m benchmarks.storm` runs it with the deployed functions.
"""
