"""`live-record try`: records streams of a real account from this machine, without a deploy."""
