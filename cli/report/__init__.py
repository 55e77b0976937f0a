"""The command `report`: what is missing of which recording, as lines, JSON, CSV or a page."""
