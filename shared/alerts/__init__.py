"""Decides what is wrong with a stage over time, and which people to notify.

The function `notify` runs this package, and the API shows its results. The package is pure: it
knows no clock, no store and no robot.
"""
