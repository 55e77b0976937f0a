"""The ledger of a stream: when it was live, when it was recorded, what is missing and why.

The engine writes its edges; the API and the command line read the coverage computed from them. It
is pure: it knows neither clock nor store.
"""
