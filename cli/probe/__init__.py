"""`live-record probe`: finds out by experiment what no documentation says about Live."""
