"""Real media as the stand-in takes it in: RTMP in, FLV out. It knows nothing of Live's API."""
