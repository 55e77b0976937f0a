"""Decides what is wrong with a stage over time, and which people to notify.

The function `notify` evaluates it and the API shows it. It is pure: it knows no clock, no store and
no robot.
"""
