"""`live-record probe`: finds out by experiment what no documentation of Live describes."""
