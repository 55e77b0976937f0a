"""The ledger of a stream: when the stream was wanted, live and recorded, and why a part is missing.

The ledger consists of edges. Most edges note that one of these states began or ended. The engine
writes the edges; the API and the command line read the coverage, which is computed from them. The
package is pure: it knows neither clock nor store.
"""
