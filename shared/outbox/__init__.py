"""Durable tasks: work that follows from a change and is done later, at least once.

The store keeps them, and the engine's task runner does them. The package is pure: it knows neither
clock nor store.
"""
