"""Incidents: 40 streams, something that breaks, and what the answers say of it meanwhile.

Each incident has a stack of its own: the deployed functions between the two emulators. An operator
asks health, list, watch, why and doctor before something breaks, mostly 10 s and 60 s after that,
and for some incidents after 5 minutes. The judge compares each answer with what the emulator of
Live knows at the same time:

- `false`: an answer says something untrue. Its knowledge may be old if the answer says how old.
- `silent`: something is wrong for longer than 10 s, and an answer says that all is well.

To add one, write a function in catalogue.py that breaks something and returns what ends it.
"""
