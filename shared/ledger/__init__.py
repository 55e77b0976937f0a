"""The ledger of a stream: when it was live, when it was recorded, what is missing and why.

The ledger consists of edges: the times at which one of these states began or ended. The engine
writes the edges; the API and the command line read the coverage, which is computed from them. The
package is pure: it knows neither clock nor store.
"""
