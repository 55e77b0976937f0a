"""The command `report`: the gaps of recordings, as lines, JSON, CSV or a page."""
