"""Real media: RTMP in, FLV out.

emulator.live takes publishers in with it; the command line pushes with it.
It must not know Live's API.
"""
