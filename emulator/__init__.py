"""Emulators of the two cloud services, for laptops and tests: `fc` and `live`.

The command line starts each as a program; tests start it in a thread.
They share no code with live-record itself and are never deployed.
"""
