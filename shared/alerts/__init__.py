"""Decides what is wrong with a stage, and which people to notify of it.

The function `notify` runs this package, and the API shows its results. The package is pure: it
knows no clock and no store, and it sends nothing.
"""
