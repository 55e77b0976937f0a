"""Emulators for laptops and tests: of the two cloud services (`fc` and `live`), of Function
Compute's control API, of chat robots, of a receiver of webhooks, and a faulty proxy.

The command line starts `fc` and `live` as programs; tests start each in a thread. They share no
code with live-record itself and are never deployed.
"""
