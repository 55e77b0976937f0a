"""`live-record setup`: configures Live as a stage needs it, and can undo that."""
